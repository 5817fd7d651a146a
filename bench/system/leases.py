"""Leases on names in a folder that several hosts may share: one holder at a time, until it ends or falls silent.

A lease is a file that its holder creates exclusively and touches `BEATS` times in `STALE` seconds from a thread of its
own (`filelock.SoftFileLease`). No lock of the system takes part, so it holds on NFS and Lustre, where flock may be
nothing and removing a locked file breaks it for those that wait. A lease is free again

* when its holder gives it back;
* at once, when its holder's process is gone from the table of processes of the host that asks;
* when its file has not changed for `STALE` seconds on the clock of the process that asks. Clocks of two hosts are never
  compared. That is how the death of another host is noticed, and any file that is left behind.

The library takes a stale file over by an exchange of two names, which NFS and Lustre do not have. Where the exchange is
refused, the file is judged here by the same two rules and removed.

So a lease saves work and promises nothing: a holder that was stopped for longer than `STALE` seconds, or whose file was
removed in the same moment by two others, goes on beside the next one. Two makers of an entry are harmless, since each
writes it whole under the hash of all that decides it. Two trainings in one folder are two of the same training: each
replaces its checkpoints whole by those that it would have written alone, so either can go on from those of the other.
Lines of its log may stand twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil

from bench.system.files import room_for

if TYPE_CHECKING:
    from filelock import SoftFileLease

STALE = 180.0
"""Seconds without a sign of life after which a lease is free. The hosts of a store must agree on it."""
SET_STALE = "BENCH_STALE"
"""The environment variable with other seconds in place of STALE."""
BEATS = 6
"""The signs of life of a holder in STALE seconds. A holder may be late with all but one, as in a long call of a library
that lets no other thread run.
"""
POLL_SECONDS = 0.5


class Held(RuntimeError):
    """Another process holds the name. The message says what it does, and on which host if that is known."""


def stale_seconds() -> float:
    """The seconds of STALE, or those of the variable BENCH_STALE.

    Raises ValueError: the variable is no number above 0.
    """
    text = os.environ.get(SET_STALE, str(STALE))
    with suppress(ValueError):
        if 0 < (seconds := float(text)) < float("inf"):
            return seconds
    raise ValueError(f"{SET_STALE}={text!r}: expected seconds above 0")


@dataclass
class _Lease:
    """The lease of a path, and since when its file has stood as it is, on the clock of this process."""

    lease: SoftFileLease
    stale: float
    _seen: tuple[int, int] | None = None
    _since: float = 0.0

    def take(self) -> bool:
        """Take it, unless a holder lives. Returns whether it is ours."""
        from filelock import Timeout

        for _ in range(2):
            with suppress(Timeout):
                self.lease.acquire(blocking=False)
                return True
            if not self._is_left_behind():
                break
            self.lease.force_break()
        return False

    def holder(self) -> str | None:
        """The host of the holder. None if the file does not say."""
        owner = self.lease.owner
        return None if owner is None else owner.hostname.partition("?")[0]

    def _is_left_behind(self) -> bool:
        """Whether the file is stale. The library, where it can take a file over, has done so by then."""
        owner = self.lease.owner
        if owner is not None and owner.hostname == _own_name() and not _lives(owner.pid):
            return True
        try:
            state = Path(self.lease.lock_file).stat()
        except OSError:
            return False
        seen = state.st_ino, state.st_mtime_ns
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        return time.monotonic() - self._since > self.stale + POLL_SECONDS


def _lives(process: int) -> bool:
    """Whether there is a process, and not only what a killed one leaves until its parent looks after it."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@cache
def _own_name() -> str:
    """The name of this host and of its table of processes, as a lease's file has it."""
    from filelock import MarkerSoftFileLock

    with TemporaryDirectory() as folder, MarkerSoftFileLock(Path(folder) / "name") as own:
        owner = own.owner
    assert owner is not None
    return owner.hostname


@dataclass(frozen=True)
class Leases:
    """The leases that a process takes. It remembers those that were refused, and since when their files stand still."""

    _refused: dict[Path, _Lease] = field(default_factory=dict)

    @contextmanager
    def hold(self, path: Path, what: str, wait: bool, say: Callable[[str], None]) -> Iterator[None]:
        """Inside, this process holds the lease at ``path``. ``what``: what its holder makes, for the line that says so.

        Raises Held: another holds it, and this process does not ``wait``. Raises DiskFull.
        """
        with room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lease = self._refused.pop(path, None) or _new(path)
            taken = lease.take()
        if not taken:
            there = lease.holder()
            told = f"another run{f' on {there}' if there else ''} is making {what}"
            if not wait:
                self._refused[path] = lease
                raise Held(told)
            say(f"wait: {told}")
            with room_for(path):
                while not lease.take():
                    time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            lease.lease.release()
            if lease.lease.compromise is not None:
                say(f"{what}: this process gave no sign of life for {lease.stale:g} s, so another may have made it too")


def _new(path: Path) -> _Lease:
    from filelock import SoftFileLease

    stale = stale_seconds()
    return _Lease(SoftFileLease(path, lease_duration=stale, heartbeat_interval=stale / BEATS), stale)
