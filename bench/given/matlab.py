"""MATLAB's files and HDF5, as which MATLAB's version 7.3 writes its own: arrays as MATLAB shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Read = Callable[[], Any]


def mat(path: Path) -> Mapping[str, Read]:
    """The variables of a .mat file by name: version 7.3 is HDF5, in which its arrays are transposed.

    A char matrix is an array of texts, one a row, without the blanks that fill it up; so is a cell array of texts.
    """
    import h5py
    from scipy.io import whosmat

    if h5py.is_hdf5(path):
        return hdf5(path)
    return {name: partial(_variable, path, name) for name, _, _ in whosmat(path)}


def hdf5(path: Path) -> Mapping[str, Read]:
    """The datasets of an HDF5 file that hold numbers, truth values or texts, by name; of MATLAB's, cell arrays too."""
    import h5py

    found: dict[str, Read] = {}

    def visit(name: str, held: Any) -> None:
        if not isinstance(held, h5py.Dataset) or name.startswith("#"):  # "#refs#" holds what stands in MATLAB's cells
            return
        texts = held.shape and h5py.check_string_dtype(held.dtype)
        if texts or held.dtype.kind in "buif" or _matlab_class(held) == "cell":
            found[name] = partial(_dataset, path, name)

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def _variable(path: Path, name: str) -> Any:
    from scipy.io import loadmat

    value = loadmat(path, variable_names=[name])[name]
    if value.dtype.kind == "U":
        return np.char.rstrip(value, " ")
    return value if value.dtype != object else _cells(name, value.shape, (_text(one) for one in value.flat))


def _text(cell: Any) -> str | None:
    """The text of a cell; None if it holds another thing. A text is an array of one text, or of none if it is empty."""
    is_text = isinstance(cell, np.ndarray) and cell.dtype.kind == "U" and cell.size < 2
    return "".join(cell.flat) if is_text else None


def _dataset(path: Path, name: str) -> Any:
    import h5py

    with h5py.File(path, "r") as file:
        held = file[name]
        values = held[()]
        if _matlab_class(held) == "cell":
            return _cells(name, values.T.shape, (_chars(file[one]) for one in values.T.flat))
        if _matlab_class(held) == "char":
            return np.char.rstrip(_rows(values.T), " ")
        if values.dtype == object:  # texts of any length
            values = values.astype("S")
        return values.T if "MATLAB_class" in held.attrs else values


def _cells(name: str, shape: tuple[int, ...], texts: Iterable[str | None]) -> NDArray[Any]:
    """The texts of a cell array. Raises ValueError: a cell holds no text."""
    found = [*texts]
    if None in found:
        raise ValueError(f"cell {found.index(None) + 1} of {name} holds no text; a cell array must hold texts alone")
    return np.array(found, dtype=str).reshape(shape)


def _chars(held: Any) -> str | None:
    """The text of a cell of version 7.3; None if it holds another thing."""
    if _matlab_class(held) != "char":
        return None
    if held.attrs.get("MATLAB_empty", 0):
        return ""
    rows = _rows(held[()].T)
    return str(rows[0]) if len(rows) == 1 else None


def _rows(codes: NDArray[Any]) -> NDArray[Any]:
    """The texts [n] of rows of UTF-16 code units [n, length]."""
    return np.array([row.astype("<u2").tobytes().decode("utf-16-le") for row in np.atleast_2d(codes)], dtype=str)


def _matlab_class(held: Any) -> str:
    """MATLAB's class of a dataset; empty if MATLAB did not write it."""
    name = held.attrs.get("MATLAB_class", b"")
    return name.decode() if isinstance(name, bytes) else str(name)
