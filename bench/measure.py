"""Timing inside one process: latency one query at a time on one thread, and batches on one thread and on all.

A round asks one arm some queries. Before it the arm answers other queries until its times stand still, and a kernel
that never changes is timed: if that moves from round to round, the machine did. What other processes took meanwhile,
and how many threads the arm used, is kept with the times.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bench.interfaces import Corpus, Index, Int

WARM_UP_BLOCK, WARM_UP_BLOCKS, STABLE = 20, 10, 0.05
"""Queries of a warm-up block, blocks at most, and the change between two blocks' medians that counts as none."""

BATCH_QUERIES, WARM_UP_BATCH = 64, 32
"""Queries for each thread that a batch has at least, where there are so many; and queries of its warm-up."""

SENTINEL_VALUES, SENTINEL_REPEATS = 2**18, 7
UNEVEN = 10**6
"""Nanoseconds by which the clocks of CPU time and of wall time may differ over a round."""

TICKS = 3
"""By which the time that the system says all processors were busy may be wrong."""

LOADED, RETAKES = 0.3, 2
"""Cores that others may keep busy during a round; above it the round is taken again, so many times."""

UNSTABLE = 0.1
"""How far the sentinel's times may lie apart inside a replicate."""

REST, RESTS, IDLE = 0.02, 50, 0.1
"""Seconds between two looks at whether this process is idle; looks at most; processors that an idle one may take."""

SEEN = 0.1
"""Seconds over which the load of others is looked at: in less time a busy core is lost among the ticks. Who asks for
shorter batches than that is not made to wait for it.
"""


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


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS, OpenMP (faiss, torch) and numba on one thread inside, and all that is started there on one CPU."""
    numba = sys.modules.get("numba")
    before = numba.get_num_threads() if numba else None
    with threadpool_limits(limits=1):
        if numba:  # whose threads start now: before this one is pinned, as they would be with it
            numba.set_num_threads(1)
        try:
            with _pinned():
                yield
        finally:
            if numba:
                numba.set_num_threads(before)


@contextmanager
def _pinned() -> Iterator[None]:
    """The calling thread on one CPU inside, with the threads that it starts, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})  # the system's own work tends to the first
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection inside."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


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


def rest() -> None:
    """Wait until this process is idle: threads of an earlier batch spin for some time before they sleep."""
    for _ in range(RESTS):
        busy = time.process_time()
        time.sleep(REST)
        if time.process_time() - busy < IDLE * REST:
            return


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


def sentinel() -> float:
    """Milliseconds of a kernel that never changes: the least of several passes over a megabyte."""
    values = np.ones(SENTINEL_VALUES, dtype=np.float32)
    return 1e3 * min(seconds_of(lambda: values.dot(values)) for _ in range(SENTINEL_REPEATS))


def overhead_ms(queries: Corpus, k: int) -> float:
    """What the loop itself takes a query, in milliseconds: the median for an index that does nothing."""
    singles = [queries.part(row, row + 1) for row in range(len(queries))]
    with one_thread(), quiet():
        return float(np.median(timed(NullIndex(1, k), singles, k))) / 1e6


class OtherLoad:
    """How many cores other processes keep busy, from now on.

    The system counts in ticks: what may be an error of TICKS of them does not count.
    """

    def __init__(self, seconds: float = SEEN) -> None:
        """It looks over these seconds at least, or over SEEN where they are more."""
        self._seconds = min(seconds, SEEN)
        self._start = self._now()

    def cores(self) -> float:
        """On average since the start; if that was less than the seconds ago, they are waited for."""
        time.sleep(max(0.0, self._seconds - (time.perf_counter() - self._start[0])))
        wall, busy, own = (now - start for now, start in zip(self._now(), self._start, strict=True))
        return max(0.0, busy - own - TICKS / os.sysconf("SC_CLK_TCK")) / wall

    def _now(self) -> tuple[float, float, float]:
        times = psutil.cpu_times()
        busy = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
        return time.perf_counter(), busy, time.process_time()


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
        read = min(seconds_of(work) for work in (lambda: long.dot(long), long.max) for _ in range(8))
        multiply = min(seconds_of(lambda: square @ square) for _ in range(8))
    return Rates(long.nbytes / read, 2 * 1024**3 / multiply)


def seconds_of(work: Callable[[], Any]) -> float:
    """The wall time of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
