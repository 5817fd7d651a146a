"""Timing inside one process: latency one query at a time on one thread, and batches on one thread and on all.

A round asks one arm some queries. Before it the arm answers other queries until its times stand still, and a kernel
that never changes is timed: if that moves from round to round, the machine did. What other processes took meanwhile,
and how many threads the arm used, is kept with the times.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Corpus, Index, Int
from bench.timing.load import OtherLoad, one_thread, quiet, rest, seconds_of, sentinel

WARM_UP_BLOCK, WARM_UP_BLOCKS, STABLE = 20, 10, 0.05
"""Queries of a warm-up block, blocks at most, and the change between two blocks' medians that counts as none."""

BATCH_QUERIES, WARM_UP_BATCH = 64, 32
"""Queries for each thread that a batch has at least, where there are so many; and queries of its warm-up."""

UNEVEN = 10**6
"""Nanoseconds by which the clocks of CPU time and of wall time may differ over a round."""


@dataclass(frozen=True)
class Round:
    """One round of one arm: latencies in milliseconds, those of a query in a batch on all threads and on one, and the
    sentinel kernel's; CPU over wall time of the latencies; cores that others kept busy.
    """

    latency_ms: list[float]
    batch_ms: float
    batch_one_thread_ms: float
    sentinel_ms: float
    cpu_per_wall: float
    others: float


class NullIndex:
    """An index that answers with nothing: what it takes is the harness's own time."""

    def __init__(self, queries: int, k: int) -> None:
        self._ids = np.full((queries, k), -1, dtype=np.int64)

    def search(self, queries: Corpus, k: int) -> Int:
        """The same empty answer each time."""
        return self._ids


def one_round(index: Index, queries: Corpus, rows: Int, k: int, batch_seconds: float) -> Round:
    """Latencies of the queries at ``rows``, asked one by one on one thread, after a warm-up on others; then batches,
    which last ``batch_seconds`` on one thread and again on all.

    A batch is of queries in random order, which ``rows`` decides: the same for every index that is asked these rows.
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
    """Milliseconds a query of a batch, searched in one call: of the first queries in ``order``, as many as last
    ``seconds``, but at least ``least`` or all there are; what is over sooner is repeated until the time is full.

    How many that are is found by a warm-up on the last ones in ``order``, which also starts the threads. A batch that
    does not last much longer than the time is first searched once untimed: memory of its size is slow when it is new.
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


def cores() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def timed(index: Any, singles: Sequence[Corpus], k: int) -> NDArray[np.int64]:
    """Nanoseconds of each query, int64 [queries]."""
    search, clock = index.search, time.perf_counter_ns
    nanoseconds = np.empty(len(singles), dtype=np.int64)
    for position, query in enumerate(singles):
        start = clock()
        search(query, k)
        nanoseconds[position] = clock() - start
    return nanoseconds


def warm_up(index: Index, singles: Sequence[Corpus], k: int) -> int:
    """Ask blocks of queries until their median stands still. Returns how many blocks it took."""
    before = np.inf
    for block in range(WARM_UP_BLOCKS):
        chosen = [singles[i % len(singles)] for i in range(block * WARM_UP_BLOCK, (block + 1) * WARM_UP_BLOCK)]
        median = float(np.median(timed(index, chosen, k)))
        if abs(median - before) <= STABLE * median:
            return block + 1
        before = median
    return WARM_UP_BLOCKS


def overhead_ms(queries: Corpus, k: int) -> float:
    """What the loop itself takes a query, in milliseconds: the median for an index that does nothing."""
    singles = [queries.part(row, row + 1) for row in range(len(queries))]
    with one_thread(), quiet():
        return float(np.median(timed(NullIndex(1, k), singles, k))) / 1e6
