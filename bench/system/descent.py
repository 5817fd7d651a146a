"""Binds the lives of processes to each other, on Linux. Elsewhere nothing is bound."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

DIE_WITH_PARENT, ADOPT_ORPHANS = 1, 36
"""PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER of prctl."""

SYSTEM = ctypes.CDLL(None) if sys.platform == "linux" else None
"""The system's library. It is loaded once, for processes that were just forked."""


def die_with(parent: int) -> bool:
    """Let this process be killed when its parent ends. Returns False if the parent has already ended."""
    if SYSTEM is not None:
        SYSTEM.prctl(DIE_WITH_PARENT, signal.SIGKILL)
    return os.getppid() == parent


def adopt_orphans() -> None:
    """Let processes whose parent ends become children of this one, if it started their parents."""
    if SYSTEM is not None:
        SYSTEM.prctl(ADOPT_ORPHANS, 1)
