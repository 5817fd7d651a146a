"""The parent's side of a worker: a method for each request that `bench.runs.worker` serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.grids.cells import KeyedCell
from bench.timing.latency import Singles, Sizes
from bench.timing.places import Answered, Built, Costs
from bench.workers.limits import Asked


@dataclass(frozen=True)
class Remote:
    """A worker that is set up. Each request raises `bench.workers.limits.Failure` if it gets no answer."""

    process: Asked

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self.process.gone

    def labels(self) -> None:
        """Load the data set, and store its labels."""
        self.process.ask("labels")

    def sizes(self) -> dict[str, Any]:
        """Load the data set, and store its labels. Returns the fields of `bench.grids.sizes.Sizes`."""
        found: dict[str, Any] = self.process.ask("sizes")
        return found

    def make(self, cell: KeyedCell, stage: str) -> None:
        """Make the stage of the cell that has this key."""
        self.process.ask("make", cell=asdict(cell.cell), stage=stage)

    def build(self, cell: KeyedCell) -> Built:
        """Build the cell's index."""
        return Built(**self.process.ask("build", cell=asdict(cell.cell)))

    def settle(self, cell: KeyedCell) -> Costs:
        """Set the query parameters of the cell."""
        return Costs(**self.process.ask("settle", cell=asdict(cell.cell)))

    def answer(self, cell: KeyedCell, path: str) -> Answered:
        """Search all queries, and write the neighbours to a file."""
        return Answered(**self.process.ask("answer", cell=asdict(cell.cell), path=path))

    def warm_up(self, cell: KeyedCell) -> Sizes:
        """Warm the cell's search up. Returns the sizes of its batches."""
        return Sizes(**self.process.ask("warm_up", cell=asdict(cell.cell)))

    def one_by_one(self, cell: KeyedCell, others: Sequence[int], rows: Sequence[int]) -> Singles:
        """Time the queries at ``rows`` one by one, after those at ``others``."""
        return Singles(**self.process.ask("one_by_one", cell=asdict(cell.cell), others=[*others], rows=[*rows]))

    def batch(self, cell: KeyedCell, size: int, seed: Sequence[int], alone: bool) -> float:
        """Milliseconds of a query in a batch of ``size``, drawn by ``seed``, on one thread (``alone``) or on all."""
        taken: float = self.process.ask("batch", cell=asdict(cell.cell), size=size, seed=[*seed], alone=alone)
        if not alone:
            self.process.pause()
        return taken

    def resident_bytes(self) -> int:
        """The memory that the process takes."""
        return self.process.resident_bytes()

    def end(self) -> None:
        """End the process. It may be called again."""
        self.process.end()
