"""Writes the report of a grid from its records: the tidy cells, the table, the figures and the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.grids.protocols import HELD_OUT
from bench.report.figures import write_figures
from bench.report.page.assemble import write_page
from bench.report.page.facts import About, facts
from bench.report.page.panels import parts
from bench.report.page.payload import payload
from bench.report.panel_figures import write_panel_figures
from bench.report.tables import complete, write_tables
from bench.report.tidy import gathered
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store

Panels = Mapping[str, Any]
PICTURED = 24
"""The default number of queries in a page's gallery."""
LACKING = {
    "ecdf": "the times",
    "difficulty": "the difficulty",
    "rankings": "the curves",
    "training": "the training",
    "codes": "the codes",
    "gallery": "the gallery",
}
"""What a page lacks where entries of a panel can't be read."""


def write_reports(pipelines: Sequence[Pipeline], results: Store, folder: Path, pictured: int = PICTURED) -> list[Path]:
    """Write the report of each data set in a folder with its name, and one of all data sets if there are several.

    ``pictured``: the number of queries in the gallery of a data set of images. Returns the paths.
    """
    found: dict[str, Panels] = {}

    def panels(pipeline: Pipeline) -> Panels:
        name = pipeline.grid.dataset_name
        if name not in found:
            found[name] = parts(pipeline, results, complete(*gathered([pipeline], results)), pictured)
        return found[name]

    written = [
        path for one in pipelines for path in write_report([one], results, folder / one.grid.dataset_name, panels)
    ]
    return written + write_report(pipelines, results, folder, panels) if len(pipelines) > 1 else written


def write_report(
    pipelines: Sequence[Pipeline],
    results: Store,
    folder: Path,
    panels: Callable[[Pipeline], Panels] = lambda pipeline: {},
) -> list[Path]:
    """Write ``cells.csv``, ``table.csv``, ``table.tex``, figures and ``report.html`` of a grid. Returns their paths.

    ``pipelines``: the grid on each data set of the table. ``panels``: makes the panels of the page for each (see
    ``bench.report.page.panels.parts``), and is called when all but the page is written.
    """
    told = {one.grid.dataset_name: _notes(one) for one in pipelines}
    notes = [note if len(told) == 1 else f"{name}: {note}" for name, some in told.items() for note in some]
    cells, info = gathered(pipelines, results, notes)
    folder.mkdir(parents=True, exist_ok=True)
    written = write_tables(cells, info, folder) + write_figures(cells, info, folder)
    about = {
        name: About(facts(one, results), some, panels(one))
        for one, (name, some) in zip(pipelines, told.items(), strict=True)
    }
    for name, one in about.items():
        if lacking := _lacking(one.panels):
            results.say(f"the page of {name} lacks {lacking}")
    if len(pipelines) == 1:  # panels are of one data set, and stand in its own folder
        [(name, one)] = about.items()
        written += write_panel_figures(one.panels, f"{info.name}: {name}, recipe {info.recipe}", folder)
    return [*written, write_page(payload(info, complete(cells, info), about), folder, results.say)]


def _lacking(panels: Panels) -> str:
    """What the panels can't show, and why; "" where they lack nothing."""
    reasons: dict[str, list[str]] = {}
    for panel, part in panels.items():
        for one in part.get("missing", []):
            cells = one["cells"]
            of = "" if cells is None else f" of {cells} cell{'s' * (cells > 1)}"
            reasons.setdefault(one["reason"], []).append(f"{LACKING[panel]}{of}")
    return "; ".join(f"{', '.join(parts)}: {reason}" for reason, parts in reasons.items())


def _notes(pipeline: Pipeline) -> list[str]:
    """The remarks on the data that a reader of the table must know."""
    labels, split = pipeline.labels(), pipeline.grid.class_split
    classes, several = len(labels.meta["classes"]), labels.arrays["query"].ndim == 2
    told = f"{classes} classes{', of which an item may have several' if several else ''}" if classes else "No labels"
    asked = len(labels.arrays["query"])
    notes = [f"{told}, {asked:,} {'query' if asked == 1 else 'queries'} in all"]
    if any(cell.protocol in HELD_OUT for cell in pipeline.grid.cells):
        held_out = len(pipeline.unseen())
        notes.append(f"{held_out} classes are held out of training as unseen ones ({split.describe()})")
    if labels.meta["train_in_database"]:
        notes.append(f"The database is the {'labelled ' if classes else ''}training set")
    return notes + labels.meta["remarks"]
