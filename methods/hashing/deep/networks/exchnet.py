"""ExchNet's network, its losses and its anchors (Cui et al., ECCV 2020, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bench.interfaces import Int
from methods.backbones.backbone import Backbone
from methods.hashing.deep.networks.common import PartFeatures, new_attention, part_attention
from methods.hashing.deep.training.learning import ANCHORS, Learning

if TYPE_CHECKING:
    from methods.hashing.deep.training.alternating_hasher import AttentionName

# It keeps the gradient of a distance finite where the distance is zero.
TINY = 1e-12


class ExchNetOutputs(NamedTuple):
    """The network's outputs for b images with M parts."""

    codes: Tensor  # tanh outputs û, [b, bits]
    attention: Tensor  # maps A, [b, M, h, w]
    maps: Tensor  # part maps F, [b, M, C', h', w']
    local: Tensor  # part features f, never exchanged, [b, M, C']


class ExchNetNetwork(nn.Module):
    """Parts and whole -> tanh of a linear layer. The input is images, or the output E of a frozen trunk."""

    def __init__(
        self, backbone: Backbone, parts: int, bits: int, frozen_trunk: bool, attention: AttentionName = "stage_four"
    ) -> None:
        super().__init__()
        self.new_layers = ("hash_layer.", new_attention(attention))
        self.parts = PartFeatures(backbone, part_attention(attention, backbone, parts), frozen_trunk)
        self.hash_layer = nn.Linear((parts + 1) * backbone.feature_channels, bits)

    def forward(self, inputs: Tensor, anchors: Tensor | None = None, chances: Tensor | None = None) -> ExchNetOutputs:
        """Eqs. (1)-(4), (8), (12). In training, ``anchors`` [b, M, C'] of the images' classes are exchanged with.

        ``chances``: see `exchange`.
        """
        seen = self.parts(inputs)
        used = seen.local
        if self.training and anchors is not None and chances is not None:
            used = exchange(seen.local, anchors, chances)
        codes = torch.tanh(self.hash_layer(torch.cat([used.flatten(1), seen.whole], dim=1)).float())
        return ExchNetOutputs(codes, seen.attention, seen.maps, seen.local)


def exchange(local: Tensor, anchors: Tensor, chances: Tensor) -> Tensor:
    """Eq. (8): a part feature [b, M, C'] is kept or replaced by its class's anchor, each with probability 1/2.

    ``chances`` [b, M] are drawn from 0 to 1: a part whose chance is below 1/2 is replaced.
    """
    keep = chances >= 0.5
    return torch.where(keep.to(local.device)[..., None], local, anchors.to(local.dtype))


def hellinger(logits: Tensor, ordered_pairs: bool) -> Tensor:
    """Mean pairwise Hellinger distance of the parts' softmax distributions: logits [b, M, d] -> [b], in 0..1.

    Eqs. (5) and (7) print a sum over all ordered pairs divided by the number of unordered ones, which is twice the
    mean. ``ordered_pairs`` selects that.
    """
    # exp(x / 2) of the logarithm keeps the square root's gradient finite where a probability is 0.
    roots = torch.exp(torch.log_softmax(logits, dim=2) / 2)
    pairs = list(combinations(range(logits.shape[1]), 2))
    first, second = (list(side) for side in zip(*pairs, strict=True))
    squares = (roots[:, first] - roots[:, second]).square().sum(dim=2)
    distances = squares.clamp_min(TINY).sqrt().mean(dim=1) / 2**0.5
    return 2 * distances if ordered_pairs else distances


def spatial_loss(maps: Tensor, aggregation: str, ordered_pairs: bool) -> Tensor:
    """Eq. (5), L_sp per image [b], of part maps F [b, M, C', h', w']: parts should look at different places.

    ``aggregation``: "sum" over channels as in the paper, or "mean".
    """
    over = maps.float().sum(dim=2) if aggregation == "sum" else maps.float().mean(dim=2)
    return 1 - hellinger(over.flatten(2), ordered_pairs)


def channel_loss(local: Tensor, margin: float, ordered_pairs: bool) -> Tensor:
    """Eqs. (6) and (7), L_cp per image [b], of part features f [b, M, C']: parts should use different channels."""
    return torch.relu(margin - hellinger(local.float(), ordered_pairs))


def anchors(learning: Learning, per_class: int | None, step: int) -> Tensor:
    """Eq. (18): mean part features of each class, [classes, M, C'], of un-augmented images in evaluation mode."""
    rows = learning.rows
    if per_class is not None:
        rows = some_of_each(rows, learning.classes, per_class, (learning.seed, ANCHORS, step))
    training = learning.training
    rows = rows[training.share.rank :: training.share.world]
    features = ((made.local.float(), learning.classes[batch]) for batch, made in learning.evaluate(rows))
    return class_means(features, learning.class_count, training.total)


def class_means(
    batches: Iterable[tuple[Tensor, Int]], class_count: int, total: Callable[[Tensor], Tensor] = lambda sums: sums
) -> Tensor:
    """Means per class, [classes, M, C'], of batches (features [b, M, C'], classes int64 [b]); 0 for an empty class.

    ``total`` adds the sums of several ranks, each of which has batches of its own.

    Raises ValueError: there are no batches.
    """
    sums: Tensor | None = None
    counts = np.zeros(class_count, np.int64)
    for features, classes in batches:
        if sums is None:
            sums = torch.zeros(class_count, *features.shape[1:], dtype=torch.float64, device=features.device)
        members = torch.from_numpy(classes).to(features.device)
        sums.index_add_(0, members, features.double())
        counts += np.bincount(classes, minlength=class_count)
    if sums is None:
        raise ValueError("there are no items to take anchors from")
    sums, members = total(sums), total(torch.from_numpy(counts).to(sums.device))
    return (sums / members.clamp_min(1)[:, None, None]).float()


def some_of_each(rows: Int, classes: Int, per_class: int, key: tuple[int, ...]) -> Int:
    """At most ``per_class`` rows of each class, drawn by the key; ``classes`` are given by row."""
    mixed = np.random.default_rng(key).permutation(rows)
    order = mixed[np.argsort(classes[mixed], kind="stable")]
    sizes = np.bincount(classes[order])
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[rank < per_class])
