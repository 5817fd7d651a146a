"""Ready-made feature vectors: what an embedder would have computed, with labels or without, read from .npy files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Float, Int, Items, SplitName
from datasets.checks import check_items, content_hash, file_hash, needed_folder, pick

PartName = Literal["train", "test"]
FILES = ("train.npy", "test.npy")
LABEL_FILES = ("train_labels.npy", "test_labels.npy")
HOLDING = f"{' and '.join(FILES)}, and {' and '.join(LABEL_FILES)} or none of the two"
BLOCK_BYTES = 2**24
"""Of vectors that are read and checked at a time."""


@dataclass(frozen=True)
class Part:
    """Vectors float32 [n, d] and, where there are any, their labels int64 [n]. ``where`` names them in an error."""

    where: str
    vectors: Float
    labels: Int | None

    def items(self, first_id: int, fingerprint: str) -> Items:
        """The items; ids count from ``first_id``. Every label is -1 where there are none."""
        count = len(self.vectors)
        ids = np.arange(first_id, first_id + count, dtype=np.int64)
        labels = np.full(count, -1, dtype=np.int64) if self.labels is None else self.labels
        return Items(ids, labels, fingerprint, vectors=self.vectors)

    def hashes(self) -> Iterator[bytes]:
        """Content hashes of the vectors, in order."""
        return (content_hash(row.tobytes()) for row in self.vectors)


class VectorSet(ABC):
    """Vectors as database (train) and queries (test), with labels or without; a subclass says where they are."""

    train_in_database = True
    content = "vectors"

    def __init__(self, data_dir: Path | None) -> None:
        self.data_dir = data_dir
        self.classes: tuple[str, ...] = ()
        self.shared_with_database = 0
        self._items: dict[str, Items] = {}

    @property
    @abstractmethod
    def labelled(self) -> bool:
        """Whether there are labels; True where the files can't be read, of which ``fingerprint`` or ``load`` tells."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the files' names and contents. ValueError: one is missing."""

    @abstractmethod
    def part(self, name: PartName) -> Part:
        """The vectors, checked, and labels. ValueError names the file, the row and the column of what is wrong."""

    def load(self, context: Context) -> Self:
        """Read the files. ValueError names the file, the row and the column of what is wrong."""
        fingerprint = self.fingerprint()
        train, test = self.part("train"), self.part("test")
        columns = [part.vectors.shape[1] for part in (train, test)]
        if columns[0] != columns[1]:
            raise ValueError(f"{test.where}: {columns[1]} columns, but {train.where} has {columns[0]}")
        database = train.items(0, f"{fingerprint}/train")
        query = test.items(len(database), f"{fingerprint}/query")
        if train.labels is None:
            self.shared_with_database = _count_shared(train, test)
        else:
            highest = max(items.labels.max() for items in (database, query))
            self.classes = tuple(str(number) for number in range(highest + 1))
            hashes = (train.hashes(), test.hashes())
            source = str(self.data_dir)
            self.shared_with_database = check_items(source, self.classes, database, query, hashes, context)
        self._items = {"train": database, "database": database, "query": query}
        return self

    def split(self, name: SplitName) -> Items:
        """The items of a split; train is the database."""
        return pick(self._items, name)


class Vectors(VectorSet):
    """Feature vectors in .npy files: train.npy, test.npy, and with labels train_labels.npy, test_labels.npy.

    Vectors float32 [n, d], mapped into memory and not copied (but in Fortran order they are); labels int64 [n] counted
    from 0. Without both files of labels the items have none. Train items are the database, test items the queries.
    """

    def __init__(self, *, data_dir: Path | None = None) -> None:
        super().__init__(data_dir)

    @property
    def labelled(self) -> bool:
        """Whether there are files of labels; True where a file is missing, of which ``fingerprint`` tells."""
        try:
            return len(self._paths()) > len(FILES)
        except ValueError:
            return True

    def fingerprint(self) -> str:
        """A hash of the files. ValueError: no folder, or a file is missing."""
        return file_hash(self._paths())

    def part(self, name: PartName) -> Part:
        """The vectors, checked, and labels. ValueError names the file, the row and the column of what is wrong."""
        folder = needed_folder(self.data_dir, HOLDING)
        path, labels_path = folder / f"{name}.npy", folder / f"{name}_labels.npy"
        vectors = np.ascontiguousarray(_array(path))
        check_vectors(str(path), vectors)
        for rows in row_blocks(vectors):
            check_finite(str(path), vectors[rows], rows.start)
        if not self.labelled:
            return Part(str(path), vectors, None)
        labels = np.asarray(_array(labels_path))
        check_labels(str(labels_path), labels, len(vectors))
        return Part(str(path), vectors, labels)

    def _paths(self) -> list[Path]:
        """The files that there are. ValueError: no folder, or a file is missing."""
        folder = needed_folder(self.data_dir, HOLDING)
        labelled = any((folder / name).is_file() for name in LABEL_FILES)
        paths = [folder / name for name in (FILES + LABEL_FILES if labelled else FILES)]
        for path in paths:
            if not path.is_file():
                raise ValueError(f"{path}: no such file; the folder must hold {HOLDING}")
        return paths


def check_vectors(where: str, vectors: Any) -> None:
    """ValueError unless an array, or one that is still in a file, is float32 [n, d] and not empty."""
    _check_kind(where, vectors, np.float32, "[n, d]", 2)
    if 0 in vectors.shape:
        raise ValueError(f"{where}: {list(vectors.shape)}, must hold at least one vector of at least one dimension")


def check_labels(where: str, labels: Any, count: int) -> None:
    """ValueError unless an array, or one that is still in a file, is int64 [count]."""
    _check_kind(where, labels, np.int64, "[n]", 1)
    if len(labels) != count:
        raise ValueError(f"{where}: {len(labels)} labels for {count} vectors")


def check_finite(where: str, vectors: Float, first_row: int) -> None:
    """ValueError names the first value that is NaN or infinite; ``first_row`` is the number of the first row."""
    bad = ~np.isfinite(vectors)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise ValueError(f"{where}: {vectors[row, column]} at row {first_row + row}, column {column}; must be finite")


def row_blocks(vectors: Float) -> Iterator[slice]:
    """Slices that cover the rows in order, BLOCK_BYTES each."""
    rows = max(1, BLOCK_BYTES // (vectors.itemsize * vectors.shape[1]))
    return (slice(start, min(start + rows, len(vectors))) for start in range(0, len(vectors), rows))


def _array(path: Path) -> NDArray[Any]:
    """The array of a .npy file, mapped into memory. ValueError: unreadable."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: not a readable .npy file without pickles ({error})") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path}: an archive, must be one array")
    return array


def _check_kind(where: str, array: Any, dtype: type[np.generic], shape: str, dimensions: int) -> None:
    if array.dtype != dtype or array.ndim != dimensions:
        raise ValueError(f"{where}: {array.dtype} {list(array.shape)}, must be {np.dtype(dtype)} {shape}")


def _count_shared(train: Part, test: Part) -> int:
    """How many queries stand in the database. Without labels to learn that is no leak, however many they are."""
    asked = Counter(test.hashes())
    shared = {content for content in train.hashes() if content in asked}
    return sum(asked[content] for content in shared)
