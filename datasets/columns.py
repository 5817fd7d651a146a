"""The columns of a Parquet file: which one holds what, by name and type; and its labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.given.labels import UserLabels
from datasets.checks import one_line

if TYPE_CHECKING:
    import pyarrow as pa

IMAGES = ("image", "img", "jpg", "jpeg", "png", "webp", "picture", "photo")
LABELS = ("label", "labels", "fine_label", "class", "category", "target")
"""What publishers call the columns of images and of labels, the best first."""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Inside, the library's error on a damaged file becomes a ValueError of one line."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a readable Parquet file ({one_line(error)})") from error


def schema_of(path: Path) -> pa.Schema:
    """The names and types of a file's columns.

    Raises ValueError: it is no readable Parquet file.
    """
    import pyarrow.parquet as pq

    with readable(path):
        return pq.read_schema(path)


def read_column(path: Path, name: str) -> pa.ChunkedArray:
    """A column of a file. Errors of the library pass through, see ``readable``."""
    import pyarrow.parquet as pq

    # read_table takes a folder like split=train for a column; ParquetFile reads the file alone.
    return pq.ParquetFile(path).read(columns=[name])[name]


def image_column(path: Path, schema: pa.Schema, given: str | None) -> str:
    """The column of images: the ``given`` one, or that of a usual name, or the only one of a type that holds them.

    Raises ValueError: it is not there, or of another type.
    """
    fitting = [field.name for field in schema if _holds_images(field.type)]
    name = given or _usual(schema, IMAGES) or (fitting[0] if len(fitting) == 1 else IMAGES[0])
    right = "binary, or a struct with bytes (binary) or path (text) of the image"
    return _checked(path, schema, name, _holds_images, right)


def label_column(path: Path, schema: pa.Schema, given: str | None) -> str:
    """The column of labels: the ``given`` one, or that of a usual name, or the only one that the metadata call so.

    Raises ValueError: it is not there, or of another type.
    """
    return _checked(path, schema, given or _label_name(schema) or LABELS[0], _holds_labels, "integers or texts")


def has_labels(schema: pa.Schema, given: str | None) -> bool:
    """Whether a column of labels is ``given``, or one can be told by its name and type."""
    name = _label_name(schema)
    once = name is not None and schema.names.count(name) == 1
    return given is not None or (once and _holds_labels(schema.field(name).type))


def label_values(path: Path, name: str) -> UserLabels:
    """The labels of a file, integers or texts [n].

    Raises ValueError: a row has none.
    """
    with readable(path):
        labels = read_column(path, name)
    missing = labels.is_null().to_numpy()
    if missing.any():
        raise ValueError(f"{path}, row {missing.argmax()}: no {name}")
    numbers = labels.to_numpy()
    return numbers.astype(np.int64) if numbers.dtype.kind in "iu" and np.can_cast(numbers.dtype, np.int64) else numbers


def class_names(path: Path, schema: pa.Schema, label: str) -> tuple[str, ...]:
    """The names of the feature ``label`` in the schema's metadata; empty if there are none."""
    text = (schema.metadata or {}).get(b"huggingface")
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


def listed(schema: pa.Schema) -> str:
    """The columns with their types, for messages."""
    return "; ".join(f"{field.name}: {field.type}" for field in schema) or "none"


def _usual(schema: pa.Schema, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in schema.names), None)


def _label_name(schema: pa.Schema) -> str | None:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        classes = [name for name, feature in features.items() if feature["_type"] == "ClassLabel"]
        named = [name for name in classes if name in schema.names]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # metadata of any other form tell nothing
        named = []
    return _usual(schema, LABELS) or (named[0] if len(named) == 1 else None)


def _checked(path: Path, schema: pa.Schema, name: str, reads: Callable[[Any], bool], right: str) -> str:
    if schema.names.count(name) != 1 or not reads(schema.field(name).type):
        raise ValueError(f"{path}: column {name} must be {right}; columns: {listed(schema)}")
    return name


def _holds_images(found: pa.DataType) -> bool:
    import pyarrow as pa

    if not pa.types.is_struct(found):
        return is_binary(found)
    parts = {part.name: part.type for part in found}
    encoded, name = parts.get("bytes"), parts.get("path")
    named = name is None or is_text(name) or pa.types.is_null(name)
    known = (encoded is None or is_binary(encoded)) and named
    return known and not (encoded is None and name is None)


def _holds_labels(found: pa.DataType) -> bool:
    import pyarrow as pa

    inner = found.value_type if pa.types.is_dictionary(found) else found
    return pa.types.is_integer(inner) or pa.types.is_boolean(inner) or is_text(inner)


def is_binary(found: pa.DataType) -> bool:
    """Whether a type is of bytes, or of nulls alone."""
    import pyarrow as pa

    types = pa.types
    kinds = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view, types.is_null)
    return any(kind(found) for kind in kinds)


def is_text(found: pa.DataType) -> bool:
    """Whether a type is of texts."""
    import pyarrow as pa

    return any(kind(found) for kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))
