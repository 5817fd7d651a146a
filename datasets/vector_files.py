"""Files of one array: .npy, TEXMEX's .fvecs and its kin, and .fbin of big-ann-benchmarks and its kin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.arrays import row_blocks
from datasets.checks import one_line
from datasets.files import state
from datasets.roles import by_role, check_parts, role
from datasets.vector_set import Array, Layout

MOST_DIMENSIONS = 2**20
"""A larger number at the start of a file is none of dimensions."""


@dataclass(frozen=True)
class Records:
    """Rows of a file that each begin with their dimension, int32; ``held`` maps them, with fields dim and row."""

    path: Path
    held: NDArray[Any]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.held), self.held.dtype["row"].shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.held.dtype["row"].base

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        """The rows in order, some at a time.

        Raises ValueError: a row begins with another dimension than the first.
        """
        for start in range(0, len(self.held), rows):
            block = self.held[start : start + rows]
            self.check(block, start)
            yield np.ascontiguousarray(block["row"])

    def check(self, block: NDArray[Any], first_row: int) -> None:
        """Raises ValueError: a row of ``block`` begins with another dimension than the first of all."""
        wrong = block["dim"] != self.shape[1]
        if wrong.any():
            at = int(wrong.argmax())
            found = f"dimension {block['dim'][at]} at row {first_row + at}"
            raise ValueError(f"{self.path}: {found}, must be {self.shape[1]}, as at row 0")


def opened(path: Path) -> Array:
    """The array of a file, mapped into memory and not read.

    Raises ValueError: it is no file, is not of the format that its suffix names, or is longer or shorter than its
    header says.
    """
    state(path)
    try:
        return Array(str(path), SUFFIXES[suffix(path)](path))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error


def layout(folder: Path, files: Sequence[Path], train: str | None, test: str | None) -> Layout | None:
    """The files of one array each, by the roles that their names tell; None if no name tells one of vectors.

    Raises ValueError: see ``opened``; a part is missing, or may be of several files.
    """
    known = {path.name: path for path in files if suffix(path) in SUFFIXES}
    given = {"train": train, "test": test}
    if not {*given.values()} & {*known} and not {*map(role, known)} & {*given}:
        return None
    names = by_role(str(folder), known, given)
    check_parts(str(folder), names, known)
    paths = {part: known[name] for part, name in names.items()}
    return Layout({part: [opened(path)] for part, path in paths.items()}, [*paths.values()])


def suffix(path: Path) -> str:
    """The suffix that tells the format: base.1B.u8bin.crop_nb_10000000, a part of a larger file, is a .u8bin."""
    last = path.suffix.lower()
    return Path(path.stem).suffix.lower() if last.startswith(".crop") else last


def _npy(path: Path) -> NDArray[Any]:
    size = path.stat().st_size
    try:
        held = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header makes its reader raise anything
        why = f"{size:,} bytes ({one_line(error)})"
        raise ValueError(f"{path}: not a readable .npy file without pickles: {why}") from error
    if held.offset + held.nbytes != size:
        raise ValueError(f"{path}: {size:,} bytes, must be {held.offset + held.nbytes:,}, as its header says")
    return held


def _records(path: Path, kind: str) -> Records:
    """Rows of their dimension, int32, and so many numbers."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
    dim = int.from_bytes(head, "little", signed=True)
    most = min(MOST_DIMENSIONS, (size - 4) // np.dtype(kind).itemsize)
    if not 1 <= dim <= most:
        began = f"{dim} as dimension at row 0" if len(head) == 4 else "no dimension at row 0"
        raise ValueError(f"{path}: {began}, must be 1 to {max(1, most):,} in a file of {size:,} bytes")
    record = np.dtype([("dim", "<i4"), ("row", kind, (dim,))])
    rows = Records(path, np.memmap(path, record, mode="r", shape=(size // record.itemsize,)))
    if size % record.itemsize:
        for part in row_blocks(rows.shape):
            rows.check(rows.held[part], part.start)
        told = f"must be a multiple of {record.itemsize}, for rows of {dim} numbers"
        raise ValueError(f"{path}: {size:,} bytes, {told}: it ends inside row {len(rows.held)}")
    return rows


def _matrix(path: Path, kind: str, beside: int = 0) -> NDArray[Any]:
    """The numbers of rows and of dimensions, uint32, and all rows; ``beside``: bytes a number that may stand behind."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
    if len(head) != 8:
        raise ValueError(f"{path}: {size} bytes, must begin with the numbers of vectors and of dimensions, uint32")
    count, dim = np.frombuffer(head, dtype="<u4").tolist()
    right = [8 + count * dim * each for each in {np.dtype(kind).itemsize, np.dtype(kind).itemsize + beside}]
    if size not in right:
        told = f"must be {' or '.join(f'{each:,}' for each in sorted(right))}"
        raise ValueError(f"{path}: {size:,} bytes, {told}, as it says {count:,} vectors of {dim:,} dimensions")
    if not count * dim:
        return np.empty((count, dim), dtype=kind)
    return np.memmap(path, kind, mode="r", offset=8, shape=(count, dim))


_ids = partial(_matrix, kind="<i4", beside=4)
"""Ground truth of big-ann-benchmarks: ids, and then mostly their distances, float32."""

SUFFIXES: dict[str, Callable[[Path], Any]] = {
    ".npy": _npy,
    ".fvecs": partial(_records, kind="<f4"),
    ".bvecs": partial(_records, kind="u1"),
    ".ivecs": partial(_records, kind="<i4"),
    ".fbin": partial(_matrix, kind="<f4"),
    ".u8bin": partial(_matrix, kind="u1"),
    ".i8bin": partial(_matrix, kind="i1"),
    ".ibin": _ids,
}
"""How a file is opened, by its suffix."""
