"""Image sets in the layout of the Hugging Face hub: Parquet shards per split, images as encoded bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Int, Items, SplitName
from datasets.checks import check_items, file_hash, needed_folder, pick
from datasets.files import checked_hashes, decode

if TYPE_CHECKING:
    import pyarrow as pa

HOLDING = "train-*.parquet and test-*.parquet"


class Parquet:
    """Images in Parquet files, Hugging Face layout: train-*.parquet and test-*.parquet.

    Columns ``image`` (struct with ``bytes``, the encoded image) and ``label`` (integers); class names from
    the schema metadata (key ``huggingface``, a ``ClassLabel``), or else the labels' numbers. Train items are
    the database, test items the queries.
    """

    train_in_database = True
    content = "images"

    def __init__(self, *, data_dir: Path | None = None) -> None:
        self.data_dir = data_dir
        self.classes: tuple[str, ...] = ()
        self.shared_with_database = 0
        self._items: dict[str, Items] = {}

    def fingerprint(self) -> str:
        """A hash of the shards' names and contents. ValueError: no folder, or no shard of a split in it."""
        return file_hash([*self._shards("train"), *self._shards("test")])

    def load(self, context: Context) -> Self:
        """Read the shards, decode every image once. ValueError names the file and row of what is wrong."""
        fingerprint = self.fingerprint()
        train, test = _read(self._shards("train")), _read(self._shards("test"))
        if train.classes != test.classes:
            raise ValueError(f"{self.data_dir}: the class names of test differ from those of train")
        highest = max(int(split.labels.max(initial=-1)) for split in (train, test))
        self.classes = train.classes or tuple(str(number) for number in range(highest + 1))
        database = train.items(0, f"{fingerprint}/train")
        query = test.items(len(database), f"{fingerprint}/query")
        self.shared_with_database = check_items(
            str(self.data_dir),
            self.classes,
            database,
            query,
            (train.hashes(context), test.hashes(context)),
            context,
        )
        self._items = {"train": database, "database": database, "query": query}
        return self

    def split(self, name: SplitName) -> Items:
        """The items of a split; train is the database."""
        return pick(self._items, name)

    def _shards(self, split: str) -> list[Path]:
        folder = needed_folder(self.data_dir, HOLDING)
        shards = sorted(folder.glob(f"{split}-*.parquet"))
        if not shards:
            raise ValueError(f"{folder}: no {split}-*.parquet; it must hold {HOLDING}")
        return shards


@dataclass(frozen=True)
class ArrowImages:
    """Encoded images in a chunked Arrow column of bytes, by position."""

    column: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, position: int, /) -> NDArray[np.uint8]:
        return decode(self.column[position].as_py())


@dataclass(frozen=True)
class Shards:
    """One split: encoded images, labels int64 [n], class names (empty: none given), where a row stands."""

    images: ArrowImages
    labels: Int
    classes: tuple[str, ...]
    where: Callable[[int], str]

    def items(self, first_id: int, fingerprint: str) -> Items:
        """The items; ids count from ``first_id``."""
        ids = np.arange(first_id, first_id + len(self.labels), dtype=np.int64)
        return Items(ids, self.labels, fingerprint, images=self.images)

    def hashes(self, context: Context) -> Iterator[bytes]:
        """Content hashes of the encoded images. ValueError: one cannot be decoded."""
        column = self.images.column
        return checked_hashes(lambda i: column[i].as_py(), self.where, len(column), context)


def _read(paths: list[Path]) -> Shards:
    """The shards of one split, in order. ValueError: a file or one of its columns is not as it should be."""
    import pyarrow as pa

    tables = [_table(path) for path in paths]
    ends = np.cumsum([len(table) for table in tables])

    def where(row: int) -> str:
        shard = int(np.searchsorted(ends, row, side="right"))
        return f"{paths[shard]}, row {row - (ends[shard] - len(tables[shard]))}"

    names = [_class_names(table.schema.metadata, path) for table, path in zip(tables, paths, strict=True)]
    for path, other in zip(paths, names, strict=True):
        if other != names[0]:
            raise ValueError(f"{path}: its class names differ from those of {paths[0]}")
    chunks = [chunk for table in tables for chunk in _encoded(table).chunks]
    labels = np.concatenate([table["label"].to_numpy() for table in tables]).astype(np.int64)
    return Shards(ArrowImages(pa.chunked_array(chunks, type=pa.large_binary())), labels, names[0], where)


def _table(path: Path) -> pa.Table:
    """One shard's image and label columns, checked for their types and for missing values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        types = {field.name: field.type for field in schema}
        image = types.get("image")
        if image is None or not pa.types.is_struct(image) or image.get_field_index("bytes") < 0:
            raise ValueError(f"{path}: column image must be a struct with bytes; columns: {types}")
        if image.field("bytes").type not in (pa.binary(), pa.large_binary()):
            raise ValueError(f"{path}: bytes of column image must be binary; columns: {types}")
        if "label" not in types or not pa.types.is_integer(types["label"]):
            raise ValueError(f"{path}: column label must hold integers; columns: {types}")
        table = pq.read_table(path, columns=["image", "label"])
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a readable Parquet file ({error})") from error
    for name, column in (("image", _encoded(table)), ("label", table["label"])):
        if column.null_count:
            row = column.is_null().to_numpy().argmax()
            raise ValueError(f"{path}, row {row}: no {name}")
    return table


def _encoded(table: pa.Table) -> pa.ChunkedArray:
    """The encoded images of a shard."""
    import pyarrow as pa

    chunks = [chunk.field("bytes").cast(pa.large_binary()) for chunk in table["image"].chunks]
    return pa.chunked_array(chunks, type=pa.large_binary())


def _class_names(metadata: dict[bytes, bytes] | None, path: Path) -> tuple[str, ...]:
    """The names of the feature ``label``, where the schema's metadata have them."""
    text = (metadata or {}).get(b"huggingface")
    if text is None:
        return ()
    try:
        feature = json.loads(text)["info"]["features"]["label"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: schema metadata huggingface has no info.features.label") from error
    return tuple(feature.get("names", ()))
