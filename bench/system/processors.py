"""Names the processors that this process may run on, which may be fewer than the machine has."""

from __future__ import annotations

import os


def processors() -> list[int]:
    """The numbers of the processors that this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [*range(os.cpu_count() or 1)]
