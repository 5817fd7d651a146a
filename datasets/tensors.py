"""Vectors in safetensors files: one file of all tensors, or a file for each part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.checks import one_line
from datasets.files import state
from datasets.roles import by_role, check_parts, role
from datasets.vector_set import Array, Layout

SUFFIX = ".safetensors"
TYPES = {
    **{"F64": "f8", "F32": "f4", "F16": "f2", "BOOL": "?"},
    **{f"{letter.upper()}{bits}": f"{letter}{bits // 8}" for letter in "iu" for bits in (8, 16, 32, 64)},
}
"""numpy's types by those that the format names."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file, read by blocks of rows; ``kind`` is its type as the format names it."""

    path: Path
    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(TYPES[self.kind])

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        with _opened(self.path) as file:
            held = file.get_slice(self.name)
            for start in range(0, self.shape[0], rows):
                yield held[start : min(start + rows, self.shape[0])]


def layout(folder: Path, files: Sequence[Path], train: str | None, test: str | None) -> Layout | None:
    """The tensors by the roles that their names tell, or else the names of their files; None without such a file.

    Raises ValueError: a file can't be read; a part is missing, or may be of several tensors.
    """
    paths = [path for path in files if path.suffix.lower() == SUFFIX]
    if not paths:
        return None
    known: dict[str, Array] = {}
    distances = set[str]()
    for path in paths:
        state(path)
        with _opened(path) as file:
            held = {_named(path, name): _tensor(file, path, name) for name in file.keys()}  # noqa: SIM118
            if held.keys() & known.keys():
                twice = min(held.keys() & known.keys())
                raise ValueError(f"{path}: {twice} is in another file too; name = NAME must begin that of one file")
            known |= held
            distances |= {(file.metadata() or {}).get("distance", "euclidean")}
    if len(distances) > 1:
        named = ", ".join(sorted(distances))
        raise ValueError(f"{folder}: the metadata distance of its files are {named}; must be one")
    names = by_role(str(folder), known, {"train": train, "test": test})
    check_parts(str(folder), names, known)
    found = {part: [known[name]] for part, name in names.items()}
    for [(where, data)] in found.values():
        if data.kind not in TYPES:
            raise ValueError(f"{where}: {data.kind}, must be {', '.join(TYPES)}")
    return Layout(found, paths, distances.pop(), name=paths[0].stem if len(paths) == 1 else None)


def _named(path: Path, name: str) -> str:
    """The tensor's name, after that of its file where the tensor's alone tells no role."""
    return name if role(name) else f"{path.stem}_{name}"


def _tensor(file: Any, path: Path, name: str) -> Array:
    held = file.get_slice(name)
    return Array(f"{path}: {name}", Tensor(path, name, held.get_dtype(), tuple(held.get_shape())))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, open for reading; one that is no safetensors, or is damaged, is refused."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="np") as file:
            yield file
    except ValueError:
        raise
    except Exception as error:  # a damaged file makes the library raise anything
        raise ValueError(f"{path}: not a readable safetensors file ({one_line(error)})") from error
