"""Timing: latency one query at a time on one thread, throughput of the whole batch on all threads.

Rounds interleave the arms (A B … then … B A), every arm of a round answers the same queries, and all samples are kept:
drift of the machine then falls on all arms alike. What can't be timed here is kept out: building, encoding, compiling.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.interfaces import Corpus, Float, Index, Int


@dataclass(frozen=True)
class Arm:
    """An index with the query parameters it is asked with; several arms may share one built index."""

    index: Index
    parameters: dict[str, Any]
    queries: Corpus


@dataclass(frozen=True)
class Samples:
    """Latencies of one arm in one round: milliseconds float32 [queries], and CPU time over wall time."""

    milliseconds: Float
    cpu_per_wall: float


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS, OpenMP (faiss, torch) and numba on one thread inside."""
    numba = sys.modules.get("numba")
    before = numba.get_num_threads() if numba else None
    with threadpool_limits(limits=1):
        if numba:
            numba.set_num_threads(1)
        try:
            yield
        finally:
            if numba:
                numba.set_num_threads(before)


@contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection inside."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def latency_round(arms: Sequence[Arm], rows: Int, k: int, warm_up: int, reverse: bool) -> list[Samples]:
    """One round: every arm answers the queries at ``rows`` one by one, on one thread; results in the arms' order."""
    results: list[Samples | None] = [None] * len(arms)
    order = range(len(arms) - 1, -1, -1) if reverse else range(len(arms))
    with one_thread(), quiet():
        for position in order:
            arm = arms[position]
            arm.index.set_query(**arm.parameters)
            singles = [arm.queries.part(int(row), int(row) + 1) for row in rows]
            for query in singles[:warm_up]:
                arm.index.search(query, k)
            results[position] = _timed(arm.index, singles, k)
    return [result for result in results if result is not None]


def _timed(index: Index, singles: Sequence[Corpus], k: int) -> Samples:
    search, clock = index.search, time.perf_counter_ns
    nanoseconds = np.empty(len(singles), dtype=np.int64)
    cpu, wall = time.process_time_ns(), clock()
    for position, query in enumerate(singles):
        start = clock()
        search(query, k)
        nanoseconds[position] = clock() - start
    cpu, wall = time.process_time_ns() - cpu, clock() - wall
    return Samples((nanoseconds / 1e6).astype(np.float32), cpu / wall)


def batch(arm: Arm, k: int) -> tuple[Int, float]:
    """The neighbours of all the arm's queries, searched in one call on all threads, and the seconds it took."""
    arm.index.set_query(**arm.parameters)
    arm.index.search(arm.queries.part(0, 64), k)
    with quiet():
        start = time.perf_counter()
        neighbours = arm.index.search(arm.queries, k)
        seconds = time.perf_counter() - start
    return neighbours, seconds


def check_neighbours(neighbours: NDArray[Any], queries: int, k: int, database: int) -> None:
    """ValueError where an index's answer is not int64 [queries, k] of ids in 0 .. database - 1, or -1."""
    if neighbours.shape != (queries, k) or neighbours.dtype != np.int64:
        raise ValueError(f"search returned {neighbours.dtype} {list(neighbours.shape)}, expected int64 {[queries, k]}")
    if len(neighbours) and (neighbours.min() < -1 or neighbours.max() >= database):
        raise ValueError(
            f"search returned ids from {neighbours.min()} to {neighbours.max()}, expected -1 .. {database - 1}"
        )
    ordered = np.sort(neighbours, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("search returned an id twice for one query")


@dataclass(frozen=True)
class Rates:
    """What one thread of this machine can do: bytes read per second, floating-point operations per second."""

    bytes_per_second: float
    flops_per_second: float

    def floor_ms(self, bytes_read: float, flops: float) -> float:
        """The time below which no query that reads and computes this much can be answered, in milliseconds."""
        return 1e3 * max(bytes_read / self.bytes_per_second, flops / self.flops_per_second)


def machine_rates() -> Rates:
    """Measured now, on one thread: the best of several passes over 256 MB, and of 1,024³ matrix products."""
    long = np.ones(1 << 26, dtype=np.float32)
    square = np.ones((1024, 1024), dtype=np.float32)
    with one_thread(), quiet():
        read = min(_seconds(work) for work in (lambda: long.dot(long), long.max) for _ in range(8))
        multiply = min(_seconds(lambda: square @ square) for _ in range(8))
    return Rates(long.nbytes / read, 2 * 1024**3 / multiply)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
