"""FISH's network (Chen, Luo, Wang, Guo, Xu, TIP 2022): places and classes are filtered, and salient places erased."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.backbones.backbone import Backbone
from methods.batches import ALONE

SHARES = 41
"""The part of a random stream's key that names the draws of shares."""


class FISHOutputs(NamedTuple):
    """The outputs for b images."""

    codes: Tensor  # real values whose signs are the codes, [b, bits]
    scores: Tensor  # of the classes, [b, classes]
    erased_scores: Tensor | None  # of the classes, for the images without their most salient places; in training alone


class FISHNetwork(nn.Module):
    """A classifier of filtered maps, and a linear layer from its filtered scores to the code.

    ``background``: weight of the places below the mean attention
    ``others``: weight of the scores of all classes but the best
    ``salient``: least share of the largest attention at which a place may be erased
    ``database_codebook``: ±1 float32 [classes, bits], which codes the labelled database
    """

    new_layers = ("classifier", "hash_layer")

    def __init__(
        self, backbone: Backbone, codebook: Tensor, frozen_trunk: bool, *,
        background: float, others: float, salient: float, seed: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.trunk = nn.Identity() if frozen_trunk else backbone.trunk()
        self.stage_four = backbone.stage_four(2)
        classes, bits = codebook.shape
        self.classifier = nn.Linear(backbone.feature_channels, classes)
        self.hash_layer = nn.Linear(classes, bits)
        self.background, self.others, self.salient, self.seed = background, others, salient, seed
        self.share = ALONE
        self.register_buffer("database_codebook", codebook)
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.database_codebook: Tensor
        self.batches: Tensor

    def forward(self, inputs: Tensor) -> FISHOutputs:
        maps = self.stage_four(self.trunk(inputs))
        scores = self.classifier(self._filtered(maps))
        codes = self.hash_layer(scores * class_weights(scores, self.others))
        if not self.training:
            return FISHOutputs(codes, scores, None)
        seen = inputs * kept_places(attention(maps), self._shares(inputs), (inputs.shape[2], inputs.shape[3]))
        return FISHOutputs(codes, scores, self.classifier(self._filtered(self.stage_four(self.trunk(seen)))))

    def _filtered(self, maps: Tensor) -> Tensor:
        """The mean over the weighted places, [b, channels]."""
        return (maps * place_weights(attention(maps), self.background)).mean((2, 3))

    def _shares(self, inputs: Tensor) -> Tensor:
        """A share for each image, drawn by the seed and the number of earlier batches, so that a training resumes."""
        rng = np.random.default_rng((self.seed, SHARES, int(self.batches)))
        self.batches += 1
        rank, world = self.share.rank, self.share.world
        return torch.from_numpy(rng.uniform(self.salient, 1, len(inputs) * world)[rank::world]).to(inputs)


def attention(maps: Tensor) -> Tensor:
    """The sum over the channels, a constant, [b, 1, h, w]."""
    return maps.detach().float().sum(dim=1, keepdim=True)


def place_weights(attention: Tensor, background: float) -> Tensor:
    """1 at places of mean attention or more, ``background`` at the others, [b, 1, h, w].

    The published code has 0 at exactly the mean attention, which would erase a map of one place.
    """
    return torch.where(attention >= attention.mean((2, 3), keepdim=True), 1.0, background)


def class_weights(scores: Tensor, others: float) -> Tensor:
    """1 for the class with the highest score, ``others`` for all others, [b, classes]."""
    return torch.full_like(scores, others).scatter(1, scores.argmax(dim=1, keepdim=True), 1.0)


def kept_places(attention: Tensor, shares: Tensor, size: tuple[int, int]) -> Tensor:
    """0 where the attention, scaled up to ``size``, reaches an image's share of its maximum, else 1, [b, 1, *size]."""
    large = functional.interpolate(attention, size=size, mode="bilinear", align_corners=True)
    return (large < shares[:, None, None, None] * large.amax((2, 3), keepdim=True)).to(shares.dtype)
