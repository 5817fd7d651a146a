"""Writes the records of cells: the measured and judged figures, or the reason of a failure."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from bench.grids.cells import KeyedCell
from bench.plans.units import Watch
from bench.records import book, rows
from bench.records.origin import origin
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.system.environment import environment
from bench.system.files import DiskFull
from bench.system.machines import here
from bench.workers.limits import Failure, Say


@dataclass(frozen=True)
class Recorder:
    """Writes records. ``say`` gets a line for each failure, but only one for all cells skipped for the same reason."""

    pipeline: Pipeline
    results: Store
    say: Say
    watch: Watch
    _said: set[str] = field(default_factory=set)

    def failed(self, cell: KeyedCell, failure: Failure) -> None:
        """Write the record of a cell that did not finish, with the reason.

        Raises DiskFull: a full disk is the reason, so no cell can finish.
        """
        if failure.status == "full":
            raise DiskFull(failure.reason) from failure
        described = f"{cell.cell.describe()}: {failure.reason}"
        columns = {"status": failure.status, "reason": failure.reason, "described": described, "due_to": failure.due_to}
        self.write(cell, columns, {}, {}, traceback=failure.tail, final=failure.final)
        if failure.status != "skipped" or failure.reason not in self._said:
            self.say(f"{failure.status}: {described}")
        self._said.add(failure.reason)

    def write(
        self, cell: KeyedCell, columns: dict[str, Any], quality: dict[str, Any], arrays: dict[str, Any], **more: Any
    ) -> None:
        """Write a cell's record: ``columns``, columns of its ``quality``, arrays, and ``more``, which is no column.

        Its machine is this one, unless ``columns`` name another.
        """
        now = book.now()
        meta = {
            "row": rows.plain({**rows.base_row(self.pipeline, cell.cell), **here(), **quality, **columns}),
            "quality": list(quality),
            "search": cell.search,
            "grid": self.pipeline.grid.name,
            "cell": str(cell.cell),
            "described": cell.cell.describe(),
            "finished": now,
            "judged": now,
            "libraries": self._libraries(cell),
            "origin": origin(self.pipeline, cell.cell),
            "environment": environment(),
            "load_at_end": os.getloadavg(),
        }
        self.results.write(book.KIND, cell.record, {**meta, **more}, arrays)
        self.watch.ended(cell.record)

    def _libraries(self, cell: KeyedCell) -> dict[str, str]:
        """The versions of the libraries behind the cell's features and codes. ``environment`` has the answers' ones."""
        found: dict[str, str] = {}
        for stage in self.pipeline.stages(cell.cell):
            if self.pipeline.store.has(stage.kind, stage.key):
                found |= self.pipeline.store.meta(stage.kind, stage.key).get("libraries", {})
        return found
