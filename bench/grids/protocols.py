"""The protocols: each selects rows of a data set's own splits by their classes.

``seen`` is the paper's: every class is trained on, and the queries search the whole database. The four others hold some
classes out of training, and are four readings of one training. Queries of the classes that were trained on search items
of these (``seen_seen``) or all items (``seen_all``). Queries of the held-out classes search items of these (``unseen``)
or all items (``unseen_all``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.grids.measure import QuerySplit
from bench.interfaces import Int, Labels, SplitName

ProtocolName = Literal["seen", "seen_seen", "seen_all", "unseen", "unseen_all"]
Classes = Literal["every", "seen", "unseen"]
UnseenChoice = Literal["drawn", "last"]
"""The classes that are held out: drawn by seed, or the last by their number."""

MOST_NAMED = 100_000
"""The most classes in a range of their numbers."""

CLASSES: dict[ProtocolName, dict[SplitName, Classes]] = {
    "seen": {"train": "every", "database": "every", "query": "every"},
    "seen_seen": {"train": "seen", "database": "seen", "query": "seen"},
    "seen_all": {"train": "seen", "database": "every", "query": "seen"},
    "unseen": {"train": "seen", "database": "unseen", "query": "unseen"},
    "unseen_all": {"train": "seen", "database": "every", "query": "unseen"},
}


HELD_OUT: tuple[ProtocolName, ...] = tuple(name for name in CLASSES if CLASSES[name]["train"] != "every")
"""The protocols that hold classes out of training."""


@dataclass(frozen=True)
class ClassSplit:
    """The choice of the classes that are held out of training: a ``share`` of all classes, drawn by ``seed`` or the
    last by their number. ``numbers``: the numbers of these classes, where they are named one by one.

    Raises ValueError: the share is not between 0 and 1, or the seed is below 0.
    """

    share: float = 0.25
    seed: int = 0
    choice: UnseenChoice = "drawn"
    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"unseen_share = {self.share} must lie between 0 and 1")
        if self.seed < 0:
            raise ValueError(f"split_seed = {self.seed} must be at least 0")

    def identity(self) -> dict[str, Any]:
        """What decides the split. That of a drawn one names no choice, as when there was no other."""
        if self.numbers:
            return {"numbers": list(self.numbers)}
        return {"share": self.share, "seed": self.seed} if self.choice == "drawn" else {"last": self.share}

    def describe(self) -> str:
        """The choice in a few words: "0.25 drawn by seed 0", "the last 0.05", or "numbers 190-199, 287-291"."""
        if self.numbers:
            return f"numbers {_as_ranges(self.numbers)}"
        return f"{self.share:g} drawn by seed {self.seed}" if self.choice == "drawn" else f"the last {self.share:g}"

    def unseen(self, labels: Labels) -> Int:
        """The labels of the classes that are held out, int64, ascending. ``labels``: those of items, in any order.

        Their number is the share of the classes, rounded to the nearest. It is at least one and leaves at least two.

        Raises ValueError: there are fewer than three classes, or a class that is named by its number has no item, or
        those that are named leave fewer than two.
        """
        classes = np.unique(labels) if labels.ndim == 1 else np.flatnonzero(labels.any(axis=0))
        if len(classes) < 3:
            raise ValueError(f"{len(classes)} classes can't be split into unseen and seen ones; at least 3 are needed")
        if self.numbers:
            return self._named(classes.astype(np.int64))
        count = min(max(round(self.share * len(classes)), 1), len(classes) - 2)
        if self.choice == "last":
            return classes[-count:].astype(np.int64)
        drawn = np.random.default_rng(self.seed).permutation(len(classes))[:count]
        return classes[np.sort(drawn)].astype(np.int64)

    def _named(self, classes: Int) -> Int:
        named = np.unique(np.array(self.numbers, dtype=np.int64))
        missing = np.setdiff1d(named, classes)
        if len(missing):
            told = f"class {missing[0]} of unseen_numbers has no item"
            raise ValueError(f"{told}; the data have classes {classes[0]} to {classes[-1]}")
        if len(classes) - len(named) < 2:
            raise ValueError(f"unseen_numbers names {len(named)} of {len(classes)} classes; at least 2 must stay seen")
        return named


def class_numbers(text: str) -> tuple[int, ...]:
    """The numbers that a text such as "190-199, 287-291, 7" names, each once, ascending.

    Raises ValueError: a part is no whole number and no range of them.
    """
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", part, re.ASCII)
        if match is None:
            raise ValueError(f"{part.strip()!r} must be the number of a class or a range such as 190-199")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 <= last - first < MOST_NAMED:
            raise ValueError(f"{part.strip()!r} must go up, over fewer than {MOST_NAMED:,} classes")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def _as_ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as the text that ``class_numbers`` reads."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)


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
