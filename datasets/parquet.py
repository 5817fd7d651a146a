"""Image sets in the layout of the Hugging Face hub: Parquet shards per split, images as encoded bytes or as files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from bench.given.labels import UserLabels, number_classes
from bench.interfaces import Context, Int, Items
from datasets.checks import file_hash, needed_folder
from datasets.columns import image_column, label_column, schema_of
from datasets.contents import content_hashes
from datasets.decoding import decode
from datasets.files import checked_hashes
from datasets.shards import image_files, read_shard
from datasets.splits import HOLDING, TESTS, Splits, find_splits
from datasets.train_test import TrainTest

if TYPE_CHECKING:
    import pyarrow as pa


class Parquet(TrainTest):
    """Images in Parquet files, Hugging Face layout: train-*.parquet and test-*.parquet, here or in a folder inside.

    ``image_column`` holds encoded images, binary or as a struct with ``bytes``. A row without bytes has a ``path`` from
    the file's own folder. ``label_column`` holds texts or integers; the schema metadata (key ``huggingface``, a
    ``ClassLabel``) may name the integers. Without them, the columns are guessed by name and type, see
    `datasets.columns`. The classes are those that occur. ``train_split`` is the database; ``test_split`` holds the
    queries, without it the first of test, validation, valid, val and dev that is there, see `datasets.splits`.
    ``twins_allowed``: see ``TrainTest``.
    """

    content = "images"

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        image_column: str | None = None,
        label_column: str | None = None,
        train_split: str = "train",
        test_split: str | None = None,
        twins_allowed: float | None = None,
    ) -> None:
        super().__init__(data_dir, twins_allowed)
        self.image_column, self.label_column = image_column, label_column
        self.train_split, self.test_split = train_split, test_split

    def fingerprint(self) -> str:
        """A hash of the columns, of the shards' names and contents, and of those of images that stand in files.

        Raises ValueError: a shard or an image is missing, or can't be read.
        """
        splits = self._splits()
        image, label = self._columns(splits)
        shards = [*splits.train, *splits.test]
        digest = blake2b(f"{file_hash(shards)}\0{image}\0{label}".encode(), digest_size=16)
        beside = [(shard.parent, path) for shard in shards for path in image_files(shard, image).values()]
        contents = content_hashes([path for _, path in beside])
        for (folder, path), content in zip(beside, contents, strict=True):
            digest.update(os.fsencode(f"\0{path.relative_to(folder)}\0{content}"))
        return digest.hexdigest()

    def load(self, context: Context) -> Self:
        fingerprint, source, splits = self.fingerprint(), str(self.data_dir), self._splits()
        columns = self._columns(splits)
        train, test = (_read(shards, *columns) for shards in (splits.train, splits.test))
        if train.names != test.names:
            raise ValueError(f"{source}: the class names of test differ from those of train")
        classes, *labels = number_classes(source, train.labels, test.labels, train.names)
        database = train.items(0, f"{fingerprint}/train", labels[0])
        query = test.items(len(database), f"{fingerprint}/query", labels[1])
        hashes = (train.hashes(context), test.hashes(context))
        remarks = [*self._guesses(splits, columns), *splits.remarks(Path(source))]
        return self._keep(source, classes, database, query, hashes, context, remarks)

    def _splits(self) -> Splits:
        return find_splits(needed_folder(self.data_dir, HOLDING), self.train_split, self.test_split)

    def _columns(self, splits: Splits) -> tuple[str, str]:
        """The columns of images and of labels."""
        first = splits.train[0]
        schema = schema_of(first)
        return image_column(first, schema, self.image_column), label_column(first, schema, self.label_column)

    def _guesses(self, splits: Splits, columns: tuple[str, str]) -> list[str]:
        """Remarks on a split and on columns that were guessed and have other names than usual."""
        told = (self.image_column or "image", self.label_column or "label")
        said = [] if columns == told else [f"Columns read: {columns[0]} and, as labels, {columns[1]}"]
        unusual = self.test_split is None and splits.test_name != TESTS[0]
        return [*said, f"The queries are the split {splits.test_name}"] if unusual else said


@dataclass(frozen=True)
class ArrowImages:
    """Encoded images by position: in a chunked Arrow column of bytes, or in a file for the rows of ``files``."""

    column: pa.ChunkedArray
    files: dict[int, Path]

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, position: int, /) -> NDArray[np.uint8]:
        return decode(self.encoded(position))

    def encoded(self, position: int) -> bytes:
        if position in self.files:
            return self.files[position].read_bytes()
        content: bytes = self.column[position].as_py()
        return content


@dataclass(frozen=True)
class Shards:
    """One split: encoded images, labels [n], the labels' names (empty if there are none), and the place of a row."""

    images: ArrowImages
    labels: UserLabels
    names: tuple[str, ...]
    where: Callable[[int], str]

    def items(self, first_id: int, fingerprint: str, labels: Int) -> Items:
        ids = np.arange(first_id, first_id + len(labels), dtype=np.int64)
        return Items(ids, labels, fingerprint, images=self.images)

    def hashes(self, context: Context) -> Iterator[bytes]:
        return checked_hashes(self.images.encoded, self.where, len(self.images), context)


def _read(paths: Sequence[Path], image: str, label: str) -> Shards:
    """The shards of one split, in order, each with the same class names and kind of labels."""
    import pyarrow as pa

    shards = [read_shard(path, image, label) for path in paths]
    ends = np.cumsum([len(shard.images) for shard in shards])
    starts = ends - [len(shard.images) for shard in shards]

    def where(row: int) -> str:
        at = int(np.searchsorted(ends, row, side="right"))
        return f"{paths[at]}, row {row - starts[at]}"

    for path, shard in zip(paths, shards, strict=True):
        if shard.names != shards[0].names:
            raise ValueError(f"{path}: its class names differ from those of {paths[0]}")
        if shard.labels.dtype.kind != shards[0].labels.dtype.kind:
            raise ValueError(f"{path}: labels are {shard.labels.dtype}, and {shards[0].labels.dtype} in {paths[0]}")
    chunks = [chunk for shard in shards for chunk in shard.images.chunks]
    files = {
        int(start) + row: path for start, shard in zip(starts, shards, strict=True) for row, path in shard.files.items()
    }
    labels = np.concatenate([shard.labels for shard in shards])
    images = ArrowImages(pa.chunked_array(chunks, type=pa.large_binary()), files)
    return Shards(images, labels, shards[0].names, where)
