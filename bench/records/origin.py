"""Says what decides a cell's record in words that a person knows, and finds the records that other versions made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.grids.cells import Cell
from bench.plugins import registry
from bench.plugins.choices import ROLES
from bench.records import book, keys
from bench.stages.pipeline import Pipeline
from bench.store.entries import Meta, Store
from bench.store.identity import room_identity, source_identity
from bench.store.rooms import RoomName

ALWAYS: tuple[RoomName, ...] = ("artifacts", "contracts", "corpora", "metrics", "protocols", "quality")
SEARCHED: tuple[RoomName, ...] = ("searching",)
"""The rooms that decide every record, and those that decide the record of a search."""


@dataclass(frozen=True)
class Earlier:
    """Cells without a record whose records stand under other keys: their number, and what differs, as far as it is
    known, in words such as "torch 2.13.0 (now 2.14.1)".
    """

    cells: int
    differing: tuple[str, ...] = ()


def origin(pipeline: Pipeline, cell: Cell) -> dict[str, Any]:
    """What decides a cell's record beside its data, parameters and seed: the versions of ``rooms`` and ``libraries``,
    the ``sources`` of its plugins by name, and how it is measured.
    """
    chosen = [(ROLES[role], choice.name) for role, choice in cell.choices()]
    chosen.append(("dataset", pipeline.grid.dataset.name))
    plugins = {name: source_identity(registry.find(kind, name).module) for kind, name in chosen}
    own = room_identity(*ALWAYS, *(() if cell.index is None else SEARCHED))
    parts = [own, *plugins.values()]
    return {
        "rooms": {name: version for part in parts for name, version in part["rooms"].items()},
        "libraries": {name: version for part in parts for name, version in part["libraries"].items()},
        "sources": {name: identity["source"] for name, identity in plugins.items()},
        "measure": {} if cell.index is None else dict(vars(pipeline.grid.measure)),
    }


def earlier(pipelines: Sequence[Pipeline], results: Store) -> Earlier:
    """The cells of a grid that have no record, and a finished one under another key."""
    cells, differing = 0, dict[str, None]()
    for pipeline in pipelines:
        for cell, meta in _found(pipeline, results):
            cells += 1
            differing |= dict.fromkeys(_differing(meta, origin(pipeline, cell)))
    return Earlier(cells, tuple(differing))


def _found(pipeline: Pipeline, results: Store) -> Iterator[tuple[Cell, Meta]]:
    """Each cell without a record, and the description of its latest finished record under another key."""
    missing = {str(one.cell): one.cell for one in keys.keyed(pipeline) if book.status(results, one.record) is None}
    if not missing:
        return
    latest: dict[str, Meta] = {}
    for _, entry in book.finished(results):
        meta = entry.meta
        name, row = meta.get("cell", ""), meta["row"]
        of_this = (pipeline.dataset_fingerprint, pipeline.grid.k) == (row.get("dataset_fingerprint"), row.get("k"))
        if name in missing and of_this and meta["finished"] >= latest.get(name, meta)["finished"]:
            latest[name] = meta
    yield from ((missing[name], meta) for name, meta in latest.items())


def _differing(meta: Meta, now: Mapping[str, Any]) -> Iterator[str]:
    """What differs between the making of a record and today. Of an old record the libraries alone are known."""
    made = meta.get("origin", {})
    libraries = made.get("libraries") or {**meta.get("libraries", {}), **meta["environment"]["libraries"]}
    for name, version in now["libraries"].items():
        if libraries.get(name, version) != version:
            yield f"{name} {libraries[name]} (now {version})"
    for name, number in now["rooms"].items():
        if made.get("rooms", {}).get(name, number) != number:
            yield f"version {made['rooms'][name]} of {name} (now {number})"
    for name, source in now["sources"].items():
        if made.get("sources", {}).get(name, source) != source:
            yield f"another source of {name}"
    for name, value in now["measure"].items():
        if made.get("measure", {}).get(name, value) != value:
            yield f"measure.{name} = {made['measure'][name]} (now {value})"
    if made:
        before, after = made["libraries"], now["libraries"]
        yield from (f"{name} {before[name]} (now without)" for name in before if name not in after)
        yield from (f"no {name} (now {after[name]})" for name in after if name not in before)
