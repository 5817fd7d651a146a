"""CHN's network (Zeng, Zheng, 2023): codes from the maps of three stages, classes from the last."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from methods.backbones.backbone import Backbone
from methods.hashing.deep.networks.zoom import magnified

ZOOM = 42
"""The part of a random stream's key that names the draws of peaks."""


class CHNOutputs(NamedTuple):
    """The outputs for b images."""

    codes: Tensor  # real values whose signs are the codes, [b, bits]
    scores: Tensor  # of the classes, [b, classes]; with a zoomed view the mean of both views
    balance: Tensor  # alpha of the code's and of the scores' loss, [2]


class CHNNetwork(nn.Module):
    """Maps of stages two, three and four, each with a head; the heads' features make the code, the last one's scores.

    The input is images, even if the trunk is frozen: its weights and statistics are then constants. The zoomed view is
    made in training alone, and passes what the scores need. The published code has dead layers, which are left out, and
    its heads update their statistics by 0.01 a batch and not by 0.1.

    ``width``: channels inside a head; it gives twice as many features
    ``database_codebook``: ±1 float32 [classes, bits], which codes the labelled database
    """

    new_layers = ("heads", "hash_layer", "classifier", "balance")

    def __init__(
        self, backbone: Backbone, codebook: Tensor, frozen_trunk: bool, *, width: int, zoom: bool, seed: int
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList([*backbone.trunk_in_two(), backbone.stage_four(2)])
        self.frozen_trunk, self.zoom, self.seed = frozen_trunk, zoom, seed
        self.stages[:2].requires_grad_(not frozen_trunk)
        channels = (backbone.stage_two_channels, backbone.trunk_channels, backbone.feature_channels)
        self.heads = nn.ModuleList(_head(inputs, width) for inputs in channels)
        classes, bits = codebook.shape
        self.hash_layer = nn.Sequential(
            nn.BatchNorm1d(6 * width), nn.Linear(6 * width, width), nn.BatchNorm1d(width), nn.ELU(),
            nn.Linear(width, bits),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Linear(2 * width, bits), nn.Linear(bits, classes))
        self.balance = nn.Parameter(torch.ones(2))
        self.register_buffer("database_codebook", codebook)
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.database_codebook: Tensor
        self.batches: Tensor

    def train(self, mode: bool = True) -> CHNNetwork:
        """The statistics of a frozen trunk stay as they are."""
        super().train(mode)
        if self.frozen_trunk:
            self.stages[:2].eval()
        return self

    def forward(self, images: Tensor) -> CHNOutputs:
        maps = self._maps(images)
        features = [head(one) for head, one in zip(self.heads, maps, strict=True)]
        codes, scores = self.hash_layer(torch.cat(features, dim=1)), self.classifier(features[-1])
        if self.training and self.zoom:
            near = magnified(images, maps[-1].sum(dim=1, keepdim=True), self._rng())
            scores = (scores + self.classifier(self.heads[-1](self._maps(near)[-1]))) / 2
        return CHNOutputs(codes, scores, self.balance)

    def _maps(self, images: Tensor) -> list[Tensor]:
        """The maps of stages two, three and four."""
        maps = [images]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]

    def _rng(self) -> np.random.Generator:
        """A generator for this batch, by the seed and the number of earlier batches, so that a training resumes."""
        self.batches += 1
        return np.random.default_rng((self.seed, ZOOM, int(self.batches)))


def _head(channels: int, width: int) -> nn.Module:
    """Maps [b, channels, h, w] -> the largest of each of 2 width features over the places, [b, 2 width]."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(),
    ).to(memory_format=torch.channels_last)  # fmt: skip
