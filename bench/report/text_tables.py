"""Prints a grid's table in its layout, as lines of plain text for a given width."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from bench.grids.cells import RANKED, Layout
from bench.records import front
from bench.records.columns import (
    MAP,
    MEAN_LATENCY,
    MEDIAN_LATENCY,
    MEMORY,
    PAPER_MEMORY,
    PRECISION,
    RECALL,
    TRAINING,
    Column,
)
from bench.records.frame import SECTION, VARIANT
from bench.records.machines import TRAINED_ON
from bench.report import halves, pareto, systems
from bench.report.code_tables import BY_LENGTH, TRAINED_BY, code_sections, trainings, with_kinds
from bench.report.numerals import deviation, difference, percent, significant
from bench.report.tables import (
    SETTINGS,
    label,
    method_columns,
    others_words,
    section_name,
    split_series,
    wanted_words,
)
from bench.report.text_layout import Row, Table, fitted, needs, wrapped
from bench.report.words import NOT_RUN, GridInfo, Value, ends_said, query_time, value_of

SEVERAL = "several"
NOTES = {
    NOT_RUN: "not run, or not measured",
    SEVERAL: "cells that differ by more than the seed; --cells shows each of them",
    "±": "standard deviation over the seeds",
}
"""The meanings of the signs in a table."""
BRIEF = {
    MEDIAN_LATENCY: "Query, ms",
    MEAN_LATENCY: "Mean query, ms",
    PAPER_MEMORY: "Paper's bytes/item",
    MEMORY: "Memory, MB",
}
"""Shorter headings for the screen."""
Section = tuple[str, list[tuple[str, list[Value]]]]
"""A name, and the rows below it: a label and its values, one below each heading or one for all."""


def table_lines(tidy: pd.DataFrame, grid: GridInfo, width: int) -> list[str]:
    """The grid's table in lines of at most ``width`` columns, blocks with an empty line between.

    ``tidy`` as ``tables.complete`` returns it. Published figures of the same data stand in brackets with the
    difference, or in lines of their own if there is no room. There are no lines if no cell belongs in the table.
    """
    blocks = []
    for choice in _tables(tidy, grid):
        fitting = [table for table in choice if needs(table) <= width]
        blocks.append(fitted((fitting or choice[-1:])[0], width))
    lines = [line for block in blocks for line in ("", *block)][1:]
    notes = [f"{sign} {meaning}" for sign, meaning in NOTES.items() if any(sign in line for line in lines)]
    about = [halves.ABOUT] if grid.layout in ("pareto", "systems") and halves.is_any_split(tidy) and lines else []
    return [*lines, *(line for note in (*about, "; ".join(notes)) if note for line in ("", *wrapped(note, width)))]


def _tables(tidy: pd.DataFrame, grid: GridInfo) -> Iterator[list[Table]]:
    """The tables of the layout, each in one or two ways, the wider one first."""
    if grid.layout in RANKED:
        yield from _ranked(tidy[tidy["index"].isna()], grid.layout)
        return
    searches = tidy[tidy["index"].notna()]
    if grid.layout == "candidates":
        yield from _candidates(searches, grid.k)
    elif grid.layout == "methods" and len(searches):
        yield _methods(searches, grid.k)
    elif grid.layout == "pareto":
        yield from _fastest(searches, grid.k)
    elif grid.layout == "systems":
        yield from _systems(searches, grid.k)


def _candidates(searches: pd.DataFrame, k: int) -> Iterator[list[Table]]:
    """A table for each figure: candidates across, features and build settings down."""
    numbers = sorted(searches["candidates"].dropna().unique())
    parts = [
        (section_name(keys, searches), split_series(section, searches, ["index", "rerank", *SETTINGS, *VARIANT]))
        for keys, section in searches.groupby(SECTION, dropna=False, sort=True)
    ]
    for column in _measured([column.at(k) for column in (PRECISION, RECALL, query_time(searches))], searches):
        corner = f"{column.heading} at N =" if numbers else column.heading
        yield _over(column, corner, "candidates", {str(number): number for number in numbers}, parts)


def _ranked(rankings: pd.DataFrame, layout: Layout) -> Iterator[list[Table]]:
    """A table of quality and a table of training: code lengths across and hashers down, or in the layout "models"
    kinds of codes across and hashers of each length down.
    """
    if not len(rankings):
        return
    lengths = {f"{bits} bits": bits for bits in sorted(rankings["bits"].dropna().unique())}
    if layout == "models":
        told = with_kinds(rankings)
        kinds = {kind: kind for kind in told["kind"].unique() if kind}
        yield _over(MAP, MAP.heading, "kind", kinds, code_sections(told, TRAINED_ON, BY_LENGTH))
    else:
        yield _over(MAP, MAP.heading, "bits", lengths, code_sections(rankings))
    yield _over(TRAINING, TRAINING.heading, "bits", lengths, code_sections(trainings(rankings), TRAINED_BY))


def _over(
    column: Column,
    corner: str,
    axis: str,
    across: Mapping[str, int | str],
    parts: Sequence[tuple[str, Sequence[tuple[str, pd.DataFrame]]]],
) -> list[Table]:
    """One column of figures over the values of another, ``axis``. A series without any such value has one for all."""
    sections: list[Section] = []
    for name, rows in parts:
        values = []
        for label_of_row, series in rows:
            split = [series[(series[axis] == value).fillna(False)] for value in across.values()]
            groups = [series] if series[axis].isna().all() else split
            values.append((label_of_row, [value_of(group, column) for group in groups]))
        sections.append((name, values))
    return _both_ways(tuple(across) or ("",), corner, sections, [column] * max(1, len(across)))


def _measured(columns: Sequence[Column], cells: pd.DataFrame) -> list[Column]:
    """The columns with a known figure, or with a published one of the same data. All columns if there is none."""
    same = cells["reference_compares"].astype(bool)
    known = [
        column
        for column in columns
        if cells[column.name].notna().any()
        or (column.reference in cells and cells.loc[same, column.reference].notna().any())
    ]
    return known or list(columns)


def _methods(searches: pd.DataFrame, k: int) -> list[Table]:
    """A table with methods down and figures across."""
    shown = [dataclasses.replace(one, heading=BRIEF.get(one, one.heading)).at(k) for one in method_columns(searches)]
    columns = _measured(shown, searches)
    sections: list[Section] = []
    for keys, section in searches.groupby(SECTION, dropna=False, sort=True):
        series = split_series(section, searches, ["index", "rerank", "setting", *VARIANT])
        rows = [(name, [value_of(group, column) for column in columns]) for name, group in series]
        sections.append((section_name(keys, searches), rows))
    return _both_ways(tuple(column.heading for column in columns), "", sections, columns)


def _both_ways(
    heads: tuple[str, ...], corner: str, sections: Sequence[Section], columns: Sequence[Column]
) -> list[Table]:
    """The table with published figures in brackets, and the table with rows of their own for them."""
    return [
        Table(heads, tuple(row for section in sections for row in _section_rows(section, columns, beside)), corner)
        for beside in (True, False)
    ]


def _section_rows(section: Section, columns: Sequence[Column], beside: bool) -> Iterator[Row]:
    """The heading of a section and its rows. Without ``beside`` published figures have rows of their own."""
    name, rows = section
    yield Row(name)
    for series, values in rows:
        printed = list(zip(values, columns, strict=False))
        yield Row(series, tuple(said(value, column, beside) for value, column in printed), depth=1)
        if not beside and any(value.published is not None for value in values):
            yield Row("published", tuple(_published(value) for value in values), depth=2)
            differences = tuple(_difference(value, column) for value, column in printed)
            if any(differences):
                yield Row("difference", differences, depth=2)


def said(value: Value, column: Column, beside: bool = True) -> str:
    """A printed field with three significant digits. In brackets are the published figure and the difference.

    Qualities are never rounded up.
    """
    if value.several:
        return SEVERAL
    shown = NOT_RUN if value.mean is None else significant(value.mean, down=column.is_share)
    if value.mean is not None and value.spread is not None:
        shown += f" ± {deviation(value.spread, value.mean)}"
    if value.failed:
        shown = f"{shown} [{value.failed} {value.how}]" if value.done else value.how
    if not beside or value.published is None:
        return shown
    return f"{shown} ({', '.join(filter(None, (_published(value), _difference(value, column))))})"


def _published(value: Value) -> str:
    return "" if value.published is None else significant(value.published)


def _difference(value: Value, column: Column) -> str:
    if value.mean is None or value.published is None or not column.compares:
        return ""
    return difference(value.mean - value.published, value.mean)


def _fastest(searches: pd.DataFrame, k: int) -> Iterator[list[Table]]:
    """For each quality and kind of time, a table with levels down and the fastest search that reaches each.

    A table that would name no search is left out.
    """
    times = {front.LATENCY: ("single queries", "ms"), front.THROUGHPUT: ("batches", "queries/s")}
    qualities = pareto.qualities(k)
    for keys, section in searches.groupby(SECTION, dropna=False, sort=True):
        name = section_name(keys, searches)
        for (quality, by), best in pareto.levels(section, k).groupby(["quality", "fastest_by"], sort=False):
            if best["index"].isna().all():  # the findings say how near the best search comes
                continue
            kind, unit = times[str(by)]
            rows = tuple(_level(one, searches) for _, one in best.iterrows())
            split = halves.is_split(section, str(quality))
            at = f", settings {halves.CHOSEN} for each" if split else " at each"
            title = f"{name}: the fastest {kind}{at} level of {qualities[str(quality)][0]}"
            heads = ("reached, %", unit, "95 % interval", "search")
            yield [Table(heads, rows, corner="level, %", title=title, texts=(3,))]


def _level(best: pd.Series, searches: pd.DataFrame) -> Row:
    """A level with the fastest search that reaches it."""
    level = f"{100 * best['level']:g}"
    if pd.isna(best["index"]):
        return Row(level, ("", "", "", "none"))
    time = best["fastest_by"]
    low, high = (best[name] for name in pareto.INTERVALS[time])
    name = label(best, searches, ["setting"]) + others_words(best)
    return Row(level, (percent(best["reached"]), significant(best[time]), ends_said(low, high), name))


def _systems(searches: pd.DataFrame, k: int) -> Iterator[list[Table]]:
    """For each level of recall, a table with indexes down, layer by layer, and their costs across."""
    for keys, section in searches.groupby(SECTION, dropna=False, sort=True):
        split = halves.is_split(section, RECALL.at(k).name)
        for level in systems.LEVELS:
            best = systems.fastest(section, k, level)
            columns = [column.at(k) for column in systems.COLUMNS if best[column.at(k).name].notna().any()]
            rows: list[Row] = []
            for layer, of_layer in systems.by_layer(best):
                rows.append(Row(layer))
                for _, one in of_layer.iterrows():
                    rows.append(Row(label(one, searches, ["setting"]), tuple(_cost(one, each) for each in columns), 1))
            name = section_name(keys, searches)
            title = f"{name}: the fastest search of each index at recall@{k} of {wanted_words(level, split)}"
            if rows:
                yield [Table(tuple(column.heading for column in columns), tuple(rows), title=title)]


def _cost(best: pd.Series, column: Column) -> str:
    value = best[column.name]
    return "" if pd.isna(value) else significant(float(value) * column.scale, down=column.judged)
