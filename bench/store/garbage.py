"""Finds the files and folders of a store that nothing needs, for the command ``gc``.

These are the temporary files of processes that are gone, damaged entries, leases that nobody holds, and the checkpoints
of trainings whose codes or features are stored. Which process made a temporary file is in its name. Those of this host
are looked up among its processes; of those of other hosts, and of names of any other form, only what has not changed
for a day is named, since hosts can't see each other's processes and their clocks may differ. A sound entry can be
removed only if no grid has referred to it for as long as the user says.
Other files in the folder are named and left alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from bench.store.entries import ENTRY, LOCKS, Damaged, Store
from bench.system.files import TEMPORARY, maker, processes

UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}
QUIET = UNITS["d"]
"""Seconds without a change after which nothing is being written, on whichever host it was. By as much the clocks of two
hosts may differ, and that of a host from its file server's.
"""


@dataclass(frozen=True)
class Found:
    """A file or a folder: its bytes, the reason why it is named, and whether it can be removed."""

    path: Path
    size: int
    reason: str
    removable: bool = True


def seconds(option: str, age: str) -> int:
    """The seconds of an age such as ``12h``, ``30d`` or ``4w``, the value of an option.

    Raises ValueError: the text is no age.
    """
    match = re.fullmatch(rf"(\d{{1,9}})([{''.join(UNITS)}])", age)
    if match is None:
        raise ValueError(f"{option} {age!r}: expected a number and a unit, as in 12h, 30d or 4w")
    return int(match[1]) * UNITS[match[2]]


def garbage(store: Store, older_than: int | None) -> Iterator[Found]:
    """The files and folders of a store that can be removed, and those that are not its own.

    ``older_than``: seconds. Entries and checkpoints that no grid has referred to for longer can be removed too. None:
    all are kept, however old.
    """
    before = 0.0 if older_than is None else time.time() - older_than
    for folder in (store.root, *(store.root / kind for kind in store.kinds())):
        yield from _left_behind(folder)
    for kind in store.kinds():
        for path in sorted((store.root / kind).iterdir()):
            if not path.name.startswith(TEMPORARY):
                yield from _of_entry(store, kind, path, before)
    yield from _leases(store.root / LOCKS)
    yield from _trainings(store, before)


def _left_behind(folder: Path) -> Iterator[Found]:
    """The temporary files and folders of processes that are gone."""
    for path in sorted(folder.glob(f"{TEMPORARY}*")):
        made_by = maker(path.name)
        if made_by is not None and made_by[0] == processes():
            if not _is_running(made_by[1], _changed(path)):
                yield Found(path, _size(path), "was being written by a process that is gone")
        elif _last_changed(path) < time.time() - QUIET:
            yield Found(path, _size(path), "was being written, perhaps on another host, and has not changed for a day")


def _leases(folder: Path) -> Iterator[Found]:
    """The leases that are left behind. Other locks there, which are empty files, are not looked at."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if _changed(path) < time.time() - QUIET and (size := _size(path)):
            yield Found(path, size, "is a lease that nobody has held for a day")


def _is_running(process: int, at: float) -> bool:
    """Whether a process runs now, and began at most `QUIET` seconds after a time, in seconds since the epoch."""
    try:
        return psutil.Process(process).create_time() <= at + QUIET
    except psutil.NoSuchProcess:
        return False


def _of_entry(store: Store, kind: str, path: Path, before: float) -> Iterator[Found]:
    """An entry that can be removed, or the files beside it and in it that are not the store's."""
    if not (path / ENTRY).is_file():
        yield Found(path, _size(path), "is no entry of the store: left alone", removable=False)
        return
    try:
        own = store.verify(kind, path.name)
    except Damaged as fault:
        yield Found(path, _size(path), str(fault))
        return
    except ValueError as fault:
        yield Found(path, _size(path), f"left alone: {fault}", removable=False)
        return
    if (used := _changed(path)) < before:
        yield Found(path, _size(path), f"{_made_by(store, kind, path.name)}, last used {_day(used)}")
        return
    for other in sorted({*path.iterdir()} - {*own}):
        yield Found(other, _size(other), "is not of the entry it stands in: left alone", removable=False)


def _trainings(store: Store, before: float) -> Iterator[Found]:
    """The checkpoints and logs of trainings that are finished or abandoned."""
    folder = store.root / "work"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        touched = _last_changed(path)
        if any(store.is_sound(kind, path.name) for kind in ("codes", "features")):
            if size := _size(path):
                yield Found(path, size, "checkpoint and log of a finished training")
        elif touched < before:
            yield Found(path, _size(path), f"checkpoint and log of a training, last gone on with {_day(touched)}")


def _made_by(store: Store, kind: str, key: str) -> str:
    meta = store.meta(kind, key)
    made_by = f" of grid {meta['grid']}" if "grid" in meta else ""
    return f"{kind}{made_by}"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at).date().isoformat()


def _changed(path: Path) -> float:
    """The time of the last change, in seconds since the epoch. A path that was just removed has the present time."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _last_changed(path: Path) -> float:
    """The time of the last change of a file, or of a folder and all that is in it."""
    return max(map(_changed, (path, *path.rglob("*"))))


def _size(path: Path) -> int:
    """The bytes of a file, or of all files in a folder. A file that was just removed has none."""
    total = 0
    for file in (path, *path.rglob("*")):
        with suppress(FileNotFoundError):
            total += 0 if file.is_dir() else file.stat().st_size
    return total
