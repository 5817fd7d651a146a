"""The networks of the deep hashers: a backbone's fourth stage and a hash layer, with or without local parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from methods.backbones.backbone import Backbone, initialise

if TYPE_CHECKING:
    from methods.hashing.deep.training.alternating_hasher import AttentionName


class Outputs(NamedTuple):
    """A network's outputs for b images."""

    codes: Tensor  # real values whose signs are the codes, [b, bits]
    scores: Tensor | None = None  # of the classes, [b, classes]


class Features(nn.Module):
    """Pooled features of the fourth stage, [b, feature_channels], from images or from the output of a frozen trunk."""

    def __init__(self, backbone: Backbone, frozen_trunk: bool) -> None:
        super().__init__()
        self.trunk = nn.Identity() if frozen_trunk else backbone.trunk()
        self.stage_four = backbone.stage_four(2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.stage_four(self.trunk(inputs)).mean((2, 3))


class HashNetwork(nn.Module):
    """Features, and a hash layer, which is linear.

    ``head``: in place of the linear layer, features [b, feature_channels] -> [b, bits].
    ``balanced``: batch normalisation follows the hash layer.
    ``bounded``: tanh follows the hash layer, in float32: in bfloat16 it is 1 from 3.5 on, and its gradient 0.
    ``classes``: if not 0, the network also scores so many classes, linearly in the signs of the codes. The gradient
        passes through the signs as if they were the outputs themselves (GreedyHash).
    """

    new_layers = ("hash_layer", "classifier")

    def __init__(
        self, backbone: Backbone, bits: int, frozen_trunk: bool, *,
        balanced: bool = False, bounded: bool = False, classes: int = 0, head: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.features = Features(backbone, frozen_trunk)
        layers = [head or nn.Linear(backbone.feature_channels, bits)]
        self.hash_layer = nn.Sequential(*layers, nn.BatchNorm1d(bits)) if balanced else nn.Sequential(*layers)
        self.bounded = bounded
        self.classifier = nn.Linear(bits, classes, bias=False) if classes else None

    def forward(self, inputs: Tensor) -> Outputs:
        codes = self.hash_layer(self.features(inputs))
        if self.bounded:
            codes = torch.tanh(codes.float())
        if self.classifier is None:
            return Outputs(codes)
        signs = torch.where(codes >= 0, 1.0, -1.0)
        return Outputs(codes, self.classifier(codes + (signs - codes).detach()))


class ClassCodeNetwork(nn.Module):
    """A classifier; an image is coded by the codebook's code of the class with the highest score.

    ``database_codebook``: ±1 float32 [classes, bits], which codes the labelled database too.
    """

    new_layers = ("classifier",)

    def __init__(self, backbone: Backbone, codebook: Tensor, frozen_trunk: bool) -> None:
        super().__init__()
        self.features = Features(backbone, frozen_trunk)
        self.classifier = nn.Linear(backbone.feature_channels, len(codebook))
        self.register_buffer("database_codebook", codebook)
        self.database_codebook: Tensor

    def forward(self, inputs: Tensor) -> Outputs:
        scores = self.classifier(self.features(inputs))
        return Outputs(self.database_codebook[scores.argmax(dim=1)], scores)


class Parts(NamedTuple):
    """The parts of b images, M each."""

    attention: Tensor  # maps A, [b, M, h, w]
    maps: Tensor  # part maps F, [b, M, C', h', w']
    local: Tensor  # part features f, [b, M, C']
    whole: Tensor  # the global feature, [b, C']


class PartFeatures(nn.Module):
    """Attention maps -> parts refined by one shared network, the whole by another: ExchNet's Eqs. (1)-(4).

    The input is images, or the trunk's output E if the trunk is frozen. ``attention`` maps E to [b, M, h, w]. With
    ``one_by_one`` each part passes its network alone, so that batch normalisation in training has the statistics of one
    part of all images.
    """

    def __init__(self, backbone: Backbone, attention: nn.Module, frozen_trunk: bool, one_by_one: bool = False) -> None:
        super().__init__()
        self.one_by_one = one_by_one
        self.trunk = nn.Identity() if frozen_trunk else backbone.trunk()
        self.attention = attention
        self.local_refinement = backbone.stage_four(2)
        self.global_refinement = backbone.stage_four(2)

    def forward(self, inputs: Tensor) -> Parts:
        maps = self.trunk(inputs)
        attention = self.attention(maps)
        batch, parts = attention.shape[:2]
        # With channels last, [b, 1, h, w, C] * [b, M, h, w, 1] makes one batch of all parts of all images.
        masked = maps.permute(0, 2, 3, 1)[:, None] * attention[..., None]
        if self.one_by_one:
            each = [self.local_refinement(part.permute(0, 3, 1, 2)) for part in masked.unbind(dim=1)]
            refined = torch.stack(each, dim=1).flatten(0, 1)
        else:
            refined = self.local_refinement(masked.flatten(0, 1).permute(0, 3, 1, 2))
        local = refined.mean((2, 3)).reshape(batch, parts, -1)
        whole = self.global_refinement(maps).mean((2, 3))
        return Parts(attention, refined.reshape(batch, parts, *refined.shape[1:]), local, whole)


def part_attention(kind: AttentionName, backbone: Backbone, parts: int) -> nn.Sequential:
    """E -> attention maps [b, parts, h, w], >= 0."""
    features, channels = attention_features(kind, backbone)
    return nn.Sequential(features, attention_head(channels, parts))


def new_attention(kind: AttentionName) -> str:
    """The part of ``part_attention`` that is not copied from the backbone, as a prefix of names."""
    return "parts.attention.1." if kind == "stage_four" else "parts.attention."


def attention_features(kind: AttentionName, backbone: Backbone) -> tuple[nn.Module, int]:
    """What attention heads read, E -> [b, channels, h, w], and its channels.

    "stage_four" is a copy of the backbone's at stride 1, and so begins as it was trained. "bottlenecks" is that of
    aassxun/DSH_Analysis and aassxun/SEMICON: three `Bottleneck` at stride 1 with random weights. Between two of them
    the channels become a quarter of what they were, 1,024 to 256 to 64 on ResNet-50.
    """
    if kind == "stage_four":
        return backbone.stage_four(1), backbone.feature_channels
    channels = backbone.trunk_channels
    layers: list[nn.Module] = [Bottleneck(channels)]
    for _ in range(2):
        fewer = max(1, channels // 4)
        layers += [nn.Conv2d(channels, fewer, 1, bias=False), nn.BatchNorm2d(fewer), Bottleneck(fewer)]
        channels = fewer
    branch = nn.Sequential(*layers)
    initialise(branch)
    return branch, channels


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions, a quarter as wide inside, at stride 1; its shortcut is the input itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = max(1, channels // 4)
        self.residual = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        return (self.residual(maps) + maps).relu()


def attention_head(channels: int, parts: int) -> nn.Module:
    """Channels to ``parts`` maps: 1x1 convolution, normalisation and ReLU, so that maps are >= 0 and unbounded.

    ExchNet's paper does not say how; aassxun/DSH_Analysis does it so.
    """
    head = nn.Sequential(nn.Conv2d(channels, parts, 1, bias=False), nn.BatchNorm2d(parts), nn.ReLU())
    initialise(head)
    return head
