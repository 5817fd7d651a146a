"""Reads the stored times, neighbours, features and codes that panels are computed from. It makes none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.grids.cells import Cell
from bench.interfaces import Int
from bench.records import book, keys
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline
from bench.store.entries import Damaged, Entry, Made, Meta, Store
from bench.system.wording import one_line

DRAWN_DIGITS, PRINTED_DIGITS = 4, 9
"""The significant digits of a number that is drawn alone, and of one that the page rounds and prints."""


class Kept(Store):
    """A store that is read and never written."""

    def once(self, kind: str, key: str, make: Callable[[], Made], holds: Callable[[Meta], bool] | None = None) -> Entry:
        """The entry, which is never made.

        Raises ValueError: it lacks arrays that ``holds`` demands. Other errors: see ``read``.
        """
        entry = self.read(kind, key)
        if holds is not None and not holds(entry.meta):
            raise ValueError(f"some of the {kind} that it needs are not stored")
        return entry


class Finished(NamedTuple):
    """A finished cell, its position in the grid, and the key of its record."""

    position: int
    key: str
    cell: Cell


class Stored:
    """The finished cells of a grid on one data set, with their stored results.

    ``cells``: a row for each cell of the grid, in its order, with the columns ``key`` and ``status``.
    """

    def __init__(self, pipeline: Pipeline, results: Store, cells: pd.DataFrame):
        """Read nothing yet."""
        self.pipeline = replace(
            pipeline, store=Kept(pipeline.store.root, pipeline.store.say, memory=pipeline.store.memory)
        )
        self.results, self.cells = results, cells.reset_index(drop=True)
        self.corpora = Corpora(self.pipeline)

    def searches(self) -> list[Finished]:
        """The finished cells that search."""
        return [one for one in self._finished() if one.cell.index is not None]

    def rankings(self) -> list[Finished]:
        """The finished cells that rank the whole database."""
        return [one for one in self._finished() if one.cell.index is None]

    def times(self, key: str) -> NDArray[Any]:
        """The milliseconds of single queries in a record.

        Raises ValueError: the record has none.
        """
        arrays = self.results.read(book.KIND, key).arrays
        if "latency_ms" not in arrays:
            raise ValueError("no times of single queries are stored")
        return arrays["latency_ms"]

    def neighbours(self, cell: Cell) -> Int:
        """The answers of a search, ids int64 [queries, k]."""
        key = keys.search_key(self.pipeline, cell)
        return self.results.read("neighbours", key).arrays["neighbours"]

    def _finished(self) -> list[Finished]:
        done = self.cells["status"].eq("ok").fillna(False).to_numpy(dtype=bool)
        keys, cells = self.cells["key"], self.pipeline.grid.cells
        return [Finished(at, str(keys.iloc[at]), cells[at]) for at in np.flatnonzero(done).tolist()]


def by_key(cells: Iterable[Finished], make: Callable[[Finished], Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The results of ``make`` by record key, and the reasons why cells have none, each with the number of cells.

    A cell for which ``make`` returns None has nothing to show.
    """
    found: dict[str, Any] = {}
    reasons: Counter[str] = Counter()
    for one in cells:
        try:
            part = make(one)
        except (OSError, ValueError) as fault:
            reasons[reason(fault)] += 1
        else:
            if part is not None:
                found[one.key] = part
    return found, [{"cells": count, "reason": text} for text, count in reasons.items()]


def reason(fault: Exception) -> str:
    """The reason of a failure to read, in words that fit any machine, so without paths."""
    if isinstance(fault, Damaged):
        return "an array that it needs is damaged"
    if isinstance(fault, FileNotFoundError):
        return "an array that it needs is no longer stored"
    return one_line(getattr(fault, "strerror", None) or str(fault) or type(fault).__name__)


def rounded(values: NDArray[Any] | Iterable[float], digits: int = DRAWN_DIGITS) -> list[float | None]:
    """The numbers to so many significant digits. None for a number that is not finite."""
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in np.asarray(values).tolist()]


def drawn(count: int, most: int, seed: int) -> Int:
    """At most ``most`` of ``count`` positions, drawn by seed, int64, ascending."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False)).astype(np.int64)
