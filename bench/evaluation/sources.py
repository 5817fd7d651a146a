"""Arrays in the files in which training scripts leave codes and labels; nothing is unpickled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.system.places import user_path

Arrays = Mapping[str, Any]
ONLY = ""
"""The name of the array in a file that holds one array without a name."""


def read(source: str | Path) -> tuple[str, NDArray[Any]]:
    """The array of ``FILE`` or ``FILE:VARIABLE``, and its name for messages.

    Raises ValueError: there is no such file or variable, or the file is damaged or holds several arrays.
    """
    path, variable = _split(str(source))
    arrays = arrays_of(path)
    if variable is None:
        if len(arrays) != 1:
            raise ValueError(f"{path} holds {', '.join(arrays) or 'no array'}: name one, as in {path}:NAME")
        (variable,) = arrays
    elif variable not in arrays:
        raise ValueError(f"{path} has no variable {variable!r}; it holds {', '.join(arrays) or 'no array'}")
    where = f"{path}:{variable}" if variable else str(path)
    return where, _as_array(where, arrays[variable])


def arrays_of(path: Path) -> Arrays:
    """The arrays of a file by name; a file of one array without a name has it as ``ONLY``.

    Raises ValueError: see ``read``.
    """
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    if path.suffix.lower() not in READERS:
        raise ValueError(f"{path}: expected a file of {', '.join(READERS)}")
    try:
        return READERS[path.suffix.lower()](path)
    except MemoryError:
        raise
    except Exception as fault:
        first = (str(fault) or type(fault).__name__).splitlines()[0]
        raise ValueError(f"{path} can't be read as {path.suffix}: {first}") from fault


def _split(source: str) -> tuple[Path, str | None]:
    """A path, and what stands behind the last colon where the whole is no file."""
    whole = user_path(source)
    path, colon, variable = source.rpartition(":")
    if whole.exists() or not colon or not path:
        return whole, None
    return user_path(path), variable


def _as_array(where: str, value: Any) -> NDArray[Any]:
    if hasattr(value, "toarray"):  # a sparse matrix of MATLAB
        value = value.toarray()
    array = np.asarray(value)
    if array.dtype == object and all(isinstance(one, str) for one in array.flat):
        array = array.astype(str)
    if array.dtype.kind not in "buifUS":
        raise ValueError(f"{where}: {array.dtype}, expected numbers, truth values or texts")
    return array


def _npy(path: Path) -> Arrays:
    return {ONLY: np.load(path, mmap_mode="r", allow_pickle=False)}


def _npz(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as held:
        return {name: held[name] for name in held.files}


def _mat(path: Path) -> Arrays:
    """MATLAB's files: version 7.3 is HDF5, in which its arrays are transposed."""
    import h5py
    from scipy.io import loadmat

    if h5py.is_hdf5(path):
        return _hdf5(path)
    return {name: value for name, value in loadmat(path).items() if not name.startswith("__")}


def _hdf5(path: Path) -> Arrays:
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, held: Any) -> None:
        if isinstance(held, h5py.Dataset) and held.dtype.kind in "buif":
            found[name] = held[()].T if "MATLAB_class" in held.attrs else held[()]

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def _torch(path: Path) -> Arrays:
    """Tensors alone: a file that would have to be unpickled is refused by torch."""
    import torch

    held = torch.load(path, map_location="cpu", weights_only=True)
    tensors = held if isinstance(held, dict) else {ONLY: held}
    return {str(name): value.numpy() for name, value in tensors.items() if isinstance(value, torch.Tensor)}


def _text(path: Path) -> Arrays:
    """Columns between commas, semicolons or spaces, with a line of names above them, as 0, 1, 2, …, or without."""
    import pandas as pd

    table = pd.read_csv(path, header=None, sep=None, engine="python", comment="#", skipinitialspace=True)
    head = pd.to_numeric(table.iloc[0], errors="coerce")
    named = head.isna().any() or (len(head) > 1 and (head == range(len(head))).all())
    body = table.iloc[1:] if named and len(table) > 1 else table
    numbers = body.apply(pd.to_numeric, errors="coerce")
    values = body.to_numpy(dtype=str) if numbers.isna().any(axis=None) else numbers.to_numpy()
    return {ONLY: values[:, 0] if values.shape[1] == 1 else values}


def _parquet(path: Path) -> Arrays:
    """A column of lists is an array [n, d]; columns of numbers stand by themselves, and all together as ``ONLY``."""
    import pandas as pd

    table = pd.read_parquet(path)
    found: dict[str, Any] = {}
    for name in table:
        first = table[name].iloc[0]
        found[str(name)] = np.stack(list(table[name])) if np.ndim(first) == 1 else table[name].to_numpy()
    plain = [name for name, value in found.items() if value.ndim == 1 and value.dtype.kind in "buif"]
    if len(plain) == len(found) > 1:
        return {ONLY: np.column_stack([found[name] for name in plain])}
    return found


READERS: dict[str, Callable[[Path], Arrays]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".mat": _mat,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".pt": _torch,
    ".pth": _torch,
    ".csv": _text,
    ".txt": _text,
    ".parquet": _parquet,
}
"""How a file is read, by its ending."""
