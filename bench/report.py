"""From records to files: the tidy cells with their published counterparts, the table, the figures."""

from __future__ import annotations

from pathlib import Path

from bench import records
from bench.figures import write_figures
from bench.pipeline import Pipeline
from bench.store import Store
from bench.tables import GridInfo, write_tables


def write_report(pipeline: Pipeline, results: Store, folder: Path) -> list[Path]:
    """``cells.csv``, ``table.csv``, ``table.tex`` and the figures of a grid, in ``folder``. Returns their paths."""
    grid = pipeline.grid
    cells = records.frame(pipeline, results)
    info = GridInfo(grid.name, grid.title, grid.layout, grid.reference, grid.recipe, _notes(pipeline), grid.k)
    folder.mkdir(parents=True, exist_ok=True)
    return write_tables(cells, info, folder) + write_figures(cells, info, folder)


def _notes(pipeline: Pipeline) -> tuple[str, ...]:
    """What a reader of the table must know of the data."""
    labels = pipeline.labels()
    notes = [f"{len(labels.meta['classes'])} classes, {len(labels.arrays['query']):,} queries in all"]
    if labels.meta["train_in_database"]:
        notes.append("The database is the labelled training set")
    if shared := labels.meta["shared_with_database"]:
        notes.append(f"{shared} query items also stand in the database, to the byte")
    return tuple(notes)
