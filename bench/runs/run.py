"""A run of a grid: cells to records, all of it resumable.

Prepare: labels, features and codes are made, and cells without an index are ranked. Time: cells that are compared with
each other answer and are timed in turns. Judge: their records are written. A plugin loads data, fits, builds and
searches in a process of its own (`bench.workers`). A cell that fails gets a record with the reason, and the others go
on. Artifacts, neighbours and each replicate's times are stored as they finish. Nothing is done twice, even by several
runs on one store. After a change of the metrics, stored answers are only judged again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from bench.grids.cells import KeyedCell
from bench.plans.schedule import Schedule
from bench.plans.units import Plan, Unwatched, Watch
from bench.records import book, keys
from bench.runs.judging import Judging
from bench.runs.preparation import Preparation
from bench.runs.recording import Recorder
from bench.runs.remote import Remote
from bench.runs.searches import Searches
from bench.runs.sizing import with_sizes
from bench.runs.watched import Watched
from bench.runs.worker import set_up
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.system.environment import machine
from bench.workers.limits import Failure, Limits, Say, Show, Starter
from bench.workers.process import Child


@dataclass(frozen=True)
class Run:
    """One run of a grid. ``results`` holds records; ``say`` gets a line per stage, ``show`` the progress of one.

    ``start`` starts a worker, in a process of its own or in this one. ``start_stage`` starts a worker that reads data,
    fits or encodes, by default as ``start`` does. ``left_out``: the keys of records whose cells are not searched, with
    the reasons. ``watch`` is told how the run goes on.
    """

    pipeline: Pipeline
    results: Store
    say: Say = print
    show: Show = lambda description, done, total: None
    limits: Limits = field(default_factory=Limits)
    retry_failed: bool = False
    start: Starter = Child
    start_stage: Starter | None = None
    left_out: Mapping[str, Failure] = field(default_factory=dict)
    watch: Watch = field(default_factory=Unwatched)

    def plan(self) -> Plan:
        """The units of work that are left to do."""
        pending = self._pending()
        able = [cell for cell in pending if self._preparation.is_able(cell)]
        units = self._schedule.plan(able, self._preparation.sound, self._preparation.has)
        return Plan(len(self.cells), len(pending) - len(able), frozenset(cell.record for cell in able), units)

    def sized(self) -> Run:
        """The run, whose grid's expressions have the values for its data. The data are read if their sizes are unknown.

        Raises ValueError: the data set can't be read, or a cell is wrong with these values. Raises DiskFull.
        """
        if self.pipeline.grid.sizes_known:
            return self
        return replace(self, pipeline=with_sizes(self.pipeline, self.results, self._preparation.sizes))

    def finish(self) -> dict[str, str]:
        """Finish every cell that is not done. Returns the reason of each cell that failed, by its record's key.

        A skipped cell has not failed; its reason is in its record. A cell that failed in an earlier run keeps that
        failure, unless ``retry_failed`` is set.

        Raises ValueError: the data set can't be read, or its classes can't be split as a protocol asks for.
        Raises DiskFull.
        """
        if not self.pipeline.grid.sizes_known:
            return self.sized().finish()
        pending = self._pending()
        if pending:
            machine()
            self._preparation.labels(pending)
            self.watch.planned(self.plan().units)
            ready = self._prepare(self._judge_stored(pending))
            self.watch.planned(self.plan().units)  # without cells whose trainings failed
            for group in self._schedule.groups([cell for cell in ready if cell.cell.index is not None]):
                with self.results.hold("replicates", "timed"):  # runs that time at once would slow each other down
                    self._time([cell for cell in group if not self._done(cell)])
        return self._failed()

    def recompute(self) -> tuple[list[KeyedCell], dict[str, str]]:
        """Judge all stored cells by today's metrics, and train, search and time nothing.

        Returns the cells that are not stored whole, and the reason of each cell that failed, by its record's key.
        """
        missing = self._judge_stored(self._pending())
        return missing, self._failed()

    @cached_property
    def cells(self) -> list[KeyedCell]:
        """The cells of the grid, in their order."""
        return keys.keyed(self.pipeline)

    @cached_property
    def _schedule(self) -> Schedule:
        return Schedule(self.pipeline, self.results, self.cells, getattr(self.start, "__name__", ""))

    @cached_property
    def _recorder(self) -> Recorder:
        return Recorder(self.pipeline, self.results, self.say, self.watch)

    @cached_property
    def _preparation(self) -> Preparation:
        start = partial(self._worker, self.start_stage or self.start)
        return Preparation(self.pipeline, self._schedule, start, self.say, self.watch, self.left_out)

    @cached_property
    def _searches(self) -> Searches:
        return Searches(self.pipeline, self.results, self._watched)

    def _judging(self) -> Judging:
        """A new judge. It reads each of the features and codes once, and keeps them as long as it lives."""
        corpora = Corpora(self.pipeline)
        return Judging(self.pipeline, self._searches, self._schedule, self._recorder, self.watch, corpora)

    def _done(self, cell: KeyedCell) -> bool:
        return book.done(self.results, cell.record, self.retry_failed)

    def _pending(self) -> list[KeyedCell]:
        """The cells that are not done. Of cells with the same record it has the first."""
        first = {cell.record: cell for cell in reversed(self.cells)}
        return [cell for cell in self.cells if first[cell.record] is cell and not self._done(cell)]

    def _failed(self) -> dict[str, str]:
        reasons = {cell.record: book.failure(self.results, cell.record) for cell in self.cells}
        return {key: reason for key, reason in reasons.items() if reason is not None}

    def _worker(self, start: Starter) -> Remote:
        pipeline = self.pipeline
        first = set_up(pipeline.grid, pipeline.store.root, pipeline.context.device, self.limits.bytes)
        return Remote(start(first, self.limits, self.say, self.show))

    def _watched(self) -> Watched:
        with self.watch.doing(self._schedule.start()):
            return Watched(self._worker(self.start), self._schedule, self.watch)

    def _judge_stored(self, cells: Sequence[KeyedCell]) -> list[KeyedCell]:
        """Write the records of the cells whose artifacts, answers and times are all stored. Returns the other cells."""
        measured, judging = book.measured(self.results), self._judging()
        stored = dict.fromkeys(cell for cell in cells if self._is_stored(cell, measured))
        for cell in self.pipeline.context.track(stored, "judge what is stored", len(stored)):
            if cell.cell.index is None:
                work = partial(judging.rank, cell)
            else:
                work = partial(judging.again, cell, measured[cell.search])
            self._recorder.attempt(cell, partial(self._once, cell, work))
        return [cell for cell in cells if cell not in stored]

    def _is_stored(self, cell: KeyedCell, measured: Mapping[str, str]) -> bool:
        if not self._preparation.has_all(cell):
            return False
        return cell.cell.index is None or (cell.search in measured and self.results.is_sound("neighbours", cell.search))

    def _prepare(self, cells: Sequence[KeyedCell]) -> list[KeyedCell]:
        """Make each cell's stages, and rank the cells without an index. Returns the cells that can be searched."""
        judging = self._judging()

        def prepare(cell: KeyedCell) -> None:
            self._preparation.stages(cell)
            if cell.cell.index is None:
                self._once(cell, partial(judging.rank, cell))

        tracked = self.pipeline.context.track(cells, "train, encode, rank", len(cells))
        return [cell for cell in tracked if self._recorder.attempt(cell, partial(prepare, cell))]

    def _time(self, group: Sequence[KeyedCell]) -> None:
        """Make the answers and replicates of a group, then write its records."""
        if not group:
            return
        judging = self._judging()
        for cell, failure in self._searches.complete(group, self._schedule.reference(group)):
            if failure is not None:
                self._recorder.failed(cell, failure)
            else:
                self._recorder.attempt(cell, partial(judging.search, cell))

    def _once(self, cell: KeyedCell, work: Callable[[], None]) -> None:
        """Do the work that ends with a cell's record, unless another run on the results folder has done it."""
        with self.results.hold(book.KIND, cell.record):
            if self._done(cell):
                self.watch.ended(cell.record)
            else:
                work()
