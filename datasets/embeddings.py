"""Vectors in Parquet files: a column of embeddings, as lists of one length, and perhaps one of labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datasets.columns import class_names, has_labels, is_text, label_column, label_values, listed, readable, schema_of
from datasets.splits import find_splits, parquet_files
from datasets.vector_set import Array, Layout

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = ("embedding", "embeddings", "emb", "vector", "vectors", "features")
"""What publishers call a column of vectors, where there are several of lists; the best first."""


@dataclass(frozen=True)
class Lists:
    """A column of lists of ``shape[1]`` numbers each."""

    path: Path
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, int]

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        """The rows in order, at most so many at a time.

        Raises ValueError: a row is null, holds a null, or is of another length.
        """
        first_row = 0
        for column in _batches(self.path, self.name, rows):
            yield self._values(column, first_row)
            first_row += len(column)

    def _values(self, column: pa.Array, first_row: int) -> NDArray[Any]:
        import pyarrow.compute as pc

        dim = self.shape[1]
        lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
        wrong = lengths != dim
        if wrong.any():
            at = int(wrong.argmax())
            found = "no vector" if lengths[at] < 0 else f"{lengths[at]} numbers"
            raise ValueError(f"{self.path}: {self.name}: {found} at row {first_row + at}, must be {dim}, as at row 0")
        values = column.flatten()
        if values.null_count:
            row, at = divmod(int(values.is_null().to_numpy(zero_copy_only=False).argmax()), dim)
            raise ValueError(f"{self.path}: {self.name}: no number at row {first_row + row}, column {at}")
        return values.to_numpy(zero_copy_only=False).reshape(-1, dim)


@dataclass(frozen=True)
class LabelColumn:
    """A column of labels, integers or texts."""

    path: Path
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int]

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        """All rows at once.

        Raises ValueError: a row has no label.
        """
        labels = label_values(self.path, self.name)
        yield labels.astype(np.str_) if self.dtype.kind == "U" else labels


def layout(folder: Path, train: str | None, test: str | None, column: str | None, label: str | None) -> Layout | None:
    """The columns of the splits' shards; None where there is no Parquet file.

    ``column`` and ``label`` name them. Without, the vectors are the only column of lists of numbers, or else the first
    of NAMES, and labels are read where every file has a column of them.

    Raises ValueError: a split, or a column, is missing or of another type.
    """
    if not parquet_files(folder):
        return None
    splits = find_splits(folder, train or "train", test)
    shards = {"train": splits.train, "test": splits.test}
    schemas = {path: schema_of(path) for paths in shards.values() for path in paths}
    found = {part: [_lists(path, schemas[path], column) for path in paths] for part, paths in shards.items()}
    names: tuple[str, ...] = ()
    if all(has_labels(schema, label) for schema in schemas.values()):
        for part, paths in shards.items():
            found[f"{part}_labels"] = [_labels(path, schemas[path], label) for path in paths]
        names, *others = {_names(path, schema, label) for path, schema in schemas.items()}
        if others:
            raise ValueError(f"{folder}: the class names of its files differ; must be the same in all")
        kinds = {array.data.dtype.kind: array.where for part in shards for array in found[f"{part}_labels"]}
        if len(kinds) > 1:
            raise ValueError(f"{kinds['U']}: texts, and {kinds['i']}: numbers; labels must be of one kind in all files")
    return Layout(found, [*schemas], classes=names)


def _lists(path: Path, schema: pa.Schema, given: str | None) -> Array:
    """The column of vectors of a file; a missing one, or one of several, is refused."""
    import pyarrow.parquet as pq

    fitting = {field.name: field.type for field in schema if _holds_vectors(field.type)}
    usual = next((name for name in NAMES if name in fitting), None)
    name = given or usual or (next(iter(fitting)) if len(fitting) == 1 else None)
    if name is None and fitting:
        raise ValueError(f"{path}: column = NAME must name one of {', '.join(fitting)}; all are lists of numbers")
    if name is None or name not in fitting or schema.names.count(name) != 1:
        raise ValueError(f"{path}: column {name or NAMES[0]} must be lists of numbers; columns: {listed(schema)}")
    with readable(path):
        count = pq.read_metadata(path).num_rows
    first = next((batch for batch in _batches(path, name, 1) if len(batch)), None)
    if first is not None and not first[0].is_valid:
        raise ValueError(f"{path}: {name}: no vector at row 0")
    kind = np.dtype(fitting[name].value_type.to_pandas_dtype())
    return Array(f"{path}: {name}", Lists(path, name, kind, (count, 0 if first is None else len(first[0]))))


def _batches(path: Path, column: str, rows: int) -> Iterator[pa.Array]:
    import pyarrow.parquet as pq

    with readable(path):
        for batch in pq.ParquetFile(path, memory_map=True).iter_batches(rows, columns=[column]):
            yield batch.column(0)


def _labels(path: Path, schema: pa.Schema, given: str | None) -> Array:
    import pyarrow.parquet as pq

    name = label_column(path, schema, given)
    texts = _are_texts(schema, name)
    with readable(path):
        count = pq.read_metadata(path).num_rows
    return Array(f"{path}: {name}", LabelColumn(path, name, np.dtype("U" if texts else "i8"), (count,)))


def _names(path: Path, schema: pa.Schema, given: str | None) -> tuple[str, ...]:
    """The classes' names by the metadata, where labels are their numbers."""
    name = label_column(path, schema, given)
    return () if _are_texts(schema, name) else class_names(path, schema, name)


def _are_texts(schema: pa.Schema, name: str) -> bool:
    """Whether a column holds texts, each written out or as the number of one."""
    import pyarrow as pa

    kind = schema.field(name).type
    return is_text(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _holds_vectors(found: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    if not any(is_list(found) for is_list in (types.is_list, types.is_large_list, types.is_fixed_size_list)):
        return False
    return types.is_integer(found.value_type) or types.is_floating(found.value_type)
