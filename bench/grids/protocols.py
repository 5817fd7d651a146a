"""The protocols: each selects rows of a data set's own splits by their classes.

``seen`` is the paper's: every class is trained on, and the queries search the whole database. The two others hold some
classes out of training. Their queries are of these, and search these (``unseen``) or all classes (``unseen_all``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.grids.measure import QuerySplit
from bench.interfaces import Int, Labels, SplitName

ProtocolName = Literal["seen", "unseen", "unseen_all"]
Classes = Literal["every", "seen", "unseen"]
CLASSES: dict[ProtocolName, dict[SplitName, Classes]] = {
    "seen": {"train": "every", "database": "every", "query": "every"},
    "unseen": {"train": "seen", "database": "unseen", "query": "unseen"},
    "unseen_all": {"train": "seen", "database": "every", "query": "unseen"},
}


@dataclass(frozen=True)
class ClassSplit:
    """The choice of the classes that are held out of training: a ``share`` of all classes, drawn by ``seed``.

    Raises ValueError: the share is not between 0 and 1, or the seed is below 0.
    """

    share: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"unseen_share = {self.share} must lie between 0 and 1")
        if self.seed < 0:
            raise ValueError(f"split_seed = {self.seed} must be at least 0")

    def unseen(self, labels: Labels) -> Int:
        """The labels of the classes that are held out, int64, ascending. ``labels``: those of items, in any order.

        Their number is the share of the classes, rounded to the nearest. It is at least one and leaves at least two.

        Raises ValueError: there are fewer than three classes.
        """
        classes = np.unique(labels) if labels.ndim == 1 else np.flatnonzero(labels.any(axis=0))
        if len(classes) < 3:
            raise ValueError(f"{len(classes)} classes can't be split into unseen and seen ones; at least 3 are needed")
        count = min(max(round(self.share * len(classes)), 1), len(classes) - 2)
        drawn = np.random.default_rng(self.seed).permutation(len(classes))[:count]
        return classes[np.sort(drawn)].astype(np.int64)


def rows(protocol: ProtocolName, split: SplitName, labels: Labels, unseen: Int) -> Int:
    """The rows of a split that take part in a protocol, int64, ascending.

    ``labels``: those of the split. ``unseen``: the labels that are held out of training. An item with a set of classes
    is held out if one of them is.

    Raises ValueError: there are no such rows.
    """
    classes = CLASSES[protocol][split]
    held_out = np.isin(labels, unseen) if labels.ndim == 1 else labels[:, unseen].any(axis=1)
    chosen = {"every": np.ones(len(labels), dtype=np.bool_), "seen": ~held_out, "unseen": held_out}[classes]
    if not chosen.any():
        raise ValueError(f"protocol = {protocol!r}: the {split} split has no item of the {classes} classes")
    return np.flatnonzero(chosen).astype(np.int64)


def drawn(rows: Int, queries: int, split: QuerySplit, seed: int) -> Int:
    """The queries' rows, int64, ascending: ``queries`` of ``rows`` (0: all), drawn by seed, or one half of these."""
    if queries in (0, len(rows)) and split == "all":
        return rows
    chosen = np.random.default_rng(seed).permutation(len(rows))[: queries or None]
    if split != "all":
        chosen = chosen[split == "tune" :: 2]
    return rows[np.sort(chosen)]


def select(array: NDArray[Any], rows: Int) -> NDArray[Any]:
    """The array's ascending ``rows``. If these are all rows, it is the array itself and not a copy."""
    return array if len(rows) == len(array) else array[rows]
