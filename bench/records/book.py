"""From finished cells to rows: the key of a cell, and the tidy frame that tables and figures are made of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bench.records.keys import key, search_key
from bench.stages.pipeline import Pipeline
from bench.store.entries import Arrays, Entry, Meta, Store

KIND = "records"
FAILED = ("error", "timeout", "memory")


def status(store: Store, record_key: str) -> str | None:
    """How a cell ended: "ok", "skipped" or one of FAILED; None where it has no record, or a damaged one."""
    entry = store.find(KIND, record_key)
    return None if entry is None else entry.meta["row"]["status"]


def done(store: Store, record_key: str, retry_failed: bool = False) -> bool:
    """Whether there is nothing left to do for a cell: it is finished, or has failed and is not to be tried again.

    One that was skipped for what the machine lacks is always looked at again.
    """
    entry = store.find(KIND, record_key)
    if entry is None:
        return False
    found = entry.meta["row"]["status"]
    return found == "ok" or (not retry_failed and (found in FAILED or entry.meta.get("final", False)))


def failure(store: Store, record_key: str) -> str | None:
    """Which cell failed, and why; None where it has not."""
    entry = store.find(KIND, record_key)
    if entry is None or entry.meta["row"]["status"] not in FAILED:
        return None
    described: str = entry.meta["row"]["described"]
    return described


def now() -> str:
    """The time in UTC, as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def every(store: Store) -> Iterator[tuple[str, Entry]]:
    """All records of a store, of all grids, with their keys: also of what failed or was skipped."""
    for record_key in store.keys(KIND):
        entry = store.find(KIND, record_key)
        if entry is not None:
            yield record_key, entry


def finished(store: Store) -> Iterator[tuple[str, Entry]]:
    """The finished ones of ``every``."""
    return ((record_key, entry) for record_key, entry in every(store) if entry.meta["row"]["status"] == "ok")


def measured(store: Store) -> dict[str, str]:
    """The keys of finished records by their ``search_key``: what they measured can be judged by other metrics."""
    return {entry.meta["search"]: record_key for record_key, entry in finished(store) if "search" in entry.meta}


def judged_again(store: Store, record_key: str, quality: dict[str, Any]) -> tuple[Meta, Arrays]:
    """A finished record with other quality columns: times, and the machine they were taken on, are as they were."""
    earlier = store.read(KIND, record_key)
    kept = {name: value for name, value in earlier.meta["row"].items() if name not in earlier.meta["quality"]}
    meta = {**earlier.meta, "row": {**kept, **quality}, "quality": list(quality), "judged": now()}
    return meta, earlier.arrays


def mark(pipeline: Pipeline, results: Store) -> None:
    """Note of all that a grid refers to that it is in use (see ``bench.store.garbage``)."""
    pipeline.store.touch("labels", pipeline.labels_key)
    for cell in pipeline.grid.cells:
        for stage in pipeline.stages(cell):
            pipeline.store.touch(stage.kind, stage.key)
        if cell.index is not None and cell.embedder is not None:
            pipeline.store.touch("exact", pipeline.exact_key(cell))
        results.touch(KIND, key(pipeline, cell))
        search = search_key(pipeline, cell)
        results.touch("neighbours", search)
        for number in range(pipeline.grid.measure.replicates):
            results.touch("replicates", f"{search}-{number}")
