"""From finished cells to rows: the key of a cell, and the tidy frame that tables and figures are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench import registry
from bench.grid import Cell, Choice
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
            pipeline.features_key(cell),
            pipeline.codes_key(cell),
            cell.database_codes,
            [
                cell.index.name,
                cell.index.parameters,
                source_identity(registry.find("index", cell.index.name).module),
            ],
            [grid.k, cell.seed, vars(grid.measure)],
            [source_identity("bench.measure"), source_identity("bench.metrics")],
        ]
    )


def done(store: Store, record_key: str) -> bool:
    """Whether the cell is finished; one that failed is not."""
    return store.has(KIND, record_key) and store.meta(KIND, record_key)["row"]["status"] == "ok"


def settings(kind: registry.Kind, choice: Choice) -> dict[str, Any]:
    """All the parameters of a plugin as it will run, its defaults included."""
    plugin = registry.build(kind, choice.name, choice.parameters)
    return {name: getattr(plugin, name, None) for name in registry.parameters(type(plugin))}


def base_row(pipeline: Pipeline, cell: Cell) -> dict[str, Any]:
    """The columns that say what a cell is, before anything is measured."""
    grid = pipeline.grid
    hasher = {} if cell.hasher is None else settings("hasher", cell.hasher)
    embedder = settings("embedder", cell.embedder)
    return {
        "dataset": grid.dataset.name,
        "embedder": cell.embedder.name,
        "dim": embedder.get("dim"),
        "hasher": None if cell.hasher is None else cell.hasher.name,
        "bits": hasher.get("bits"),
        "database_codes": cell.database_codes,
        "index": cell.index.name,
        **{name: value for name, value in settings("index", cell.index).items() if name != "seed"},
        "k": grid.k,
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
    """One row a cell of the grid, in its order; a cell that has not run yet has no status."""
    rows = []
    for cell in pipeline.grid.cells:
        record_key = key(pipeline, cell)
        if store.has(KIND, record_key):
            rows.append(store.meta(KIND, record_key)["row"])
        else:
            rows.append({**base_row(pipeline, cell), "status": None})
    return pd.DataFrame(rows)
