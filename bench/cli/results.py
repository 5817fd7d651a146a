"""Prints the results of a run at its end, or on demand: the table, sentences, reasons and files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.screen import Screen, console, print_lines, print_reasons

if TYPE_CHECKING:
    import pandas as pd

    from bench.report.words import GridInfo
    from bench.stages.pipeline import Pipeline
    from bench.store.entries import Store

KINDS = {".html": "page", ".csv": "tables", ".tex": "tables", ".png": "figures", ".pdf": "figures"}
RECORDS = "records"
"""The kinds of written files by their endings, and the kind of all others."""


def print_grid(pipelines: Sequence[Pipeline], results: Store, cell_by_cell: bool, failures: bool = False) -> None:
    """Print a grid's title, its finished cells and findings, and the reasons of skipped and, if asked, failed cells."""
    from bench.report.tables import complete
    from bench.report.tidy import gathered

    grids = [pipeline.grid for pipeline in pipelines]
    _print_title(f"{grids[0].name}: {grids[0].title}")
    for one in grids:
        console.print(f"data set {one.dataset_name}: {one.dataset.describe()}, recipe {one.recipe}")
    cells, info = gathered(pipelines, results)
    _print_results(complete(cells, info), info, cell_by_cell)
    _print_left_out(cells)
    if failures:
        print_failures(console, cells)


def _print_title(title: str) -> None:
    """Print the title, in lines of the width that a table may take."""
    from bench.report.text_layout import wrapped

    for line in wrapped(title, console.table_width):
        console.print(line, style="bold")


def _print_results(tidy: pd.DataFrame, grid: GridInfo, cell_by_cell: bool) -> None:
    """Print the number of cells done, the grid's table so far, and its findings; with ``cell_by_cell`` each cell too.

    ``tidy`` as ``report.tables.complete`` returns it.
    """
    from bench.report.findings import counts, findings, sizes
    from bench.report.text_cells import cell_lines
    from bench.report.text_layout import wrapped
    from bench.report.text_tables import table_lines

    width = console.table_width
    print_lines(wrapped("; ".join(filter(None, [counts(tidy), sizes(tidy)])), width))
    parts = [table_lines(tidy, grid, width)]
    if cell_by_cell:
        parts.append(cell_lines(tidy, grid, width))
    parts.append([line for sentence in findings(tidy, grid) for line in wrapped(sentence, width)])
    for lines in filter(None, parts):
        print_lines(["", *lines])


def _print_left_out(cells: pd.DataFrame) -> None:
    """Print the cells that could not run on this machine or on these data, with reasons, the remarks on others, and
    what their codes fail to tell apart.

    ``cells`` as ``bench.records.frame.frame_of`` has them.
    """
    from bench.report.reasons import collapses, reasons, remarks

    said, collapsed = remarks(cells), collapses(cells)
    skipped = int((cells["status"] == "skipped").sum())
    if skipped or said or collapsed:
        console.print()
    if skipped:
        print_reasons(console, f"bench: {skipped} of {len(cells)} cells skipped:", reasons(cells, ["skipped"]))
    if said:
        print_reasons(console, "bench: remarks of trainings and searches:", said)
    if collapsed:
        print_reasons(console, "bench: codes that collapsed, in whole or in part:", collapsed)


def print_failures(where: Screen, cells: pd.DataFrame) -> None:
    """Print the failed cells and the reasons. ``cells`` as ``bench.records.frame.frame_of`` has them."""
    from bench.records.book import FAILED
    from bench.report.reasons import reasons

    failed = int(cells["status"].isin(FAILED).sum())
    if failed:
        print_reasons(where, f"bench: {failed} of {len(cells)} cells failed:", reasons(cells, FAILED))


def print_written(paths: Sequence[Path]) -> None:
    """Print the paths of the page, the tables, the figures and the records, a line for each kind.

    Files of equal names in several folders, one for each data set, share a line.
    """
    from bench.report.text_layout import cleaned

    console.print()
    for kind in (*dict.fromkeys(KINDS.values()), RECORDS):
        folders: dict[Path, list[str]] = {}
        for path in paths:
            if KINDS.get(path.suffix, RECORDS) == kind:
                folders.setdefault(path.parent, []).append(path.name)
        alike: dict[tuple[str, ...], list[Path]] = {}
        for folder, names in folders.items():
            alike.setdefault(_without_doubles(names), []).append(folder)
        for (first, *others), places in alike.items():
            beginning = str(places[0] / first) if len(places) == 1 else first
            places_said = "" if len(places) == 1 else f" in each of {', '.join(map(str, places))}"
            console.print(cleaned(f"{kind:<9}{', '.join([beginning, *others])}{places_said}"))


def _without_doubles(names: Iterable[str]) -> tuple[str, ...]:
    """The names, joined if they differ only in endings: ``curve.png`` and ``curve.pdf`` to ``curve.png/pdf``."""
    endings: dict[str, list[str]] = {}
    for name in names:
        stem, ending = name.rsplit(".", 1)
        endings.setdefault(stem, []).append(ending)
    return tuple(f"{stem}.{'/'.join(found)}" for stem, found in endings.items())
