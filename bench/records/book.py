"""Reads the records of a store: how cells ended, and which records are finished or measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from bench.grids.cells import KeyedCell
from bench.records.keys import key, search_key
from bench.stages import nearest
from bench.stages.pipeline import Pipeline
from bench.store.entries import Arrays, Damaged, Entry, Meta, Store
from bench.system.machines import is_here

KIND = "records"
FAILED = ("error", "timeout", "memory")


def status(store: Store, record_key: str) -> str | None:
    """The status of a cell: "ok", "skipped" or one of FAILED. None if it has no record, or a damaged one."""
    entry = store.find(KIND, record_key)
    return None if entry is None else entry.meta["row"]["status"]


def done(store: Store, record_key: str, retry_failed: bool = False) -> bool:
    """Whether no work is left for a cell: it is finished, or it failed and is not tried again.

    A cell that was skipped because the machine lacks something is always tried again.
    """
    entry = store.find(KIND, record_key)
    if entry is None:
        return False
    found = entry.meta["row"]["status"]
    return found == "ok" or (not retry_failed and (found in FAILED or entry.meta.get("final", False)))


def failure(store: Store, record_key: str) -> str | None:
    """The description of a failed cell and the reason of its failure. None if it has not failed."""
    entry = store.find(KIND, record_key)
    if entry is None or entry.meta["row"]["status"] not in FAILED:
        return None
    described: str = entry.meta["row"]["described"]
    return described


def now() -> str:
    """The time in UTC, as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def every(store: Store) -> Iterator[tuple[str, Entry]]:
    """All records of a store, of all grids, with their keys, also those of failed and skipped cells."""
    for record_key in store.keys(KIND):
        entry = store.find(KIND, record_key)
        if entry is not None:
            yield record_key, entry


def finished(store: Store) -> Iterator[tuple[str, Entry]]:
    """The finished records of a store, with their keys."""
    return ((record_key, entry) for record_key, entry in every(store) if entry.meta["row"]["status"] == "ok")


def measured(store: Store) -> dict[str, str]:
    """The keys of finished records by their ``search_key``. Other metrics can judge the answers under it."""
    return {entry.meta["search"]: record_key for record_key, entry in finished(store) if "search" in entry.meta}


def answered(store: Store, cell: KeyedCell) -> bool:
    """Whether a cell's search has answers that stand: those of this host, or of a finished cell those of any.

    With the answers stand times, such as that of an empty query, so a cell has them from the host of its replicates.
    """
    if status(store, cell.record) == "ok":
        return store.has("neighbours", cell.search)
    return _taken_here(store, "neighbours", cell.search)


def replicated(store: Store, cell: KeyedCell, number: int) -> bool:
    """Whether this host has taken a replicate of a cell. The first is taken again if the answers are.

    The replicates of another host don't count, as those of one comparison must share their host; nor do those that
    name none, which may be of any.
    """
    taken = _taken_here(store, "replicates", f"{cell.search}-{number}")
    return taken and (number > 0 or answered(store, cell))


def _taken_here(store: Store, kind: str, key_of_entry: str) -> bool:
    with suppress(FileNotFoundError, Damaged):
        return is_here(store.meta(kind, key_of_entry))
    return False


def judged_again(store: Store, record_key: str, quality: dict[str, Any], origin: dict[str, Any]) -> tuple[Meta, Arrays]:
    """A finished record with other quality columns. Its times and their machine stay as they were.

    ``origin``: that of today, see `bench.records.origin`.
    """
    earlier = store.read(KIND, record_key)
    kept = {name: value for name, value in earlier.meta["row"].items() if name not in earlier.meta["quality"]}
    meta = {**earlier.meta, "row": {**kept, **quality}, "quality": list(quality)}
    return {**meta, "judged": now(), "origin": origin}, earlier.arrays


def mark(pipeline: Pipeline, results: Store) -> None:
    """Mark all entries that a grid refers to as in use (see ``bench.store.garbage``), and upload those that an object
    store behind them lacks.
    """
    for store, kind, entry_key in _referred(pipeline, results):
        store.touch(kind, entry_key)
        store.share(kind, entry_key)


def _referred(pipeline: Pipeline, results: Store) -> Iterator[tuple[Store, str, str]]:
    """The entries that a grid refers to: their stores, kinds and keys."""
    yield pipeline.store, "labels", pipeline.labels_key
    for cell in pipeline.grid.cells:
        for stage in pipeline.stages(cell):
            yield pipeline.store, stage.kind, stage.key
        if cell.index is not None and cell.embedder is not None:
            yield pipeline.store, "exact", nearest.exact_key(pipeline, cell)
        yield results, KIND, key(pipeline, cell)
        search = search_key(pipeline, cell)
        yield results, "neighbours", search
        for number in range(pipeline.grid.measure.replicates):
            yield results, "replicates", f"{search}-{number}"
