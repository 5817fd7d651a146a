"""Arrays in the files in which training scripts leave codes and labels; nothing is unpickled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from bench.given.columns import Columns, read_columns
from bench.given.labels import as_texts
from bench.given.matlab import Read, hdf5, mat

T = TypeVar("T")
Arrays = Mapping[str, Callable[..., NDArray[Any]]]
"""The arrays of a file by name. A call reads one of them. It may tell how many rows there must be, by which a file of
text knows whether its first line names the columns.
"""
ONLY = ""
"""The name of the array in a file that holds one array without a name."""
NAMES = {
    "query": ("query", "query_codes", "qB", "tst_B", "test_codes", "tst_binary", "q_code"),
    "database": ("database", "database_codes", "rB", "dB", "trn_B", "retrieval_codes", "trn_binary", "db_code"),
    "query_labels": ("query_labels", "qL", "tst_label", "test_labels", "query_L", "q_label"),
    "database_labels": ("database_labels", "rL", "dL", "trn_label", "retrieval_labels", "retrieval_L", "db_label"),
}
"""What code bases call codes and labels that stand in one file."""


def arrays_of(path: Path) -> Arrays:
    """The arrays of a file by name; a file of one array without a name has it as ``ONLY``.

    A .npy file is mapped into memory, and of the other files an array is read by its call.

    Raises ValueError: there is no such file, or it can't be read; so does the call, and where an array holds neither
    numbers nor truth values nor texts.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder, expected a file")
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    if path.suffix.lower() not in READERS:
        raise ValueError(f"{path}: expected a file of {', '.join(READERS)}")
    found: Mapping[str, Read] = _tried(path, partial(READERS[path.suffix.lower()], path))
    return {name: partial(_array, path, name, read) for name, read in found.items()}


def listed(arrays: Iterable[str]) -> str:
    """The names of a file's arrays, in words."""
    names = [*arrays]
    return "one array without a name" if names == [ONLY] else ", ".join(names) or "no array"


def place(path: Path, name: str) -> str:
    """An array of a file, as a message names it."""
    return f"{path}:{name}" if name else str(path)


def _array(path: Path, name: str, read: Read, rows: int | None = None) -> NDArray[Any]:
    value = _tried(path, read)
    if isinstance(value, Columns):
        value = value.array(rows)
    if hasattr(value, "toarray"):  # a sparse matrix of MATLAB
        value = value.toarray()
    array = np.asarray(value)
    if array.dtype == object and all(isinstance(one, str) for one in array.flat):
        array = array.astype(str)
    if array.dtype.kind not in "buifUS":
        raise ValueError(f"{place(path, name)}: {array.dtype}, expected numbers, truth values or texts")
    return as_texts(place(path, name), array)


def _tried(path: Path, read: Callable[[], T]) -> T:
    """What ``read`` returns. Raises ValueError: it raises anything, as the libraries do on a damaged file."""
    try:
        return read()
    except MemoryError:
        raise
    except Exception as fault:
        first = (str(fault) or type(fault).__name__).splitlines()[0]
        raise ValueError(f"{path} can't be read as {path.suffix}: {first}") from fault


def _npy(path: Path) -> Mapping[str, Read]:
    return {ONLY: partial(np.load, path, mmap_mode="r", allow_pickle=False)}


def _npz(path: Path) -> Mapping[str, Read]:
    with np.load(path, allow_pickle=False) as held:
        return {name: partial(_member, path, name) for name in held.files}


def _member(path: Path, name: str) -> Any:
    with np.load(path, allow_pickle=False) as held:
        return held[name]


def _torch(path: Path) -> Mapping[str, Read]:
    """Tensors alone: a file that would have to be unpickled is refused by torch."""
    import torch

    held = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    tensors = held if isinstance(held, dict) else {ONLY: held}
    return {str(name): value.numpy for name, value in tensors.items() if isinstance(value, torch.Tensor)}


def _text(path: Path) -> Mapping[str, Read]:
    return {ONLY: partial(read_columns, path)}


def _parquet(path: Path) -> Mapping[str, Read]:
    """A column of lists is an array [n, d]; columns of numbers stand by themselves, and all together as ``ONLY``."""
    import pandas as pd

    table = pd.read_parquet(path)
    found: dict[str, NDArray[Any]] = {}
    for name in table:
        first = table[name].iloc[0]
        found[str(name)] = np.stack(list(table[name])) if np.ndim(first) == 1 else table[name].to_numpy()
    plain = [name for name, value in found.items() if value.ndim == 1 and value.dtype.kind in "buif"]
    if len(plain) == len(found) > 1:
        return {ONLY: partial(np.column_stack, [found[name] for name in plain])}
    return {name: partial(np.asarray, value) for name, value in found.items()}


READERS: dict[str, Callable[[Path], Mapping[str, Read]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".mat": mat,
    ".h5": hdf5,
    ".hdf5": hdf5,
    ".pt": _torch,
    ".pth": _torch,
    ".csv": _text,
    ".txt": _text,
    ".parquet": _parquet,
}
"""How a file is read, by its ending."""
