"""What one thread of this machine can do, measured: the floor of every query's time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.timing.load import one_thread, quiet, seconds_of


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
