"""The networks of the deep hashers: a backbone's fourth stage and a hash layer, with or without local parts."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.backbones.backbone import Backbone, initialise


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
    """Features, and a linear hash layer.

    ``balanced``: batch normalisation follows the hash layer.
    ``bounded``: tanh follows the hash layer, in float32: in bfloat16 it is 1 from 3.5 on, and its gradient 0.
    ``classes``: if not 0, the network also scores so many classes, linearly in the signs of the codes. The gradient
        passes through the signs as if they were the outputs themselves (GreedyHash).
    """

    new_layers = ("hash_layer", "classifier")

    def __init__(
        self, backbone: Backbone, bits: int, frozen_trunk: bool, *,
        balanced: bool = False, bounded: bool = False, classes: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.features = Features(backbone, frozen_trunk)
        layers = [nn.Linear(backbone.feature_channels, bits)]
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

    The input is images, or the trunk's output E if the trunk is frozen. ``attention`` maps E to [b, M, h, w]. The
    default is the fourth stage at stride 1, whose channels become ``parts`` maps.
    """

    def __init__(self, backbone: Backbone, parts: int, frozen_trunk: bool, attention: nn.Module | None = None) -> None:
        super().__init__()
        channels = backbone.feature_channels
        self.trunk = nn.Identity() if frozen_trunk else backbone.trunk()
        self.attention = attention or nn.Sequential(backbone.stage_four(1), attention_head(channels, parts))
        self.local_refinement = backbone.stage_four(2)
        self.global_refinement = backbone.stage_four(2)

    def forward(self, inputs: Tensor) -> Parts:
        maps = self.trunk(inputs)
        attention = self.attention(maps)
        batch, parts = attention.shape[:2]
        # With channels last, [b, 1, h, w, C] * [b, M, h, w, 1] makes one batch of all parts of all images.
        masked = maps.permute(0, 2, 3, 1)[:, None] * attention[..., None]
        refined = self.local_refinement(masked.flatten(0, 1).permute(0, 3, 1, 2))
        local = refined.mean((2, 3)).unflatten(0, (batch, parts))
        whole = self.global_refinement(maps).mean((2, 3))
        return Parts(attention, refined.unflatten(0, (batch, parts)), local, whole)


def attention_head(channels: int, parts: int) -> nn.Module:
    """Channels to ``parts`` maps: 1x1 convolution, normalisation and ReLU, so that maps are >= 0 and unbounded.

    ExchNet's paper does not say how; aassxun/DSH_Analysis does it so.
    """
    head = nn.Sequential(nn.Conv2d(channels, parts, 1, bias=False), nn.BatchNorm2d(parts), nn.ReLU())
    initialise(head)
    return head
