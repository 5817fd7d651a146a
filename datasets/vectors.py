"""Ready-made feature vectors, as an embedder computes them, with labels or without, read from .npy files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Float, Int, Items
from datasets.arrays import check_labels, read_vectors
from datasets.checks import file_hash, needed_folder, one_line
from datasets.labels import Labels, number_classes
from datasets.train_test import TrainTest
from datasets.twins import content_hash

PartName = Literal["train", "test"]
FILES = ("train.npy", "test.npy")
LABEL_FILES = ("train_labels.npy", "test_labels.npy")
HOLDING = f"{' and '.join(FILES)}, and {' and '.join(LABEL_FILES)} or none of the two"


@dataclass(frozen=True)
class Part:
    """Vectors float32 [n, d] and, if there are any, their labels, integers [n].

    ``where`` names them in an error. ``remarks`` tell the losses and troubles of reading.
    """

    where: str
    vectors: Float
    labels: Labels | None
    remarks: list[str]

    def items(self, first_id: int, fingerprint: str, labels: Int | None) -> Items:
        """The items; ids count from ``first_id``. Without labels every label is -1."""
        count = len(self.vectors)
        ids = np.arange(first_id, first_id + count, dtype=np.int64)
        every = np.full(count, -1, dtype=np.int64) if labels is None else labels
        return Items(ids, every, fingerprint, vectors=self.vectors)

    def hashes(self) -> Iterator[bytes]:
        return (content_hash(row.tobytes()) for row in self.vectors)


class VectorSet(TrainTest, ABC):
    """Vectors as database (train) and queries (test), with labels or without; a subclass reads them."""

    content = "vectors"

    @property
    @abstractmethod
    def labelled(self) -> bool:
        """Whether there are labels; True for unreadable files, which ``fingerprint`` or ``load`` reports."""

    @abstractmethod
    def fingerprint(self) -> str: ...

    @abstractmethod
    def part(self, name: PartName) -> Part:
        """The checked vectors, and labels.

        Raises ValueError: a value is wrong; the message names its file, row and column.
        """

    def load(self, context: Context) -> Self:
        fingerprint, source = self.fingerprint(), str(self.data_dir)
        train, test = self.part("train"), self.part("test")
        columns = [part.vectors.shape[1] for part in (train, test)]
        if columns[0] != columns[1]:
            raise ValueError(f"{test.where}: {columns[1]} columns, but {train.where} has {columns[0]}")
        classes, of_train, of_test = None, None, None
        if train.labels is not None and test.labels is not None:
            classes, of_train, of_test = number_classes(source, train.labels, test.labels)
        database = train.items(0, f"{fingerprint}/train", of_train)
        query = test.items(len(database), f"{fingerprint}/query", of_test)
        hashes = (train.hashes(), test.hashes())
        remarks = [remark.removeprefix(f"{source}/") for remark in train.remarks + test.remarks]
        return self._keep(source, classes, database, query, hashes, context, remarks)


class Vectors(VectorSet):
    """Feature vectors in .npy files: train.npy, test.npy, and with labels train_labels.npy, test_labels.npy.

    Vectors are numbers of any real type [n, d], read as float32. float32 vectors in C order are mapped into memory and
    not copied. Labels are integers [n] of any type and from 0, with or without gaps, and name the classes. Without both
    files of labels the items have none. ``twins_allowed``: see ``TrainTest``.
    """

    def __init__(self, *, data_dir: Path | None = None, twins_allowed: float | None = None) -> None:
        super().__init__(data_dir, twins_allowed)

    @property
    def labelled(self) -> bool:
        try:
            return len(self._paths()) > len(FILES)
        except ValueError:
            return True

    def fingerprint(self) -> str:
        return file_hash(self._paths())

    def part(self, name: PartName) -> Part:
        folder = needed_folder(self.data_dir, HOLDING)
        path, labels_path = folder / f"{name}.npy", folder / f"{name}_labels.npy"
        vectors, remarks = read_vectors(str(path), _array(path))
        if not self.labelled:
            return Part(str(path), vectors, None, remarks)
        labels = np.asarray(_array(labels_path))
        check_labels(str(labels_path), labels, len(vectors))
        return Part(str(path), vectors, labels, remarks)

    def _paths(self) -> list[Path]:
        """The files of the set, which must all be there."""
        folder = needed_folder(self.data_dir, HOLDING)
        labelled = any((folder / name).is_file() for name in LABEL_FILES)
        paths = [folder / name for name in (FILES + LABEL_FILES if labelled else FILES)]
        for path in paths:
            if not path.is_file():
                raise ValueError(f"{path}: no such file; the folder must hold {HOLDING}")
        return paths


def _array(path: Path) -> NDArray[Any]:
    """The array of a .npy file, mapped into memory; an unreadable file is refused."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header makes its reader raise anything
        raise ValueError(f"{path}: not a readable .npy file without pickles ({one_line(error)})") from error
