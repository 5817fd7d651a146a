"""The units of work of one grid on one data set: what each is like, and which of them are still to be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bench.grids.cells import Cell, Grid
from bench.plans.units import Gathered, Planned, Unit, Watch
from bench.plugins.choices import Choice, Role
from bench.records import book, keys
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline, Stage
from bench.store.entries import Store
from bench.system.wording import one_line
from bench.timing import indexes

CODING: tuple[Role, ...] = ("embedder", "input", "hasher")
VALUE = 40
"""Characters of a parameter's value in a title."""


@dataclass(frozen=True)
class Schedule:
    """Names the units of a grid's cells, which are named by their position. ``worker``: in what plugins run."""

    pipeline: Pipeline
    results: Store
    worker: str
    _units: dict[tuple[str, int], Unit] = field(default_factory=dict, init=False, repr=False)
    _items: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def keys(self) -> list[str]:
        """The keys of the cells' records, in their order."""
        return [keys.key(self.pipeline, cell) for cell in self.pipeline.grid.cells]

    def groups(self, timed: list[int]) -> list[list[int]]:
        """The cells that are compared with each other."""
        groups: dict[Any, list[int]] = {}
        for position in timed:
            groups.setdefault(self._compared_by(position), []).append(position)
        return list(groups.values())

    def _compared_by(self, position: int) -> tuple[Any, ...]:
        """What cells that are compared have in common: protocol, seed and set of features."""
        cell = self._cell(position)
        features = None if cell.embedder is None else self.pipeline.features_key(cell, cell.embedder)
        return cell.protocol, cell.seed, features

    def reference(self, group: Sequence[int]) -> int:
        """The cell that the others are compared with: the linear scan, or else the first, of these and the finished."""
        common = self._compared_by(group[0])
        known = [
            (cell.index.name != "linear_scan", position)
            for position, cell in enumerate(self.pipeline.grid.cells)
            if cell.index is not None
            and self._compared_by(position) == common
            and (position in group or book.status(self.results, self.keys[position]) == "ok")
        ]
        return min(known)[1]

    def plan(
        self, cells: Sequence[int], sound: Callable[[str, str], bool], has: Callable[[Stage], bool]
    ) -> tuple[Planned, ...]:
        """What is still to be done for the cells.

        ``sound``: whether an entry of the cache is as it was written; ``has``: whether it has all of a stage.
        """
        self._count()
        gathered = Gathered()
        if cells and not sound("labels", self.pipeline.labels_key):
            gathered.need(self.labels(), [self.keys[position] for position in cells])
        for position in cells:
            for number, stage in enumerate(self.pipeline.stages(self._cell(position))):
                if not has(stage):
                    gathered.need(self.stage(position, number), [self.keys[position]])
            if self._cell(position).index is None:
                gathered.need(self.rank(position), [self.keys[position]])
        for group in self.groups([position for position in cells if self._cell(position).index is not None]):
            self._search(gathered, group)
            for position in group:
                self._judge(gathered, position, sound)
        return gathered.planned()

    def _search(self, gathered: Gathered, group: Sequence[int]) -> None:
        """The answers and the replicates that a group lacks, in turns with the reference's."""
        reference, measure = self.reference(group), self.pipeline.grid.measure
        keys = [self.keys[position] for position in group]
        for position in dict.fromkeys([reference, *group]):
            if not self.results.has("neighbours", self._search_key(position)):
                gathered.need(self.answer(position), keys if position == reference else [self.keys[position]])
        for number in range(measure.replicates):
            lacking = [one for one in group if not self.results.has("replicates", f"{self._search_key(one)}-{number}")]
            arms = dict.fromkeys([reference, *lacking] if lacking else [])
            for position in arms:
                of = keys if position == reference else [self.keys[position]]
                gathered.repeat(self.round(position), of, measure.rounds)
            for position in {self.build(position).key: position for position in reversed(arms)}.values():
                gathered.repeat(self.start(), keys)
                gathered.repeat(self.build(position), keys)

    def _judge(self, gathered: Gathered, position: int, sound: Callable[[str, str], bool]) -> None:
        """What a search's record takes, once it is measured."""
        cell, key = self._cell(position), self.keys[position]
        if cell.embedder is not None and not sound("exact", self.pipeline.exact_key(cell)):
            gathered.need(self.exact(position), [key])
        if cell.hasher is not None:
            gathered.need(self.map(position), [key])
        gathered.need(self.judge(position), [key])

    def asked(self, what: str, cell: int | None = None) -> Unit | None:
        """The unit that a request to a worker is; None where it takes next to no time."""
        kinds = {"build": self.build, "answer": self.answer, "round": self.round}
        return kinds[what](cell) if cell is not None and what in kinds else None

    def start(self) -> Unit:
        """Start a worker that will hold an index."""
        key = f"start {self.pipeline.dataset_fingerprint} {self.pipeline.grid.measure.split}"
        return Unit(key, "start", {"worker": self.worker}, title="start processes", shown=False, minor=True)

    def labels(self) -> Unit:
        """Load the data set, and store its labels."""
        grid, key = self.pipeline.grid, self.pipeline.labels_key
        settings = self._data() | _prefixed("dataset", grid.dataset.parameters)
        return Unit(f"labels {key}", f"labels {grid.dataset.name}", settings, title=f"read {grid.dataset_name}")

    def stage(self, position: int, number: int) -> Unit:
        """Make one of a cell's stages, by its position among them."""
        cell = self._cell(position)
        stage = list(self.pipeline.stages(cell))[number]
        roles: list[Role] = [role for role in CODING if getattr(cell, role) is not None]
        choice: Choice = getattr(cell, roles[number])
        settings = self._data() | {"protocol": cell.protocol, "device": self.pipeline.context.device}
        settings |= _prefixed(choice.name, choice.parameters)
        if roles[number] == "hasher" and cell.input is not None:
            settings |= {"input": cell.input.name} | _prefixed("input", cell.input.parameters)
        family = f"{stage.kind} {choice.name}"
        return Unit(f"{stage.kind} {stage.key}", family, settings, self._size(), self._titled(cell, roles[number]))

    def build(self, position: int) -> Unit:
        """Build a cell's index, in one replicate; cells that differ in query parameters share it."""
        return self._once("build", position, self._build)

    def _build(self, position: int) -> Unit:
        cell = self._cell(position)
        assert cell.index is not None
        queried = indexes.searcher(cell).query_parameters
        fixed = {name: value for name, value in cell.index.parameters.items() if name not in queried}
        settings = self._data() | _coding(cell) | _prefixed("index", fixed)
        settings |= {"rerank": cell.rerank and cell.rerank.name, "seconds": self.pipeline.grid.measure.batch_seconds}
        key = indexes.build_key(cell, Corpora(self.pipeline).key(cell))
        title = f"build {self._titled(cell, 'index')}"
        return Unit(f"build {key}", f"build {cell.index.name}", settings, self._size(), title, timed=True)

    def answer(self, position: int) -> Unit:
        """Search all queries."""
        return self._once("answer", position, self._answer)

    def _answer(self, position: int) -> Unit:
        cell = self._cell(position)
        title = f"search {self._titled(cell, 'index')}"
        settings = self._searching(cell)
        return Unit(f"answer {self._search_key(position)}", "answer", settings, self._size(self._queries()), title)

    def round(self, position: int) -> Unit:
        """One round of one replicate."""
        return self._once("round", position, self._round)

    def _round(self, position: int) -> Unit:
        measure = self.pipeline.grid.measure
        batches = measure.batch_seconds / measure.rounds
        settings = self._searching(self._cell(position)) | {
            "queries_per_round": measure.queries_per_round,
            "seconds": batches,
        }
        key, title = f"round {self._search_key(position)}", "search and timing"
        least = 2 * batches  # on all threads and on one
        return Unit(key, "round", settings, self._size(), title, shown=False, timed=True, least=least)

    def rank(self, position: int) -> Unit:
        """Rank the whole database for all queries, and write the record."""
        cell = self._cell(position)
        title = f"rank by {self._titled(cell, 'hasher' if cell.hasher else 'embedder')}"
        settings, size = self._data() | _coding(cell), self._size(self._items.get("query"))
        return Unit(f"rank {self.keys[position]}", "rank", settings, size, title)

    def exact(self, position: int) -> Unit:
        """Find the exact neighbours that cells with these features are judged by."""
        cell = self._cell(position)
        key, title = self.pipeline.exact_key(cell), self._titled(cell, "embedder")
        settings = self._data() | {"embedder": _named(cell.embedder), "k": self.pipeline.grid.k}
        return Unit(f"exact {key}", "exact", settings, self._size(self._queries()), title)

    def map(self, position: int) -> Unit:
        """The mAP of the codes that a cell searches, over all queries."""
        cell = self._cell(position)
        settings = self._data() | {"hasher": _named(cell.hasher), "database_codes": cell.database_codes}
        stages = " ".join(stage.key for stage in self.pipeline.stages(cell))  # features too: cells are judged by these
        key = f"map {stages} {cell.protocol} {cell.model} {cell.database_codes}"
        title = f"mAP of {self._titled(cell, 'hasher')}"
        return Unit(key, "map", settings, self._size(self._items.get("query")), title)

    def judge(self, position: int) -> Unit:
        """Judge a search's answers, and write its record."""
        settings = self._data() | _coding(self._cell(position)) | {"k": self.pipeline.grid.k}
        title = f"judge {self._titled(self._cell(position), 'index')}"
        return Unit(f"judge {self.keys[position]}", "judge", settings, self._size(), title, minor=True)

    def _cell(self, position: int) -> Cell:
        return self.pipeline.grid.cells[position]

    def _titled(self, cell: Cell, role: Role) -> str:
        """A plugin of a cell for a person: its name, dimension and bits, and in what it differs within the grid."""
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
        """By role and plugin, the parameters that are not the same wherever it stands in the grid."""
        found: dict[tuple[Role, str], list[dict[str, Any]]] = {}
        for cell in self.pipeline.grid.cells:
            for role, choice in cell.choices():
                if choice.parameters not in (alike := found.setdefault((role, choice.name), [])):
                    alike.append(choice.parameters)
        return {
            of: {name for one in alike for name in one if any(other.get(name) != one[name] for other in alike)}
            for of, alike in found.items()
        }

    def _once(self, kind: str, position: int, make: Callable[[int], Unit]) -> Unit:
        if (kind, position) not in self._units:
            self._units[kind, position] = make(position)
        return self._units[kind, position]

    def _search_key(self, position: int) -> str:
        return self._search_keys[position]

    @cached_property
    def _search_keys(self) -> list[str]:
        return [keys.search_key(self.pipeline, cell) for cell in self.pipeline.grid.cells]

    def _data(self) -> dict[str, Any]:
        return {"data": self.pipeline.dataset_fingerprint}

    def _searching(self, cell: Cell) -> dict[str, Any]:
        """The settings of a search."""
        assert cell.index is not None
        settings = self._data() | _coding(cell) | {"index": cell.index.name} | _prefixed("index", cell.index.parameters)
        return settings | {"rerank": _named(cell.rerank), "candidates": cell.candidates, "k": self.pipeline.grid.k}

    def _count(self) -> None:
        """Count the items, once the labels are there."""
        if self._items or not self.pipeline.store.has("labels", self.pipeline.labels_key):
            return
        entry = self.pipeline.store.find("labels", self.pipeline.labels_key)
        if entry is not None:
            self._items.update({name: len(labels) for name, labels in entry.arrays.items()})
            self._units.clear()

    def _size(self, times: float | None = 1) -> float | None:
        """The number of items in the database, so many times; None where it is not known."""
        return self._items["database"] * times if self._items and times else None

    def _queries(self) -> float | None:
        """How many queries are searched, about."""
        measure = self.pipeline.grid.measure
        every = measure.queries or self._items.get("query")
        return every if every is None or measure.split == "all" else every / 2


class Watched:
    """A worker, as `bench.workers.process.Child` is one, some of whose requests are units of work."""

    def __init__(self, worker: Any, schedule: Schedule, watch: Watch) -> None:
        """``worker`` is started."""
        self._worker, self._schedule, self._watch = worker, schedule, watch
        self._rounds: set[tuple[int, ...]] = set()

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return bool(self._worker.gone)

    def ask(self, what: str, **parameters: Any) -> Any:
        """The worker's answer."""
        unit = self._schedule.asked(what, parameters.get("cell"))
        if unit is not None and "rows" in parameters:
            round_ = (parameters["cell"], *parameters["rows"])
            if round_ in self._rounds:  # others disturbed it: nobody could plan that it is taken again
                unit = replace(unit, key=f"{unit.key} again")
            self._rounds.add(round_)
        with nullcontext() if unit is None else self._watch.doing(unit):
            return self._worker.ask(what, **parameters)

    def resident_bytes(self) -> int:
        """The memory that it takes."""
        return int(self._worker.resident_bytes())

    def end(self) -> None:
        """End it. It may be called again."""
        self._worker.end()


def writing(grids: Sequence[Grid]) -> Planned:
    """Write the tables and figures of a grid on its data sets."""
    cells = sum(len(grid.cells) for grid in grids)
    settings = {"grid": grids[0].name, "layout": grids[0].layout, "data sets": len(grids)}
    return Planned(Unit("writing", "writing", settings, cells, "tables and figures", minor=True))


def _coding(cell: Cell) -> dict[str, Any]:
    """What a cell searches or ranks, as settings."""
    return {"embedder": _named(cell.embedder), "hasher": _named(cell.hasher), "database_codes": cell.database_codes}


def _named(choice: Choice | None) -> str | None:
    """A plugin with what says how long its rows are."""
    if choice is None:
        return None
    sizes = [f"{name}={choice.parameters[name]}" for name in ("dim", "bits") if name in choice.parameters]
    return " ".join([choice.name, *sizes])


def _prefixed(prefix: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{name}": value for name, value in parameters.items()}
