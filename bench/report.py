"""From records to files: the tidy cells with their published counterparts, the table, the figures."""

from __future__ import annotations

from pathlib import Path

from bench import records
from bench.figures import write_figures
from bench.pipeline import Pipeline
from bench.references import attach
from bench.store import Store
from bench.tables import GridInfo, write_tables


def write_report(pipeline: Pipeline, results: Store, folder: Path) -> list[Path]:
    """``cells.csv``, ``table.csv``, ``table.tex`` and the figures of a grid, in ``folder``. Returns their paths."""
    grid = pipeline.grid
    cells = attach(records.frame(pipeline, results), grid.reference)
    info = GridInfo(grid.name, grid.title, grid.layout, grid.reference, grid.recipe, _notes(pipeline))
    folder.mkdir(parents=True, exist_ok=True)
    return write_tables(cells, info, folder) + write_figures(cells, info, folder)


def _notes(pipeline: Pipeline) -> tuple[str, ...]:
    """What a reader of the table must know of the data."""
    labels = pipeline.labels()
    database, query = len(labels.arrays["database"]), len(labels.arrays["query"])
    notes = [f"{database:,} database items, {query:,} queries, {len(labels.meta['classes'])} classes"]
    searched = len(pipeline.query_rows(0))
    if searched < query:
        notes.append(f"{searched:,} queries drawn by seed were searched; times are scaled to all {query:,}")
    if labels.meta["train_in_database"]:
        notes.append("the database is the labelled training set")
    if shared := labels.meta["shared_with_database"]:
        notes.append(f"{shared} query items also stand in the database, to the byte")
    return tuple(notes)
