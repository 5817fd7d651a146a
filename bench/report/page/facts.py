"""What a page says of a cell beside its figures: all parameters, the family, the machine and the versions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.grids.cells import Cell
from bench.plugins import names
from bench.plugins.choices import ROLES, settings
from bench.records import book, keys
from bench.stages.pipeline import Pipeline
from bench.store.entries import Damaged, Store

ENVIRONMENT = ("cpu", "cores", "memory_bytes", "gpu", "system", "python", "revision", "dirty")
"""What is told of a machine: what stays the same while it runs."""


@dataclass(frozen=True)
class Facts:
    """Of one cell. ``settings``: the parameters of each of its plugins by role, the plugin's name among them;
    ``environment``: the machine, and as ``libraries`` the versions behind the features, the codes and the answers.
    """

    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    family: str = names.OTHER
    environment: Mapping[str, Any] | None = None
    finished: str | None = None


@dataclass(frozen=True)
class About:
    """Of one data set. ``cells``: the facts by the key of the cell's record; ``notes``: what a reader must know of the
    data; ``panels``: what further parts of the page show, by their name, in JSON's types.
    """

    cells: Mapping[str, Facts] = field(default_factory=dict)
    notes: Sequence[str] = ()
    panels: Mapping[str, Any] = field(default_factory=dict)


def facts(pipeline: Pipeline, results: Store) -> dict[str, Facts]:
    """What is known of the grid's cells, by the key of their record."""
    return {key: _of(cell, key, results) for cell in pipeline.grid.cells for key in [keys.key(pipeline, cell)]}


def _of(cell: Cell, key: str, results: Store) -> Facts:
    own: dict[str, dict[str, Any]] = {
        role: {"plugin": choice.name} | {name: _said(value) for name, value in settings(role, choice).items()}
        for role, choice in cell.choices()
    }
    meta: dict[str, Any] = {}
    with suppress(FileNotFoundError, Damaged):  # a cell that was not run yet; of a damaged one the run has told
        meta = results.meta(book.KIND, key)
    machine = meta.get("environment") or {}
    known = {name: machine[name] for name in ENVIRONMENT if machine.get(name) is not None}
    if libraries := (meta.get("libraries") or {}) | (machine.get("libraries") or {}):
        known["libraries"] = libraries
    return Facts(own, _family(cell), known or None, meta.get("finished"))


def _family(cell: Cell) -> str:
    """That of what searches, or else of what makes the codes, or else of the features."""
    for role in ("index", "hasher", "embedder"):
        choice = getattr(cell, role)
        if choice is not None:
            return names.family(ROLES[role], choice.name, choice.parameters)
    return names.OTHER


def _said(value: Any) -> Any:
    """A parameter as JSON has it, or else as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)
