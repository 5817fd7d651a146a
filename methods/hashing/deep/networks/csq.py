"""The head of CSQ's published network (Yuan et al., CVPR 2020), between a backbone's features and tanh."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from methods.batches import ALONE

DROPS = 43
"""The part of a random stream's key that names the draws of what is dropped."""


class DeepHead(nn.Module):
    """Two hidden layers as wide as the features, each with ReLU, and a linear layer: [b, width] -> [b, bits].

    In training half of the first layer's outputs are dropped, and the others doubled. The draw depends on the seed and
    on the number of the batch alone, so that a resumed training equals an uninterrupted one.
    """

    def __init__(self, width: int, bits: int, seed: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.last = nn.Linear(width, bits)
        self.seed, self.share = seed, ALONE
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self.batches: Tensor

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.first(features).relu()
        if self.training:
            hidden = 2 * hidden * self._kept(hidden)
        values: Tensor = self.last(self.second(hidden).relu())
        return values

    def _kept(self, hidden: Tensor) -> Tensor:
        rng = np.random.default_rng((self.seed, DROPS, int(self.batches)))
        self.batches += 1
        rank, world = self.share.rank, self.share.world
        kept = rng.integers(0, 2, (len(hidden) * world, hidden.shape[1]), dtype=np.bool_)[rank::world]
        return torch.from_numpy(kept).to(hidden.device)
