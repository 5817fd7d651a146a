"""What stands on the terminal: tables of cells, changes, names and reasons."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.grid import Grid
from bench.pipeline import Pipeline
from bench.store import Store
from bench.wording import one_line, printable

if TYPE_CHECKING:
    from bench.compare import Change

WIDTH_OF_A_FILE = 10_000
"""Columns of what is no terminal: a line or a table in a file or a pipe is whole, however wide."""


class Screen(Console):
    """Prints text as it is, whatever is in it, and lines whole: everything that is shown goes through here."""

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        width = None if stream is not None and stream.isatty() else WIDTH_OF_A_FILE
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True, width=width)

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, with escapes for what can't be printed."""
        return super().render_str(printable(text), **options)

    def on_broken_pipe(self) -> None:
        """Who read has left: end in silence, with the exit code of a program that SIGPIPE ends."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stderr if self.stderr else sys.stdout).fileno())
        raise SystemExit(128 + signal.SIGPIPE)


console = Screen()
errors = Screen(stderr=True)

SETTINGS = (
    *("protocol", "embedder", "dim", "input", "hasher", "variant", "bits", "model", "database_codes"),
    *("index", "setting", "rerank", "seed"),
)


def print_changes(changes: list[Change]) -> None:
    """What moved, worst losses first, what could not be compared, and how much did not move."""
    from bench.compare import ordered, summary

    shown = Table()
    for name in ("data set", "cell", "figure", "before", "after", "change", "interval", ""):
        shown.add_column(name, justify="right" if name in ("before", "after", "change", "interval") else "left")
    for one in (change for change in ordered(changes) if change.verdict != "same"):
        figures = ("", "", "", "")
        if one.has_moved:
            interval = f"{one.low:+.1%} to {one.high:+.1%}"
            figures = (f"{one.before:.4g}", f"{one.after:.4g}", f"{one.change:+.1%}", interval)
        note = f" ({one.note})" if one.note else ""
        shown.add_row(one.dataset, one.cell, one.figure, *figures, one.verdict + note)
    if shown.row_count:
        console.print(shown)
    console.print(summary(changes))


def print_skipped(pipelines: Iterable[Pipeline], results: Store) -> None:
    """What could not run on this machine or on these data, and the reasons; what ran with less than it asks for."""
    from bench import records
    from bench.runner import summary

    skipped: list[str] = []
    remarks: list[str] = []
    cells = 0
    for pipeline in pipelines:
        rows = records.frame(pipeline, results).reindex(columns=["status", "reason", "remarks"]).fillna("")
        for cell, (status, reason, said) in zip(pipeline.grid.cells, rows.itertuples(index=False), strict=True):
            cells += 1
            if status == "skipped":
                skipped.append(f"{cell.describe()}: {reason}")
            remarks += said.split(records.BETWEEN_REMARKS) if said else []
    if skipped:
        print_reasons(console, f"bench: {len(skipped)} of {cells} cells skipped:", summary(skipped))
    if remarks:
        print_reasons(console, "bench: the data have less than some cells allow for:", summary(remarks))


def print_reasons(where: Console, title: str, reasons: Iterable[str]) -> None:
    """The reasons below their title, a line each."""
    where.print(title)
    for line in reasons:
        where.print(f"  {one_line(line)}")


def print_names(title: str, described: dict[str, str]) -> None:
    """Names and what they stand for below their title, a line each."""
    console.print(title, style="bold")
    width = max((len(name) for name in described), default=0)
    for name, description in described.items():
        console.print(f"  {name:<{width}}  {one_line(description)}")


def print_cells(pipeline: Pipeline, results: Store) -> None:
    """The cells as a table: what they have in common stands in its title."""
    from bench import records

    grid = pipeline.grid
    cells = records.frame(pipeline, results).fillna({"status": "pending"})
    measured = _measured(grid)
    settings = [name for name in SETTINGS if name in cells and cells[name].notna().any()]
    # Beside an index, what a cell lacks is plain; of two rankings it is what tells them apart.
    rankings = any(cell.index is None for cell in grid.cells)
    common = [name for name in settings if cells[name].nunique() == 1 and not (rankings and cells[name].isna().any())]
    title = ", ".join(f"{name} {_short(cells[name].dropna().iloc[0])}" for name in common)
    console.print(f"{grid.name} on {grid.dataset_name}: {title}", style="italic")
    view = Table()
    columns = [name for name in settings if name not in common] + [name for name in measured if name in cells]
    for name in columns:
        view.add_column(measured.get(name, name), justify="left" if name in ("index", "status") else "right")
    for _, row in cells[columns].iterrows():
        view.add_row(*(_short(value) for value in row))
    console.print(view)


def _measured(grid: Grid) -> dict[str, str]:
    """What is shown of finished cells, by column: of a grid of rankings, nothing that a search has."""
    if all(cell.index is None for cell in grid.cells):
        return {"map": "mAP", "fit_seconds": "fit s", "status": "status"}
    return {
        f"precision_at_{grid.k}": f"P@{grid.k}",
        f"recall_at_{grid.k}": f"recall@{grid.k}",
        "map": "mAP",
        "latency_ms_p50": "ms",
        "throughput_qps": "queries/s",
        "status": "status",
    }


def _short(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4g}"
    return str(value)
