"""CIFAR-10 (Krizhevsky, 2009) in its binary version, split by one of the three protocols of deep hashing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Int, Items
from datasets.checks import file_hash, needed_folder
from datasets.lists import read_lines
from datasets.train_test import TrainTest
from datasets.twins import content_hash

FOLDER = "cifar-10-batches-bin"
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST, NAMES = "test_batch.bin", "batches.meta.txt"
HOLDING = f"{FOLDER} with {TRAIN[0]} to {TRAIN[-1]}, {TEST} and {NAMES}, of cifar-10-binary.tar.gz"
SIDE, BATCH = 32, 10_000
RECORD = 1 + 3 * SIDE * SIDE
"""Bytes of an image: its class, and its red, green and blue values."""

Protocol = Literal["I(a)", "I(b)", "II"]


class Cifar10(TrainTest):
    """CIFAR-10: 60,000 images of 32 x 32 pixels in ten classes, in the binary version, which needs no unpickling.

    ``protocol`` is one of the three that the field uses. "I(a)" draws 100 queries and 500 train items of each class,
    and the other 54,000 images are the database. "I(b)" draws alike, and the database is all 59,000 images that are no
    queries. "II" has the publisher's 10,000 test images as queries, and its 50,000 train images as train items and
    database. Figures under different protocols differ by more than ten points of mAP, so that the name of the data
    holds it.

    ``data_dir`` holds ``cifar-10-batches-bin``. ``seed`` draws, and ``queries_per_class`` and ``train_per_class``
    say how many. ``full`` insists on 10,000 images a file. ``twins_allowed``: see ``TrainTest``.
    """

    content = "images"

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        protocol: Protocol = "I(a)",
        seed: int = 0,
        queries_per_class: int = 100,
        train_per_class: int = 500,
        full: bool = True,
        twins_allowed: float | None = None,
    ) -> None:
        super().__init__(data_dir, twins_allowed)
        if protocol not in get_args(Protocol):
            raise ValueError(f"protocol is {protocol!r}; allowed: {', '.join(get_args(Protocol))}")
        for name, value, least in (
            ("seed", seed, 0),
            ("queries_per_class", queries_per_class, 1),
            ("train_per_class", train_per_class, 1),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}; allowed: {least} or more")
        self.protocol: Protocol = protocol
        self.seed, self.full = seed, full
        self.queries_per_class, self.train_per_class = queries_per_class, train_per_class

    @property
    def dataset_name(self) -> str:
        """The name with the protocol, such as cifar10-Ia."""
        return f"cifar10-{self.protocol.replace('(', '').replace(')', '')}"

    def fingerprint(self) -> str:
        folder = self._folder()
        self._check_sizes(folder)
        drawn = [self.seed, self.queries_per_class, self.train_per_class] if self.protocol != "II" else []
        return "-".join(
            map(str, [file_hash(folder / name for name in (*TRAIN, TEST, NAMES)), self.dataset_name, *drawn])
        )

    def load(self, context: Context) -> Self:
        folder, fingerprint, source = self._folder(), self.fingerprint(), str(self.data_dir)
        classes = [line for line in read_lines(folder / NAMES) if line]
        records = [_records(folder / name) for name in (*TRAIN, TEST)]
        labels = np.concatenate([one[:, 0] for one in records]).astype(np.int64)
        pixels = np.concatenate([one[:, 1:] for one in records]).reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        query, train, database = self._rows(labels, len(labels) - len(records[-1]))
        made = {
            name: Items(rows, labels[rows], f"{fingerprint}/{name}", images=np.ascontiguousarray(pixels[rows]))
            for name, rows in (("query", query), ("train", train), ("database", database))
        }
        hashes = tuple((content_hash(pixels[row].tobytes()) for row in rows) for rows in (database, query))
        own = None if np.array_equal(train, database) else made["train"]
        return self._keep(source, classes, made["database"], made["query"], (hashes[0], hashes[1]), context, train=own)

    def _rows(self, labels: Int, published: int) -> tuple[Int, Int, Int]:
        """The rows of queries, train items and database, each ascending. The first ``published`` rows are of the
        publisher's train files.
        """
        every = np.arange(len(labels), dtype=np.int64)
        if self.protocol == "II":
            return every[published:], every[:published], every[:published]
        rng = np.random.default_rng(self.seed)
        query, train = list[Int](), list[Int]()
        wanted = self.queries_per_class + self.train_per_class
        least = wanted if self.protocol == "I(b)" else wanted + 1  # the train items are in the database, or are not
        for label in np.unique(labels):
            own = rng.permutation(every[labels == label])
            if len(own) < least:
                raise ValueError(
                    f"class {label} has {len(own):,} images, and queries_per_class = {self.queries_per_class} and "
                    f"train_per_class = {self.train_per_class} leave none for the database; {least:,} are needed"
                )
            query.append(own[: self.queries_per_class])
            train.append(own[self.queries_per_class : wanted])
        of_query, of_train = np.sort(np.concatenate(query)), np.sort(np.concatenate(train))
        others = of_query if self.protocol == "I(b)" else np.concatenate([of_query, of_train])
        return of_query, of_train, np.setdiff1d(every, others)

    def _folder(self) -> Path:
        folder = needed_folder(self.data_dir, HOLDING)
        if not (folder / FOLDER).is_dir():
            pickled = (folder / "cifar-10-batches-py").is_dir()
            why = "; cifar-10-batches-py holds pickles, which are not read" if pickled else ""
            raise ValueError(f"{folder / FOLDER}: no such folder; --data-dir must hold {HOLDING}{why}")
        return folder / FOLDER

    def _check_sizes(self, folder: Path) -> None:
        """Raises ValueError: a file of images is missing or is not a whole number of images."""
        for name in (*TRAIN, TEST):
            path = folder / name
            if not path.is_file():
                raise ValueError(f"{path}: no such file; --data-dir must hold {HOLDING}")
            size = path.stat().st_size
            if self.full and size != RECORD * BATCH:
                wanted = f"{RECORD * BATCH:,} (full = false allows any number of images)"
                raise ValueError(f"{path}: {size:,} bytes, must be {wanted}")
            if size % RECORD or not size:
                raise ValueError(f"{path}: {size:,} bytes, must be a multiple of {RECORD:,}")


def _records(path: Path) -> NDArray[np.uint8]:
    """The images of a file, uint8 [n, 3073].

    Raises ValueError: a class is not one of the ten.
    """
    records = np.fromfile(path, dtype=np.uint8).reshape(-1, RECORD)
    wrong = np.flatnonzero(records[:, 0] > 9)
    if len(wrong):
        raise ValueError(f"{path}: class {records[wrong[0], 0]} of image {wrong[0]}, must be 0 to 9")
    return records
