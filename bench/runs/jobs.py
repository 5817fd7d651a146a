"""The jobs of a run's cells: their stages, their rankings, the groups that are timed in turns, and judging again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from bench.grids.cells import KeyedCell
from bench.plans.schedule import Schedule
from bench.records import book
from bench.runs.crew import Job, Kind
from bench.runs.judging import Judging
from bench.runs.preparation import Preparation
from bench.runs.recording import Recorder
from bench.runs.searches import Searches
from bench.stages import nearest
from bench.stages.pipeline import Pipeline, Stage
from bench.store.entries import Store
from bench.store.remote import Unreachable
from bench.timing.alone import timed_alone
from bench.workers.limits import Failure


@dataclass(frozen=True)
class Jobs:
    """Makes the jobs of cells. ``judging``: a new judge, which keeps the features and codes that it has read."""

    pipeline: Pipeline
    results: Store
    preparation: Preparation
    schedule: Schedule
    searches: Searches
    recorder: Recorder
    judging: Callable[[], Judging]
    retry_failed: bool
    failed: set[str] = field(default_factory=set)
    """The keys of the records of cells that failed in this run, which does not try them again."""

    def settled(self, cell: KeyedCell) -> bool:
        """Whether no work is left for a cell: it has its record, or it failed in this run. The watch hears of it."""
        if cell.record not in self.failed and not book.done(self.results, cell.record, self.retry_failed):
            return False
        self.recorder.watch.ended(cell.record)
        return True

    def able(self, cells: Sequence[KeyedCell]) -> list[KeyedCell]:
        """The cells that this machine can run. The records of the others say why it can't."""
        return [cell for cell in cells if self._attempt(cell, partial(self.preparation.check, cell)) is None]

    def again(self, measured: Mapping[KeyedCell, str | None]) -> list[Job]:
        """Judge cells whose artifacts, answers and times are stored. ``measured``: their earlier records, None of a
        ranking.
        """
        judging = self.judging()
        return [
            self._ranking(cell, judging)
            if earlier is None
            else self._of_cell("judging", cell, partial(judging.again, cell, earlier))
            for cell, earlier in measured.items()
        ]

    def prepared(self, cells: Sequence[KeyedCell]) -> list[Job]:
        """Make each cell's stages, and then rank it if it has no index. Cells share the job of a stage."""
        wanted: dict[str, list[tuple[KeyedCell, Stage]]] = {}
        jobs, judging = list[Job](), self.judging()
        for cell in cells:
            for stage in nearest.stages(self.pipeline, cell.cell):
                if stage.key not in wanted:
                    wanted[stage.key] = []
                    jobs.append(self._stage(wanted[stage.key], cell, stage))
                wanted[stage.key].append((cell, stage))
            if cell.cell.index is None:
                jobs.append(self._ranking(cell, judging))
        return jobs

    def timed(self, cells: Sequence[KeyedCell]) -> list[Job]:
        """Take the answers and times of each group of cells that are compared with each other, and judge them."""
        groups = self.schedule.groups(cell for cell in cells if cell.cell.index is not None)
        return [self._group(group) for group in groups]

    def _stage(self, wanted: Sequence[tuple[KeyedCell, Stage]], cell: KeyedCell, stage: Stage) -> Job:
        """Make the stage that all of ``wanted`` are, each for a cell and with the arrays that it reads."""

        def lacking() -> tuple[KeyedCell, Stage] | None:
            return next(((one, part) for one, part in wanted if not self.preparation.has(part)), None)

        def settle(failure: Failure | None) -> None:
            if failure is None and lacking() is not None:
                failure = Failure("error", f"{stage.kind} {stage.key} were made, and are not stored whole")
            self._settle([one for one, _ in wanted], failure)

        return Job(
            "stage",
            hold=partial(self.pipeline.store.hold, "work", stage.key, wait=False),
            over=lambda: lacking() is None or all(self.settled(one) for one, _ in wanted),
            ready=partial(self._has_input, cell, stage),
            make=lambda share: self.preparation.make(*(lacking() or (cell, stage)), share),
            settle=settle,
            name=f"stage {stage.key}",
        )

    def _has_input(self, cell: KeyedCell, stage: Stage) -> bool:
        """Whether the features are stored that a stage is made from, if any."""
        made_from = {"features": None, "codes": cell.cell.input, "exact": cell.cell.embedder}[stage.kind]
        if made_from is None:
            return True
        return self.preparation.sound("features", self.pipeline.features_key(cell.cell, made_from))

    def _ranking(self, cell: KeyedCell, judging: Judging) -> Job:
        return self._of_cell("ranking", cell, partial(judging.rank, cell))

    def _of_cell(self, kind: Kind, cell: KeyedCell, work: Callable[[], None]) -> Job:
        """Do the work that ends with a cell's record."""
        return Job(
            kind,
            hold=partial(self.results.hold, book.KIND, cell.record, wait=False),
            over=partial(self.settled, cell),
            ready=partial(self.preparation.has_all, cell),
            make=lambda _: self._attempt(cell, work),
            settle=partial(self._settle, [cell]),
            name="" if kind == "judging" else f"{kind} {cell.record}",
        )

    def _group(self, group: Sequence[KeyedCell]) -> Job:
        """Time the cells of a group that are not settled."""

        def unsettled() -> list[KeyedCell]:
            return [cell for cell in group if not self.settled(cell)]

        return Job(
            "group",
            hold=partial(self._alone, self.schedule.group_key(group)),
            over=lambda: not unsettled(),
            ready=lambda: all(map(self.preparation.can_judge, unsettled())),
            make=lambda _: self._time(unsettled()),
            settle=partial(self._settle, group),
            name=f"group {self.schedule.group_key(group)}",
        )

    @contextmanager
    def _alone(self, group: str) -> Iterator[None]:
        """Inside, this process alone takes the times of the group with this key, and alone takes times on this machine.

        Raises Held: another process does one of the two.
        """
        with self.results.hold("replicates", group, wait=False), timed_alone():
            yield

    def _time(self, group: Sequence[KeyedCell]) -> None:
        """Make the answers and replicates of a group, then write its records."""
        judging = self.judging()
        for cell, failure in self.searches.complete(group, self.schedule.reference(group)):
            if failure is not None:
                assert cell.cell.index is not None
                failure.due_to = cell.cell.index.name
                self._fail(cell, failure)
            else:
                self._attempt(cell, partial(judging.search, cell))

    def _attempt(self, cell: KeyedCell, work: Callable[[], None]) -> Failure | None:
        """Do a cell's work. Returns the failure, if any; the cell's record says it then.

        Raises DiskFull: there is no room for the output. Raises Unreachable: the object store can't be asked.
        """
        try:
            work()
        except Unreachable:  # no fault of the cell
            raise
        except Exception as fault:
            failure = Failure.of(fault)
            self._fail(cell, failure)
            return failure
        return None

    def _settle(self, cells: Sequence[KeyedCell], failure: Failure | None) -> None:
        """Write down the failure of cells that have none yet."""
        if failure is not None:
            for cell in cells:
                self._fail(cell, failure)

    def _fail(self, cell: KeyedCell, failure: Failure) -> None:
        if not self.settled(cell):
            self.recorder.failed(cell, failure)
            self.failed.add(cell.record)
