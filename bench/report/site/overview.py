"""Describes each report for the index: its machines and days, its finished cells, and its findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.records.columns import TEXTS
from bench.report.findings import findings
from bench.report.provenance import days_in_words, machine_in_words, without_paths
from bench.report.site.collect import CELLS, Report
from bench.report.site.model import Payload, Row
from bench.report.tables import complete
from bench.report.words import GridInfo, machine_word
from bench.system.machines import NOT_RECORDED
from bench.system.wording import one_line

ENDINGS = {
    "failed": "failed",
    "error": "failed",
    "timeout": "ran out of time",
    "memory": "ran out of memory",
    "skipped": "skipped",
    "pruned": "left out as dominated",
    "": "not yet run",
}
"""The words for the statuses of cells that are not finished."""


@dataclass(frozen=True)
class Overview:
    """The overview of a report in the index. Unknown fields are empty."""

    days: str
    machines: tuple[str, ...]
    cells: str
    findings: tuple[str, ...]


def overview(report: Report, shows: Sequence[str]) -> Overview:
    """The overview of a report. ``shows``: its findings."""
    rows = [row for one in report.payload.sets for row in one.rows]
    days = days_in_words(row.finished for row in rows)
    return Overview(days, machines(report.payload, rows), cells_in_words(rows), tuple(shows))


def shown_by(report: Report, say: Callable[[str], None]) -> list[str]:
    """The findings of a report, in the sentences with which its run ended.

    If a run did not write ``cells.csv`` as it is, there are none, and ``say`` gets a line.
    """
    path, grid = report.place.folder / CELLS, report.payload.grid
    info = GridInfo(grid.name, grid.title, grid.layout, grid.reference, grid.recipe, (), grid.k)
    try:
        cells = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=[""])
        return [without_paths(sentence) for sentence in findings(complete(cells, info), info)]
    except (ValueError, TypeError, LookupError, AttributeError, OSError) as fault:  # the file was edited
        say(f"{path} does not hold the cells of a report: {one_line(str(fault))}")
        return []


def machines(payload: Payload, rows: Sequence[Row]) -> tuple[str, ...]:
    """The machines behind some rows, in words, each once."""
    return tuple(dict.fromkeys(filter(None, machines_of(payload, rows))))


def machines_of(payload: Payload, rows: Sequence[Row]) -> list[str]:
    """The machine behind each row: its class, or else what its environment says. Empty if neither is known."""
    several = len({row.machine for row in rows} - {""}) > 1
    unknown = {""} if several else {"", NOT_RECORDED}
    return [_described(payload, row) if row.machine in unknown else machine_word(row.machine) for row in rows]


def _described(payload: Payload, row: Row) -> str:
    """The machine of a row as its environment says. Empty if it is not known."""
    position = row.environment
    if position is None or not 0 <= position < len(payload.environments):
        return ""
    return machine_in_words(payload.environments[position])


def cells_in_words(rows: Sequence[Row]) -> str:
    """The number of finished cells, and the statuses of the others, in words."""
    words: Counter[str] = Counter()
    for row in rows:
        for ending, count in row.endings().items():
            words["finished" if ending == "ok" else ENDINGS.get(ending, ending)] += count
    total, finished = words.total(), words.pop("finished", 0)
    others = [f"{count:,} {word}" for word, count in sorted(words.items()) if count]
    return "; ".join([f"{finished:,} of {total:,} finished", *others])
