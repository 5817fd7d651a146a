"""A batch of queries shared among threads, by kernels that release the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
TASKS_PER_THREAD = 8


def by_queries(work: Callable[[slice], T], queries: int) -> list[T]:
    """``work`` on slices that cover the queries, in order. A single query runs in the calling thread, several run on
    all of numba's threads.
    """
    if queries == 1:
        return [work(slice(0, 1))]
    import numba

    threads = min(numba.get_num_threads(), queries)
    if threads <= 1:
        return [work(slice(0, queries))]
    size = -(-queries // min(queries, threads * TASKS_PER_THREAD))
    parts = [slice(start, min(start + size, queries)) for start in range(0, queries, size)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))
