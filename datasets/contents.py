"""The hashes of the contents of many files, remembered so that a file that nobody touched is not read again.

One file in the user's cache folder remembers them by the state of each file: its path, size, times of change and inode.
It holds 32 bytes a file, is written whole and renamed, and keeps the newest ``MOST``. Without it, or where it is
damaged, contents are read again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from bench.system.files import checksum, replace_file
from datasets.files import state

FILE = "contents-1.bin"
"""The name of the memory, with the number of its format: the checksum of what follows, and entries of two hashes."""
SIZE = 16
"""Bytes of a hash, of a content or of a state."""
MOST = 2**21
"""The most hashes that are remembered; those that were used longest ago are forgotten first."""
SETTLED_NS = 2 * 10**9
"""A file that changed less long ago is not remembered: another change may come within one tick of the times of change.
File systems have ticks of up to 2 seconds.
"""
CHUNK = 64
"""Files that a thread reads at a time."""

_seen: dict[bytes, bytes] = {}
"""What this process remembers, wherever no file can be written."""


def content_hashes(paths: Sequence[Path]) -> list[str]:
    """The hash of each file's content, 32 hex digits, in order. Files are read side by side, and only where the memory
    has no hash for their state.

    Raises ValueError: a path can't be read, or is not a file.
    """
    states = [_state(path) for path in paths]
    held = _remembered() if states else {}
    known = {one: found for one in states if (found := _seen.get(one) or held.get(one))}
    missing = {one: path for one, path in zip(states, paths, strict=True) if one not in known}
    del held
    made, lasting = dict[bytes, bytes](), dict[bytes, bytes]()
    try:
        for one, found, lasts in _read(missing):
            made[one] = found
            if lasts:
                lasting[one] = found
    finally:  # what an interrupted command has read counts
        _remember(lasting, known)
    known |= made
    return [known[one].hex() for one in states]


def _state(path: Path) -> bytes:
    """What tells an untouched file. ``os.utime`` sets the time of a change of content, not that of a change of state.

    Raises ValueError: see ``datasets.files.state``.
    """
    found = state(path)
    told = f"{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}\0{found.st_ino}\0".encode()
    return blake2b(told + os.fsencode(path.absolute()), digest_size=SIZE).digest()


def _read(files: Mapping[bytes, Path]) -> Iterator[tuple[bytes, bytes, bool]]:
    """The state of each file, the hash of its content, and whether this may be remembered."""
    each = list(files.items())
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        for found in pool.map(_read_some, (each[start : start + CHUNK] for start in range(0, len(each), CHUNK))):
            yield from found
    finally:
        pool.shutdown(cancel_futures=True)


def _read_some(files: Iterable[tuple[bytes, Path]]) -> list[tuple[bytes, bytes, bool]]:
    return [_read_one(before, path) for before, path in files]


def _read_one(before: bytes, path: Path) -> tuple[bytes, bytes, bool]:
    start = time.time_ns()
    try:
        found = bytes.fromhex(checksum(path))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    lasts = start - state(path).st_ctime_ns > SETTLED_NS and _state(path) == before
    return before, found, lasts


def _memory() -> Path | None:
    """The file that remembers, in the default cache folder of the harness; None without a home folder."""
    with suppress(RuntimeError):
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench" / FILE
    return None


def _remembered() -> dict[bytes, bytes]:
    """The hashes by state, those used last at the end; empty where the file is missing or damaged."""
    path = _memory()
    if path is None:
        return {}
    try:
        held = path.read_bytes()
    except OSError:
        return {}
    total, entries = held[:SIZE], memoryview(held)[SIZE:]
    if len(entries) % (2 * SIZE) or blake2b(entries, digest_size=SIZE).digest() != total:
        return {}
    starts = range(0, len(entries), 2 * SIZE)
    return {bytes(entries[at : at + SIZE]): bytes(entries[at + SIZE : at + 2 * SIZE]) for at in starts}


def _remember(found: Mapping[bytes, bytes], used: Iterable[bytes]) -> None:
    """Add what was ``found``, with what other processes added meanwhile, and move what was ``used`` to the end."""
    _seen.update(found)
    path = _memory()
    if path is None or not found:
        return
    known = _remembered()
    for one in used:
        if one in known:
            known[one] = known.pop(one)
    known |= found
    newest = islice(known.items(), max(0, len(known) - MOST), None)
    entries = b"".join(key + value for key, value in newest)
    with suppress(OSError):
        replace_file(path, lambda made: made.write_bytes(blake2b(entries, digest_size=SIZE).digest() + entries))
