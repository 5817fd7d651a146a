"""Ready-made feature vectors: what an embedder would have computed, read from four .npy files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Float, Int, Items, SplitName
from datasets.checks import check_items, content_hash, file_hash, needed_folder, pick

FILES = ("train.npy", "train_labels.npy", "test.npy", "test_labels.npy")
HOLDING = ", ".join(FILES)


class Vectors:
    """Feature vectors in .npy files: train.npy, train_labels.npy, test.npy, test_labels.npy.

    Vectors float32 [n, d], labels int64 [n] counted from 0. Train items are the database, test items the
    queries.
    """

    train_in_database = True
    content = "vectors"

    def __init__(self, *, data_dir: Path | None = None) -> None:
        self.data_dir = data_dir
        self.classes: tuple[str, ...] = ()
        self.shared_with_database = 0
        self._items: dict[str, Items] = {}

    def fingerprint(self) -> str:
        """A hash of the four files. ValueError: no folder, or a file is missing."""
        return file_hash(self._paths())

    def load(self, context: Context) -> Self:
        """Read the files. ValueError names the file, and the row and column, of what is wrong."""
        fingerprint = self.fingerprint()
        train_path, train_labels_path, test_path, test_labels_path = self._paths()
        train, test = _vectors(train_path), _vectors(test_path)
        if train.shape[1] != test.shape[1]:
            raise ValueError(f"{test_path}: {test.shape[1]} columns, but {train_path} has {train.shape[1]}")
        train_labels = _labels(train_labels_path, len(train))
        test_labels = _labels(test_labels_path, len(test))
        highest = max(train_labels.max(initial=-1), test_labels.max(initial=-1))
        self.classes = tuple(str(number) for number in range(highest + 1))
        ids = np.arange(len(train) + len(test), dtype=np.int64)
        database = Items(ids[: len(train)], train_labels, f"{fingerprint}/train", vectors=train)
        query = Items(ids[len(train) :], test_labels, f"{fingerprint}/query", vectors=test)
        self.shared_with_database = check_items(
            str(self.data_dir), self.classes, database, query, (_hashes(train), _hashes(test)), context
        )
        self._items = {"train": database, "database": database, "query": query}
        return self

    def split(self, name: SplitName) -> Items:
        """The items of a split; train is the database."""
        return pick(self._items, name)

    def _paths(self) -> list[Path]:
        folder = needed_folder(self.data_dir, HOLDING)
        for name in FILES:
            if not (folder / name).is_file():
                raise ValueError(f"{folder / name}: no such file; the folder must hold {HOLDING}")
        return [folder / name for name in FILES]


def _array(path: Path, dtype: type[np.generic], shape: str, dimensions: int) -> NDArray[Any]:
    """An array of a .npy file. ValueError: unreadable, or not of that type and shape."""
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{path}: not a readable .npy file without pickles ({error})") from error
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != dimensions:
        found = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else "an archive"
        raise ValueError(f"{path}: {found}, must be {np.dtype(dtype)} {shape}")
    return array


def _vectors(path: Path) -> Float:
    vectors = _array(path, np.float32, "[n, d]", 2)
    if vectors.shape[1] == 0:
        raise ValueError(f"{path}: vectors of no dimension")
    bad = ~np.isfinite(vectors)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise ValueError(f"{path}: {vectors[row, column]} at row {row}, column {column}; must be finite")
    return np.ascontiguousarray(vectors)


def _labels(path: Path, count: int) -> Int:
    labels = _array(path, np.int64, "[n]", 1)
    if len(labels) != count:
        raise ValueError(f"{path}: {len(labels)} labels for {count} vectors")
    return labels


def _hashes(vectors: Float) -> Iterator[bytes]:
    return (content_hash(row.tobytes()) for row in vectors)
