"""Requests to a worker, reported to a watch as units of work with their durations."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from bench.grids.cells import KeyedCell
from bench.plans.schedule import Schedule
from bench.plans.units import Watch
from bench.runs.remote import Remote
from bench.timing.latency import Singles, Sizes
from bench.timing.places import Answered, Built, Costs
from bench.timing.replicates import Kind


@dataclass(frozen=True)
class Watched:
    """A remote `bench.timing.places.IndexWorker`; each request that takes time is a unit of a schedule."""

    worker: Remote
    schedule: Schedule
    watch: Watch
    _turns: set[tuple[KeyedCell, Kind, tuple[int, ...]]] = field(default_factory=set)

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

    def warm_up(self, cell: KeyedCell) -> Sizes:
        """Warm the cell's search up."""
        with self.watch.doing(self.schedule.warm_up(cell)):
            return self.worker.warm_up(cell)

    def one_by_one(self, cell: KeyedCell, others: Sequence[int], rows: Sequence[int]) -> Singles:
        """Time single queries in one turn."""
        with self._turn(cell, "latency_ms", [*others, *rows]):
            return self.worker.one_by_one(cell, others, rows)

    def batch(self, cell: KeyedCell, size: int, seed: Sequence[int], alone: bool) -> float:
        """Time a batch in one turn."""
        with self._turn(cell, "batch_one_thread_ms" if alone else "batch_ms", seed):
            return self.worker.batch(cell, size, seed, alone)

    def _turn(self, cell: KeyedCell, kind: Kind, of: Sequence[int]) -> AbstractContextManager[None]:
        """A turn. One that is taken again, because others disturbed its round, is an unplanned unit."""
        unit, turn = self.schedule.turn(cell, kind), (cell, kind, tuple(of))
        if turn in self._turns:
            unit = replace(unit, key=f"{unit.key} again")
        self._turns.add(turn)
        return self.watch.doing(unit)

    def resident_bytes(self) -> int:
        """The memory that the process takes."""
        return self.worker.resident_bytes()

    def end(self) -> None:
        """End the process. It may be called again."""
        self.worker.end()
