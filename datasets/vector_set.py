"""Vectors as database and queries, whatever files they stand in: checked against each other, read and compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from bench.given.labels import UserLabels, as_texts, check_labels, number_classes
from bench.interfaces import Context, Float, Int, Items
from datasets import inner_product
from datasets.arrays import (
    blocks,
    check_finite,
    check_neighbours,
    check_vectors,
    is_rounded,
    read_vectors,
    room_for_vectors,
    whole,
)
from datasets.neighbours import compared_once
from datasets.train_test import TrainTest
from datasets.twins import Hashes, content_hash, given_hashes

PARTS = ("train", "test", "learn")
Reader = Callable[[str, Any], tuple[Float, list[str]]]
"""A function of the name and the source of vectors, to float32 [n, d] and remarks on the losses."""


class Array(NamedTuple):
    """A source (see `datasets.arrays`) and its name in an error."""

    where: str
    data: Any


@dataclass(frozen=True)
class Part:
    """Vectors float32 [n, d] and, if there are any, their labels, integers or texts [n].

    ``remarks`` tell the losses and troubles of reading.
    """

    vectors: Float
    labels: UserLabels | None
    remarks: list[str]

    def items(self, first_id: int, fingerprint: str, labels: Int | None) -> Items:
        """The items; ids count from ``first_id``. Without labels every label is -1."""
        count = len(self.vectors)
        ids = np.arange(first_id, first_id + count, dtype=np.int64)
        every = np.broadcast_to(np.int64(-1), count) if labels is None else labels
        return Items(ids, every, fingerprint, vectors=self.vectors)

    def hashes(self) -> Iterator[bytes]:
        return (content_hash(row.tobytes()) for row in self.vectors)


@dataclass(frozen=True)
class Layout:
    """The arrays of a data set by their roles, found and not read yet; several of one role follow each other.

    The roles are ``train``, the database; ``test``, the queries; ``learn``, what is trained on in place of the
    database; ``train_labels`` and ``test_labels``; and ``neighbors``, the queries' nearest ones as their publisher
    gives them. ``files`` hold the arrays. ``read`` reads vectors by their ``distance``. ``name`` is that of the data
    where the user gives none. ``classes`` are the names of integer labels; without them, numbers are their own names.
    """

    arrays: Mapping[str, Sequence[Array]]
    files: Sequence[Path]
    distance: str = "euclidean"
    read: Reader = read_vectors
    name: str | None = None
    classes: Sequence[str] = ()
    remarks: Sequence[str] = ()

    @property
    def labelled(self) -> bool:
        return "train_labels" in self.arrays

    def check(self) -> None:
        """Raises ValueError: an array is of a wrong type, or of a shape that does not fit the others."""
        vectors = [array for name in PARTS for array in self.of(name)]
        first = vectors[0]
        for where, data in vectors:
            check_vectors(where, data)
            if data.shape[1] != first.data.shape[1]:
                raise ValueError(f"{where}: {data.shape[1]} columns, but {first.where} has {first.data.shape[1]}")
        for name in PARTS:
            for labels, items in zip(self.of(f"{name}_labels"), self.of(name), strict=False):
                check_labels(labels.where, labels.data, items.data.shape[0], read=whole)
        queries = sum(array.data.shape[0] for array in self.of("test"))
        for where, data in self.of("neighbors"):
            check_neighbours(where, data, queries)

    def trained_on(self, learn: bool) -> Layout:
        """The layout with the vectors to learn from, or without them and a remark that they are not used.

        Raises ValueError: they are asked for, and are not there or have no labels where the others have.
        """
        if learn and ("learn" not in self.arrays or self.labelled):
            fault = "and they have no labels" if "learn" in self.arrays else "there are none"
            raise ValueError(f"{self.files[0]}: learn = true asks for vectors to learn from, {fault}")
        if learn or "learn" not in self.arrays:
            return self
        unused = f"{self.of('learn')[0].where}: vectors to learn from, not used"
        arrays = {role: arrays for role, arrays in self.arrays.items() if role != "learn"}
        return replace(self, arrays=arrays, remarks=[*self.remarks, unused])

    def of(self, role: str) -> Sequence[Array]:
        """The arrays of a role; none where there are none."""
        return self.arrays.get(role, ())

    def fingerprint(self) -> str:
        """A hash of the distance and of all arrays, each read once.

        Raises ValueError: a number is NaN or infinite, or a file is damaged.
        """
        digest = blake2b(f"{self.distance}\0{self.classes}".encode(), digest_size=16)
        with ThreadPoolExecutor(1) as hashing:  # a piece is hashed while the next one is read and checked
            last = hashing.submit(lambda: None)
            for piece in self._checked_pieces():
                last.result()
                last = hashing.submit(digest.update, piece)
            last.result()
        return digest.hexdigest()

    def _checked_pieces(self) -> Iterator[bytes | memoryview]:
        """What identifies the arrays: of each its role, type and shape, and then its numbers, block by block."""
        for role in sorted(self.arrays):
            for where, data in self.of(role):
                yield f"\0{role}\0{data.dtype.str}\0{list(data.shape)}\0".encode()
                for first_row, block in blocks(data):
                    if role in PARTS:
                        check_finite(where, block, first_row)
                    yield np.ascontiguousarray(block).data

    def given(self) -> Hashes | None:
        """The content hashes of database and queries as they stand in the files; None if they are read as they are."""
        of_train, of_test = ([array.data for array in self.of(role)] for role in ("train", "test"))
        lossless = self.read is read_vectors and not any(map(is_rounded, (*of_train, *of_test)))
        return None if lossless else given_hashes(of_train, of_test)

    def part(self, name: str) -> Part:
        """The vectors and labels of a part that is there.

        Raises ValueError: a value is wrong; the message names its file, row and column.
        """
        arrays = self.of(name)
        labels = [as_texts(where, whole(data)) for where, data in self.of(f"{name}_labels")]
        together = np.concatenate(labels) if labels else None
        if len(arrays) == 1:
            vectors, remarks = self.read(*arrays[0])
            return Part(vectors, together, remarks)
        ends = np.cumsum([array.data.shape[0] for array in arrays])
        vectors, remarks = room_for_vectors(int(ends[-1]), arrays[0].data.shape[1]), list[str]()
        for array, end in zip(arrays, ends, strict=True):
            rows, said = self.read(*array)
            vectors[end - len(rows) : end] = rows
            remarks += said
        return Part(vectors, together, remarks)


class VectorSet(TrainTest, ABC):
    """Vectors as database (train) and queries (test), with labels or without; a subclass finds them."""

    content = "vectors"

    @abstractmethod
    def layout(self) -> Layout:
        """The arrays of the data set, found and not read.

        Raises ValueError: a file is missing or of another format; the message says what would be right.
        """

    @property
    def labelled(self) -> bool:
        """Whether there are labels; True for unreadable files, which ``fingerprint`` or ``load`` reports."""
        try:
            return self.layout().labelled
        except ValueError:
            return True

    @property
    def dataset_name(self) -> str | None:
        """The name of the file that holds all; None if there is none, or it can't be read."""
        try:
            return self.layout().name
        except ValueError:
            return None

    def fingerprint(self) -> str:
        found = self.layout()
        found.check()
        return found.fingerprint()

    def load(self, context: Context) -> Self:
        fingerprint, found, source = self.fingerprint(), self.layout(), str(self.data_dir)
        parts = {name: found.part(name) for name in PARTS if found.of(name)}
        hashes = (parts["train"].hashes(), parts["test"].hashes())
        remarks = [remark for part in parts.values() for remark in part.remarks]
        if found.distance in inner_product.NAMES:
            remarks.append(inner_product.REMARK)
            shorter = {name: part.vectors for name, part in parts.items()}
            longer = inner_product.as_distance(found.of("train")[0].where, shorter)
            parts = {name: replace(part, vectors=longer[name]) for name, part in parts.items()}
        base, test = parts["train"], parts["test"]
        for where, data in found.of("neighbors"):
            said = compared_once(whole(data), test.vectors, base.vectors, fingerprint, context)
            remarks.append(f"{where}: {said}")
        classes, of_train, of_test = None, None, None
        if base.labels is not None and test.labels is not None:
            classes, of_train, of_test = number_classes(source, base.labels, test.labels, found.classes)
        database = base.items(0, f"{fingerprint}/train", of_train)
        query = test.items(len(database), f"{fingerprint}/query", of_test)
        short = [remark.removeprefix(f"{source}/") for remark in (*remarks, *found.remarks)]
        own, first_id = parts.get("learn"), len(database) + len(query)
        train = None if own is None else own.items(first_id, f"{fingerprint}/learn", None)
        return self._keep(source, classes, database, query, hashes, context, short, train, found.given())
