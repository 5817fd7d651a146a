"""The features are the backbone's, whatever it was trained on."""

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision import transforms

from bench.interfaces import Context, Items
from methods.backbones import BackboneChoice
from methods.backbones.backbone import seeded
from methods.embedding.pretrained import Pretrained
from methods.trunk import prepare_backbone
from tests.methods.deep.conftest import toy_items

QUICK = {"backbone": "small", "weights": "none", "image_size": 16, "pretrain_epochs": 2}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def train():
    return toy_items(160, 0)


def test_features_are_the_last_maps_averaged(train, tmp_path):
    context = Context(cache=tmp_path)
    features = Pretrained(**QUICK, normalise=False, preprocessing="squash").fit(train, context).embed(train)
    backbone = prepare_backbone(BackboneChoice("small", "none", 16, True, 2), train, context)
    images = backbone.normalise(torch.from_numpy(train.images).permute(0, 3, 1, 2))
    with torch.inference_mode():
        maps = backbone.last_stage.eval()(backbone.first_stages.eval()(images))
    assert features.dtype == np.float32 and features.shape == (160, 128)
    # The trunk's outputs are kept as float16.
    np.testing.assert_allclose(features, maps.mean((2, 3)).numpy(), rtol=0.01, atol=0.01)


def test_normalised_features_are_the_same_at_unit_length(train):
    plain, unit = (
        Pretrained(**QUICK, normalise=normalise).fit(train, Context()).embed(train) for normalise in (False, True)
    )
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), rtol=1e-5, atol=1e-6)


def test_zero_features_stay_zero(train, monkeypatch):
    embedder = Pretrained(**QUICK).fit(train, Context())
    monkeypatch.setattr("methods.trunk.outputs", lambda *_: [torch.zeros(160, 128)])
    assert (embedder.embed(train) == 0).all()


def test_neighbours_are_of_the_same_class_after_pretraining(train):
    queries = toy_items(80, 1)
    embedder = Pretrained(**{**QUICK, "pretrain_epochs": 6}).fit(train, Context())
    nearest = np.argmax(embedder.embed(queries) @ embedder.embed(train).T, axis=1)
    assert np.mean(train.labels[nearest] == queries.labels) > 0.7


def test_features_of_a_resnet_are_torchvisions_of_its_own_test_images(train, tmp_path):
    """At 64 pixels, where Resize(256) and CenterCrop(224) of the published weights are 73 and 64."""
    with seeded(0):
        network = torchvision.models.resnet18(weights=None)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    embedder = Pretrained(
        backbone="resnet18", weights=str(tmp_path / "weights.pth"), image_size=64, normalise=False
    ).fit(train, Context())
    few = train.take(np.arange(8))
    steps = transforms.Compose([transforms.Resize(73), transforms.CenterCrop(64), transforms.PILToTensor()])
    features = embedder.embed(few)
    network.fc = torch.nn.Identity()
    images = torch.stack([steps(Image.fromarray(image)) for image in train.images[:8]]).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        expected = network.eval()((images - mean[:, None, None]) / std[:, None, None]).numpy()
    assert embedder.dim == features.shape[1] == 512
    np.testing.assert_allclose(features, expected, rtol=0.02, atol=0.02 * expected.max())


def test_random_weights_vectors_and_embedding_first_are_refused(train):
    with pytest.raises(ValueError, match="pretrain_epochs=0"):
        Pretrained(backbone="small", weights="none")
    vectors = Items(np.arange(3), np.zeros(3, np.int64), "x", vectors=np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match="vectors and no images"):
        Pretrained(**QUICK).fit(vectors, Context())
    with pytest.raises(ValueError, match="fit comes before embed"):
        Pretrained(**QUICK).embed(train)
