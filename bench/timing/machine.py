"""Measures the rates of one thread of this machine, which give the floor of every query's time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.timing.load import one_thread, quiet, seconds_of


@dataclass(frozen=True)
class Rates:
    """The rates of one thread of this machine: bytes read and floating-point operations per second."""

    bytes_per_second: float
    flops_per_second: float

    def floor_ms(self, bytes_read: float, flops: float) -> float:
        """The least time, in milliseconds, of a query that reads and computes this much."""
        return 1e3 * max(bytes_read / self.bytes_per_second, flops / self.flops_per_second)


def machine_rates() -> Rates:
    """Measure the rates on one thread: the best of several passes over 256 MB, and of 1,024³ matrix products."""
    long = np.ones(1 << 26, dtype=np.float32)
    square = np.ones((1024, 1024), dtype=np.float32)
    with one_thread(), quiet():
        read = min(seconds_of(work) for work in (lambda: long.dot(long), long.max) for _ in range(8))
        multiply = min(seconds_of(lambda: square @ square) for _ in range(8))
    return Rates(long.nbytes / read, 2 * 1024**3 / multiply)
