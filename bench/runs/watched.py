"""Requests to a worker, reported to a watch as units of work with their durations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench.grids.cells import KeyedCell
from bench.plans.schedule import Schedule
from bench.plans.units import Watch
from bench.runs.remote import Remote
from bench.timing.latency import Round
from bench.timing.places import Answered, Built, Costs


@dataclass(frozen=True)
class Watched:
    """A remote `bench.timing.places.IndexWorker`; each request that takes time is a unit of a schedule."""

    worker: Remote
    schedule: Schedule
    watch: Watch
    _rounds: set[tuple[KeyedCell, tuple[int, ...]]] = field(default_factory=set)

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self.worker.gone

    def build(self, cell: KeyedCell) -> Built:
        """Build the cell's index."""
        with self.watch.doing(self.schedule.build(cell)):
            return self.worker.build(cell)

    def settle(self, cell: KeyedCell) -> Costs:
        """Set the query parameters of the cell. This takes almost no time, so it is no unit."""
        return self.worker.settle(cell)

    def answer(self, cell: KeyedCell, path: str) -> Answered:
        """Search all queries."""
        with self.watch.doing(self.schedule.answer(cell)):
            return self.worker.answer(cell, path)

    def round(self, cell: KeyedCell, rows: Sequence[int]) -> Round:
        """Time a round. A round that is taken again, because others disturbed it, is an unplanned unit."""
        unit = self.schedule.round(cell)
        if (cell, tuple(rows)) in self._rounds:
            unit = replace(unit, key=f"{unit.key} again")
        self._rounds.add((cell, tuple(rows)))
        with self.watch.doing(unit):
            return self.worker.round(cell, rows)

    def resident_bytes(self) -> int:
        """The memory that the process takes."""
        return self.worker.resident_bytes()

    def end(self) -> None:
        """End the process. It may be called again."""
        self.worker.end()
