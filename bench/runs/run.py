"""Cells to records: stages first, then rankings, then answers and timed replicates; all of it resumable.

Whatever a plugin does, it does in a process of its own (`bench.workers`): loading data, fitting, building, searching.
What a cell cannot finish, and why, is a record too, and the others go on. Artifacts, neighbours and each replicate's
times are stored as they finish; nothing is done twice, by several runs on one store neither. What was found and timed
before the metrics changed is only judged again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from bench.grids.cells import Cell
from bench.grids.checks import ask_index
from bench.interfaces import Corpus, Int, Unavailable
from bench.plans.schedule import Schedule, Watched
from bench.plans.units import Plan, Unwatched, Watch
from bench.records import book, keys, rows
from bench.runs.searches import Searches
from bench.runs.worker import set_up
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline, Stage
from bench.store.entries import Store
from bench.system.environment import environment, machine
from bench.system.files import DiskFull
from bench.workers.limits import Failure, Limits, Say, Show, Starter, failed
from bench.workers.process import Child


@dataclass(frozen=True)
class Run:
    """One run of a grid. ``results`` holds records; ``say`` gets a line per stage, ``show`` the progress of one.

    ``start``: how a worker is started, in a process of its own or in this one. Cells are named by their position.
    ``left_out``: those that are not to be searched, and why. ``watch``: is told how it goes on.
    """

    pipeline: Pipeline
    results: Store
    say: Say = print
    show: Show = lambda description, done, total: None
    limits: Limits = field(default_factory=Limits)
    retry_failed: bool = False
    start: Starter = Child
    left_out: Mapping[int, Failure] = field(default_factory=dict)
    watch: Watch = field(default_factory=Unwatched)

    def plan(self) -> Plan:
        """What is left to do, before any of it is done."""
        pending = self._pending()
        able = [position for position in pending if self._is_able(position)]
        still_open = frozenset(self._keys[position] for position in able)
        units = self._schedule.plan(able, self._sound, self._has)
        return Plan(len(self._keys), len(pending) - len(able), still_open, units)

    def __call__(self) -> dict[str, str]:
        """Finish every cell that is not done. Returns the reason of each cell that failed, by its record's key.

        A cell that is skipped has not failed; its reason is in its record. One that failed before fails again with the
        reason it had, unless ``retry_failed``.

        ValueError: the data set can't be read, or its classes can't be split as a protocol asks for. DiskFull.
        """
        pending = self._pending()
        if pending:
            machine()
            self._labels(pending)
            self.watch.planned(self.plan().units)
            timed = [at for at in self._prepare(self._judge(pending)) if self._cell(at).index is not None]
            self.watch.planned(self.plan().units)  # without the cells whose trainings failed
            for group in self._schedule.groups(timed):
                with self.results.hold("replicates", "timed"):  # runs that time at once would slow each other down
                    self._time([at for at in group if not self._done(at)])
        return self._failed()

    def recompute(self) -> tuple[list[int], dict[str, str]]:
        """Judge by today's metrics all that is stored, and train, search and time nothing.

        Returns the cells of which something is missing, and the reason of each that failed, by its record's key.
        """
        pending = self._pending()
        ready = [at for at in pending if all(map(self._has, self._stages(at)))]
        return sorted({*pending} - {*ready} | {*self._judge(ready)}), self._failed()

    @property
    def _keys(self) -> list[str]:
        """The keys of the cells' records, in their order."""
        return self._schedule.keys

    @cached_property
    def _searches(self) -> Searches:
        return Searches(self.pipeline, self.results, self._watched, self._stop)

    @cached_property
    def _schedule(self) -> Schedule:
        return Schedule(self.pipeline, self.results, getattr(self.start, "__name__", ""))

    @cached_property
    def _verified(self) -> set[tuple[str, str]]:
        return set()

    def _sound(self, kind: str, key: str) -> bool:
        """Whether an entry of the cache is as it was written; where it is, that is looked at once."""
        if (kind, key) not in self._verified and self.pipeline.store.is_sound(kind, key):
            self._verified.add((kind, key))
        return (kind, key) in self._verified

    @cached_property
    def _said(self) -> set[str]:
        """Why cells were skipped, as far as it was said: many are for the same reason."""
        return set()

    def _cell(self, position: int) -> Cell:
        return self.pipeline.grid.cells[position]

    def _stages(self, position: int) -> Iterator[Stage]:
        return self.pipeline.stages(self._cell(position))

    def _has(self, stage: Stage) -> bool:
        """Whether the cache has a stage as it was written, with all that the cell reads of it."""
        if not self._sound(stage.kind, stage.key):
            return False
        return stage.holds(self.pipeline.store.meta(stage.kind, stage.key))

    def _done(self, position: int) -> bool:
        return book.done(self.results, self._keys[position], self.retry_failed)

    def _is_able(self, position: int) -> bool:
        """Whether a cell will not be stopped before anything of it is made."""
        try:
            ask_index(self._cell(position))
        except Exception:
            return False
        return position not in self.left_out

    def _pending(self) -> list[int]:
        first = {key: position for position, key in reversed(list(enumerate(self._keys)))}
        return [position for position in sorted(first.values()) if not self._done(position)]

    def _failed(self) -> dict[str, str]:
        return {key: reason for key in self._keys if (reason := book.failure(self.results, key)) is not None}

    def _child(self) -> Any:
        return self.start(
            set_up(self.pipeline.grid, self.pipeline.store.root, self.pipeline.context.device),
            self.limits,
            self.say,
            self.show,
        )

    def _watched(self) -> Watched:
        with self.watch.doing(self._schedule.start()):
            return Watched(self._child(), self._schedule, self.watch)

    def _ask(self, what: str, **parameters: Any) -> Any:
        """The answer of a process that is started for this request alone."""
        child = self._child()
        try:
            return child.ask(what, **parameters)
        finally:
            child.end()

    def _labels(self, cells: list[int]) -> None:
        if not self._sound("labels", self.pipeline.labels_key):
            try:
                with self.watch.doing(self._schedule.labels()):
                    self._ask("labels")
            except Failure as failure:
                if failure.status == "full":
                    raise DiskFull(failure.reason) from failure
                raise ValueError(f"the data set can't be read: {failure.reason}") from failure
        for remark in self.pipeline.labels().meta["remarks"]:
            self.say(f"{self.pipeline.grid.dataset_name}: {remark}")
        asked = [self._cell(position) for position in cells]
        if any(cell.protocol != "seen" for cell in asked):
            self.pipeline.unseen()
        for cell in {cell.protocol: cell for cell in asked if cell.index is not None}.values():
            if not len(self.pipeline.query_rows(cell)):
                half = self.pipeline.grid.measure.split
                raise ValueError(
                    f"measure.split: the {half} half of the {cell.protocol} queries is empty; it takes two of them"
                )

    def _judge(self, cells: list[int]) -> list[int]:
        """Write the records of the cells of which all is stored that is judged or was measured. Returns the others."""
        measured, corpora = book.measured(self.results), Corpora(self.pipeline)
        stored = [at for at in cells if self._is_stored(at, measured)]
        for position in self.pipeline.context.track(stored, "judge what is stored", len(stored)):
            if self._cell(position).index is None:
                self._attempt(position, partial(self._rank, position, corpora))
            else:
                self._attempt(position, partial(self._judge_again, position, corpora, measured))
        return [at for at in cells if at not in stored]

    def _is_stored(self, position: int, measured: dict[str, str]) -> bool:
        if not all(map(self._has, self._stages(position))):
            return False
        cell = self._cell(position)
        search = keys.search_key(self.pipeline, cell)
        return cell.index is None or (search in measured and self.results.is_sound("neighbours", search))

    def _judge_again(self, position: int, corpora: Corpora, measured: dict[str, str]) -> None:
        key, cell = self._keys[position], self._cell(position)
        with self.watch.doing(self._schedule.judge(position)), self.results.hold(book.KIND, key):
            if not self._done(position):
                earlier = measured[keys.search_key(self.pipeline, cell)]
                quality = self._quality(position, *corpora.of(cell), corpora)
                self.results.write(book.KIND, key, *book.judged_again(self.results, earlier, quality))
        self.watch.ended(key)

    def _prepare(self, cells: list[int]) -> list[int]:
        """Each cell's stages, and the record of those that rank. Returns the cells that can be searched."""
        corpora, made = Corpora(self.pipeline), dict[str, Failure | None]()

        def prepare(position: int) -> None:
            self._make(position, made)
            if self._cell(position).index is None:
                self._rank(position, corpora)

        tracked = self.pipeline.context.track(cells, "train, encode, rank", len(cells))
        return [position for position in tracked if self._attempt(position, partial(prepare, position))]

    def _attempt(self, position: int, work: Callable[[], None]) -> bool:
        """Whether a cell's work could be done; where not, its record says why."""
        try:
            work()
        except Exception as fault:
            self._stop(position, fault if isinstance(fault, Failure) else Failure(**failed(fault)))
            return False
        return True

    def _make(self, position: int, made: dict[str, Failure | None]) -> None:
        """Make the features and codes that are missing. ``made``: by key, what was made or failed, which is raised."""
        if position in self.left_out:
            raise self.left_out[position]
        try:
            ask_index(self._cell(position))
        except Unavailable as reason:
            raise Failure("skipped", str(reason)) from reason
        except Exception as fault:
            raise Failure(**failed(fault)) from fault
        for number, stage in enumerate(self._stages(position)):
            if stage.key not in made and not self._has(stage):
                made[stage.key] = self._made(position, number, self.pipeline.store.work(stage.key))
            if (failure_known := made.get(stage.key)) is not None:
                raise failure_known

    def _made(self, position: int, number: int, folder: Path) -> Failure | None:
        """Make a stage of a cell. Returns why that failed. ``folder``: where a training keeps its log."""
        unit, begun = self._schedule.stage(position, number), _holds_files(folder)
        self.say(f"{'go on with' if begun else 'fit'} {unit.title}")
        self.watch.detail(f"{unit.title}: log in {folder}")
        try:
            with self.watch.doing(unit, counts=not begun):
                self._ask("make", cell=position, stage=number)
        except Failure as failure:
            if _holds_files(folder):
                self.say(f"{unit.title}: failed, log in {folder}")
            return failure
        return None

    def _rank(self, position: int, corpora: Corpora) -> None:
        """Rank the whole database by the cell's codes or features, and write its record: nothing is timed."""
        with self.watch.doing(self._schedule.rank(position)), self.results.hold(book.KIND, self._keys[position]):
            if not self._done(position):
                self._record(position, *self._ranked(self._cell(position), corpora))

    def _ranked(self, cell: Cell, corpora: Corpora) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """The columns of a ranking, those of its quality, and its arrays."""
        from bench.quality.columns import of_codes, of_features

        (database, queries), known = corpora.of(cell), corpora.labels(cell)
        assert known is not None, "a ranking is judged by labels, and the data set has none"
        labels, asked = known
        costs, arrays = corpora.costs(cell)
        columns: dict[str, Any] = {"queries": len(queries), "database_items": len(database), **costs}
        columns["remarks"] = rows.joined(corpora.remarks(cell))
        if database.codes is not None and queries.codes is not None:
            columns["code_bytes"] = len(database) * -(-database.codes.bits // 8)
            judged = of_codes(queries.codes, database.codes, asked, labels, self.pipeline.grid.k)
        else:
            assert database.features is not None and queries.features is not None
            columns["dim"] = database.features.shape[1]
            judged = of_features(queries.features, database.features, asked, labels)
        return {**columns, "status": "ok"}, judged, arrays

    def _time(self, group: list[int]) -> None:
        """Answers and replicates of a group, then its records."""
        if not group:
            return
        corpora = Corpora(self.pipeline)
        for position in self._searches(group, self._schedule.reference(group)):
            self._attempt(position, partial(self._record_search, position, corpora))

    def _record_search(self, position: int, corpora: Corpora) -> None:
        with self.watch.doing(self._schedule.judge(position)):
            self._judge_search(position, corpora)

    def _judge_search(self, position: int, corpora: Corpora) -> None:
        cell = self._cell(position)
        database, queries = corpora.of(cell)
        before, encoding = corpora.costs(cell)
        costs, arrays = self._searches.columns(position)
        columns = {
            "dim": None if database.features is None else database.features.shape[1],
            **before,
            **costs,
            **{name: before.get(name, False) or costs[name] for name in ("unstable", "loaded")},
            "queries": len(queries),
            "database_items": len(database),
            "remarks": rows.joined([*corpora.remarks(cell), *_fewer(cell, len(database))]),
            "status": "ok",
        }
        quality = self._quality(position, database, queries, corpora)
        measured = {"rates": vars(self._searches.rates), "environment": self._searches.environment(position)}
        self._record(position, columns, quality, arrays | encoding, **measured)

    def _quality(self, position: int, database: Corpus, queries: Corpus, corpora: Corpora) -> dict[str, Any]:
        """The quality columns of a search: of its answers, and of the codes that it reads."""
        from bench.quality.columns import of_neighbours

        cell = self._cell(position)
        neighbours: Int = self._searches.neighbours(position)
        exact = None
        if cell.embedder is not None:
            with self.watch.doing(self._schedule.exact(position)):
                exact = self.pipeline.exact(cell)
        found = of_neighbours(neighbours, exact, database, queries, corpora.labels(cell), self.pipeline.grid.k)
        return rows.plain({**found, "map": self._map(position, corpora)})

    def _map(self, position: int, corpora: Corpora) -> float | None:
        if self._cell(position).hasher is None:
            return None
        with self.watch.doing(self._schedule.map(position)):
            return corpora.map(self._cell(position))

    def _record(
        self,
        position: int,
        columns: dict[str, Any],
        quality: dict[str, Any],
        arrays: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        cell, now = self._cell(position), book.now()
        meta = {
            "row": rows.plain({**rows.base_row(self.pipeline, cell), **quality, **columns}),
            "quality": list(quality),
            "search": keys.search_key(self.pipeline, cell),
            "grid": self.pipeline.grid.name,
            "cell": str(cell),
            "described": cell.describe(),
            "finished": now,
            "judged": now,
            "libraries": self._libraries(position),
            "environment": environment(),
            "load_at_end": os.getloadavg(),
        }
        self.results.write(book.KIND, self._keys[position], {**meta, **more}, arrays or {})
        self.watch.ended(self._keys[position])

    def _libraries(self, position: int) -> dict[str, str]:
        """The versions behind the features and codes of a cell; those behind its answers are of its environment."""
        found: dict[str, str] = {}
        for stage in self._stages(position):
            if self.pipeline.store.has(stage.kind, stage.key):
                found |= self.pipeline.store.meta(stage.kind, stage.key).get("libraries", {})
        return found

    def _stop(self, position: int, failure: Failure) -> None:
        """Write why a cell did not finish. DiskFull: that is why, and no cell can."""
        if failure.status == "full":
            raise DiskFull(failure.reason) from failure
        described = f"{self._cell(position).describe()}: {failure.reason}"
        columns = {"status": failure.status, "reason": failure.reason, "described": described}
        self._record(position, columns, {}, traceback=failure.tail, final=failure.final)
        if failure.status != "skipped" or failure.reason not in self._said:
            self.say(f"{failure.status}: {described}")
        self._said.add(failure.reason)


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _fewer(cell: Cell, items: int) -> list[str]:
    """What a search asks for and the database does not have."""
    return [f"candidates = {cell.candidates}: all {items} items"] if (cell.candidates or 0) > items else []
