"""Features of an ONNX file are those of the same network in torch, on images as torchvision prepares them."""

import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.transforms import v2

from bench.interfaces import Context, Items
from methods.embedding.onnx import Onnx
from methods.embedding.preprocessing import Preprocessing, seen
from tests.onnx_files import convolution

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install -e '.[foundation]'")
WEIGHT = np.random.default_rng(0).standard_normal((5, 3, 3, 3), dtype=np.float32)
IMAGES = np.random.default_rng(1).integers(0, 256, (5, 20, 31, 3), dtype=np.uint8)
SETTINGS = {"image_size": 16, "resize": 18, "pooling": "mean", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}


@pytest.fixture
def items():
    return Items(np.arange(5), np.zeros(5, np.int64), "x", images=IMAGES)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "tiny_dinov2.onnx").write_bytes(convolution(WEIGHT, 16))
    return tmp_path / "tiny_dinov2.onnx"


def prepared(interpolation):
    mode = {"bilinear": v2.InterpolationMode.BILINEAR, "bicubic": v2.InterpolationMode.BICUBIC}[interpolation]
    steps = [v2.Resize(18, mode, antialias=True), v2.CenterCrop(16), v2.ToDtype(torch.float32, scale=True)]
    chain = v2.Compose([*steps, v2.Normalize(SETTINGS["mean"], SETTINGS["std"])])
    return torch.stack([chain(torch.from_numpy(image).permute(2, 0, 1)) for image in IMAGES])


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_images_are_prepared_as_torchvision_does(interpolation):
    steps = Preprocessing(16, 18, interpolation, SETTINGS["mean"], SETTINGS["std"])
    np.testing.assert_allclose(steps.read(IMAGES, range(5)), prepared(interpolation).numpy(), atol=1e-5)


@pytest.mark.parametrize("batch", ["b", 2])
def test_features_are_those_of_the_network_in_torch(items, path, batch):
    path.write_bytes(convolution(WEIGHT, 16, batch))
    expected = functional.conv2d(prepared("bicubic"), torch.from_numpy(WEIGHT)).mean((2, 3)).numpy()
    plain = Onnx(path=path, **SETTINGS, normalise=False).fit(items, Context())
    assert plain.dim == 5
    np.testing.assert_allclose(plain.embed(items), expected, rtol=1e-4, atol=1e-4)
    unit = Onnx(path=path, **SETTINGS).fit(items, Context()).embed(items)
    np.testing.assert_allclose(unit, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)


def test_a_fit_says_what_the_backbone_has_seen(items, path):
    said = []
    Onnx(path=path, **SETTINGS).fit(items, Context(say=said.append))
    Onnx(path=path, **SETTINGS, seen="my photographs").fit(items, Context(say=said.append))
    assert "LVD-142M" in said[0] and said[1] == "pre-training data of tiny_dinov2.onnx: my photographs"
    assert "not stated" in seen("", "encoder.onnx")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image_size": 17}, r"input 'pixels' is tensor\(float\) \['b', 3, 16, 16\]; right is .* 17, 17"),
        ({"pooling": "none"}, r"pooling = 'none': output 'maps' is \[1, 5, 14, 14\]; right is 'mean'"),
        ({"output": "map"}, "output = 'map': the file has maps"),
        ({"input": "pixel"}, "input = 'pixel': the file has pixels"),
        ({"sha256": "abcdefg"}, "sha256 = 'abcdefg': .* has another digest"),
        ({"resize": 10}, "resize = 10: must be 0, or at least image_size = 16"),
    ],
)
def test_what_does_not_fit_the_file_is_refused_with_what_would_be_right(items, path, values, words):
    with pytest.raises(ValueError, match=words):
        Onnx(path=path, **{**SETTINGS, **values}).fit(items, Context())


def test_missing_files_pickles_and_other_files_are_refused(items, tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        Onnx(path=tmp_path / "none.onnx")
    with pytest.raises(ValueError, match=r"path is missing: --set onnx\.path"):
        Onnx().fit(items, Context())
    (tmp_path / "a.onnx").write_bytes(pickle.dumps({}))
    torch.save({"a": torch.zeros(1)}, tmp_path / "b.onnx")
    for name in "ab":
        with pytest.raises(ValueError, match="a pickle or an archive"):
            Onnx(path=tmp_path / f"{name}.onnx")
    (tmp_path / "c.onnx").write_bytes(b"something else")
    with pytest.raises(ValueError, match="no ONNX file that onnxruntime opens"):
        Onnx(path=tmp_path / "c.onnx", **SETTINGS).fit(items, Context())
