"""The files of ann-benchmarks and VIBE: vectors or codes in HDF5 with the name of their distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from bench.given.labels import as_texts, check_labels
from bench.interfaces import Context, Float
from datasets import inner_product
from datasets.arrays import AngleLosses, check_finite, check_vectors, converted, read_vectors, whole
from datasets.checks import needed_folder, one_line
from datasets.coded import CodePart, coded
from datasets.files import state
from datasets.vector_set import Array, Layout, VectorSet

if TYPE_CHECKING:
    import h5py

HOLDING = "NAME.hdf5 in the layout of ann-benchmarks"
LABELS = ("train_labels", "test_labels")

REFUSED = {
    "jaccard": "is a distance of sets of any size, whose order is neither Euclidean nor that of Hamming distance",
}
"""Distances of such files that are not served, each with the reason."""


class HDF5(VectorSet):
    """Feature vectors or codes in an HDF5 file in the layout of ann-benchmarks: train, test, with or without labels.

    Data sets ``train`` and ``test`` are numbers of any real type [n, d], read as float32. ``train_labels`` and
    ``test_labels`` are integers [n] of any type and from 0, or texts. Without both the items have no labels. Train
    items are the database, test items the queries. ``neighbors`` of vectors are compared with exact ones on a sample;
    those of codes are not read, nor are ``distances``.

    The attribute ``distance`` is "euclidean", "angular", "cosine", "normalized", "ip" or "hamming". For the three after
    the first every row is divided by its length, so that the Euclidean order is that of the angles; a row of zeros
    stays as it is. For "ip", the inner product, see `datasets.inner_product`. By "hamming" the items are codes: rows of
    truth values or of 0 and 1, or packed ones, uint8 or uint64.

    ``name``: the file of the folder, without .hdf5; None if there is only one. ``twins_allowed``: see ``TrainTest``.
    """

    hasher = "given"

    def __init__(
        self, *, data_dir: Path | None = None, name: str | None = None, twins_allowed: float | None = None
    ) -> None:
        super().__init__(data_dir, twins_allowed)
        self.name = name

    @property
    def content(self) -> Literal["vectors", "codes"]:  # type: ignore[override]
        """What the distance says; "vectors" for an unreadable file, which ``fingerprint`` or ``load`` reports."""
        try:
            with _opened(self._path()) as file:
                return "codes" if _distance(file) == "hamming" else "vectors"
        except ValueError:
            return "vectors"

    def layout(self) -> Layout:
        return layout(self._path()).trained_on(learn=False)

    def load(self, context: Context) -> Self:
        if self.content == "vectors":
            return super().load(context)
        database, query = (self._coded(name) for name in ("train", "test"))
        made = coded(str(self.data_dir), self.fingerprint, database, query)
        more = [remark.removeprefix(f"{self.data_dir}/") for remark in self.layout().remarks]
        return self._keep(str(self.data_dir), *made[:4], context, [*made.remarks, *more], given=made.given)

    def _coded(self, name: str) -> CodePart:
        """One split of a file of codes."""
        with _opened(self._path()) as file:
            data = _data(file, name)
            return CodePart(_where(data), _bits(_where(data), data), _labels(file, name, len(data)))

    def _path(self) -> Path:
        folder = needed_folder(self.data_dir, HOLDING)
        names = sorted(path.stem for path in folder.glob("*.hdf5"))
        chosen = [name for name in names if self.name in (None, name)]
        if not names:
            raise ValueError(f"{folder}: no .hdf5 file is in it: expected one, as of the benchmark of ANN libraries")
        if len(chosen) != 1:
            known = ", ".join(names)
            named = f"name = {self.name!r} is none of its .hdf5 files" if self.name else "several .hdf5 files are in it"
            raise ValueError(f"{folder}: {named}: expected name = one of {known}")
        return folder / f"{chosen[0]}.hdf5"


def layout(path: Path, distance: str | None = None) -> Layout:
    """The data sets of a file, by ``distance`` or else by the one that its attribute names.

    Raises ValueError: the file can't be read, or lacks a data set or a distance that is served.
    """
    state(path)
    with _opened(path) as file:
        labels = LABELS if any(name in file for name in LABELS) else ()
        more = [name for name in ("learn", "neighbors") if name in file]
        arrays = {name: [_array(path, file, name)] for name in ("train", "test", *labels, *more)}
        chosen = distance or _distance(file)
    return Layout(arrays, [path], chosen, READERS.get(chosen, read_vectors), name=path.stem)


@dataclass(frozen=True)
class Rows:
    """A data set of a file, which is open while its rows are read."""

    path: Path
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        with _opened(self.path) as file:
            for start in range(0, self.shape[0], rows):
                block = file[self.name][start : start + rows]
                yield block.astype("S") if self.dtype.kind == "S" else block


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading; one that is not HDF5, or is damaged, is refused."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except ValueError:
        raise
    except Exception as error:  # a damaged file makes the library raise anything
        raise ValueError(f"{path}: not a readable HDF5 file ({one_line(error)})") from error


def _data(file: h5py.File, name: str) -> h5py.Dataset:
    """A data set of the file; a missing one, or one without an array, is refused."""
    data = file.get(name)
    if getattr(data, "shape", None) is None:
        raise ValueError(f"{file.filename}: no data set {name}; there are: {', '.join(file) or 'none'}")
    return data


def _array(path: Path, file: h5py.File, name: str) -> Array:
    data = _data(file, name)
    # Labels that are texts of any length are read as bytes.
    texts = name in LABELS and data.dtype.kind == "O" and _is_text(data.dtype)
    return Array(f"{path}: {name}", Rows(path, name, np.dtype("S") if texts else data.dtype, data.shape))


def _labels(file: h5py.File, name: str, count: int) -> NDArray[Any] | None:
    """The labels of a split; None if the file has none."""
    if not any(label in file for label in LABELS):
        return None
    where, found = _array(Path(file.filename), file, f"{name}_labels")
    check_labels(where, found, count, read=whole)
    return as_texts(where, whole(found))


def _where(data: h5py.Dataset) -> str:
    return f"{data.file.filename}: {data.name.removeprefix('/')}"


def _distance(file: h5py.File) -> str:
    """The attribute ``distance``; a missing one, or one whose order is not Euclidean, is refused."""
    value = _attribute(file, "distance")
    plain = value.item() if isinstance(value, np.generic) else value
    distance = plain.decode(errors="replace") if isinstance(plain, bytes) else plain
    if not isinstance(distance, str) or distance not in SERVED:
        known = isinstance(distance, str) and distance in REFUSED
        why = REFUSED[distance] if known else f"must be {', '.join(map(repr, SERVED))}"
        raise ValueError(f"{file.filename}: attribute distance = {distance!r}{' ' if known else ', '}{why}")
    return distance


def _attribute(file: h5py.File, name: str) -> Any:
    """The value of an attribute, a number or a text; None if it is missing. HDF5 crashes on other damaged ones."""
    if name not in file.attrs:
        return None
    kind = file.attrs.get_id(name).dtype
    if kind.kind not in "biufSU" and not _is_text(kind):
        raise ValueError(f"{file.filename}: attribute {name} is neither a text nor a number")
    return file.attrs[name]


def _is_text(kind: np.dtype[Any]) -> bool:
    """Whether it is HDF5's text of any length, which numpy calls an object."""
    import h5py

    return h5py.check_string_dtype(kind) is not None


def _by_angle(where: str, data: h5py.Dataset) -> tuple[Float, list[str]]:
    """The vectors at unit length. Rows of zeros have no direction: they stay as they are, and a remark counts them.
    Another tells where float32 rounds what the directions differ by.
    """
    check_vectors(where, data)
    zeros: list[int] = []
    losses = AngleLosses(where)

    def convert(block: NDArray[Any], first_row: int) -> Float:
        check_finite(where, block, first_row)
        unit, zero = unit_length(block, losses)
        zeros.extend(first_row + zero)
        return unit

    vectors = converted(data, convert)
    if not zeros:
        return vectors, losses.remarks()
    counted = f"{where}: rows of zeros: {len(zeros):,} of {len(vectors):,}, first row {zeros[0]}"
    said = f"{counted}; they have no direction and stay at distance 1 from every other"
    return vectors, [said, *losses.remarks()]


def unit_length(rows: NDArray[Any], losses: AngleLosses | None = None) -> tuple[Float, NDArray[np.intp]]:
    """Rows of finite numbers divided by their lengths, float32 [n, d], and the positions of all-zero rows, [z].

    ``losses`` see the rows before they are rounded.
    """
    wide = rows.astype(np.float64)
    largest = np.abs(wide).max(axis=1)
    # A power of 2 divides exactly; the squares of the largest and the smallest numbers have no float64.
    wide = np.ldexp(wide, -np.frexp(largest)[1][:, None])
    lengths = np.sqrt(np.einsum("nd,nd->n", wide, wide))
    zero = np.flatnonzero(largest == 0)
    lengths[zero] = 1
    wide /= lengths[:, None]
    if losses is not None:
        losses.watch(wide)
    return wide.astype(np.float32), zero


def _bits(where: str, data: h5py.Dataset) -> NDArray[Any]:
    """Rows of 0 and 1, or of packed bits, uint8 or uint64; another value is refused."""
    check_vectors(where, data)
    rows: NDArray[Any] = data[:]
    if rows.dtype == np.bool_ or rows.dtype in (np.uint8, np.uint64):
        return rows
    wrong = (rows != 0) & (rows != 1)
    if wrong.any():
        row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
        value = f"{rows[row, column]} at row {row}, column {column}"
        raise ValueError(f"{where}: {value}; by distance = 'hamming' must be 0 or 1, or packed as uint8 or uint64")
    return rows == 1


READERS: dict[str, Callable[[str, Any], tuple[Float, list[str]]]] = {
    "euclidean": read_vectors,
    "angular": _by_angle,
    "cosine": _by_angle,
    "normalized": _by_angle,
    **dict.fromkeys(inner_product.NAMES, read_vectors),
}
"""The reader of a data set's vectors, by the attribute ``distance``."""
SERVED = (*READERS, "hamming")
