"""Chooses settings on one half of the queries and reports them on the other, so that no figure is picked by luck.

All settings are searched and timed on the half called tune. A setting that another setting of the same index dominates
there is pruned. The other settings are searched and timed on the half called report, whose figures are the grid's. The
figures of the tune half decide which settings a table shows, and stand beside the others as ``tune_NAME``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from bench.grids.measure import QuerySplit
from bench.plans.units import Plan
from bench.records.frame import SECTION, VARIANT, frame_of
from bench.records.front import LATENCY, THROUGHPUT, cost_of, front
from bench.records.machines import with_machines
from bench.runs.crew import Job, Kind
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.limits import Failure

FAMILY = [*SECTION, "seed", *VARIANT, "index", "rerank"]
"""Cells that share these differ in their settings alone, and machines of one class have timed them."""


@dataclass(frozen=True)
class Tuned:
    """A sized run of a grid, and before it one of its tune half, if it has one. It may be finished again."""

    run: Run

    @cached_property
    def tuning(self) -> Run | None:
        """The run, but on the tune half."""
        if self.run.pipeline.grid.measure.split != "tune/report":
            return None
        return replace(self.run, pipeline=on(self.run.pipeline, "tune"))

    @cached_property
    def report(self) -> Run:
        """The run without what the finished tune half makes superfluous."""
        return self.run if self.tuning is None else replace(self.run, left_out=_left_out(self.tuning, self.run))

    def finish(self) -> dict[str, str]:
        """Finish a grid's cells, first those of its tune half. Returns the result of ``Run.finish``.

        If the tune half is not finished, for others make some of it, the rest is left.
        """
        if self.tuning is not None:
            self.tuning.finish()
            if self.tuning.unfinished:
                return {}
        return self.report.finish()

    def plan(self) -> Plan:
        """The work of ``finish``. Units that the tune half may make superfluous are marked ``perhaps``."""
        if self.tuning is None:
            return self.run.plan()
        before = self.tuning.plan()
        if not before.open:
            return replace(self.run, left_out=_left_out(self.tuning, self.run)).plan()
        after = self.run.plan()
        made = {one.unit.key for one in before.units}
        perhaps = (replace(one, perhaps=True) for one in after.units if one.unit.key not in made)
        return replace(after, units=(*before.units, *perhaps))

    @property
    def made(self) -> Counter[Kind]:
        """The numbers of jobs that it has taken, by kind."""
        return sum((one.made for one in self._begun), Counter[Kind]())

    @property
    def left(self) -> list[Job]:
        """The jobs that it would take, and has left to others."""
        return [job for one in self._begun for job in one.left]

    @property
    def unfinished(self) -> int:
        """The number of cells that are neither done nor failed."""
        return len(vars(self).get("report", self.run).unfinished)

    @property
    def _begun(self) -> list[Run]:
        """The runs of the halves, of which the second is made when the first is finished."""
        return [one for one in (self.tuning, vars(self).get("report")) if one is not None]


def on(pipeline: Pipeline, split: QuerySplit) -> Pipeline:
    """The pipeline of the same grid on another part of the queries."""
    return pipeline.on_grid(replace(pipeline.grid, measure=replace(pipeline.grid.measure, split=split)))


def halves(pipeline: Pipeline) -> list[Pipeline]:
    """The pipeline, and before it the pipeline of its tune half, if it has one."""
    return [on(pipeline, "tune"), pipeline] if pipeline.grid.measure.split == "tune/report" else [pipeline]


def frame(pipeline: Pipeline, store: Store) -> pd.DataFrame:
    """``frame_of`` with the figures of the tune half, if there is one, as ``tune_NAME``.

    Its times are left out where a machine of another class took those of the report half.
    """
    cells = frame_of(pipeline, store)
    if pipeline.grid.measure.split == "tune/report":
        tuned = frame_of(on(pipeline, "tune"), store)
        alike = with_machines(cells)["machine"] == with_machines(tuned)["machine"]
        for name in (*_qualities(pipeline), LATENCY, THROUGHPUT):
            figures = pd.to_numeric(tuned[name]) if name in tuned else pd.Series(float("nan"), index=cells.index)
            cells[f"tune_{name}"] = figures.where(alike) if name in (LATENCY, THROUGHPUT) else figures
    return cells


def _qualities(pipeline: Pipeline) -> tuple[str, str]:
    return f"recall_at_{pipeline.grid.k}", f"precision_at_{pipeline.grid.k}"


def _left_out(tuning: Run, report: Run) -> dict[str, Failure]:
    """The records of the report half that are left out, with the reasons: their cells failed on the tune half, or
    another setting of their family dominates them there.
    """
    cells = with_machines(frame_of(tuning.pipeline, tuning.results))
    cells["report"] = [cell.record for cell in report.cells]
    cells = cells[cells["index"].notna()]
    done, others = cells[cells["status"] == "ok"], cells[cells["status"] != "ok"]
    left_out = dict[str, Failure]()
    for _, row in others.iterrows():
        left_out[row["report"]] = Failure(row["status"], f"on the tune half: {row['reason']}")
        left_out[row["report"]].due_to = due_to if isinstance(due_to := row.get("due_to"), str) else None
    for _, family in done.groupby(FAMILY, dropna=False):
        kept = pd.Series(False, index=family.index)
        for quality in _qualities(tuning.pipeline):
            if quality in family and family[quality].notna().all():
                for cost in (LATENCY, THROUGHPUT):
                    kept |= front(cost_of(family, cost), family[quality])
        reason = "on the tune half another setting of this index is as good and as fast, and better in one of the two"
        left_out |= {record: Failure("pruned", reason) for record in family.loc[~kept, "report"]}
    return left_out
