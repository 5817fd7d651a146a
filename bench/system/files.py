"""Files that are whole or not there: written under a temporary name, summed up, flushed, renamed.

The temporary name tells whose it is, so that what a killed process left can be told from what is being written. A full
disk is one line that names the path, and leaves nothing behind.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

TEMPORARY = ".tmp-"
"""What the name of a temporary file or folder starts with; the id of the process that made it follows."""
FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(OSError):
    """There is no space left for a file. The message names it and says how much is free."""


def is_full(fault: BaseException) -> bool:
    """Whether a failure is that of a full disk."""
    return isinstance(fault, DiskFull) or (isinstance(fault, OSError) and fault.errno in FULL)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """``DiskFull`` about ``path`` in place of the system's error, once what was half-written inside is gone."""
    try:
        yield
    except OSError as fault:
        if fault.errno not in FULL:
            raise
        there = next(folder for folder in path.absolute().parents if folder.is_dir())
        free = shutil.disk_usage(there).free
        raise DiskFull(f"no space is left to write {path}: {free:,} bytes are free there") from fault


def plain_name(what: str, name: str) -> str:
    """The name.

    Raises ValueError: as a file's name it would lead out of its folder, or hide there.
    """
    if not name or name.startswith(".") or set(name) & set("/\\\0"):
        raise ValueError(f"{what} {name!r} must be a plain name, without '/' or '\\' and not starting with '.'")
    return name


def _temporary_name(beside: Path) -> Path:
    return beside.with_name(f"{TEMPORARY}{os.getpid()}-{uuid4().hex}")


@contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """A new folder next to ``beside``, gone afterwards unless it was renamed."""
    folder = _temporary_name(beside)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, target: Path) -> None:
    """Rename a folder to ``target``, in place of what is there.

    A folder is renamed onto another only if that is empty: what stands there is first moved aside. Where several
    processes do this at once, the last one's is there in the end, whole.
    """
    _sync(folder)
    while True:
        try:
            folder.rename(target)
        except OSError as fault:
            if fault.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            remove(target)
        else:
            break
    _sync(target.parent)


def remove(path: Path) -> None:
    """Remove a file or a folder, all at once for whoever looks at it. Nothing is done where it is gone already."""
    aside = _temporary_name(path)
    with suppress(FileNotFoundError):
        path.rename(aside)
        if aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink()


def replace_file(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` make a file under another name, then put it in the place of ``path``, which is returned.

    Raises DiskFull: it doesn't fit.
    """
    with room_for(path), temporary_folder(path) as folder:
        made = folder / path.name
        write(made)
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(path)
        _sync(path.parent)
    return path


class _Summed:
    """A file that numpy writes an array to, block by block; ``total`` is the hash of what went in."""

    def __init__(self, file: BinaryIO):
        self._file, self.total = file, blake2b(digest_size=16)

    def write(self, block: bytes) -> int:
        self.total.update(block)
        return self._file.write(block)


def write_array(path: Path, array: NDArray[Any]) -> str:
    """Write an array as ``.npy``, flushed. Returns its ``checksum``.

    Raises ValueError: it is of objects.
    """
    with path.open("wb") as file:
        summed = _Summed(file)
        np.lib.format.write_array(summed, np.asarray(array, order="C"), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return summed.total.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a text, flushed."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def checksum(path: Path) -> str:
    """32 hex digits of a file's content (BLAKE2b)."""
    total = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            total.update(block)
    return total.hexdigest()


def _sync(folder: Path) -> None:
    """Flush the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
