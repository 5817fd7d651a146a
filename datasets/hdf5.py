"""The files of ann-benchmarks: vectors in HDF5 with the distance that they are compared by, mostly without labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.interfaces import Float
from datasets.checks import file_hash, needed_folder
from datasets.vectors import Part, PartName, VectorSet, check_finite, check_labels, check_vectors, row_blocks

if TYPE_CHECKING:
    import h5py

HOLDING = "NAME.hdf5 in the layout of ann-benchmarks"
LABELS = ("train_labels", "test_labels")


class HDF5(VectorSet):
    """Feature vectors in an HDF5 file in the layout of ann-benchmarks: train, test, with or without labels.

    Data sets ``train`` and ``test``, float32 [n, d]. ``train_labels`` and ``test_labels``, int64 [n] from 0, are read
    where they stand; without both the items have no labels. Attribute ``distance``: "euclidean", or "angular":
    every row is then divided by its length, so that the Euclidean order is that of the angles. ``neighbors`` and
    ``distances`` are not read: exact neighbours are found here. Train items are the database, test items the queries.

    ``name``: which file of the folder, without .hdf5; None where there is one only.
    """

    def __init__(self, *, data_dir: Path | None = None, name: str | None = None) -> None:
        super().__init__(data_dir)
        self.name = name

    @property
    def labelled(self) -> bool:
        """Whether the file has labels; True where it can't be read, of which ``fingerprint`` or ``load`` tells."""
        try:
            with _opened(self._path()) as file:
                return any(name in file for name in LABELS)
        except ValueError:
            return True

    @property
    def dataset_name(self) -> str | None:
        """The file's name without .hdf5; None where it can't be told which that is."""
        try:
            return self._path().stem
        except ValueError:
            return None

    def fingerprint(self) -> str:
        """A hash of the file. ValueError: no folder, no such file in it, or several and no name."""
        return file_hash([self._path()])

    def part(self, name: PartName) -> Part:
        """The vectors, checked, and labels. ValueError names the file, its data set, the row and the column."""
        with _opened(self._path()) as file:
            vectors = _vectors(file, name, angular=_distance(file) == "angular")
            labels = None
            if any(label in file for label in LABELS):
                data = _data(file, f"{name}_labels")
                check_labels(_where(data), data, len(vectors))
                labels = data[:]
            return Part(_where(_data(file, name)), vectors, labels)

    def _path(self) -> Path:
        folder = needed_folder(self.data_dir, HOLDING)
        names = sorted(path.stem for path in folder.glob("*.hdf5"))
        chosen = [name for name in names if self.name in (None, name)]
        if len(chosen) != 1:
            known = ", ".join(names) or "none"
            raise ValueError(f"{folder}: name = {self.name!r} must be that of one .hdf5 file; there are: {known}")
        return folder / f"{chosen[0]}.hdf5"


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading. ValueError: it is none of HDF5, or damaged."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise ValueError(f"{path}: not a readable HDF5 file ({error})") from error


def _data(file: h5py.File, name: str) -> h5py.Dataset:
    """A data set of the file. ValueError: there is none of that name."""
    data = file.get(name)
    if not hasattr(data, "shape"):
        raise ValueError(f"{file.filename}: no data set {name}; there are: {', '.join(file) or 'none'}")
    return data


def _where(data: h5py.Dataset) -> str:
    return f"{data.file.filename}: {data.name.removeprefix('/')}"


def _distance(file: h5py.File) -> str:
    """The attribute ``distance``. ValueError: it is missing, or not one whose order is Euclidean."""
    value: Any = file.attrs.get("distance")
    distance = value.decode() if isinstance(value, bytes) else value
    if not isinstance(distance, str) or distance not in ("euclidean", "angular"):
        raise ValueError(f"{file.filename}: attribute distance = {distance!r}, must be 'euclidean' or 'angular'")
    return distance


def _vectors(file: h5py.File, name: str, angular: bool) -> Float:
    """The vectors of a data set, float32 [n, d], read by blocks of rows. ValueError: see ``HDF5.part``."""
    data = _data(file, name)
    check_vectors(_where(data), data)
    vectors: Float = np.empty(data.shape, dtype=np.float32)
    for rows in row_blocks(vectors):
        data.read_direct(vectors, rows, rows)
        check_finite(_where(data), vectors[rows], rows.start)
        if angular:
            _to_unit_length(_where(data), vectors[rows], rows.start)
    return vectors


def _to_unit_length(where: str, vectors: Float, first_row: int) -> None:
    """Divide each row by its length, in place. ValueError names a row of zeros, which has no direction."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    if not lengths.all():
        row = first_row + int(lengths.argmin())
        raise ValueError(f"{where}: row {row} is zero; by distance = 'angular' every vector needs a direction")
    vectors /= lengths[:, None]
