"""Prevents or detects disturbances of a measurement: threads, garbage collection, other processes, a slow machine."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

LOADED, RETAKES = 0.3, 2
"""The most cores that others may keep busy during a round, and how often a round with more is taken again."""


UNSTABLE = 0.1
"""The most that the sentinel's times may drift inside a replicate."""


TICKS = 3
"""The error, in clock ticks, of the busy time that the system reports."""


SEEN = 0.1
"""Seconds over which the load of others is measured; in less time a busy core is lost among the ticks. A measurement
with shorter batches does not wait for so long.
"""


SENTINEL_VALUES, SENTINEL_REPEATS = 2**18, 7


REST, RESTS, IDLE = 0.005, 400, 0.1
"""Seconds between two checks that this process is idle, the most checks, and the processors that it may use."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, BLAS, OpenMP (faiss, torch) and numba use one thread, and all new threads run on one CPU."""
    numba = sys.modules.get("numba")
    before = numba.get_num_threads() if numba else None
    with threadpool_limits(limits=1):
        if numba:  # its threads start now, because those that start later are pinned with this one
            numba.set_num_threads(1)
        try:
            with _pinned():
                yield
        finally:
            if numba:
                numba.set_num_threads(before)


@contextmanager
def _pinned() -> Iterator[None]:
    """Inside, the calling thread and the threads that it starts run on one CPU, where the system can do that."""
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
    """Inside, there is no garbage collection."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def rest() -> None:
    """Wait until this process is idle: threads of an earlier batch spin for some time before they sleep.

    On a busy machine such a thread waits for a core and uses none, and would go on spinning during a query.
    """
    for _ in range(RESTS):
        busy = time.process_time()
        time.sleep(REST)
        if time.process_time() - busy < IDLE * REST and not _others_are_ready():
            return


def _others_are_ready() -> bool:
    """Whether other threads of this process run or wait for a core. False where the system does not say (not Linux)."""
    own, tasks = str(threading.get_native_id()), Path("/proc/self/task")
    for thread in tasks.iterdir() if tasks.is_dir() else ():
        with suppress(OSError):  # it has ended
            state = (thread / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            if thread.name != own and state == "R":
                return True
    return False


def sentinel() -> float:
    """The milliseconds of the sentinel: the least of several passes over a megabyte."""
    values = np.ones(SENTINEL_VALUES, dtype=np.float32)
    return 1e3 * min(seconds_of(lambda: values.dot(values)) for _ in range(SENTINEL_REPEATS))


class OtherLoad:
    """The number of cores that other processes keep busy, from now on. Those that this process started are no others.

    The system counts in ticks, so TICKS of them are subtracted as its error.
    """

    def __init__(self, seconds: float = SEEN) -> None:
        """Measure over these seconds at least, or over SEEN if they are more than SEEN."""
        self._seconds = min(seconds, SEEN)
        self._start = self._now()

    def cores(self) -> float:
        """The average since the start. Waits until the least seconds are over."""
        time.sleep(max(0.0, self._seconds - (time.perf_counter() - self._start[0])))
        wall, busy, own = (now - start for now, start in zip(self._now(), self._start, strict=True))
        return max(0.0, busy - own - TICKS / os.sysconf("SC_CLK_TCK")) / wall

    def _now(self) -> tuple[float, float, float]:
        times = psutil.cpu_times()
        busy = sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
        return time.perf_counter(), busy, time.process_time() + _seconds_of_descendants()


def _seconds_of_descendants() -> float:
    """The CPU time of the processes that this one started, such as a server, and of those that they started."""
    this = psutil.Process()
    spent = sum(this.cpu_times()[2:4])
    for process in this.children(recursive=True):
        with suppress(psutil.Error):
            spent += sum(process.cpu_times()[:4])
    return spent


def seconds_of(work: Callable[[], Any]) -> float:
    """The wall time of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
