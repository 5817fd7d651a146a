"""The memory that a process may still take, and the memory that it holds.

Pages of a mapped file are not held: where room is needed, the system drops them and reads them again.
"""

from __future__ import annotations

import resource
from collections.abc import Collection
from pathlib import Path

import psutil


def free_bytes() -> int:
    """Bytes that this process may still take: the free memory, or what its own limit (``ulimit -d``) leaves of it."""
    free, limit = int(psutil.virtual_memory().available), resource.getrlimit(resource.RLIMIT_DATA)[0]
    if limit == resource.RLIM_INFINITY:
        return free
    taken = int(getattr(psutil.Process().memory_info(), "data", 0))
    return max(0, min(free, limit - taken))


def resident_bytes(process: psutil.Process) -> int:
    """Bytes that a process holds, found fast. What it shares with others counts whole. 0 if it has ended."""
    try:
        held = _sum_of(f"/proc/{process.pid}/status", ("RssAnon", "RssShmem"))
        return int(process.memory_info().rss) if held is None else held
    except psutil.Error:
        return 0


def proportional_bytes(process: psutil.Process) -> int:
    """The same, found slowly. What several processes share counts by equal parts."""
    try:
        held = _sum_of(f"/proc/{process.pid}/smaps_rollup", ("Pss_Anon", "Pss_Shmem"))
        return int(process.memory_full_info().uss) if held is None else held
    except psutil.Error:
        return 0


def _sum_of(path: str, names: Collection[str]) -> int | None:
    """The sum of fields of a file of Linux, in bytes. None if the file lacks one, or there is no such file."""
    try:
        lines = [line.split() for line in Path(path).read_text(errors="replace").splitlines()]
    except OSError:
        return None
    found = [1024 * int(words[1]) for words in lines if words and words[0].removesuffix(":") in names]
    return sum(found) if len(found) == len(names) else None
