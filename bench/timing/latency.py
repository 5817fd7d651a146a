"""Times an index in this process: single queries on one thread, and batches on one thread and on all.

In a round one arm answers some queries. Before them the sentinel is timed, and the arm answers other queries until its
times are stable. The load of other processes and the threads that the arm used are kept with the times.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Corpus, Index, Int
from bench.system.machines import cores
from bench.timing.load import OtherLoad, one_thread, quiet, rest, seconds_of, sentinel

WARM_UP_BLOCK, WARM_UP_BLOCKS, STABLE = 20, 10, 0.05
"""Queries of a warm-up block, the most blocks, and the relative change of two blocks' medians that counts as stable."""

BATCH_QUERIES, WARM_UP_BATCH = 64, 32
"""The fewest queries of a batch for each thread, if there are so many; and the queries of its warm-up."""

UNEVEN = 10**6
"""Nanoseconds by which the clocks of CPU time and of wall time may differ over a round."""


@dataclass(frozen=True)
class Round:
    """One round of one arm. Milliseconds of single queries, of a query in a batch on all threads and on one, and of the
    sentinel; CPU time over wall time of the single queries; cores that other processes kept busy.
    """

    latency_ms: list[float]
    batch_ms: float
    batch_one_thread_ms: float
    sentinel_ms: float
    cpu_per_wall: float
    others: float


class EmptyQueries:
    """An index that finds nothing. It asks the database engine of another index for nothing, if this has one."""

    def __init__(self, index: Any, k: int) -> None:
        self._ask = getattr(index, "empty_query", None)
        self._ids = np.full((1, k), -1, dtype=np.int64)

    def search(self, queries: Corpus, k: int) -> Int:
        """Return the same empty answer each time."""
        if self._ask is not None:
            self._ask()
        return self._ids


def one_round(index: Index, queries: Corpus, rows: Int, k: int, batch_seconds: float) -> Round:
    """Time the queries at ``rows`` one by one on one thread, after a warm-up on others; then batches, which last
    ``batch_seconds`` on one thread and again on all.

    ``rows`` seeds the random order of a batch, so all indexes that answer these rows get the same batches.
    """
    singles = [queries.part(int(row), int(row) + 1) for row in rows]
    order = np.random.default_rng(rows).permutation(len(queries))
    spare = order[~np.isin(order, rows)][: WARM_UP_BLOCK * WARM_UP_BLOCKS]
    others = [queries.part(int(row), int(row) + 1) for row in spare] or singles
    rest()
    load = OtherLoad(batch_seconds)
    with quiet():
        with one_thread():
            steady = sentinel()
            warm_up(index, others, k)
            cpu, wall = time.process_time_ns(), time.perf_counter_ns()
            nanoseconds = timed(index, singles, k)
            cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
            alone = batch_ms(index, queries, order, k, batch_seconds, BATCH_QUERIES)
        on_all = batch_ms(index, queries, order, k, batch_seconds, BATCH_QUERIES * cores())
    busy = load.cores()
    rest()
    return Round((nanoseconds / 1e6).tolist(), on_all, alone, steady, max(0, cpu - UNEVEN) / wall, busy)


def batch_ms(index: Index, queries: Corpus, order: Int, k: int, seconds: float, least: int) -> float:
    """Milliseconds a query of a batch that is searched in one call. It has the first queries in ``order``, as many as
    last ``seconds``, but at least ``least`` or all. A shorter batch is repeated until the time is full.

    A warm-up on the last queries in ``order`` estimates the size, and starts the threads. A batch that lasts less than
    twice the time is first searched once untimed, because new memory of its size is slow.
    """
    some = queries.take(order[-WARM_UP_BATCH:])
    index.search(some, k)
    each = seconds_of(lambda: index.search(some, k)) / len(some)
    batch = queries.take(order[: max(least, int(seconds / max(each, 1e-9)))])
    if each * len(batch) < 2 * seconds:
        index.search(batch, k)
    spent = calls = 0.0
    while calls == 0 or spent < seconds:
        spent, calls = spent + seconds_of(lambda: index.search(batch, k)), calls + 1
    return 1e3 * spent / (calls * len(batch))


def timed(index: Any, singles: Sequence[Corpus], k: int) -> NDArray[np.int64]:
    """The nanoseconds of each query, int64 [queries]."""
    search, clock = index.search, time.perf_counter_ns
    nanoseconds = np.empty(len(singles), dtype=np.int64)
    for position, query in enumerate(singles):
        start = clock()
        search(query, k)
        nanoseconds[position] = clock() - start
    return nanoseconds


def warm_up(index: Any, singles: Sequence[Corpus], k: int) -> int:
    """Answer blocks of queries until the median time of a block is stable. Returns the number of blocks."""
    before = np.inf
    for block in range(WARM_UP_BLOCKS):
        chosen = [singles[i % len(singles)] for i in range(block * WARM_UP_BLOCK, (block + 1) * WARM_UP_BLOCK)]
        median = float(np.median(timed(index, chosen, k)))
        if abs(median - before) <= STABLE * median:
            return block + 1
        before = median
    return WARM_UP_BLOCKS


def overhead_ms(index: Index, queries: Corpus, k: int) -> float:
    """The milliseconds of an empty query, as a median: the harness's own time, and that of an engine and its driver."""
    singles = [queries.part(row, row + 1) for row in range(len(queries))]
    empty = EmptyQueries(index, k)
    rest()
    with one_thread(), quiet():
        warm_up(empty, singles, k)
        return float(np.median(timed(empty, singles, k))) / 1e6
