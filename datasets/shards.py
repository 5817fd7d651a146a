"""One Parquet file of images: its columns, with checks of their types and of missing values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.checks import one_line
from datasets.files import state
from datasets.labels import Labels

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Shard:
    """Encoded images (null in the rows of ``files``), labels [n], and the labels' names (empty if there are none)."""

    images: pa.ChunkedArray
    files: dict[int, Path]
    labels: Labels
    names: tuple[str, ...]


def read_shard(path: Path, image: str, label: str) -> Shard:
    """The columns ``image`` and ``label`` of a file.

    Raises ValueError: a column or row is wrong; the message names the file and the column or row.
    """
    with _readable(path):
        schema = _schema(path, image, label)
        columns = _read(path, [image, label])
        contents, labels = _contents(columns[image]), columns[label]
        files = _files(path, columns[image], contents)
    missing = labels.is_null().to_numpy()
    if missing.any():
        raise ValueError(f"{path}, row {missing.argmax()}: no {label}")
    numbers = labels.to_numpy()
    if numbers.dtype.kind in "iu" and np.can_cast(numbers.dtype, np.int64):
        numbers = numbers.astype(np.int64)
    names = _class_names(schema.metadata, path, label) if numbers.dtype.kind in "iu" else ()
    return Shard(contents, files, numbers, names)


def image_files(path: Path, image: str) -> dict[int, Path]:
    """The files that hold a shard's images, by row; empty if every row holds its own.

    Raises ValueError: see ``read_shard``.
    """
    with _readable(path):
        _schema(path, image)
        if _all_bytes(path, image):
            return {}
        column = _read(path, [image])[image]
        return _files(path, column, _contents(column))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Inside, the library's error on a damaged file becomes a ValueError of one line."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a readable Parquet file ({one_line(error)})") from error


def _read(path: Path, columns: list[str]) -> dict[str, pa.ChunkedArray]:
    import pyarrow.parquet as pq

    # read_table takes a folder like split=train for a column; ParquetFile reads the file alone.
    table = pq.ParquetFile(path).read(columns=columns)
    return {name: table[name] for name in columns}


def _schema(path: Path, image: str, label: str | None = None) -> pa.Schema:
    """The file's schema; a missing column, or one of an unreadable type, is refused."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    types = {field.name: field.type for field in schema}
    there = "; ".join(f"{name}: {type_}" for name, type_ in types.items()) or "none"

    def check(name: str, reads: Any, right: str) -> None:
        if schema.names.count(name) != 1 or not reads(types[name]):
            raise ValueError(f"{path}: column {name} must be {right}; columns: {there}")

    def holds_image(found: pa.DataType) -> bool:
        if not pa.types.is_struct(found):
            return _is_binary(found)
        parts = {part.name: part.type for part in found}
        encoded, name = parts.get("bytes"), parts.get("path")
        named = name is None or _is_text(name) or pa.types.is_null(name)
        known = (encoded is None or _is_binary(encoded)) and named
        return known and not (encoded is None and name is None)

    def holds_labels(found: pa.DataType) -> bool:
        inner = found.value_type if pa.types.is_dictionary(found) else found
        return pa.types.is_integer(inner) or pa.types.is_boolean(inner) or _is_text(inner)

    check(image, holds_image, "binary, or a struct with bytes (binary) or path (text) of the image")
    if label is not None:
        check(label, holds_labels, "integers or texts")
    return schema


def _is_binary(found: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    kinds = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view, types.is_null)
    return any(kind(found) for kind in kinds)


def _is_text(found: pa.DataType) -> bool:
    import pyarrow as pa

    return any(kind(found) for kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _contents(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The encoded images of a column, null in a row without one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_struct(column.type):
        return column.cast(pa.large_binary())
    if column.type.get_field_index("bytes") < 0:
        return pa.chunked_array([pa.nulls(len(column), pa.large_binary())])
    return pc.struct_field(column, "bytes").cast(pa.large_binary())


def _files(shard: Path, column: pa.ChunkedArray, contents: pa.ChunkedArray) -> dict[int, Path]:
    """The files of the rows without bytes, beside the shard; a missing path, or one that leads out, is refused."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = np.flatnonzero(contents.is_null().to_numpy()).tolist()
    has_paths = pa.types.is_struct(column.type) and column.type.get_field_index("path") >= 0
    paths = pc.struct_field(column, "path") if has_paths else pa.nulls(len(column))
    files: dict[int, Path] = {}
    for row in rows:
        name = paths[row].as_py()
        if not name:
            raise ValueError(f"{shard}, row {row}: no image")
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or "\0" in name:
            raise ValueError(f"{shard}, row {row}: path {name!r} must lead into {shard.parent}")
        files[row] = shard.parent / relative
        try:
            state(files[row])
        except ValueError as error:
            raise ValueError(f"{shard}, row {row}: no image: {name!r} cannot be read from beside the file") from error
    return files


def _all_bytes(path: Path, image: str) -> bool:
    """Whether the file's own statistics say that no row lacks the bytes of its image."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    for group in range(metadata.num_row_groups):
        columns = (metadata.row_group(group).column(at) for at in range(metadata.num_columns))
        counts = [
            column.statistics.null_count if column.statistics and column.statistics.has_null_count else None
            for column in columns
            if column.path_in_schema in (image, f"{image}.bytes")
        ]
        if counts != [0]:
            return False
    return True


def _class_names(metadata: dict[bytes, bytes] | None, path: Path, label: str) -> tuple[str, ...]:
    """The names of the feature ``label`` in the schema's metadata; empty if there are none."""
    text = (metadata or {}).get(b"huggingface")
    if text is None:
        return ()
    try:
        feature = json.loads(text)["info"]["features"][label]
        names = feature.get("names") or ()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: schema metadata huggingface has no info.features.{label}") from error
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}: schema metadata huggingface: the names of {label} must be a list of texts")
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: schema metadata huggingface: {label} has a name twice")
    return tuple(names)
