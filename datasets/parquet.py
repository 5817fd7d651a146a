"""Image sets in the layout of the Hugging Face hub: Parquet shards per split, images as encoded bytes or as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Int, Items
from datasets.checks import file_hash, needed_folder
from datasets.decoding import decode
from datasets.files import checked_hashes, state
from datasets.labels import Labels, number_classes
from datasets.shards import image_files, read_shard
from datasets.train_test import TrainTest

if TYPE_CHECKING:
    import pyarrow as pa

HOLDING = "train-*.parquet and test-*.parquet"


class Parquet(TrainTest):
    """Images in Parquet files, Hugging Face layout: train-*.parquet and test-*.parquet.

    ``image_column`` holds encoded images, binary or as a struct with ``bytes``. A row without bytes has a ``path`` from
    the file's own folder. ``label_column`` holds texts or integers; the schema metadata (key ``huggingface``, a
    ``ClassLabel``) may name the integers. The classes are those that occur. Train items are the database, test items
    the queries. ``twins_allowed``: see ``TrainTest``.
    """

    content = "images"

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        image_column: str = "image",
        label_column: str = "label",
        twins_allowed: float | None = None,
    ) -> None:
        super().__init__(data_dir, twins_allowed)
        self.image_column = image_column
        self.label_column = label_column

    def fingerprint(self) -> str:
        """A hash of the columns, of the shards' names and contents, and of the state of images that stand in files."""
        shards = [*self._shards("train"), *self._shards("test")]
        digest = blake2b(f"{file_hash(shards)}\0{self.image_column}\0{self.label_column}".encode(), digest_size=16)
        for shard in shards:
            for path in image_files(shard, self.image_column).values():
                digest.update(f"\0{path.relative_to(shard.parent)}\0{state(path)}".encode())
        return digest.hexdigest()

    def load(self, context: Context) -> Self:
        fingerprint, source = self.fingerprint(), str(self.data_dir)
        train, test = (self._read(name) for name in ("train", "test"))
        if train.names != test.names:
            raise ValueError(f"{source}: the class names of test differ from those of train")
        classes, *labels = number_classes(source, train.labels, test.labels, train.names)
        database = train.items(0, f"{fingerprint}/train", labels[0])
        query = test.items(len(database), f"{fingerprint}/query", labels[1])
        hashes = (train.hashes(context), test.hashes(context))
        return self._keep(source, classes, database, query, hashes, context, self._unused())

    def _shards(self, split: str) -> list[Path]:
        folder = needed_folder(self.data_dir, HOLDING)
        shards = sorted(folder.glob(f"{split}-*.parquet"))
        if not shards:
            raise ValueError(f"{folder}: no {split}-*.parquet; it must hold {HOLDING}")
        return shards

    def _read(self, split: str) -> Shards:
        return _read(self._shards(split), self.image_column, self.label_column)

    def _unused(self) -> list[str]:
        used = [*self._shards("train"), *self._shards("test")]
        rest = sorted(path.name for path in used[0].parent.glob("*.parquet") if path not in used)
        return [f"Parquet files of the folder that are not used: {len(rest):,}, first {rest[0]}"] if rest else []


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
    labels: Labels
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
