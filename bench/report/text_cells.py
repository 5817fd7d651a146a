"""Prints the cells of a grid one by one, as lines of plain text for a given width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.grids.cells import RANKED
from bench.records.columns import LATENCY, MAP, PRECISION, RECALL, THROUGHPUT, TRAINING
from bench.report.numerals import percent, significant
from bench.report.text_layout import Row, Table, fitted, needs, wrapped
from bench.report.words import GridInfo

SETTINGS = (
    *("dataset", "protocol", "embedder", "dim", "input", "hasher", "variant", "bits", "model", "database_codes"),
    *("index", "setting", "rerank", "seed"),
)
PENDING = "pending"


@dataclass(frozen=True)
class _Cell:
    """The texts of a cell: its settings and figures, as many as there are headings, its status and its reason."""

    settings: tuple[str, ...]
    figures: tuple[str, ...]
    status: str
    reason: str


def cell_lines(tidy: pd.DataFrame, grid: GridInfo, width: int) -> list[str]:
    """All cells in lines of at most ``width`` columns: a row for each cell if that fits, or else a paragraph.

    ``tidy`` as ``tables.complete`` returns it. Values that all cells share, or all that have any,
    stand above them, once.
    """
    several = ["machine"] if tidy.loc[tidy["index"].notna(), "machine"].nunique() > 1 else []
    named = [name for name in (*SETTINGS, *several) if tidy[name].notna().any()]
    # A missing setting is plain for a search. Two rankings may differ only in it.
    rankings = bool(tidy["index"].isna().any())
    common = [name for name in named if tidy[name].nunique(dropna=not rankings) == 1]
    differing = [name for name in named if name not in common]
    figures = {name: head for name, head in _headings(grid).items() if tidy[name].notna().any()}
    cells = [_cell(cell, differing, list(figures)) for _, cell in tidy.iterrows()]
    said = {name: f"{name} {tidy[name].dropna().iloc[0]}" for name in common}
    shared = [said[name] for name in common if tidy[name].notna().all()]
    of_some = [said[name] for name in common if tidy[name].isna().any()]
    if len({cell.status for cell in cells}) == 1:
        shared.append(f"status {cells[0].status}")
    lines = wrapped(f"All cells: {', '.join(shared)}" if shared else "All cells", width)
    if of_some:
        lines += wrapped(f"Cells that have any: {', '.join(of_some)}", width)
    table = _table(differing, list(figures.values()), cells)
    if needs(table) <= width:
        return [*lines, "", *fitted(table, width)]
    heads = list(figures.values())
    paragraphs = [_paragraph(at, cell, differing, heads, width) for at, cell in enumerate(cells, start=1)]
    return [*lines, "", *(line for paragraph in paragraphs for line in paragraph)]


def _headings(grid: GridInfo) -> dict[str, str]:
    """The headings of the shown columns, by column."""
    shown = (MAP, TRAINING) if grid.layout in RANKED else (PRECISION, RECALL, LATENCY, THROUGHPUT)
    return {column.name: column.heading for column in (column.at(grid.k) for column in shown)}


def _cell(cell: pd.Series, settings: Sequence[str], figures: Sequence[str]) -> _Cell:
    status, reason = cell["status"], cell.get("reason")
    return _Cell(
        tuple("" if pd.isna(cell[name]) else str(cell[name]) for name in settings),
        tuple(_figure(name, cell[name]) for name in figures),
        PENDING if pd.isna(status) or status == "" else str(status),
        "" if pd.isna(reason) else str(reason),
    )


def _figure(name: str, value: Any) -> str:
    if pd.isna(value):
        return ""
    is_quality = name == "map" or name.startswith(("precision_", "recall_"))
    return percent(float(value)) if is_quality else significant(float(value))


def _table(settings: Sequence[str], heads: Sequence[str], cells: Sequence[_Cell]) -> Table:
    """A row for each cell. The status is left out if it is the same for all."""
    ended = ["status"] if len({cell.status for cell in cells}) > 1 else []
    rows = [
        Row(str(at), (*cell.settings, *cell.figures, *([cell.status] if ended else [])))
        for at, cell in enumerate(cells, start=1)
    ]
    last = len(settings) + len(heads)
    return Table(
        (*settings, *heads, *ended), tuple(rows), texts=(*range(len(settings)), *range(last, last + len(ended)))
    )


def _paragraph(at: int, cell: _Cell, settings: Sequence[str], heads: Sequence[str], width: int) -> list[str]:
    """A cell as lines: its settings, then its status and its figures."""
    named = [f"{name} {text}" for name, text in zip(settings, cell.settings, strict=True) if text]
    measured = [f"{head}: {text}" for head, text in zip(heads, cell.figures, strict=True) if text]
    ended = f"{cell.status}: {cell.reason}" if cell.reason else cell.status
    return [
        *wrapped(f"{at}. {', '.join(named) or 'the only cell'}", width, 2),
        *(f"  {line}" for line in wrapped("; ".join([ended, *measured]), width - 2)),
    ]
