"""One Parquet file of images: its columns, with checks of missing values and of the files that it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from bench.given.labels import UserLabels
from datasets.columns import class_names, image_column, label_column, label_values, read_column, readable, schema_of
from datasets.files import state

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Shard:
    """Encoded images (null in the rows of ``files``), labels [n], and the labels' names (empty if there are none)."""

    images: pa.ChunkedArray
    files: dict[int, Path]
    labels: UserLabels
    names: tuple[str, ...]


def read_shard(path: Path, image: str, label: str) -> Shard:
    """The columns ``image`` and ``label`` of a file.

    Raises ValueError: a column or row is wrong; the message names the file and the column or row.
    """
    schema = schema_of(path)
    image_column(path, schema, image)
    label_column(path, schema, label)
    with readable(path):
        column = read_column(path, image)
        contents = _contents(column)
        files = _files(path, column, contents)
    labels = label_values(path, label)
    names = class_names(path, schema, label) if labels.dtype.kind in "iu" else ()
    return Shard(contents, files, labels, names)


def image_files(path: Path, image: str) -> dict[int, Path]:
    """The files that hold a shard's images, by row; empty if every row holds its own.

    Raises ValueError: see ``read_shard``.
    """
    image_column(path, schema_of(path), image)
    with readable(path):
        if _all_bytes(path, image):
            return {}
        column = read_column(path, image)
        return _files(path, column, _contents(column))


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
