"""From finished cells to rows: the key of a cell, and the tidy frame that tables and figures are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from bench import registry
from bench.grid import ROLES, Cell, Choice, Grid, Role, settings
from bench.identity import digest, room_identity, source_identity
from bench.pipeline import Pipeline
from bench.store import Arrays, Entry, Meta, Store

Place = tuple[Role, str, str]  # role, plugin, parameter
KIND = "records"
FAILED = ("error", "timeout", "memory")
BETWEEN_REMARKS = "; "
SEARCH_ROLES: tuple[Role, ...] = ("index", "rerank")
SYMBOLS = {"candidates": "N", "key_bits": "L", "nprobe": "nprobe"}
"""Parameters of a search that are named wherever they stand, differing or not, and how they are printed."""


def key(pipeline: Pipeline, cell: Cell) -> str:
    """The hash of all that decides a cell's figures: data, plugins, parameters, seed, how it is measured and judged."""
    return _hash(pipeline, cell, room_identity("quality", "metrics"))


def search_key(pipeline: Pipeline, cell: Cell) -> str:
    """The hash of all that decides what a cell finds, and how fast: that of ``key`` without the metrics."""
    return _hash(pipeline, cell, None)


def _hash(pipeline: Pipeline, cell: Cell, metrics: dict[str, Any] | None) -> str:
    grid = pipeline.grid
    return digest(
        [
            [stage.key for stage in pipeline.stages(cell)],
            [cell.protocol, cell.model, cell.database_codes, grid.k, cell.seed],
            [metrics, room_identity("protocols", "corpora")],
            None if cell.index is None else _searching(grid, cell),
        ]
    )


def _searching(grid: Grid, cell: Cell) -> list[Any]:
    plugins = [_identity(role, choice) for role, choice in cell.choices() if role in SEARCH_ROLES]
    return [plugins, cell.candidates, vars(grid.measure), room_identity("searching", "contracts")]


def _identity(role: Role, choice: Choice) -> list[Any]:
    return [choice.name, choice.parameters, source_identity(registry.find(ROLES[role], choice.name).module)]


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
    """Note of all that a grid refers to that it is in use (see ``bench.gc``)."""
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


def joined(remarks: Iterable[str]) -> str | None:
    """Remarks as one column, each once; None where there are none."""
    return BETWEEN_REMARKS.join(dict.fromkeys(remarks)) or None


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Columns in JSON's types: not-a-number and infinity become None."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in ((k, v.item() if isinstance(v, np.generic) else v) for k, v in row.items())
    }


def base_row(pipeline: Pipeline, cell: Cell) -> dict[str, Any]:
    """The columns that say what a cell is, before anything is measured."""
    every = {role: settings(role, choice) for role, choice in cell.choices()}
    names = {role: choice.name for role, choice in cell.choices()}
    return {
        **{name: value for name, value in every.get("index", {}).items() if name != "seed"},
        **{f"rerank_{name}": value for name, value in every.get("rerank", {}).items()},
        **data_columns(pipeline),
        "protocol": cell.protocol,
        "embedder": names.get("embedder"),
        "dim": every.get("embedder", {}).get("dim"),
        "input": names.get("input"),
        "hasher": names.get("hasher"),
        "bits": every.get("hasher", {}).get("bits"),
        "model": cell.model,
        "database_codes": cell.database_codes,
        "index": names.get("index"),
        "rerank": names.get("rerank"),
        "candidates": cell.candidates,
        "k": pipeline.grid.k,
        "seed": cell.seed,
    }


def data_columns(pipeline: Pipeline) -> dict[str, str]:
    """The columns that say which data a cell is about: their name, their plugin and their content."""
    grid = pipeline.grid
    return {
        "dataset": grid.dataset_name,
        "dataset_plugin": grid.dataset.name,
        "dataset_fingerprint": pipeline.dataset_fingerprint,
    }


def frame(pipeline: Pipeline, store: Store) -> pd.DataFrame:
    """One row a cell of the grid, in its order; a cell that has not run yet has no status.

    The data are called as the grid calls them, also where a record was made under another name.

    ``variant`` says in which parameters, dimension and bits aside, the plugins of that name that code the items differ
    within the grid. ``build_setting`` and ``query_setting`` say the same of the index and the reranker, by what is
    fixed when they are built and what may be set afterwards; with the number of candidates they are its ``setting``.
    ``key`` is that of the record, there or not.
    """
    cells = pipeline.grid.cells
    rows = []
    for cell, variant, setting in zip(cells, _variants(cells), _settings(cells), strict=True):
        record_key = key(pipeline, cell)
        entry = store.find(KIND, record_key)
        row = {**base_row(pipeline, cell), "status": None} if entry is None else entry.meta["row"]
        rows.append({**row, **data_columns(pipeline), "variant": variant, **setting, "key": record_key})
    return pd.DataFrame(rows)


def _variants(cells: Sequence[Cell]) -> list[str | None]:
    """Each cell's parameters of its embedder, input and hasher that are not the same wherever the plugin stands."""
    coding = [{place: value for place, value in _values(cell) if place[0] not in SEARCH_ROLES} for cell in cells]
    differing = _differing(coding)
    return [_joined(f"{place[2]}={value}" for place, value in one.items() if place in differing) for one in coding]


def _settings(cells: Sequence[Cell]) -> list[dict[str, str | None]]:
    """Each cell's parameters of its index and reranker that are not the same wherever the plugin stands."""
    searching = [{place: value for place, value in _values(cell) if place[0] in SEARCH_ROLES} for cell in cells]
    differing = _differing(searching)
    return [_setting(cell, one, differing) for cell, one in zip(cells, searching, strict=True)]


def _setting(cell: Cell, values: dict[Place, str], differing: set[Place]) -> dict[str, str | None]:
    index = cell.index
    queried = () if index is None else registry.build("index", index.name, index.parameters).query_parameters
    texts: dict[bool, list[str]] = {True: [], False: []}
    for place, value in values.items():
        role, _, name = place
        if value != "None" and (place in differing or name in SYMBOLS):
            texts[role == "index" and name in queried].append(f"{SYMBOLS.get(name, name)} = {value}")
    candidates = [] if cell.candidates is None else [f"{SYMBOLS['candidates']} = {cell.candidates}"]
    return {
        "setting": _joined([*candidates, *texts[False], *texts[True]]),
        "build_setting": _joined(texts[False]),
        "query_setting": _joined(texts[True]),
    }


def _values(cell: Cell) -> Iterator[tuple[Place, str]]:
    """The parameters of a cell's plugins that have no column of their own, as texts."""
    for role, choice in cell.choices():
        for name, value in settings(role, choice).items():
            if name not in (("seed",) if role in SEARCH_ROLES else ("dim", "bits")):
                yield (role, choice.name, name), str(value)


def _differing(cells: Sequence[dict[Place, str]]) -> set[Place]:
    values: dict[Place, set[str]] = {}
    for cell in cells:
        for place, value in cell.items():
            values.setdefault(place, set()).add(value)
    return {place for place, found in values.items() if len(found) > 1}


def _joined(texts: Iterable[str]) -> str | None:
    return ", ".join(texts) or None
