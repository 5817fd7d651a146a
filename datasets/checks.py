"""The checks of every data set before anything is trained on it: its folder, classes, labels, ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from bench.interfaces import Context, Int, Items, SplitName
from datasets.arrays import row_blocks


def one_line(error: Exception) -> str:
    """The message of another library's error, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def file_hash(paths: Iterable[Path]) -> str:
    """One hash of the names and contents of files, read in blocks.

    Raises ValueError: a file can't be read.
    """
    digest = blake2b(digest_size=16)
    for path in paths:
        try:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode(errors="surrogateescape"))
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
        except OSError as error:
            raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def needed_folder(data_dir: Path | None, holding: str) -> Path:
    """The data folder, which must be given, exist and hold ``holding``."""
    if data_dir is None:
        raise ValueError(f"--data-dir is needed: a folder holding {holding}")
    if not data_dir.is_dir():
        wrong = "a file; give the folder that it is in, which" if data_dir.is_file() else "no such folder; it"
        raise ValueError(f"--data-dir {data_dir}: {wrong} must hold {holding}")
    return data_dir


def folder_or_cache(data_dir: Path | None, name: str, context: Context) -> Path:
    """The data folder, or the folder ``name`` of the cache; there must be one of the two."""
    if data_dir is not None:
        return data_dir
    if context.cache is None:
        raise ValueError(f"{name}: --data-dir is needed where there is no cache folder")
    return context.cache / name


def check_count(path: Path, found: int, what: str, expected: int) -> None:
    """Raises ValueError: ``path`` lists another number of ``what`` than its publisher's."""
    if found != expected:
        raise ValueError(f"{path}: {found} {what}, must be {expected} (full = false allows any number)")


def pick(splits: Mapping[str, Items], name: SplitName) -> Items:
    """The items of a split of a loaded data set, which must have it."""
    if not splits:
        raise ValueError(f"split {name!r} was asked for before load()")
    if name not in splits:
        raise ValueError(f"split {name!r}: only {', '.join(map(repr, splits))}")
    return splits[name]


def check_items(
    source: str, classes: Sequence[str] | None, database: Items, query: Items, name: SplitName = "database"
) -> None:
    """Check two splits of ``source``, the queries and the one called ``name``; ``classes`` is None without labels.

    Raises ValueError: there are fewer than two classes, a split is empty, a label is out of range, or an id is in both
    splits.
    """
    if classes is not None and len(classes) < 2:
        raise ValueError(f"{source}: {len(classes)} class: retrieval by label needs at least 2")
    for split, items in ((name, database), ("query", query)):
        if not len(items):
            raise ValueError(f"{source}: the {split} split is empty")
        if classes is None:
            continue
        if items.labels.ndim == 2:
            if items.labels.shape[1] != len(classes):
                found = f"{split} items have sets of {items.labels.shape[1]} classes"
                raise ValueError(f"{source}: {found}, and there are {len(classes)}")
            continue
        wrong = np.flatnonzero((items.labels < 0) | (items.labels >= len(classes)))
        if len(wrong):
            row, label = int(wrong[0]), int(items.labels[wrong[0]])
            raise ValueError(f"{source}: {split} item {row} has label {label}, not in 0..{len(classes) - 1}")
    asked = np.unique(query.ids)
    shared_ids = asked[np.isin(asked, _found_in(database.ids, asked))]
    if len(shared_ids):
        raise ValueError(f"{source}: {len(shared_ids)} ids are in {name} and query, first {shared_ids[0]}")


def _found_in(ids: Int, asked: Int) -> Int:
    """Those of the ids that are ``asked`` for, read by blocks."""
    return np.concatenate([ids[rows][np.isin(ids[rows], asked)] for rows in row_blocks(ids.shape)])
