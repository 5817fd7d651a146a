"""A residual network for images of 32 to 64 pixels, cheap enough to be trained on two processor cores.

At 32 pixels the trunk does 10.7 million multiply-adds per image and E is [64, 8, 8]. The fourth stage does 1.9 million
with stride 2 and 7.6 million with stride 1. ExchNet runs it once per part, once for the whole and once at stride 1.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from torch import Tensor, nn

from methods.backbones import BackboneChoice
from methods.backbones.backbone import Backbone, fill, initialise, read_state, seeded

SYNTHETIC = Path(__file__).with_name("small_synthetic.safetensors")
"""Weights learned on procedural images, of classes that the default data set does not show."""
SYNTHETIC_SHA256 = "98ffe9170ca01ed46b32100148063743183bc57135c6129f6704142e643e8a08"
"""The digest is part of the source, so that other weights change the keys of their results."""


class Residual(nn.Module):
    """Two 3x3 convolutions beside an identity, or beside a 1x1 convolution if the shape changes."""

    def __init__(self, channels: int, middle: int, out: int, stride: int) -> None:
        super().__init__()
        self.reduce = _convolution(channels, middle, 3, stride)
        self.expand = _convolution(middle, out, 3, 1)
        same = stride == 1 and channels == out
        self.shortcut = nn.Identity() if same else _convolution(channels, out, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """[b, channels, h, w] -> [b, out, h / stride, w / stride]."""
        return self.relu(self.expand(self.relu(self.reduce(maps))) + self.shortcut(maps))


def load(choice: BackboneChoice, seed: int) -> Backbone:
    """The small network. A weights file has the names ``first_stages.*`` and ``last_stage.*``."""
    network = nn.ModuleDict()
    with seeded(seed):
        network["first_stages"] = nn.Sequential(
            *_convolution(3, 24, 3, 1), nn.ReLU(inplace=True),
            *_convolution(24, 32, 3, 2), nn.ReLU(inplace=True),
            *_convolution(32, 32, 3, 1), nn.ReLU(inplace=True),
            *_convolution(32, 64, 3, 2), nn.ReLU(inplace=True),
            Residual(64, 64, 64, 1),
        )  # fmt: skip
        network["last_stage"] = Residual(64, 64, 128, 2)
        initialise(network)
    if choice.weights == "synthetic":
        check_synthetic()
    if choice.weights != "none":
        path = SYNTHETIC if choice.weights == "synthetic" else Path(choice.weights)
        fill(network, read_state(path), str(path))
    return Backbone(
        name=choice.name,
        image_size=choice.image_size,
        mean=(127.5, 127.5, 127.5),
        std=(64.0, 64.0, 64.0),
        pretrained=choice.weights != "none",
        trunk_channels=64,
        feature_channels=128,
        first_stages=network["first_stages"],
        last_stage=network["last_stage"],
        stage_two=9,
        stage_two_channels=32,
    )


def check_synthetic() -> None:
    """Raises ValueError: the file of the synthetic weights is missing, or is not the one of this source."""
    if not SYNTHETIC.is_file():
        raise ValueError(f"weights='synthetic': {SYNTHETIC} is missing from this installation")
    if sha256(SYNTHETIC.read_bytes()).hexdigest() != SYNTHETIC_SHA256:
        raise ValueError(f"weights='synthetic': {SYNTHETIC} is damaged, or not the one of this version")


def _convolution(channels: int, out: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out))
