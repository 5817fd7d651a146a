"""ExchNet's network and its losses (Cui et al., ECCV 2020, section 3)."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.backbones.backbone import Backbone, initialise

# Keeps the gradient of a distance finite where the distance is zero.
TINY = 1e-12


class Outputs(NamedTuple):
    """What the network makes of b images with M parts."""

    codes: Tensor  # tanh outputs û, [b, bits]
    attention: Tensor  # maps A, [b, M, h, w]
    maps: Tensor  # part maps F, [b, M, C', h', w']
    local: Tensor  # part features f, never exchanged, [b, M, C']


class ExchNetNetwork(nn.Module):
    """Attention maps -> parts refined by one shared network, the whole by another -> tanh of a linear layer.

    With ``frozen_trunk`` its input is E, the output of the backbone's trunk, else images.
    """

    def __init__(self, backbone: Backbone, parts: int, bits: int, frozen_trunk: bool) -> None:
        super().__init__()
        channels = backbone.feature_channels
        self.trunk = nn.Identity() if frozen_trunk else backbone.trunk()
        # The paper does not say how maps come of the fourth stage: a 1x1 convolution, normalisation and ReLU,
        # as in the independent implementation aassxun/DSH_Analysis, so that maps are >= 0 and unbounded.
        to_maps = nn.Sequential(nn.Conv2d(channels, parts, 1, bias=False), nn.BatchNorm2d(parts), nn.ReLU())
        initialise(to_maps)
        self.attention = nn.Sequential(backbone.stage_four(1), to_maps)
        self.local_refinement = backbone.stage_four(2)
        self.global_refinement = backbone.stage_four(2)
        self.hash_layer = nn.Linear((parts + 1) * channels, bits)

    def forward(
        self, inputs: Tensor, anchors: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Outputs:
        """Eqs. (1)-(4), (8), (12). ``anchors`` [b, M, C'] of the images' classes: exchanged with, in training only."""
        maps = self.trunk(inputs)
        attention = self.attention(maps)
        batch, parts = attention.shape[:2]
        # Channels last: [b, 1, h, w, C] * [b, M, h, w, 1], and all parts of all images are one batch.
        masked = maps.permute(0, 2, 3, 1)[:, None] * attention[..., None]
        refined = self.local_refinement(masked.flatten(0, 1).permute(0, 3, 1, 2))
        local = refined.mean((2, 3)).unflatten(0, (batch, parts))
        whole = self.global_refinement(maps).mean((2, 3))
        used = local
        if self.training and anchors is not None:
            used = exchange(local, anchors, generator)
        codes = torch.tanh(self.hash_layer(torch.cat([used.flatten(1), whole], dim=1)))
        return Outputs(codes, attention, refined.unflatten(0, (batch, parts)), local)


def exchange(local: Tensor, anchors: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Eq. (8): each part feature [b, M, C'] is kept or replaced by its class's anchor, with probability 1/2 each."""
    keep = torch.rand(local.shape[:2], generator=generator) >= 0.5
    return torch.where(keep.to(local.device)[..., None], local, anchors.to(local.dtype))


def hellinger(logits: Tensor, ordered_pairs: bool) -> Tensor:
    """Mean pairwise Hellinger distance of the parts' softmax distributions: logits [b, M, d] -> [b], in 0..1.

    Eqs. (5) and (7) print a sum over all ordered pairs divided by the number of unordered ones, which is twice the
    mean: that is ``ordered_pairs``.
    """
    # exp(x / 2) of the log keeps the square root's gradient finite where a probability is 0.
    roots = torch.exp(torch.log_softmax(logits, dim=2) / 2)
    pairs = list(combinations(range(logits.shape[1]), 2))
    first, second = (list(side) for side in zip(*pairs, strict=True))
    squares = (roots[:, first] - roots[:, second]).square().sum(dim=2)
    distances = squares.clamp_min(TINY).sqrt().mean(dim=1) / 2**0.5
    return 2 * distances if ordered_pairs else distances


def spatial_loss(maps: Tensor, aggregation: str, ordered_pairs: bool) -> Tensor:
    """Eq. (5), L_sp per image [b], of part maps F [b, M, C', h', w']: parts should look at different places.

    ``aggregation``: over channels, "sum" as the paper says, or "mean".
    """
    over = maps.float().sum(dim=2) if aggregation == "sum" else maps.float().mean(dim=2)
    return 1 - hellinger(over.flatten(2), ordered_pairs)


def channel_loss(local: Tensor, margin: float, ordered_pairs: bool) -> Tensor:
    """Eqs. (6) and (7), L_cp per image [b], of part features f [b, M, C']: parts should use different channels."""
    return torch.relu(margin - hellinger(local.float(), ordered_pairs))


class HashLoss(NamedTuple):
    """Eq. (11) against all n codes V in O(q^2) per image: what V and S contribute, as sums over V.

    sum_j (u . v_j - q S_j)^2 = u^T (V^T V) u - 2 q u . (sum_j S_j v_j) + q^2 sum_j S_j^2.
    """

    gram: Tensor  # V^T V, [q, q]
    similar: Tensor  # sum_j S_cj v_j, [classes, q]
    squares: Tensor  # sum_j S_cj^2, [classes]

    def __call__(self, outputs: Tensor, classes: Tensor) -> Tensor:
        """The sum over all codes, for each tanh output [b, q] of an image of these classes [b]: [b]."""
        outputs = outputs.float()
        bits = outputs.shape[1]
        squared = ((outputs @ self.gram) * outputs).sum(dim=1)
        product = (outputs * self.similar[classes]).sum(dim=1)
        return squared - 2 * bits * product + bits**2 * self.squares[classes]
