"""The units of work of one grid on one data set, and those of them that are left to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from bench.grids.cells import Cell, Grid, KeyedCell
from bench.plans.units import Gathered, Planned, Unit
from bench.plugins.choices import Choice, Role
from bench.plugins.names import is_baseline
from bench.records import book
from bench.stages import nearest
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline, Stage, judged_by
from bench.store.entries import Store
from bench.store.identity import digest
from bench.system.wording import one_line
from bench.timing import indexes
from bench.timing.replicates import KINDS, Kind, turn_seconds, turns_of_round

CODING: tuple[Role, ...] = ("embedder", "input", "hasher")
VALUE = 40
"""The most characters of a parameter's value in a title."""


@dataclass(frozen=True)
class Schedule:
    """Names the units of a grid's cells. ``cells``: all of the grid, in order. ``worker``: the kind of process.

    ``side_by_side``: the number of stages that are made at once.
    """

    pipeline: Pipeline
    results: Store
    cells: Sequence[KeyedCell]
    worker: str
    side_by_side: int = 1
    _units: dict[tuple[str, KeyedCell], Unit] = field(default_factory=dict, init=False, repr=False)
    _items: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def groups(self, timed: Iterable[KeyedCell]) -> list[list[KeyedCell]]:
        """The groups of cells that are compared with each other."""
        groups: dict[Any, list[KeyedCell]] = {}
        for cell in timed:
            groups.setdefault(self._compared_by(cell.cell), []).append(cell)
        return list(groups.values())

    def _compared_by(self, cell: Cell) -> tuple[Any, ...]:
        """The protocol, the seed and the features of a cell. Cells that are compared with each other share them."""
        features = None if cell.embedder is None else self.pipeline.features_key(cell, cell.embedder)
        return cell.protocol, cell.seed, features

    def group_key(self, group: Sequence[KeyedCell]) -> str:
        """The key of a group: the hash of all by which its cells are compared. A part of the group has the same key."""
        return digest([self.pipeline.labels_key, *self._compared_by(group[0].cell)])

    def reference(self, group: Sequence[KeyedCell]) -> KeyedCell:
        """The cell that the group is compared with: a baseline, or else the first, of the group and finished cells."""
        common = self._compared_by(group[0].cell)
        known = [
            cell
            for cell in self.cells
            if cell.cell.index is not None
            and self._compared_by(cell.cell) == common
            and (cell in group or book.status(self.results, cell.record) == "ok")
        ]
        return min(known, key=lambda cell: cell.cell.index is None or not is_baseline(cell.cell.index.name))

    def plan(
        self, cells: Sequence[KeyedCell], sound: Callable[[str, str], bool], has: Callable[[Stage], bool]
    ) -> tuple[Planned, ...]:
        """The units that are left to do for the cells.

        ``sound``: whether an entry of the cache is as it was written. ``has``: whether the cache has a whole stage.
        """
        self._count()
        gathered = Gathered()
        if cells and not sound("labels", self.pipeline.labels_key):
            gathered.need(self.labels(), [cell.record for cell in cells])
        for cell in cells:
            counted = nearest.stages if self._items else Pipeline.stages
            for stage in counted(self.pipeline, cell.cell):
                if not has(stage):
                    gathered.need(self.stage(cell, stage), [cell.record])
            if cell.cell.index is None:
                gathered.need(self.rank(cell), [cell.record])
        for group in self.groups(cell for cell in cells if cell.cell.index is not None):
            self._search(gathered, group)
            for cell in group:
                self._judge(gathered, cell, sound)
        return gathered.planned()

    def _search(self, gathered: Gathered, group: Sequence[KeyedCell]) -> None:
        """Add the missing answers and replicates of a group, which take turns with those of the reference."""
        reference, measure = self.reference(group), self.pipeline.grid.measure
        records = [cell.record for cell in group]
        for cell in dict.fromkeys([reference, *group]):
            if not book.answered(self.results, cell):
                gathered.need(self.answer(cell), records if cell is reference else [cell.record])
        for number in range(measure.replicates):
            lacking = [cell for cell in group if not book.replicated(self.results, cell, number)]
            arms = dict.fromkeys([reference, *lacking] if lacking else [])
            for cell in arms:
                needed = records if cell is reference else [cell.record]
                gathered.repeat(self.warm_up(cell), needed)
                for kind in KINDS:
                    gathered.repeat(self.turn(cell, kind), needed, measure.rounds * self._turns(kind))
            for cell in {self.build(cell).key: cell for cell in reversed(arms)}.values():
                gathered.repeat(self.start(), records)
                gathered.repeat(self.build(cell), records)

    def _judge(self, gathered: Gathered, cell: KeyedCell, sound: Callable[[str, str], bool]) -> None:
        """Add the units that a measured search needs for its record."""
        if cell.cell.embedder is not None and not sound("exact", nearest.exact_key(self.pipeline, cell.cell)):
            gathered.need(self.exact(cell), [cell.record])
        if cell.cell.hasher is not None:
            gathered.need(self.map(cell), [cell.record])
        gathered.need(self.judge(cell), [cell.record])

    def start(self) -> Unit:
        """Start a worker that will hold an index."""
        key = f"start {self.pipeline.dataset_fingerprint} {self.pipeline.grid.measure.split}"
        return Unit(key, "start", {"worker": self.worker}, title="start processes", shown=False, minor=True)

    def labels(self) -> Unit:
        """Load the data set, and store its labels."""
        grid, key = self.pipeline.grid, self.pipeline.labels_key
        settings = self._data() | _prefixed("dataset", grid.dataset.parameters)
        return Unit(f"labels {key}", f"labels {grid.dataset.name}", settings, title=f"read {grid.dataset_name}")

    def stage(self, keyed: KeyedCell, stage: Stage) -> Unit:
        """Make one of a cell's stages."""
        if stage.kind == "exact":
            return self._exact_part(keyed, stage)
        cell = keyed.cell
        roles: list[Role] = [role for role in CODING if getattr(cell, role) is not None]
        role = next(role for role, one in zip(roles, self.pipeline.stages(cell), strict=True) if one.key == stage.key)
        choice: Choice = getattr(cell, role)
        trained = {"protocol": judged_by(cell.protocol), "device": self.pipeline.context.device}
        settings = self._data() | trained
        settings |= _prefixed(choice.name, choice.parameters)
        if role == "hasher" and cell.input is not None:
            settings |= {"input": cell.input.name} | _prefixed("input", cell.input.parameters)
        if self.side_by_side > 1:  # each has a share of the machine
            settings |= {"side by side": self.side_by_side}
        family, title = f"{stage.kind} {choice.name}", self._titled(cell, role)
        return Unit(f"{stage.kind} {stage.key}", family, settings, self._size(), title, beside=True)

    def build(self, keyed: KeyedCell) -> Unit:
        """Build a cell's index in one replicate. Cells that differ only in query parameters share it."""
        return self._once("build", keyed, self._build)

    def _build(self, keyed: KeyedCell) -> Unit:
        cell = keyed.cell
        assert cell.index is not None
        queried = indexes.searcher(cell).query_parameters
        fixed = {name: value for name, value in cell.index.parameters.items() if name not in queried}
        settings = self._data() | _coding(cell) | _prefixed("index", fixed)
        settings |= {"rerank": cell.rerank and cell.rerank.name, "seconds": self.pipeline.grid.measure.batch_seconds}
        key = indexes.build_key(cell, Corpora(self.pipeline).key(cell))
        title = f"build {self._titled(cell, 'index')}"
        return Unit(f"build {key}", f"build {cell.index.name}", settings, self._size(), title, timed=True)

    def answer(self, keyed: KeyedCell) -> Unit:
        """Search all queries."""
        return self._once("answer", keyed, self._answer)

    def _answer(self, keyed: KeyedCell) -> Unit:
        cell = keyed.cell
        title = f"search {self._titled(cell, 'index')}"
        settings = self._searching(cell)
        return Unit(f"answer {keyed.search}", "answer", settings, self._size(self._queries()), title)

    def warm_up(self, keyed: KeyedCell) -> Unit:
        """Warm a search up in one replicate, and size its batches."""
        return self._once("warm-up", keyed, self._warm_up)

    def _warm_up(self, keyed: KeyedCell) -> Unit:
        settings = self._searching(keyed.cell) | {"seconds": self._turn_seconds("batch_ms")}
        key, title = f"warm-up {keyed.search}", "search and timing"
        return Unit(key, "warm-up", settings, self._size(), title, shown=False, timed=True)

    def turn(self, keyed: KeyedCell, kind: Kind) -> Unit:
        """Time one turn of one round."""
        return self._once(kind, keyed, partial(self._turn, kind))

    def _turn(self, kind: Kind, keyed: KeyedCell) -> Unit:
        one_by_one, seconds = kind == "latency_ms", self._turn_seconds(kind)
        queries = {"queries": self.pipeline.grid.measure.queries_per_round / self._turns(kind)}
        settings = self._searching(keyed.cell) | (queries if one_by_one else {"seconds": seconds})
        key, title = f"turn {kind} {keyed.search}", "search and timing"
        least = 0.0 if one_by_one else seconds
        return Unit(key, f"turn {kind}", settings, self._size(), title, shown=False, timed=True, least=least)

    def _turns(self, kind: Kind) -> int:
        return turns_of_round(kind, self.pipeline.grid.measure, self._queries_or_many)

    def _turn_seconds(self, kind: Kind) -> float:
        return turn_seconds(kind, self.pipeline.grid.measure, self._queries_or_many)

    @property
    def _queries_or_many(self) -> int:
        """The number of queries. Before they are counted it is as if there were enough for all turns of a round."""
        return int(self._queries() or sys.maxsize)

    def rank(self, keyed: KeyedCell) -> Unit:
        """Rank the whole database for all queries, and write the record."""
        cell = keyed.cell
        title = f"rank by {self._titled(cell, 'hasher' if cell.hasher else 'embedder')}"
        settings, size = self._data() | _coding(cell), self._size(self._items.get("query"))
        return Unit(f"rank {keyed.record}", "rank", settings, size, title)

    def exact(self, keyed: KeyedCell) -> Unit:
        """Find the exact neighbours by which cells with these features are judged."""
        key, title = nearest.exact_key(self.pipeline, keyed.cell), self._titled(keyed.cell, "embedder")
        size = self._size(self._queries())
        if self._items and (parts := nearest.exact_parts(self.pipeline, keyed.cell)):
            return Unit(f"exact {key}", "exact, merged", self._exactly(keyed.cell), len(parts), title, minor=True)
        return Unit(f"exact {key}", "exact", self._exactly(keyed.cell), size, title)

    def _exact_part(self, keyed: KeyedCell, stage: Stage) -> Unit:
        """Find the exact neighbours in a part of the database."""
        parts = nearest.exact_parts(self.pipeline, keyed.cell)
        number = 1 + [part.key for part in parts].index(stage.key)
        title = f"exact neighbours by {self._titled(keyed.cell, 'embedder')}, part {number} of {len(parts)}"
        size = self._size(self._queries())
        settings, each = self._exactly(keyed.cell), size and size / len(parts)
        return Unit(f"exact {stage.key}", "exact", settings, each, title, beside=True)

    def _exactly(self, cell: Cell) -> dict[str, Any]:
        """The settings of exact neighbours."""
        return self._data() | {"embedder": _named(cell.embedder), "k": self.pipeline.grid.k}

    def map(self, keyed: KeyedCell) -> Unit:
        """Compute the mAP of the codes that a cell searches, over all queries."""
        cell = keyed.cell
        settings = self._data() | {"hasher": _named(cell.hasher), "database_codes": cell.database_codes}
        stages = " ".join(stage.key for stage in self.pipeline.stages(cell))  # with features, by which cells are judged
        key = f"map {stages} {cell.protocol} {cell.model} {cell.database_codes}"
        title = f"mAP of {self._titled(cell, 'hasher')}"
        return Unit(key, "map", settings, self._size(self._items.get("query")), title)

    def judge(self, keyed: KeyedCell) -> Unit:
        """Judge a search's answers, and write its record."""
        settings = self._data() | _coding(keyed.cell) | {"k": self.pipeline.grid.k}
        title = f"judge {self._titled(keyed.cell, 'index')}"
        return Unit(f"judge {keyed.record}", "judge", settings, self._size(), title, minor=True)

    def _titled(self, cell: Cell, role: Role) -> str:
        """The title of a cell's plugin: its name, dimension, bits, and the parameters that differ within the grid."""
        choice: Choice = getattr(cell, role)
        said = [
            f"{name} = {one_line(str(value), VALUE)}"
            for name, value in choice.parameters.items()
            if name in ("dim", "bits") or name in self._differing[role, choice.name]
        ]
        if role in CODING:
            protocols, seeds = self._trainings
            said += [cell.protocol] if len(protocols) > 1 else []
            said += [f"seed = {cell.seed}"] if len(seeds) > 1 else []
        return f"{choice.name} ({', '.join(said)})" if said else choice.name

    @cached_property
    def _trainings(self) -> tuple[set[str], set[int]]:
        """The protocols and the seeds of the grid."""
        cells = self.pipeline.grid.cells
        return {cell.protocol for cell in cells}, {cell.seed for cell in cells}

    @cached_property
    def _differing(self) -> dict[tuple[Role, str], set[str]]:
        """By role and plugin, the parameters that differ between cells of the grid with the plugin."""
        found: dict[tuple[Role, str], list[dict[str, Any]]] = {}
        for cell in self.pipeline.grid.cells:
            for role, choice in cell.choices():
                if choice.parameters not in (alike := found.setdefault((role, choice.name), [])):
                    alike.append(choice.parameters)
        return {
            of: {name for one in alike for name in one if any(other.get(name) != one[name] for other in alike)}
            for of, alike in found.items()
        }

    def _once(self, kind: str, cell: KeyedCell, make: Callable[[KeyedCell], Unit]) -> Unit:
        if (kind, cell) not in self._units:
            self._units[kind, cell] = make(cell)
        return self._units[kind, cell]

    def _data(self) -> dict[str, Any]:
        return {"data": self.pipeline.dataset_fingerprint}

    def _searching(self, cell: Cell) -> dict[str, Any]:
        """The settings of a search."""
        assert cell.index is not None
        settings = self._data() | _coding(cell) | {"index": cell.index.name} | _prefixed("index", cell.index.parameters)
        return settings | {"rerank": _named(cell.rerank), "candidates": cell.candidates, "k": self.pipeline.grid.k}

    def _count(self) -> None:
        """Count the items, if the labels are stored."""
        if self._items or not self.pipeline.store.has("labels", self.pipeline.labels_key):
            return
        entry = self.pipeline.store.find("labels", self.pipeline.labels_key)
        if entry is not None:
            self._items.update({name: len(labels) for name, labels in entry.arrays.items()})
            self._units.clear()

    def _size(self, times: float | None = 1) -> float | None:
        """The number of items in the database, multiplied by ``times``. None if it is not known."""
        return self._items["database"] * times if self._items and times else None

    def _queries(self) -> float | None:
        """The approximate number of queries that are searched."""
        measure = self.pipeline.grid.measure
        every = measure.queries or self._items.get("query")
        return every if every is None or measure.split == "all" else every / 2


def writing(grids: Sequence[Grid]) -> Planned:
    """Write the tables and figures of a grid on its data sets."""
    cells = sum(len(grid.cells) for grid in grids)
    settings = {"grid": grids[0].name, "layout": grids[0].layout, "data sets": len(grids)}
    return Planned(Unit("writing", "writing", settings, cells, "report", minor=True))


def _coding(cell: Cell) -> dict[str, Any]:
    """The codes and features that a cell searches or ranks, as settings."""
    return {"embedder": _named(cell.embedder), "hasher": _named(cell.hasher), "database_codes": cell.database_codes}


def _named(choice: Choice | None) -> str | None:
    """The name of a plugin with the dimension or bits of its rows."""
    if choice is None:
        return None
    sizes = [f"{name}={choice.parameters[name]}" for name in ("dim", "bits") if name in choice.parameters]
    return " ".join([choice.name, *sizes])


def _prefixed(prefix: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{name}": value for name, value in parameters.items()}
