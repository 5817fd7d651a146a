"""AGMH's network (Lu et al., ACM MM 2023): descriptors of one map, and the attention by which they are kept apart."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.backbones.backbone import Backbone, initialise

QUERIES = 4
"""The attention's queries, which are merged one after the other."""

TINY = 1e-9
"""It keeps a share of nothing finite."""


class AGMHOutputs(NamedTuple):
    """The outputs for b images."""

    codes: Tensor  # tanh outputs, [b, bits]
    attention: Tensor | None  # the largest attention of each head over its channels, [b, heads, h, w]


class AGMHNetwork(nn.Module):
    """Heads on the fourth stage's maps, whose pooled descriptors together give the code.

    The attention gives no part of the code. It is made in training alone, and only if it is ``attended`` to.

    ``stride``: of the fourth stage; with 1 its maps are as large as the trunk's
    ``width``: channels of a head; None for a quarter of the backbone's
    """

    new_layers = ("heads", "hash_layer", "attentions")

    def __init__(
        self, backbone: Backbone, bits: int, frozen_trunk: bool, *,
        heads: int, width: int | None, stride: int, attended: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.trunk = nn.Identity() if frozen_trunk else backbone.trunk()
        self.stage_four = backbone.stage_four(stride)
        channels = backbone.feature_channels
        width = width or max(1, channels // 4)
        self.heads = nn.ModuleList(_head(channels, width) for _ in range(heads))
        self.hash_layer = nn.Linear(heads * width, bits, bias=False)
        self.attentions = nn.ModuleList(StepwiseAttention(width) for _ in range(heads if attended else 0))
        self.to(memory_format=torch.channels_last)

    def forward(self, inputs: Tensor) -> AGMHOutputs:
        maps = self.stage_four(self.trunk(inputs))
        described = [head(maps) for head in self.heads]
        codes = torch.tanh(self.hash_layer(torch.cat([one.mean((2, 3)) for one in described], dim=1)).float())
        if not self.training or not self.attentions:
            return AGMHOutputs(codes, None)
        seen = [attend(one).amax(dim=1) for attend, one in zip(self.attentions, described, strict=True)]
        return AGMHOutputs(codes, torch.stack(seen, dim=1))


class StepwiseAttention(nn.Module):
    """Stepwise interactive external attention: maps [b, width, h, w] -> maps of the same shape, not below 0.

    Queries are merged one after the other. What they ask for is shared out over the places, and at each place over the
    memory's units, a quarter of ``width`` (published code: 128 units of 512 channels).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        units = max(1, width // 4)
        self.mixed = nn.Conv2d(width, width, 1)
        self.queries = nn.ModuleList(nn.Conv2d(width, units, 1, bias=False) for _ in range(QUERIES))
        self.merges = nn.ModuleList(nn.Conv2d(2 * units, units, 1, bias=False) for _ in range(QUERIES - 1))
        self.read = nn.Sequential(
            nn.Conv2d(units, width, 1, bias=False), nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width)
        )
        initialise(self)

    def forward(self, maps: Tensor) -> Tensor:
        mixed = self.mixed(maps)
        merged, *others = [query(mixed) for query in self.queries]
        for merge, other in zip(self.merges, others, strict=True):
            merged = merge(torch.cat([merged, other], dim=1))
        shares = merged.float().flatten(2).softmax(dim=2).view_as(merged)
        return (self.read(shares / (TINY + shares.sum(dim=1, keepdim=True))) + maps).relu()


def dispersion(attention: Tensor) -> Tensor:
    """The chance that two heads look at the same place, a mean over pairs of heads and images.

    ``attention`` [b, heads, h, w] becomes a share of each place by a softmax. The chance is 1 / (h w) where all heads
    look evenly, 0 where they look at different places.
    """
    shares = attention.float().flatten(2).softmax(dim=2)
    first, second = (list(side) for side in zip(*combinations(range(shares.shape[1]), 2), strict=True))
    return (shares[:, first] * shares[:, second]).sum(dim=2).mean()


def _head(channels: int, width: int) -> nn.Module:
    head = nn.Sequential(nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width), nn.ReLU())
    initialise(head)
    return head
