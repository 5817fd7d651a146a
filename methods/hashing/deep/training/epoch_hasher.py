"""Deep hashers that are trained by mini-batches over all train items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.interfaces import Context, Items
from methods.hashing.deep.training.settings import DeepHasher
from methods.parameters import Count

if TYPE_CHECKING:
    from torch import Tensor

    from methods.hashing.deep.training.epochs import Batch
    from methods.hashing.deep.training.learning import Learning


@dataclass(kw_only=True, eq=False)
class EpochHasher(DeepHasher):
    """Trained by mini-batches over all train items, for ``epochs``. A method gives its ``loss``. See `DeepHasher`."""

    family = "deep"
    epochs: Count = 50

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted terms of the loss of a batch; the training minimises their sum."""
        raise NotImplementedError

    def learning(self, train: Items, context: Context) -> Learning:
        from methods.hashing.deep.training.epochs import EpochLearning

        return EpochLearning(self, train, context)


def balance(same: Tensor) -> Tensor:
    """Weights of pairs, of the shape of ``same`` (1 where a pair is similar, and 0): all pairs over those of its kind.

    HashNet's Eq. (2). Similar and dissimilar pairs weigh as much as each other, however few one kind has.
    """
    similar = same.mean().clamp(min=1 / same.numel())
    dissimilar = (1 - same).mean().clamp(min=1 / same.numel())
    return same / similar + (1 - same) / dissimilar


def alike(first: Tensor, second: Tensor) -> Tensor:
    """Whether each of the first shares a class with each of the second, bool [b, n].

    Both are classes, [b] and [n], or sets of classes, bool [b, classes] and [n, classes].
    """
    if first.ndim == 1:
        return first[:, None] == second
    return first.float() @ second.float().T > 0
