"""From records to files: the tidy cells with their published counterparts, the table, the figures, the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench import tuning
from bench.pipeline import Pipeline
from bench.report.figures import write_figures
from bench.report.page.assemble import write_page
from bench.report.page.facts import About, facts
from bench.report.page.payload import payload
from bench.report.tables import complete, write_tables
from bench.report.words import GridInfo
from bench.store import Store


def write_report(pipelines: Sequence[Pipeline], results: Store, folder: Path) -> list[Path]:
    """``cells.csv``, ``table.csv``, ``table.tex``, the figures and ``report.html`` of a grid, in ``folder``. Returns
    their paths.

    ``pipelines``: the grid on each data set that the table is about.
    """
    grid = pipelines[0].grid
    frames = [tuning.frame(pipeline, results) for pipeline in pipelines]
    cells = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    about = {one.grid.dataset_name: About(facts(one, results), _notes(one)) for one in pipelines}
    notes = tuple(
        note if len(pipelines) == 1 else f"{name}: {note}" for name, one in about.items() for note in one.notes
    )
    info = GridInfo(grid.name, grid.title, grid.layout, grid.reference, grid.recipe, notes, grid.k)
    folder.mkdir(parents=True, exist_ok=True)
    written = write_tables(cells, info, folder) + write_figures(cells, info, folder)
    return [*written, write_page(payload(info, complete(cells, info), about), folder, results.say)]


def _notes(pipeline: Pipeline) -> list[str]:
    """What a reader of the table must know of the data."""
    labels, split = pipeline.labels(), pipeline.grid.class_split
    classes = len(labels.meta["classes"])
    notes = [f"{f'{classes} classes' if classes else 'No labels'}, {len(labels.arrays['query']):,} queries in all"]
    if any(cell.protocol != "seen" for cell in pipeline.grid.cells):
        held_out = len(pipeline.unseen())
        notes.append(f"{held_out} classes are held out of training as unseen ones (drawn with split_seed {split.seed})")
    if labels.meta["train_in_database"]:
        notes.append(f"The database is the {'labelled ' if classes else ''}training set")
    return notes + labels.meta["remarks"]
