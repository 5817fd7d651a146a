"""Makes the labels, features and codes that cells need before they are ranked or searched, if they are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.grids.cells import KeyedCell
from bench.grids.checks import ask_index
from bench.plans.schedule import Schedule
from bench.plans.units import Watch
from bench.runs.remote import Remote
from bench.stages import nearest
from bench.stages.pipeline import Pipeline, Stage
from bench.system.files import DiskFull
from bench.workers.limits import Failure, Say
from bench.workers.shares import Share


@dataclass(frozen=True)
class Preparation:
    """Makes stages, each in a process of its own that ``start`` starts, on a share of the machine or on all of it.

    ``left_out``: see `bench.runs.run.Run`.
    """

    pipeline: Pipeline
    schedule: Schedule
    start: Callable[[Share | None], Remote]
    say: Say
    watch: Watch
    left_out: Mapping[str, Failure]
    _verified: set[tuple[str, str]] = field(default_factory=set)
    _remarked: set[str] = field(default_factory=set)

    def labels(self, cells: Sequence[KeyedCell]) -> None:
        """Load the data set if its labels are missing, and print its remarks.

        Raises ValueError: it can't be read, its classes can't be split as a protocol asks for, or a cell has no query.
        Raises DiskFull: there is no room for them.
        """
        if not self.sound("labels", self.pipeline.labels_key):
            try:
                with self.watch.doing(self.schedule.labels()), self._worker() as worker:
                    worker.labels()
            except Failure as failure:
                raise _unreadable(failure) from failure
            self.pipeline.store.share("labels", self.pipeline.labels_key)
        for remark in self.pipeline.labels().meta["remarks"]:
            if remark not in self._remarked:
                self.say(f"{self.pipeline.grid.dataset_name}: {remark}")
            self._remarked.add(remark)
        asked = [cell.cell for cell in cells]
        if any(cell.protocol != "seen" for cell in asked):
            self.pipeline.unseen()
        for cell in {cell.protocol: cell for cell in asked if cell.index is not None}.values():
            if not len(self.pipeline.query_rows(cell)):
                half = self.pipeline.grid.measure.split
                raise ValueError(
                    f"measure.split: the {half} half of the {cell.protocol} queries is empty; it takes two of them"
                )

    def sizes(self) -> dict[str, Any]:
        """Load the data set. Returns the fields of `bench.grids.sizes.Sizes`.

        Raises ValueError: it can't be read, or its classes can't be split as a protocol asks for. Raises DiskFull.
        """
        try:
            with self._worker() as worker:
                return worker.sizes()
        except Failure as failure:
            raise _unreadable(failure) from failure

    def check(self, cell: KeyedCell) -> None:
        """Raises Failure: the cell is left out. Raises ValueError, Unavailable: its index does not suit it."""
        if cell.record in self.left_out:
            raise self.left_out[cell.record]
        ask_index(cell.cell)

    def is_able(self, cell: KeyedCell) -> bool:
        """Whether a cell is not left out and its index suits it."""
        try:
            self.check(cell)
        except Exception:
            return False
        return True

    def sound(self, kind: str, key: str) -> bool:
        """Whether an entry of the cache is as it was written. A sound entry is not verified again."""
        if (kind, key) not in self._verified and self.pipeline.store.is_sound(kind, key):
            self._verified.add((kind, key))
        return (kind, key) in self._verified

    def has(self, stage: Stage) -> bool:
        """Whether the cache has a stage as it was written, with all arrays that the cell reads, or all of which it is a
        part.
        """
        if stage.whole is not None and self.sound(stage.kind, stage.whole):
            return True
        if not self.sound(stage.kind, stage.key):
            return False
        return stage.holds(self.pipeline.store.meta(stage.kind, stage.key))

    def has_all(self, cell: KeyedCell) -> bool:
        """Whether the cache has all features and codes of a cell."""
        return all(map(self.has, self.pipeline.stages(cell.cell)))

    def can_judge(self, cell: KeyedCell) -> bool:
        """Whether the cache has all stages of a cell."""
        return all(map(self.has, nearest.stages(self.pipeline, cell.cell)))

    def make(self, cell: KeyedCell, stage: Stage, share: Share | None) -> Failure | None:
        """Make a stage of a cell on a share of the machine. Returns the failure, if any."""
        folder = self.pipeline.store.work(stage.key)
        unit, begun = self.schedule.stage(cell, stage), _holds_files(folder)
        self.say(f"{'find' if stage.kind == 'exact' else 'go on with' if begun else 'fit'} {unit.title}")
        if stage.kind != "exact":
            self.watch.detail(f"{unit.title}: log in {folder}")
        try:
            with self.watch.doing(unit, counts=not begun), self._worker(share) as worker:
                worker.make(cell, stage.key)
        except Failure as failure:
            if _holds_files(folder):
                self.say(f"{unit.title}: failed, log in {folder}")
            failure.due_to = stage.plugin
            return failure
        self.pipeline.store.share(stage.kind, stage.key)
        return None

    @contextmanager
    def _worker(self, share: Share | None = None) -> Iterator[Remote]:
        """A process that serves one request and ends."""
        worker = self.start(share)
        try:
            yield worker
        finally:
            worker.end()


def _unreadable(failure: Failure) -> Exception:
    """The error with which a run ends if a worker can't read the data set."""
    if failure.status == "full":
        return DiskFull(failure.reason)
    return ValueError(f"the data set can't be read: {failure.reason}")


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
