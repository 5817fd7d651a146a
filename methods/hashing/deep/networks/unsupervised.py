"""What the unsupervised deep hashers share: layers on fixed features, cosines of pairs, and signs with a gradient."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class FeatureOutputs(NamedTuple):
    """The network's outputs for b items."""

    codes: Tensor  # real values whose signs are the codes, [b, bits]
    features: Tensor  # what they are made of, [b, d]
    other_view: Tensor | None = None  # the values of a second view of each item, [b, bits]


class FeatureNetwork(nn.Module):
    """``layers`` on features [b, d], or on those of two views of each item, [b, 2, d]."""

    new_layers = ("layers",)

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, features: Tensor) -> FeatureOutputs:
        if features.ndim == 2:
            return FeatureOutputs(self.layers(features), features)
        codes, other_view = self.layers(features.flatten(0, 1)).unflatten(0, features.shape[:2]).unbind(1)
        return FeatureOutputs(codes, features[:, 0], other_view)


def pair_cosines(values: Tensor) -> Tensor:
    """The cosine of each row of the first half and its counterpart in the second half, [n, d] -> [n // 2].

    The last of an odd number of rows has no counterpart.
    """
    half = len(values) // 2
    return functional.cosine_similarity(values[:half], values[half : 2 * half])


def signs(values: Tensor) -> Tensor:
    """-1 or +1, and 0 is +1, as `bench.interfaces.Codes` has it; without a gradient."""
    return torch.where(values.detach() >= 0, 1.0, -1.0)


def half_signs(values: Tensor) -> Tensor:
    """+1 for the larger half of each column of [n, bits], -1 for the others, of which there is one more if n is odd.

    Without a gradient. Of equal values the first are the larger ones.
    """
    count = len(values)
    order = values.detach().argsort(dim=0, descending=True, stable=True)
    sides = torch.ones_like(values).masked_fill_((torch.arange(count, device=values.device) >= count // 2)[:, None], -1)
    return torch.empty_like(sides).scatter_(0, order, sides)


def passed_through(binary: Tensor, values: Tensor) -> Tensor:
    """``binary``, whose gradient goes to ``values`` unchanged."""
    return binary + (values - values.detach())
