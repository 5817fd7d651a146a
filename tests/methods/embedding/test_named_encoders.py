"""Encoders of timm and OpenCLIP by name: features are those of the library's own network on its own preparation."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from bench.interfaces import Context, Items, Unavailable
from methods.backbones.backbone import seeded
from methods.embedding.open_clip import OpenClip
from methods.embedding.preprocessing import seen
from methods.embedding.timm import Timm
from tests.clip_files import add_tiny

timm = pytest.importorskip("timm", reason="timm is not installed: pip install -e '.[foundation]'")
open_clip = pytest.importorskip("open_clip", reason="open_clip is not installed: pip install -e '.[foundation]'")
NOISE = np.random.default_rng(1).integers(0, 256, (3, 45, 38, 3))
IMAGES = np.stack([np.asarray(Image.fromarray(one.astype(np.uint8)).resize((190, 225))) for one in NOISE])
ITEMS = Items(np.arange(3), np.zeros(3, np.int64), "x", images=IMAGES)


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory):
    """A CLIP model that takes no time, under a name of OpenCLIP."""
    add_tiny(tmp_path_factory.mktemp("configurations"))


def features(network, transform):
    """What the library's own network and preparation make of the images."""
    batch = torch.stack([transform(Image.fromarray(image)) for image in IMAGES])
    with torch.inference_mode():
        return network.eval()(batch).numpy()


def timm_network(seed):
    with seeded(seed):
        return timm.create_model("test_vit", pretrained=False, num_classes=0)


def clip_model(seed):
    with seeded(seed):
        return open_clip.create_model("tiny-clip")


def of_timm(network):
    return features(network, timm.data.create_transform(**timm.data.resolve_model_data_config(network)))


def of_clip(model):
    from open_clip.transform import PreprocessCfg, image_transform_v2

    transform = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    return features(model.visual, transform)


CASES = [
    pytest.param(Timm, "test_vit", lambda seed: of_timm(timm_network(seed)), id="timm"),
    pytest.param(OpenClip, "tiny-clip", lambda seed: of_clip(clip_model(seed)), id="open_clip"),
]


@pytest.mark.parametrize(("plugin", "model", "expected"), CASES)
def test_features_are_those_of_the_library_on_its_own_preparation(plugin, model, expected):
    plain = plugin(model=model, weights="random", normalise=False).fit(ITEMS, Context(seed=3))
    wanted = expected(3)
    made = plain.embed(ITEMS)
    assert made.dtype == np.float32 and made.shape == wanted.shape == (3, plain.dim)
    # Pillow rounds between its two passes, and torch does not: a pixel may differ by one of 255.
    assert np.abs(made - wanted).max() < 0.05 * wanted.std()
    assert np.abs(made - expected(4)).max() > wanted.std()
    unit = plugin(model=model, weights="random").fit(ITEMS, Context(seed=3)).embed(ITEMS)
    np.testing.assert_allclose(unit, made / np.linalg.norm(made, axis=1, keepdims=True), rtol=1e-5)


def test_weights_of_a_file_are_those_that_are_used(tmp_path):
    with seeded(5):
        whole = timm.create_model("test_vit", pretrained=False, num_classes=7)
    save_file(whole.state_dict(), tmp_path / "vit.safetensors")
    whole.reset_classifier(0)
    said = []
    context = Context(seed=9, say=said.append)
    of_file = Timm(model="test_vit", weights=tmp_path / "vit.safetensors", normalise=False, seen="paintings")
    made = of_file.fit(ITEMS, context).embed(ITEMS)
    assert np.abs(made - of_timm(whole)).max() < 0.05 * made.std()
    model = clip_model(5)
    save_file(model.state_dict(), tmp_path / "clip.safetensors")
    of_file = OpenClip(model="tiny-clip", weights=str(tmp_path / "clip.safetensors"), normalise=False, seen="maps")
    made = of_file.fit(ITEMS, context).embed(ITEMS)
    assert np.abs(made - of_clip(model)).max() < 0.05 * made.std()
    ends = [line.partition("pre-training data of ")[2] for line in said]
    assert ends == ["test_vit vit.safetensors: paintings", "tiny-clip clip.safetensors: maps"]


def test_random_weights_say_that_they_have_seen_nothing():
    said = []
    Timm(model="test_vit", weights="random").fit(ITEMS, Context(say=said.append))
    assert said == ["weights = 'random': test_vit has seen no data, and its features mean nothing"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vit_small_patch14_dinov2.lvd142m pretrained", "LVD-142M"),
        ("vit_base_patch16_clip_224.openai_ft_in12k_in1k pretrained", r"WIT, .*; ImageNet-12k; ImageNet-1k \(by"),
        ("ViT-B-32 laion2b_s34b_b79k", r"LAION, .* name the classes \(by its name\)"),
        ("resnet50.a1_in1k pretrained", r"of resnet50.a1_in1k pretrained: ImageNet-1k \(by its name\)$"),
    ],
)
def test_names_tell_what_is_known_of_the_data(name, words):
    assert re.search(words, seen("", name))


@pytest.mark.parametrize(
    ("plugin", "values", "words"),
    [
        (Timm, {"model": "vit_of_nobody"}, r"^model = 'vit_of_nobody': timm .* has no such model$"),
        (OpenClip, {"model": "vit_of_nobody"}, r"^model = 'vit_of_nobody': OpenCLIP .* has no such model$"),
        (OpenClip, {"weights": "mine"}, r"^weights = 'mine': must be the path .* ViT-B-32, one of random, openai, "),
    ],
)
def test_a_name_that_a_library_does_not_know_is_told(plugin, values, words):
    with pytest.raises(ValueError, match=words):
        plugin(**values).fit(ITEMS, Context())


def test_weights_of_timm_that_are_no_file_are_told_at_once():
    with pytest.raises(ValueError, match=r"weights = 'mine': must be 'pretrained', 'random' or the path"):
        Timm(weights="mine")


@pytest.mark.parametrize(
    ("plugin", "library", "values"), [(Timm, timm, {"model": "test_vit.r160_in1k"}), (OpenClip, open_clip, {})]
)
def test_weights_that_cannot_be_had_are_one_line_with_the_ways_out(plugin, library, values, monkeypatch):
    def unreachable(*arguments, **more):
        raise OSError("no route to host\nand a second line")

    monkeypatch.setattr(library, "create_model", unreachable)
    with pytest.raises(
        ValueError, match=r"can't be had \(no route to host\): .* HF_HOME .* path of a file; 'random'"
    ) as told:
        plugin(**values).fit(ITEMS, Context())
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("plugin", [Timm, OpenClip])
def test_a_library_that_is_missing_makes_the_cell_unavailable(plugin, monkeypatch):
    monkeypatch.setattr("methods.embedding.frozen.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"pip install -e '.\[foundation\]'"):
        plugin().fit(ITEMS, Context())
