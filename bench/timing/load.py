"""What disturbs a measurement: other threads, garbage collection, other processes, a machine that slows down."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

LOADED, RETAKES = 0.3, 2
"""Cores that others may keep busy during a round; above it the round is taken again, so many times."""


UNSTABLE = 0.1
"""How far the sentinel's times may lie apart inside a replicate."""


TICKS = 3
"""By which the time that the system says all processors were busy may be wrong."""


SEEN = 0.1
"""Seconds over which the load of others is looked at: in less time a busy core is lost among the ticks. Who asks for
shorter batches than that is not made to wait for it.
"""


SENTINEL_VALUES, SENTINEL_REPEATS = 2**18, 7


REST, RESTS, IDLE = 0.02, 50, 0.1
"""Seconds between two looks at whether this process is idle; looks at most; processors that an idle one may take."""


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


def rest() -> None:
    """Wait until this process is idle: threads of an earlier batch spin for some time before they sleep."""
    for _ in range(RESTS):
        busy = time.process_time()
        time.sleep(REST)
        if time.process_time() - busy < IDLE * REST:
            return


def sentinel() -> float:
    """Milliseconds of a kernel that never changes: the least of several passes over a megabyte."""
    values = np.ones(SENTINEL_VALUES, dtype=np.float32)
    return 1e3 * min(seconds_of(lambda: values.dot(values)) for _ in range(SENTINEL_REPEATS))


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


def seconds_of(work: Callable[[], Any]) -> float:
    """The wall time of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
