"""What came out best in a report, in a sentence: that with which its page opens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from bench.report.numerals import significant
from bench.report.site.model import LATENCY, DataSet, Measure, Method, Row

ROUNDING = 1e-9
"""Of a mean over seeds, which may keep a search from reaching a level that it is at."""
STEPS = 100
"""The level is a hundredth that something reaches."""


def finding(dataset: DataSet, ranks_codes: bool) -> str:
    """The fastest that reaches the level at which the page compares, or the best at each length of codes.

    Of what is not timed it is the best. Empty where nothing finished.
    """
    methods = {method.id: method for method in dataset.methods}
    rows = [row for row in _compared(dataset) if row.status == "ok" and row.method in methods]
    for measure in dataset.measures:
        known = [row for row in rows if row.figure(measure.id) is not None]
        timed = [row for row in known if row.figure(LATENCY) is not None]
        if ranks_codes and known:
            return _best_at_each_length(known, measure, methods)
        if timed:
            return _fastest(timed, measure, methods)
        if known:
            best = max(known, key=_of(measure.id))
            return f"The best {measure.name} is {_quality(best, measure)}, with {_named(best, methods)}."
    return ""


def _compared(dataset: DataSet) -> list[Row]:
    """The rows that the page shows first: of the first protocol, over the first features of it."""
    protocol = dataset.protocols[0].id if dataset.protocols else ""
    rows = [row for row in dataset.rows if row.protocol == protocol]
    first = next((one.id for one in dataset.features if any(row.features == one.id for row in rows)), "")
    return [row for row in rows if row.features == first]


def _fastest(rows: list[Row], measure: Measure, methods: dict[str, Method]) -> str:
    """The fastest at the measure's level. Where queries were split, settings are chosen by those that were tuned on."""
    most = max(map(_of(measure.id), rows))
    level = min(most if measure.level is None else measure.level, math.floor(most * STEPS + 1e-7) / STEPS)
    reaching = [row for row in rows if _decided(row, measure.id) >= level - ROUNDING]
    if not reaching:
        return ""
    best = [min(own, key=lambda row: _decided(row, LATENCY)) for own in _by_method(reaching)]
    fastest = min(best, key=_of(LATENCY))
    phrase = f"{level:g} of {measure.share}" if measure.share else f"{measure.name} of {level:g}"
    return f"At {phrase} the fastest is {_named(fastest, methods)}: {significant(_of(LATENCY)(fastest))} ms a query."


def _best_at_each_length(rows: list[Row], measure: Measure, methods: dict[str, Method]) -> str:
    lengths = sorted({bits for row in rows if (bits := row.figure("bits")) is not None})
    if not lengths:
        return f"Features alone: {measure.name} {_quality(max(rows, key=_of(measure.id)), measure)}."
    best = [max((row for row in rows if row.figure("bits") == bits), key=_of(measure.id)) for bits in lengths]
    parts = [
        f"{methods[row.method].name} {_quality(row, measure)} at {bits:g}"
        for row, bits in zip(best, lengths, strict=True)
    ]
    return f"The best {measure.name}: {', '.join(parts)} bits."


def _by_method(rows: Iterable[Row]) -> list[list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.method, []).append(row)
    return list(found.values())


def _of(column: str) -> Callable[[Row], float]:
    """The figure in a column; of a row that has none it is the worst of qualities."""

    def figure(row: Row) -> float:
        value = row.figure(column)
        return -math.inf if value is None else value

    return figure


def _decided(row: Row, column: str) -> float:
    tuned = row.figure(f"tune_{column}")
    return _of(column)(row) if tuned is None else tuned


def _quality(row: Row, measure: Measure) -> str:
    return significant(_of(measure.id)(row), down=True)


def _named(row: Row, methods: dict[str, Method]) -> str:
    name = methods[row.method].name
    return f"{name} with {row.setting}" if row.setting else name
