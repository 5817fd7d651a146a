"""Arrays that are made part by part while they are written, so that no array of the whole size is held in memory."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from bench.system.files import RowsFile, plain_name


class Part(NamedTuple):
    """The next rows of an array: its name, the number of its rows in all, and these rows [m, ...]."""

    name: str
    rows: int
    block: NDArray[Any]


def whole(name: str, array: NDArray[Any]) -> Part:
    """An array in one part."""
    return Part(name, len(array), array)


def write_parts(folder: Path, parts: Iterable[Part]) -> dict[str, str]:
    """Write arrays as NAME.npy, flushed, each part as it comes. Returns the checksums by name.

    Parts of several arrays may come in turns; those of one array come in order.

    Raises ValueError: a name is no plain name; a part has another type or shape than the first of its array; there are
    more or fewer rows than it said.
    """
    with ExitStack() as opened:
        files: dict[str, RowsFile] = {}
        for name, rows, block in parts:
            if name not in files:
                path = folder / f"{plain_name('array', name)}.npy"
                files[name] = opened.enter_context(RowsFile(path, rows, block))
            files[name].append(block)
        return {name: file.finish() for name, file in files.items()}
