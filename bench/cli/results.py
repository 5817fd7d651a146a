"""Prints the results of a run at its end, or on demand: the table, sentences, reasons and files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.screen import Screen, console, print_lines, print_reasons

if TYPE_CHECKING:
    import pandas as pd

    from bench.records.origin import Earlier
    from bench.report.words import GridInfo
    from bench.stages.pipeline import Pipeline
    from bench.store.entries import Store

KINDS = {".html": "page", ".csv": "tables", ".tex": "tables", ".png": "figures", ".pdf": "figures"}
RECORDS = "records"
"""The kinds of written files by their endings, and the kind of all others."""


def print_grid(
    pipelines: Sequence[Pipeline], results: Store, cell_by_cell: bool, failures: bool = False, making: str = ""
) -> None:
    """Print a grid's title, its finished cells and findings, and the reasons of skipped and, if asked, failed cells.

    Where nothing is done, ``making``, the command that makes it, stands in place of a table.
    """
    from bench.report.tables import complete
    from bench.report.text_layout import flowing
    from bench.report.tidy import gathered

    grids = [pipeline.grid for pipeline in pipelines]
    _print_title(f"{grids[0].name}: {grids[0].title}")
    for one in grids:
        told = f"data set {one.dataset_name}: {one.dataset.describe()}, recipe {one.recipe}"
        print_lines(flowing(told, console.table_width))
    cells, info = gathered(pipelines, results)
    _print_results(complete(cells, info), info, cell_by_cell, making)
    _print_left_out(cells)
    if failures:
        print_failures(console, cells)


def _print_title(title: str) -> None:
    """Print the title, in lines of the width that a table may take."""
    from bench.report.text_layout import wrapped

    for line in wrapped(title, console.table_width):
        console.print(line, style="bold")


def _print_results(tidy: pd.DataFrame, grid: GridInfo, cell_by_cell: bool, making: str) -> None:
    """Print the number of cells done, the grid's table so far, and its findings; with ``cell_by_cell`` each cell too.

    ``tidy`` as ``report.tables.complete`` returns it; ``making`` as `print_grid` takes it.
    """
    from bench.report.findings import counts, findings, sizes
    from bench.report.text_cells import cell_lines
    from bench.report.text_layout import wrapped
    from bench.report.text_tables import table_lines

    width = console.table_width
    print_lines(wrapped("; ".join(filter(None, [counts(tidy), sizes(tidy)])), width))
    begun = bool((tidy["status"].fillna("") != "").any())
    parts = [table_lines(tidy, grid, width)] if begun else []
    if cell_by_cell:
        parts.append(cell_lines(tidy, grid, width))
    if begun or not making:
        parts.append([line for sentence in findings(tidy, grid) for line in wrapped(sentence, width)])
    for lines in filter(None, parts):
        print_lines(["", *lines])
    if making and not begun:
        print_lines(["", "Nothing of it is done. This command makes it:"])
        console.print_whole(f"  {making}")


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
    """Print the paths of the page, the tables, the figures and the records, each in a line, as it can be copied.

    Files of equal names in several folders, one for each data set, share a line.
    """
    if paths:
        console.print()
    for kind in (*dict.fromkeys(KINDS.values()), RECORDS):
        folders: dict[Path, list[str]] = {}
        for path in sorted(paths, key=lambda path: path.name):
            if KINDS.get(path.suffix, RECORDS) == kind:
                folders.setdefault(path.parent, []).append(path.name)
        alike: dict[tuple[str, ...], list[Path]] = {}
        for folder, names in folders.items():
            alike.setdefault(tuple(names), []).append(folder)
        told = [
            line
            for names, places in alike.items()
            for line in ([str(places[0] / name) for name in names] if len(places) == 1 else [_in_each(names, places)])
        ]
        for line, head in zip(told, [kind, *[""] * len(told)], strict=False):
            console.print_whole(f"{head:<9}{line}")


def _in_each(names: Sequence[str], places: Sequence[Path]) -> str:
    return f"{', '.join(names)} in each of {', '.join(map(str, places))}"


def stored_report(pipelines: Sequence[Pipeline], results: Store) -> list[Path]:
    """The paths of the page, the tables, the figures and the records of a grid that are there, by kind."""
    above = results.root / pipelines[0].grid.name
    folders = [*(above / one.grid.dataset_name for one in pipelines), *([above] if len(pipelines) > 1 else [])]
    files = [path for folder in folders for path in sorted(folder.glob("*")) if path.suffix in KINDS and path.is_file()]
    return [*files, *(path for path in sorted(results.root.glob("*.parquet")) if files)]


def report_of(pipelines: Sequence[Pipeline], results: Store) -> list[Path]:
    """Those paths of `stored_report` whose folders have tables of these very cells, and those of the records."""
    from bench.records.keys import keyed

    report = stored_report(pipelines, results)
    keys = {results.root / pipelines[0].grid.name: {cell.record for one in pipelines for cell in keyed(one)}}
    for one in pipelines:
        keys[results.root / one.grid.name / one.grid.dataset_name] = {cell.record for cell in keyed(one)}
    folders = {folder for folder, found in _of_tables(report, "key") if {*found} == keys[folder]}
    return [path for path in report if path.parent in folders or (folders and path.parent == results.root)]


def most_finished(report: Sequence[Path]) -> int:
    """The most finished cells that a table of a stored report has. One whose cells can't be read has none."""
    return max((int((found == "ok").sum()) for _, found in _of_tables(report, "status")), default=0)


def _of_tables(report: Sequence[Path], column: str) -> Iterator[tuple[Path, pd.Series]]:
    """A column of each table of cells that can be read, with the folder of the table."""
    import pandas as pd

    for path in report:
        if path.name == "cells.csv":
            with suppress(ValueError, OSError):
                yield path.parent, pd.read_csv(path, usecols=[column])[column]


def print_earlier(found: Earlier, cells: int, folder: Path, making: str) -> None:
    """Print that records of a grid stand under other keys than those of today, what differs, and what makes them anew.

    ``cells``: the number of cells of the grid. ``folder``: that of the results. ``making``: a command.
    """
    from bench.report.text_layout import flowing

    made = f", made with {', '.join(found.differing)}" if found.differing else "; what differs is not recorded"
    said = f"bench: {folder} holds records of {found.cells} of {cells} cells under other keys{made}"
    console.print()
    print_lines([*flowing(said, console.line_width), "This command makes these cells anew:"])
    console.print_whole(f"  {making}")
