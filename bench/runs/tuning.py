"""Chooses settings on one half of the queries and reports them on the other, so that no figure is picked by luck.

All settings are searched and timed on the half called tune. A setting that another setting of the same index dominates
there is pruned. The other settings are searched and timed on the half called report, whose figures are the grid's. The
figures of the tune half decide which settings a table shows, and stand beside the others as ``tune_NAME``.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from bench.grids.measure import QuerySplit
from bench.plans.units import Plan
from bench.records.frame import SECTION, VARIANT, frame_of
from bench.records.front import LATENCY, THROUGHPUT, cost_of, front
from bench.records.machines import with_machines
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.limits import Failure

FAMILY = [*SECTION, "seed", *VARIANT, "index", "rerank"]
"""Cells that share these differ in their settings alone, and machines of one class have timed them."""


def finish(run: Run) -> dict[str, str]:
    """Finish a grid's cells, first those of its tune half, if it has one. Returns the result of ``Run.finish``."""
    run = run.sized()
    if run.pipeline.grid.measure.split != "tune/report":
        return run.finish()
    tuning = _tuning(run)
    tuning.finish()
    return replace(run, left_out=_left_out(tuning, run)).finish()


def plan(run: Run) -> Plan:
    """The work of ``finish``. Units that the tune half may make superfluous are marked ``perhaps``."""
    if run.pipeline.grid.measure.split != "tune/report":
        return run.plan()
    tuning = _tuning(run)
    before = tuning.plan()
    if not before.open:
        return replace(run, left_out=_left_out(tuning, run)).plan()
    after = run.plan()
    made = {one.unit.key for one in before.units}
    perhaps = (replace(one, perhaps=True) for one in after.units if one.unit.key not in made)
    return replace(after, units=(*before.units, *perhaps))


def _tuning(run: Run) -> Run:
    """The run, but on the tune half."""
    return replace(run, pipeline=on(run.pipeline, "tune"))


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
    left_out = {
        row["report"]: Failure(row["status"], f"on the tune half: {row['reason']}") for _, row in others.iterrows()
    }
    for _, family in done.groupby(FAMILY, dropna=False):
        kept = pd.Series(False, index=family.index)
        for quality in _qualities(tuning.pipeline):
            if quality in family and family[quality].notna().all():
                for cost in (LATENCY, THROUGHPUT):
                    kept |= front(cost_of(family, cost), family[quality])
        reason = "on the tune half another setting of this index is as good and as fast, and better in one"
        left_out |= {record: Failure("pruned", reason) for record in family.loc[~kept, "report"]}
    return left_out
