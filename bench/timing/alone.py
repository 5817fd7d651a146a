"""Lets one process of a machine take times at once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.store.leases import Held


@contextmanager
def timed_alone(say: Callable[[str], None], wait: bool = True) -> Iterator[None]:
    """Inside, no other process of this user on this machine takes times. A line says if it waits.

    Raises Held: another process takes times, and this one does not ``wait``.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(Path(tempfile.gettempdir()) / f"bench-timed-{os.getuid()}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        told = "another run takes times on this machine"
        if not wait:
            raise Held(told) from None
        say(f"wait: {told}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
