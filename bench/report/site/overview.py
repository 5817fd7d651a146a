"""What the index says of each report: where and when it was made, how much of it is finished, what came out best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.report.provenance import days_in_words, machine_in_words
from bench.report.site.collect import Report
from bench.report.site.findings import finding
from bench.report.site.model import Payload, Row

ENDINGS = {
    "failed": "failed",
    "error": "failed",
    "timeout": "ran out of time",
    "memory": "ran out of memory",
    "skipped": "skipped",
    "pruned": "left out as dominated",
    "": "not yet run",
}
"""How cells end that are not finished."""


@dataclass(frozen=True)
class Overview:
    """A report in a line of the index; what is not known is empty."""

    days: str
    machines: tuple[str, ...]
    cells: str
    findings: tuple[str, ...]


def overview(report: Report) -> Overview:
    """What is said of a report; of one on several data sets the findings are those on each."""
    payload = report.payload
    rows = [row for one in payload.sets for row in one.rows]
    findings = [(one.name, finding(one, payload.grid.layout == "codes")) for one in payload.sets]
    return Overview(
        days_in_words(row.finished for row in rows),
        machines(payload, rows),
        cells_in_words(rows),
        tuple(text if len(findings) == 1 else f"{name}: {text}" for name, text in findings if text),
    )


def machines(payload: Payload, rows: Iterable[Row]) -> tuple[str, ...]:
    """The machines behind some rows, in words."""
    return tuple(dict.fromkeys(name for row in rows if (name := machine_of(payload, row))))


def machine_of(payload: Payload, row: Row) -> str:
    """The machine behind a row; empty where that is not known."""
    position = row.environment
    if position is None or not 0 <= position < len(payload.environments):
        return ""
    return machine_in_words(payload.environments[position])


def cells_in_words(rows: Sequence[Row]) -> str:
    """How many cells are finished, and how the others ended."""
    words: Counter[str] = Counter()
    for row in rows:
        for ending, count in row.endings().items():
            words["finished" if ending == "ok" else ENDINGS.get(ending, ending)] += count
    total, finished = words.total(), words.pop("finished", 0)
    others = [f"{count:,} {word}" for word, count in sorted(words.items()) if count]
    return "; ".join([f"{finished:,} of {total:,} finished", *others])
