"""The facts of a cell on a page, beside its figures: all parameters, the family, the machine and the versions."""

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

ENVIRONMENT = ("cpu", "cores", "usable_cores", "memory_bytes", "gpu", "system", "python", "revision", "dirty")
"""The shown facts of a machine, which stay the same while it runs."""


@dataclass(frozen=True)
class Facts:
    """The facts of one cell. ``settings``: the parameters of each plugin by role, with the plugin's name.
    ``environment``: the machine, and as ``libraries`` the versions behind the features, the codes and the answers.
    """

    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    family: str = names.OTHER
    environment: Mapping[str, Any] | None = None
    finished: str | None = None


@dataclass(frozen=True)
class About:
    """The facts of one data set. ``cells``: the facts by record key; ``notes``: the remarks that a reader must know;
    ``panels``: the panels of the page by name, in JSON's types.
    """

    cells: Mapping[str, Facts] = field(default_factory=dict)
    notes: Sequence[str] = ()
    panels: Mapping[str, Any] = field(default_factory=dict)


def facts(pipeline: Pipeline, results: Store) -> dict[str, Facts]:
    """The facts of the grid's cells, by record key."""
    return {key: _of(cell, key, results) for cell in pipeline.grid.cells for key in [keys.key(pipeline, cell)]}


def _of(cell: Cell, key: str, results: Store) -> Facts:
    own: dict[str, dict[str, Any]] = {
        role: {"plugin": choice.name} | {name: _said(value) for name, value in settings(role, choice).items()}
        for role, choice in cell.choices()
    }
    meta: dict[str, Any] = {}
    with suppress(FileNotFoundError, Damaged):  # a cell that was not run yet, or a damaged record, which the run named
        meta = results.meta(book.KIND, key)
    machine = meta.get("environment") or {}
    known = {name: machine[name] for name in ENVIRONMENT if machine.get(name) is not None}
    if libraries := (meta.get("libraries") or {}) | (machine.get("libraries") or {}):
        known["libraries"] = libraries
    return Facts(own, _family(cell), known or None, meta.get("finished"))


def _family(cell: Cell) -> str:
    """The family of a cell's index, or else of its hasher, or else of its embedder."""
    for role in ("index", "hasher", "embedder"):
        choice = getattr(cell, role)
        if choice is not None:
            return names.family(ROLES[role], choice.name, choice.parameters)
    return names.OTHER


def _said(value: Any) -> Any:
    """A parameter in JSON's types, or else as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)
