"""Gathers the cells of a grid on all its data sets from the records, as one frame."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.report.words import GridInfo
from bench.runs import tuning
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store


def gathered(pipelines: Sequence[Pipeline], results: Store, notes: Sequence[str] = ()) -> tuple[pd.DataFrame, GridInfo]:
    """The cells of all data sets, as ``tuning.frame`` has them, and the facts of their grid that a table names."""
    grid = pipelines[0].grid
    frames = [tuning.frame(pipeline, results) for pipeline in pipelines]
    cells = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    return cells, GridInfo(grid.name, grid.title, grid.layout, grid.reference, grid.recipe, tuple(notes), grid.k)
