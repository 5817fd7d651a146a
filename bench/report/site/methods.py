"""Makes the page of a method: the figures of an index or a hasher from all reports, over data sets and grids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from bench.plugins import registry
from bench.records import columns
from bench.report.numerals import fraction, is_vague, significant
from bench.report.provenance import days_in_words
from bench.report.site.addresses import report_address
from bench.report.site.collect import Report
from bench.report.site.model import LATENCY, DataSet, Method, Row
from bench.report.site.overview import ENDINGS, machines, machines_of
from bench.report.words import ends_said, machine_word, word

COSTS = {column.name: column for column in (columns.LATENCY, columns.THROUGHPUT, columns.BUILD, columns.MEMORY)}
UNFINISHED = "–"
MOST_SERIES = 18
"""The most variants of a method that its chart tells apart."""


@dataclass(frozen=True)
class Value:
    """A field of a table: its text, the number by which it is sorted, if it is one, and the interval, if it has one."""

    text: str
    number: float | None = None
    interval: str = ""


@dataclass(frozen=True)
class Line:
    """A row of a method's table: its name and setting, its figures or the reason why it has none, and the machine."""

    name: str
    setting: str
    values: tuple[Value, ...]
    reason: str
    machine: str


@dataclass(frozen=True)
class Point:
    """A finished row in the chart: its time in ms, the ends of its interval if that says something, its code length,
    its qualities.

    ``machine``: the class of the machine that timed it.
    """

    name: str
    setting: str
    time: float | None
    low: float | None
    high: float | None
    bits: float | None
    machine: str
    qualities: dict[str, float]


@dataclass(frozen=True)
class Part:
    """The part of one report on one data set that is about a method. ``address``: its page, from the site's folder."""

    dataset: str
    grid: str
    address: str
    days: str
    machines: tuple[str, ...]
    heads: tuple[str, ...]
    lines: tuple[Line, ...]
    points: tuple[Point, ...]


@dataclass
class MethodPage:
    """The page of an index or a hasher, with its parts."""

    kind: registry.Kind
    name: str
    parts: list[Part] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The label of the plugin."""
        return word(self.kind, self.name)

    @property
    def description(self) -> str:
        """The first line of its docstring. Empty if it is not installed here."""
        try:
            described = registry.describe(registry.find(self.kind, self.name))
        except ValueError:
            return ""
        return "" if described.startswith("broken:") else described.replace("``", "")


def chart_data(page: MethodPage) -> dict[str, Any]:
    """The data of a method's chart, in JSON's types: its qualities, and its points in series.

    A series is a variant of the method in one report, as long as there are at most MOST_SERIES of them, or else all of
    the report. Points of several machine classes in one report are apart, as what is in one series was measured side by
    side.
    """
    points = [point for part in page.parts for point in part.points]
    by_report = {name: found for part in page.parts for name, found in _side_by_side(part).items()}
    by_variant = {
        ": ".join([name] * (len(by_report) > 1) + [variant]): [point for point in found if point.name == variant]
        for name, found in by_report.items()
        for variant in dict.fromkeys(point.name for point in found)
    }
    series = by_variant if len(by_report) < len(by_variant) <= MOST_SERIES else by_report
    return {
        "measures": list(dict.fromkeys(name for point in points for name in point.qualities)),
        "series": [{"name": name, "points": [vars(point) for point in found]} for name, found in series.items()],
    }


def _side_by_side(part: Part) -> dict[str, list[Point]]:
    """The points of a report, by its name and, if there are several, the class of the machine."""
    several = len({point.machine for point in part.points} - {""}) > 1
    found: dict[str, list[Point]] = {}
    for point in part.points:
        told = f", {machine_word(point.machine)}" if several and point.machine else ""
        found.setdefault(f"{part.dataset}: {part.grid}{told}", []).append(point)
    return found


def method_pages(reports: Iterable[Report]) -> list[MethodPage]:
    """The pages of the indexes, then of the hashers, in all reports on one data set, each by name."""
    pages: dict[tuple[registry.Kind, str], MethodPage] = {}
    for report in reports:
        for dataset in report.payload.sets:
            for plugin, of in _methods(dataset).items():
                pages.setdefault(plugin, MethodPage(*plugin)).parts.append(_part(report, dataset, of))
    order = sorted(pages, key=lambda one: (one[0] != "index", word(*one).lower(), one[1]))
    for page in pages.values():
        page.parts.sort(key=lambda part: (part.dataset, part.grid))
    return [pages[one] for one in order]


def _methods(dataset: DataSet) -> dict[tuple[registry.Kind, str], list[Method]]:
    """The plugins of a data set's methods, each with the methods that use it."""
    found: dict[tuple[registry.Kind, str], list[Method]] = {}
    for method in dataset.methods:
        for plugin in method.plugins():
            found.setdefault(plugin, []).append(method)
    return found


def _part(report: Report, dataset: DataSet, of: list[Method]) -> Part:
    methods = {one.id: one for one in of}
    rows = [row for row in dataset.rows if row.method in methods]
    headings = {
        name: heading
        for name, heading in [
            *((one.id, one.brief or one.name) for one in dataset.measures),
            *((column.name, column.heading) for column in COSTS.values()),
        ]
        if any(row.figure(name) is not None for row in rows)
    }
    names = [_name(methods[row.method], dataset, row) for row in rows]
    query = urlencode({"set": dataset.id, "selected": list(methods)}, doseq=True)
    return Part(
        dataset.name,
        report.payload.grid.title,
        f"{report_address(report.place.grid, report.place.dataset)}#{query}",
        days_in_words(row.finished for row in rows),
        machines(report.payload, rows),
        tuple(headings.values()),
        tuple(
            Line(name, row.setting, _values(row, headings), _why_none(row), machine)
            for name, row, machine in zip(names, rows, machines_of(report.payload, rows), strict=True)
        ),
        tuple(_point(name, row, dataset) for name, row in zip(names, rows, strict=True) if row.status == "ok"),
    )


def _point(name: str, row: Row, dataset: DataSet) -> Point:
    qualities = {one.name: value for one in dataset.measures if (value := row.figure(one.id)) is not None}
    of = row.figure
    low, high = (of(name) for name in columns.LATENCY.bounds)
    if low is not None and high is not None and is_vague(low, high):
        low = high = None
    return Point(name, row.setting, of(LATENCY), low, high, of("bits"), row.machine, qualities)


def _name(method: Method, dataset: DataSet, row: Row) -> str:
    """A method's name, with its features and its protocol if they differ in the data set."""
    known = {one.id: one.name for one in (*dataset.features, *dataset.protocols)}
    differing = [row.features] * (len(dataset.features) > 1) + [row.protocol] * (len(dataset.protocols) > 1)
    return ", ".join([method.name, *(known[one] for one in differing if known.get(one))])


def _values(row: Row, names: Iterable[str]) -> tuple[Value, ...]:
    """The row's figures in some columns. Qualities are rounded down, so none is more than was measured."""
    return tuple(_cost(row, COSTS[name]) if name in COSTS else _quality(row.figure(name)) for name in names)


def _quality(figure: float | None) -> Value:
    return Value(UNFINISHED) if figure is None else Value(fraction(figure), figure)


def _cost(row: Row, column: columns.Column) -> Value:
    """A cost, with its interval if the row has one."""
    figure = row.figure(column.name)
    if figure is None:
        return Value(UNFINISHED)
    ends = [end for name in column.bounds if (end := row.figure(name)) is not None]
    interval = ends_said(ends[0] * column.scale, ends[1] * column.scale) if len(ends) == 2 else ""
    return Value(significant(figure * column.scale), figure * column.scale, interval)


def _why_none(row: Row) -> str:
    """The reason why a row has no figures. Empty if it has some."""
    if row.status == "ok":
        return ""
    ending = ENDINGS.get(row.status or "", row.status or "")
    return f"{ending}: {row.reason}" if row.reason else ending
