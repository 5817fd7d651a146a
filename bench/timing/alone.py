"""Lets one process of a machine take times at once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def timed_alone(say: Callable[[str], None]) -> Iterator[None]:
    """Inside, no other process of this user on this machine takes times. A line says if it waits."""
    from filelock import FileLock, Timeout

    lock = FileLock(Path(tempfile.gettempdir()) / f"bench-timed-{os.getuid()}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say("wait: another run takes times on this machine")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
