"""What the indexes of other libraries have in common: is it there, on how many threads, how many bytes, which ids."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Corpus, Float, Int, Unavailable
from methods.search.inputs import at_least, features_of


def installed(module: str, extra: str = "ann") -> None:
    """Unavailable: the module is not installed. It is not imported here."""
    if importlib.util.find_spec(module) is None:
        raise Unavailable(f"{module} is not installed: pip install -e '.[{extra}]'")


def threads(rows: int) -> int:
    """One for a single query, else as many as the calling thread has CPUs."""
    if rows == 1:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def neighbours(
    owner: str, shape: tuple[int, ...], queries: Corpus, k: int, ask: Callable[[Float, int], NDArray[Any]]
) -> Int:
    """Ids int64 [q, k] by ``ask(vectors, found)``, which is never asked for more than the n items of ``shape`` [n, d].

    ``ask`` gives [q, found] with -1 where it finds fewer. ValueError: k < 1, or the queries are no features of d
    dimensions.
    """
    at_least(1, k=k)
    n, dim = shape
    vectors = features_of(queries, owner, dim)
    if len(vectors) == 0:
        return np.empty((0, k), dtype=np.int64)
    found = np.asarray(ask(vectors, min(k, n)), dtype=np.int64)
    return found if k <= n else np.pad(found, ((0, 0), (0, k - n)), constant_values=-1)


def most(ask: Callable[[int], NDArray[Any]], k: int, fault: type[Exception]) -> Int:
    """The neighbours of one query, int64 [k], by a graph search that raises ``fault`` when it finds fewer than asked.

    A graph of many equal items falls into pieces; then as many are taken as it finds, and the rest is -1.
    """

    def fails(wanted: int) -> bool:
        try:
            ask(wanted)
        except fault:
            return True
        return False

    found = bisect_left(range(1, k + 1), True, key=fails)
    ids = np.full(k, -1, dtype=np.int64)
    if found:
        ids[:found] = ask(found)
    return ids


def saved_bytes(save: Callable[[Path], Any]) -> int:
    """Bytes of what a library writes into a folder, which is then removed."""
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
