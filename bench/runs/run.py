"""A run of a grid: cells to records, all of it resumable.

Prepare: labels, features and codes are made, and cells without an index are ranked. Time: cells that are compared with
each other answer and are timed in turns. Judge: their records are written. A plugin loads data, fits, builds and
searches in a process of its own (`bench.workers`). A cell that fails gets a record with the reason, and the others go
on. Artifacts, neighbours and each replicate's times are stored as they finish. Nothing is done twice, even by several
runs on one store. After a change of the metrics, stored answers are only judged again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from bench.grids.cells import KeyedCell
from bench.plans.schedule import Schedule
from bench.plans.units import Plan, Unwatched, Watch
from bench.records import book, keys
from bench.runs.crew import Crew, Job, Kind, Manner, Taking
from bench.runs.jobs import Jobs
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
from bench.workers.limits import Failure, Limits, Say, Show, Starter, free_memory
from bench.workers.process import Child
from bench.workers.shares import Share


@dataclass(frozen=True)
class Run:
    """One run of a grid. ``results`` holds records; ``say`` gets a line per stage, ``show`` the progress of one.

    ``start`` starts a worker, in a process of its own or in this one. ``start_stage`` starts a worker that reads data,
    fits or encodes, by default as ``start`` does. ``left_out``: the keys of records whose cells are not searched, with
    the reasons. ``watch`` is told how the run goes on. ``manner``: which jobs it takes. ``shares``: the parts of the
    machine on which stages are made beside each other; None is the whole machine. ``crew``: what takes the jobs of the
    run in place of this process alone, all kinds of them at once.
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
    manner: Manner = field(default_factory=Manner)
    shares: Sequence[Share | None] = (None,)
    crew: Callable[[Run], Taking] | None = None

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
        failure, unless ``retry_failed`` is set. By ``manner`` jobs may be left; the run may be finished again.

        Raises ValueError: the data set can't be read, or its classes can't be split as a protocol asks for.
        Raises DiskFull.
        """
        if not self.pipeline.grid.sizes_known:
            return self.sized().finish()
        self.left.clear()
        unfinished = self.unfinished
        if unfinished and not self.manner.ended:
            machine()
            self._preparation.labels(unfinished)
            self.watch.planned(self.plan().units)
            with self._crew:
                rest = self._judge_stored(unfinished)
                able = self._jobs.able(rest)
                prepared = self._jobs.prepared(able)
                if self.crew is not None:
                    self._take([*prepared, *self._jobs.timed(able)])
                else:
                    self._take(prepared, "train, encode, rank")
                    self.watch.planned(self.plan().units)  # without cells whose trainings failed
                    self._take(self._jobs.timed(able))
        return self._failed()

    def recompute(self) -> tuple[list[KeyedCell], dict[str, str]]:
        """Judge all stored cells by today's metrics, and train, search and time nothing.

        Returns the cells that are not stored whole, and the reason of each cell that failed, by its record's key.
        """
        with self._crew:
            missing = self._judge_stored(self._pending())
        return missing, self._failed()

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """The jobs of all cells that this machine can run, done or not, by name. The labels must be stored.

        Raises ValueError: there are none, and the data set can't be read. Raises DiskFull.
        """
        self._preparation.labels(self.cells)
        able = [cell for cell in self._distinct if self._preparation.is_able(cell)]
        return {job.name: job for job in [*self._jobs.prepared(able), *self._jobs.timed(able)]}

    @property
    def failed(self) -> set[str]:
        """The keys of the records of cells that failed in this run, which does not try them again."""
        return self._jobs.failed

    @property
    def unfinished(self) -> list[KeyedCell]:
        """The cells that are neither done nor failed in this run."""
        return [cell for cell in self._pending() if not self._jobs.settled(cell)]

    @property
    def made(self) -> Counter[Kind]:
        """The numbers of jobs that this run has taken, by kind."""
        return self._crew.made

    @cached_property
    def left(self) -> list[Job]:
        """The jobs that `finish` has left, of those that the run takes."""
        return []

    @cached_property
    def cells(self) -> list[KeyedCell]:
        """The cells of the grid, in their order."""
        return keys.keyed(self.pipeline)

    @cached_property
    def _schedule(self) -> Schedule:
        kind = getattr(self.start, "__name__", "")
        return Schedule(self.pipeline, self.results, self.cells, kind, len(self.shares))

    @cached_property
    def _recorder(self) -> Recorder:
        return Recorder(self.pipeline, self.results, self.say, self.watch)

    @cached_property
    def _crew(self) -> Taking:
        return Crew(self.shares, self.say, self.watch) if self.crew is None else self.crew(self)

    @cached_property
    def _jobs(self) -> Jobs:
        parts = (self._preparation, self._schedule, self._searches, self._recorder)
        return Jobs(self.pipeline, self.results, *parts, self._judging, self.retry_failed)

    @cached_property
    def _preparation(self) -> Preparation:
        return Preparation(self.pipeline, self._schedule, self._stage_worker, self.say, self.watch, self.left_out)

    @cached_property
    def _searches(self) -> Searches:
        return Searches(self.pipeline, self.results, self._watched)

    @cached_property
    def _distinct(self) -> list[KeyedCell]:
        """The cells of the grid, and of those with the same record the first, in their order."""
        first: dict[str, KeyedCell] = {}
        for cell in self.cells:
            first.setdefault(cell.record, cell)
        return [*first.values()]

    def _judging(self) -> Judging:
        """A new judge. It reads each of the features and codes once, and keeps them as long as it lives."""
        corpora = Corpora(self.pipeline)
        return Judging(self.pipeline, self._searches, self._schedule, self._recorder, self.watch, corpora)

    def _pending(self) -> list[KeyedCell]:
        """The cells that are not done. Of cells with the same record it has the first."""
        return [cell for cell in self._distinct if not book.done(self.results, cell.record, self.retry_failed)]

    def _failed(self) -> dict[str, str]:
        reasons = {cell.record: book.failure(self.results, cell.record) for cell in self.cells}
        return {key: reason for key, reason in reasons.items() if reason is not None}

    def _worker(self, start: Starter, limits: Limits, share: Share | None = None) -> Remote:
        pipeline = self.pipeline
        first = set_up(pipeline.grid, pipeline.store.root, pipeline.context.device, limits.bytes, share)
        return Remote(start(first, limits, self.say, self.show))

    def _stage_worker(self, share: Share | None) -> Remote:
        """A worker that makes a stage. Beside others it may take its part of the memory."""
        limits = replace(self.limits, over=self._crew.over.is_set)
        if share is not None and limits.bytes is None:
            limits = replace(limits, bytes=max(1, free_memory() // len(self.shares)))
        return self._worker(self.start_stage or self.start, limits, share)

    def _watched(self) -> Watched:
        with self.watch.doing(self._schedule.start()):
            return Watched(self._worker(self.start, self.limits), self._schedule, self.watch)

    def _judge_stored(self, cells: Sequence[KeyedCell]) -> list[KeyedCell]:
        """Write the records of the cells whose artifacts, answers and times are all stored. Returns the other cells."""
        measured = book.measured(self.results)
        stored = {
            cell: None if cell.cell.index is None else measured[cell.search]
            for cell in cells
            if self._is_stored(cell, measured)
        }
        self._take(self._jobs.again(stored), "judge what is stored")
        return [cell for cell in cells if cell not in stored]

    def _is_stored(self, cell: KeyedCell, measured: Mapping[str, str]) -> bool:
        if not self._preparation.has_all(cell):
            return False
        return cell.cell.index is None or (cell.search in measured and self.results.is_sound("neighbours", cell.search))

    def _take(self, jobs: Sequence[Job], description: str | None = None) -> None:
        """Take jobs in the manner of the run, with the progress of those that have a description."""
        taken: Iterable[Job] = self._crew.take(jobs, self.manner)
        if description is not None:
            taken = self.pipeline.context.track(taken, description, len(jobs))
        for _ in taken:
            pass
        self.left.extend(self._crew.left)
