"""Lets one run at a time take times on a machine, whichever user, folder or grid it is of.

The lock is a file on the machine's own disk, held by flock, which ends with its process. It is never removed, so that
all lock the same file, and it is only read, so that any user may lock it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.system.files import plain_host
from bench.system.leases import Held
from bench.system.machines import host

FOLDER = Path("/tmp")
"""The folder of the lock, where every user can make a file. TMPDIR may be another one for each user."""

LOCKS = Path("/proc/locks")
"""The locks of the system: number, FLOCK, ADVISORY, WRITE, the process that holds it, and its file as device:inode."""


def lock_file() -> Path:
    """The lock of this machine. The name of the host keeps hosts apart that share the folder."""
    return FOLDER / f"bench-timing-{plain_host()}.lock"


@contextmanager
def timed_alone() -> Iterator[None]:
    """Inside, no other run takes times on this machine.

    Raises Held: another run takes times. ValueError: the lock can't be opened.
    """
    file = _opened(lock_file())
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(f"another run takes times on {host()}{_by_process(file)}") from None
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # a process that was forked inside has the file open too
    finally:
        os.close(file)


def _by_process(file: int) -> str:
    """The process that holds the lock, in words. Empty: the system does not tell."""
    with suppress(OSError, ValueError):
        inode = str(os.fstat(file).st_ino)
        for line in LOCKS.read_text(encoding="ascii").splitlines():
            words = line.split()
            if words[1:2] == ["FLOCK"] and words[5].endswith(f":{inode}") and int(words[4]) > 0:
                return f" (process {words[4]})"
    return ""


def _opened(path: Path) -> int:
    """The lock, made if it is missing. It is opened to be read: in a folder that all may write to, the system may
    refuse to open the file of another user for more.
    """
    try:
        with suppress(FileExistsError):
            file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.fchmod(file, 0o644)  # whatever the mask of this user
            return file
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as fault:
        raise ValueError(
            f"the lock of this machine's timing, {path}, can't be opened ({fault.strerror}): remove it"
        ) from fault
