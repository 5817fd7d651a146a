"""The columns of a record that describe a cell before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bench.grids.cells import Cell
from bench.grids.protocols import HELD_OUT
from bench.plugins.choices import settings
from bench.plugins.names import layer
from bench.stages.pipeline import Pipeline

BETWEEN_REMARKS = "; "


def joined(remarks: Iterable[str]) -> str | None:
    """The remarks as one text, each once. None if there are none."""
    return BETWEEN_REMARKS.join(dict.fromkeys(remarks)) or None


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """The columns in JSON's types. Not-a-number and infinity become None."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in ((k, v.item() if isinstance(v, np.generic) else v) for k, v in row.items())
    }


def base_row(pipeline: Pipeline, cell: Cell) -> dict[str, Any]:
    """The columns that describe a cell before anything is measured."""
    every = {role: settings(role, choice) for role, choice in cell.choices()}
    names = {role: choice.name for role, choice in cell.choices()}
    return {
        **{name: value for name, value in every.get("index", {}).items() if name != "seed"},
        **{f"rerank_{name}": value for name, value in every.get("rerank", {}).items()},
        **data_columns(pipeline),
        "protocol": cell.protocol,
        "unseen_classes": pipeline.grid.class_split.describe() if cell.protocol in HELD_OUT else None,
        "embedder": names.get("embedder"),
        "dim": every.get("embedder", {}).get("dim"),
        "input": names.get("input"),
        "hasher": names.get("hasher"),
        "bits": every.get("hasher", {}).get("bits"),
        "model": cell.model,
        "database_codes": cell.database_codes,
        "index": names.get("index"),
        "layer": None if cell.index is None else layer(cell.index.name),
        "rerank": names.get("rerank"),
        "candidates": cell.candidates,
        "k": pipeline.grid.k,
        "seed": cell.seed,
    }


def data_columns(pipeline: Pipeline) -> dict[str, str]:
    """The columns that identify the data of a cell: their name, their plugin and their content."""
    grid = pipeline.grid
    return {
        "dataset": grid.dataset_name,
        "dataset_plugin": grid.dataset.name,
        "dataset_fingerprint": pipeline.dataset_fingerprint,
    }
