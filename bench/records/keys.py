"""The keys of cells: one hash of all that decides a cell's answers, and one of all that decides its figures."""

from __future__ import annotations

from typing import Any

from bench.grids.cells import Cell, Grid, KeyedCell
from bench.plugins import registry
from bench.plugins.choices import ROLES, Choice, Role, keyed_parameters
from bench.stages.pipeline import Pipeline
from bench.store.identity import digest, room_identity, source_identity

SEARCH_ROLES: tuple[Role, ...] = ("index", "rerank")


def keyed(pipeline: Pipeline) -> list[KeyedCell]:
    """The cells of the grid, in their order, with their keys."""
    return [KeyedCell(cell, key(pipeline, cell), search_key(pipeline, cell)) for cell in pipeline.grid.cells]


def key(pipeline: Pipeline, cell: Cell) -> str:
    """The hash of all that decides a cell's figures: data, plugins, parameters, seed, measurement and metrics."""
    return _hash(pipeline, cell, room_identity("quality", "metrics"))


def search_key(pipeline: Pipeline, cell: Cell) -> str:
    """The hash of all that decides a cell's answers and times: the inputs of ``key`` without the metrics."""
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
    kind = ROLES[role]
    return [choice.name, keyed_parameters(kind, choice), source_identity(registry.find(kind, choice.name).module)]
