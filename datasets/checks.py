"""What every data set is checked for before anything is trained on it: classes, labels, leaks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from bench.interfaces import Context, Items, SplitName

# Official splits hold a few twins (Food-101 at 64x64: 22 of 25,247 queries); more than this share is a leak.
TWINS_ALLOWED = 0.005


def content_hash(content: bytes | memoryview) -> bytes:
    """Sixteen bytes that stand for an item's content."""
    return blake2b(content, digest_size=16).digest()


def file_hash(paths: Iterable[Path]) -> str:
    """One hash of the names and contents of files, read in blocks."""
    digest = blake2b(digest_size=16)
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def needed_folder(data_dir: Path | None, holding: str) -> Path:
    """The data folder, which must hold ``holding``. ValueError: it was not given, or does not exist."""
    if data_dir is None:
        raise ValueError(f"--data-dir is needed: a folder holding {holding}")
    if not data_dir.is_dir():
        raise ValueError(f"--data-dir {data_dir}: no such folder; it must hold {holding}")
    return data_dir


def folder_or_cache(data_dir: Path | None, name: str, context: Context) -> Path:
    """The data folder, or without one the folder ``name`` of the cache. ValueError: there is no cache either."""
    if data_dir is not None:
        return data_dir
    if context.cache is None:
        raise ValueError(f"{name}: --data-dir is needed where there is no cache folder")
    return context.cache / name


def check_count(path: Path, found: int, what: str, expected: int) -> None:
    """ValueError: ``path`` lists another number of ``what`` than its publisher's."""
    if found != expected:
        raise ValueError(f"{path}: {found} {what}, must be {expected} (full = false allows any number)")


def pick(splits: Mapping[str, Items], name: SplitName) -> Items:
    """The items of a split. ValueError: no such split, or the data set is not loaded yet."""
    if not splits:
        raise ValueError(f"split {name!r} was asked for before load()")
    if name not in splits:
        raise ValueError(f"split {name!r}: only {', '.join(map(repr, splits))}")
    return splits[name]


def check_items(
    source: str,
    classes: Sequence[str],
    database: Items,
    query: Items,
    hashes: tuple[Iterable[bytes], Iterable[bytes]],
    context: Context,
) -> int:
    """Check the two splits of ``source`` and return how many queries have their content in the database.

    ``hashes``: content hashes of database and query, one per item in order, best made on demand: the count is
    kept in ``context.cache`` under the items' fingerprints, and the hashes are then not asked for again.
    ValueError: fewer than two classes, an empty split, a label out of range, an id in both splits, more twins
    than ``TWINS_ALLOWED``.
    """
    if len(classes) < 2:
        raise ValueError(f"{source}: {len(classes)} class: retrieval by label needs at least 2")
    for name, items in (("database", database), ("query", query)):
        if not len(items):
            raise ValueError(f"{source}: the {name} split is empty")
        wrong = np.flatnonzero((items.labels < 0) | (items.labels >= len(classes)))
        if len(wrong):
            row, label = int(wrong[0]), int(items.labels[wrong[0]])
            raise ValueError(f"{source}: {name} item {row} has label {label}, not in 0..{len(classes) - 1}")
    shared_ids = np.intersect1d(database.ids, query.ids)
    if len(shared_ids):
        raise ValueError(f"{source}: {len(shared_ids)} ids are in database and query, first {shared_ids[0]}")
    if context.cache is None:
        return _count_twins(source, len(query), *hashes)
    pair = content_hash(f"{database.fingerprint}\0{query.fingerprint}".encode()).hex()
    kept = context.cache / f"checked-{pair}.txt"
    if kept.is_file():
        return int(kept.read_text())
    twins = _count_twins(source, len(query), *hashes)
    context.cache.mkdir(parents=True, exist_ok=True)
    _write(kept, str(twins))
    return twins


def _count_twins(source: str, queries: int, database: Iterable[bytes], query: Iterable[bytes]) -> int:
    """Queries whose content stands in the database; ValueError when they are too many."""
    first: dict[bytes, int] = {}
    for row, content in enumerate(database):
        first.setdefault(content, row)
    twins = [(row, first[content]) for row, content in enumerate(query) if content in first]
    if len(twins) > TWINS_ALLOWED * queries:
        row, twin = twins[0]
        raise ValueError(
            f"{source}: {len(twins)} of {queries} queries stand in the database too, first query item {row} "
            f"= database item {twin}; more than {TWINS_ALLOWED:.1%} is a leak"
        )
    return len(twins)


def _write(path: Path, text: str) -> None:
    """Write under a name of this process, then rename: a reader sees all of it or nothing."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.replace(path)
