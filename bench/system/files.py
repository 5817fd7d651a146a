"""Writes files and folders whole or not at all: under a temporary name, with checksums, flushed and renamed.

The temporary name holds the host and the id of the process, so that the host recognises the files of a killed process.
A full disk is an error of one line that names the path, and leaves nothing behind.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

TEMPORARY = ".tmp-"
"""The start of the name of a temporary file or folder. ``HOST-PROCESS-UNIQUE`` follows, see ``maker``."""
HOST = "BENCH_HOST"
"""The environment variable that names this host in place of its own name."""
HOST_CHARACTERS = 64
"""The most characters of a host in a file's name."""
NAMESPACE = Path("/proc/self/ns/pid")
"""Its inode tells the namespace of process ids, where the system has such."""
FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(OSError):
    """There is no space left for a file. The message names it and says how much is free."""


def is_full(fault: BaseException) -> bool:
    """Whether a failure means that a disk is full."""
    return isinstance(fault, DiskFull) or (isinstance(fault, OSError) and fault.errno in FULL)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Raises ``DiskFull`` for ``path`` in place of the system's error, once the half-written files inside are gone."""
    try:
        yield
    except OSError as fault:
        if fault.errno not in FULL:
            raise
        there = next(folder for folder in path.absolute().parents if folder.is_dir())
        free = shutil.disk_usage(there).free
        raise DiskFull(f"no space is left to write {path}: {free:,} bytes are free there") from fault


def plain_name(what: str, name: str) -> str:
    """The name, checked as the name of a file.

    Raises ValueError: it would lead out of its folder, or be hidden.
    """
    if not name or name.startswith(".") or set(name) & set("/\\\0"):
        raise ValueError(f"{what} {name!r} must be a plain name, without '/' or '\\' and not starting with '.'")
    return name


def host_name() -> str:
    """The name of this host: BENCH_HOST where it is set, or else the one that the system has."""
    return os.environ.get(HOST, "").strip() or platform.node()


def plain_host() -> str:
    """The name of this host as a part of a file's name. A long one is cut, and ends with its hash."""
    name = re.sub(r"[^A-Za-z0-9.-]", "_", host_name()) or "unnamed"
    if len(name) <= HOST_CHARACTERS:
        return name
    end = blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{name[: HOST_CHARACTERS - len(end) - 1]}.{end}"


def processes() -> str:
    """A plain name of the table of processes that this one stands in: its host, and its namespace of ids if there are
    any. Containers may have the name of their host and processes of their own.
    """
    try:
        return f"{plain_host()}.{NAMESPACE.stat().st_ino:x}"
    except OSError:
        return plain_host()


def maker(temporary: str) -> tuple[str, int] | None:
    """The table of processes (see ``processes``) and the id of the process that a temporary name names.

    None: the name has another form, as in earlier versions.
    """
    named = re.fullmatch(rf"{re.escape(TEMPORARY)}(.+)-(\d+)-[0-9a-f]{{32}}", temporary)
    return None if named is None else (named[1], int(named[2]))


def _temporary_name(beside: Path) -> Path:
    return beside.with_name(f"{TEMPORARY}{processes()}-{os.getpid()}-{uuid4().hex}")


@contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """A new folder next to ``beside``. It is removed afterwards unless it was renamed."""
    folder = _temporary_name(beside)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, target: Path) -> None:
    """Rename a folder to ``target``, in place of an earlier one.

    A folder can be renamed onto another only if that is empty, so the earlier one is first moved aside. If several
    processes do this at once, the folder of the last one stays, whole.
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
    """Remove a file or a folder. Other processes see it whole or not at all. A missing path is ignored."""
    aside = _temporary_name(path)
    with suppress(FileNotFoundError):
        path.rename(aside)
        if aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink()


def replace_file(path: Path, write: Callable[[Path], object]) -> Path:
    """Let ``write`` make a file under another name, then rename it to ``path``. Returns ``path``.

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
    """A file that numpy writes an array to, block by block. ``total`` is the hash of the written bytes."""

    def __init__(self, file: BinaryIO):
        self._file, self.total = file, blake2b(digest_size=16)

    def write(self, block: bytes | memoryview) -> int:
        self.total.update(block)
        return self._file.write(block)


def write_array(path: Path, array: NDArray[Any]) -> str:
    """Write an array as ``.npy``, flushed. Returns its ``checksum``.

    Raises ValueError: it holds objects.
    """
    given = np.asarray(array)
    ordered = np.asarray(given, order="C") if given.flags.f_contiguous else given  # a broadcast one is not copied
    with path.open("wb") as file:
        summed = _Summed(file)
        np.lib.format.write_array(summed, ordered, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return summed.total.hexdigest()


class RowsFile:
    """An array [rows, ...] that is written as ``.npy`` part by part, with the bytes that ``write_array`` writes."""

    def __init__(self, path: Path, rows: int, part: NDArray[Any]) -> None:
        """``rows``: those of all parts together. ``part``: any of them, for the type and the other dimensions.

        Raises ValueError: it holds objects.
        """
        if part.dtype.hasobject:
            raise ValueError(f"{path.name}: {part.dtype}; objects are not stored (allow_pickle=False)")
        self._path, self._rows, self._type, self._written = path, rows, (part.dtype, part.shape[1:]), 0
        self._file = path.open("wb")
        self._summed = _Summed(self._file)
        described = {
            "descr": np.lib.format.dtype_to_descr(part.dtype),
            "fortran_order": False,
            "shape": (rows, *part.shape[1:]),
        }
        np.lib.format.write_array_header_1_0(self._summed, described)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, part: NDArray[Any]) -> None:
        """Write the next rows.

        Raises ValueError: they are of another type or shape than the first, or more than there are to be.
        """
        self._written += len(part)
        if (part.dtype, part.shape[1:]) != self._type or self._written > self._rows:
            found, (dtype, lengths) = f"{part.dtype} {list(part.shape)} up to row {self._written}", self._type
            raise ValueError(f"{self._path.name}: a part {found}; expected {dtype} {[self._rows, *lengths]} in all")
        self._summed.write(np.ascontiguousarray(part).data)

    def finish(self) -> str:
        """Flush. Returns the ``checksum``.

        Raises ValueError: rows are missing.
        """
        if self._written != self._rows:
            raise ValueError(f"{self._path.name}: {self._written} rows were made; expected {self._rows}")
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._summed.total.hexdigest()


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
