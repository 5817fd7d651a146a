"""Times an index in this process: single queries on one thread, and batches on one thread and on all.

An arm is warmed up once, and its batches are sized. Then it answers in many short turns, a few queries or a batch each:
see `bench.timing.replicates`. The threads that it used are kept with the times.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Corpus, Index, Int
from bench.system.machines import cores
from bench.timing.load import one_thread, quiet, rest, seconds_of, sentinel
from bench.workers.limits import Failure

WARM_UP_BLOCK, WARM_UP_BLOCKS, STABLE, WARM_UP_SECONDS = 20, 10, 0.05, 0.5
"""Queries of a warm-up block, the most blocks, the relative change of two blocks' medians that counts as stable, and
the seconds after which a warm-up ends.
"""

WARM_SECONDS = 0.005
"""Seconds after which no more queries come before those of a turn: the caches are warm."""

BATCH_QUERIES, WARM_UP_BATCH, WARM_UP_SHARE = 64, 32, 8
"""The fewest queries of a batch for each thread, if there are so many; the queries of the first batches, by which
batches are sized; and the share of a batch, as a divisor, that is searched before it, untimed.
"""


@dataclass(frozen=True)
class Sizes:
    """The queries of a batch on one thread, and on all."""

    one_thread: int
    all_threads: int


@dataclass(frozen=True)
class Singles:
    """The times of single queries: milliseconds of each, and of the sentinel before them; and nanoseconds of all of
    them, of CPU time and of wall time.
    """

    latency_ms: list[float]
    sentinel_ms: float
    cpu_ns: int
    wall_ns: int


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


def sizes(index: Index, queries: Corpus, k: int, seconds_alone: float, seconds: float) -> Sizes:
    """Warm the index up, and size the batches that last so many seconds, on one thread and on all."""
    order = np.random.default_rng(0).permutation(len(queries))
    singles = [queries.part(int(row), int(row) + 1) for row in order[: WARM_UP_BLOCK * WARM_UP_BLOCKS]]
    rest()
    with quiet():
        with one_thread():
            warm_up(index, singles, k)
            alone = _size(index, queries, order, k, seconds_alone, BATCH_QUERIES)
        on_all = _size(index, queries, order, k, seconds, BATCH_QUERIES * cores())
    rest()
    return Sizes(alone, on_all)


def _size(index: Index, queries: Corpus, order: Int, k: int, seconds: float, least: int) -> int:
    """The queries of a batch: the largest power of two whose search ends within ``seconds``, but at least ``least``, or
    all. Powers, so that indexes of about one speed search the same batches.

    A batch that lasts less than twice the time is searched once, because new memory of its size is slow.
    """
    some = queries.take(order[-WARM_UP_BATCH:])
    check_answer(index.search(some, k), len(some), k)
    each = max(seconds_of(lambda: index.search(some, k)) / len(some), 1e-9)
    size = min(len(queries), max(least, 2 ** int(math.log2(max(1.0, seconds / each)))))
    if each * size < 2 * seconds:
        index.search(queries.take(order[:size]), k)
    return size


def one_by_one(index: Index, queries: Corpus, others: Sequence[int], rows: Sequence[int], k: int) -> Singles:
    """Time the queries at ``rows`` one by one on one thread, after those at ``others``, which warm the caches up: all
    of them, or as many as WARM_SECONDS last.

    Raises Failure: an answer is none, see ``check_answer``.
    """
    before, singles = ([queries.part(row, row + 1) for row in some] for some in (others, rows))
    rest()
    with quiet(), one_thread():
        steady = sentinel()
        end = time.perf_counter_ns() + int(1e9 * WARM_SECONDS)
        for query in before:
            check_answer(index.search(query, k), 1, k)
            if time.perf_counter_ns() > end:
                break
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        nanoseconds = timed(index, singles, k)
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
    return Singles((nanoseconds / 1e6).tolist(), steady, cpu, wall)


def batch_ms(
    index: Index, queries: Corpus, k: int, size: int, seed: Sequence[int], seconds: float, alone: bool
) -> float:
    """Milliseconds of a query in a batch of ``size`` queries, drawn by ``seed``, that is searched in one call, on one
    thread (``alone``) or on all. A batch that lasts less than ``seconds`` is repeated until they are over.

    Some queries are searched first, untimed. They fill the caches that another arm has used, and start the threads.

    Raises Failure: an answer is none, see ``check_answer``.
    """
    order = np.random.default_rng(seed).permutation(len(queries))
    batch, some = queries.take(order[:size]), queries.take(order[-max(1, size // WARM_UP_SHARE) :])
    with quiet(), one_thread() if alone else nullcontext():
        check_answer(index.search(some, k), len(some), k)
        spent = calls = 0.0
        answers: list[Any] = []
        while calls == 0 or spent < seconds:
            spent, calls = spent + seconds_of(lambda: answers.append(index.search(batch, k))), calls + 1
            check_answer(answers.pop(), len(batch), k)
    return 1e3 * spent / (calls * len(batch))


def timed(index: Any, singles: Sequence[Corpus], k: int) -> NDArray[np.int64]:
    """The nanoseconds of each query, int64 [queries].

    Each answer is looked at after its query and before the next, outside of both times. One answer is kept at most.

    Raises Failure: an answer is none, see ``check_answer``.
    """
    search, clock = index.search, time.perf_counter_ns
    nanoseconds = np.empty(len(singles), dtype=np.int64)
    for position, query in enumerate(singles):
        start = clock()
        answer = search(query, k)
        nanoseconds[position] = clock() - start
        check_answer(answer, 1, k)
    return nanoseconds


def check_answer(answer: Any, queries: int, k: int) -> None:
    """Raises Failure: the answer of an index to so many queries is not int64 [queries, k]. Its ids are not looked at,
    as `bench.quality.neighbours.check_neighbours` does with the answers that are judged.
    """
    if isinstance(answer, np.ndarray) and answer.shape == (queries, k) and answer.dtype == np.int64:
        return
    got = f"{answer.dtype} {list(answer.shape)}" if isinstance(answer, np.ndarray) else type(answer).__name__
    asked = "one query" if queries == 1 else f"{queries} queries"
    raise Failure("error", f"search of {asked} returned {got}, expected int64 {[queries, k]}")


def warm_up(index: Any, singles: Sequence[Corpus], k: int) -> int:
    """Answer blocks of queries until the median time of a block is stable, or WARM_UP_SECONDS are over. Returns the
    number of blocks.
    """
    before, spent = np.inf, 0.0
    for block in range(WARM_UP_BLOCKS):
        chosen = [singles[i % len(singles)] for i in range(block * WARM_UP_BLOCK, (block + 1) * WARM_UP_BLOCK)]
        nanoseconds = timed(index, chosen, k)
        median, spent = float(np.median(nanoseconds)), spent + float(nanoseconds.sum()) / 1e9
        if abs(median - before) <= STABLE * median or spent > WARM_UP_SECONDS:
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
