"""From finished cells to rows: the key of a cell, and the tidy frame that tables and figures are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench import registry
from bench.grid import ROLES, Cell, Choice, Grid, Role
from bench.identity import digest, source_identity
from bench.interfaces import Float
from bench.pipeline import Pipeline
from bench.store import Store

KIND = "records"


def key(pipeline: Pipeline, cell: Cell) -> str:
    """The hash of all that decides a cell's figures: data, plugins, parameters, seed, how it is measured."""
    grid = pipeline.grid
    return digest(
        [
            [stage.key for stage in pipeline.stages(cell)],
            [cell.protocol, cell.model, cell.database_codes, grid.k, cell.seed],
            [source_identity("bench.quality"), source_identity("bench.protocols")],
            None if cell.index is None else _searching(grid, cell.index),
        ]
    )


def _searching(grid: Grid, index: Choice) -> list[Any]:
    source = source_identity(registry.find("index", index.name).module)
    return [index.name, index.parameters, source, vars(grid.measure), source_identity("bench.measure")]


def done(store: Store, record_key: str) -> bool:
    """Whether the cell is finished; one that failed is not."""
    return store.has(KIND, record_key) and store.meta(KIND, record_key)["row"]["status"] == "ok"


def settings(kind: registry.Kind, choice: Choice) -> dict[str, Any]:
    """All the parameters of a plugin as it will run, its defaults included."""
    plugin = registry.build(kind, choice.name, choice.parameters)
    return {name: getattr(plugin, name, None) for name in registry.parameters(type(plugin))}


def base_row(pipeline: Pipeline, cell: Cell) -> dict[str, Any]:
    """The columns that say what a cell is, before anything is measured."""
    every = {role: settings(ROLES[role], choice) for role, choice in cell.choices()}
    names = {role: choice.name for role, choice in cell.choices()}
    return {
        "dataset": pipeline.grid.dataset.name,
        "protocol": cell.protocol,
        "embedder": names.get("embedder"),
        "dim": every.get("embedder", {}).get("dim"),
        "input": names.get("input"),
        "hasher": names.get("hasher"),
        "bits": every.get("hasher", {}).get("bits"),
        "model": cell.model,
        "database_codes": cell.database_codes,
        "index": names.get("index"),
        **{name: value for name, value in every.get("index", {}).items() if name != "seed"},
        "k": pipeline.grid.k,
        "seed": cell.seed,
    }


def latency_columns(milliseconds: Float, queries_in_set: int) -> dict[str, float]:
    """Percentiles of one-thread latencies, and the time that all queries of the set would take one by one."""
    p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99])
    return {
        "latency_ms_p50": float(p50),
        "latency_ms_p95": float(p95),
        "latency_ms_p99": float(p99),
        "seconds_all_queries": float(milliseconds.mean(dtype=np.float64)) * queries_in_set / 1e3,
    }


def frame(pipeline: Pipeline, store: Store) -> pd.DataFrame:
    """One row a cell of the grid, in its order; a cell that has not run yet has no status.

    ``variant`` says in which parameters, dimension and bits aside, the plugins of that name differ within the grid.
    """
    rows = []
    for cell, variant in zip(pipeline.grid.cells, _variants(pipeline.grid.cells), strict=True):
        record_key = key(pipeline, cell)
        if store.has(KIND, record_key):
            row = store.meta(KIND, record_key)["row"]
        else:
            row = {**base_row(pipeline, cell), "status": None}
        rows.append({**row, "variant": variant})
    return pd.DataFrame(rows)


def _variants(cells: Sequence[Cell]) -> list[str | None]:
    """Each cell's parameters of its embedder, input and hasher that are not the same wherever the plugin stands."""
    values: dict[tuple[Role, str, str], set[str]] = {}
    texts = [{place: str(value) for place, value in _coding(cell)} for cell in cells]
    for text in texts:
        for place, value in text.items():
            values.setdefault(place, set()).add(value)
    return [
        ", ".join(f"{place[2]}={value}" for place, value in text.items() if len(values[place]) > 1) or None
        for text in texts
    ]


def _coding(cell: Cell) -> Iterator[tuple[tuple[Role, str, str], Any]]:
    """The parameters that decide the features and codes and have no column, by role, plugin and name."""
    for role, choice in cell.choices():
        if role != "index":
            for name, value in settings(ROLES[role], choice).items():
                if name not in ("dim", "bits"):
                    yield (role, choice.name, name), value
