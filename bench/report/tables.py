"""Writes the cells of a grid as files: all cells tidy, and the grid's table as CSV and as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.grids.cells import RANKED
from bench.grids.published import attach
from bench.plugins.names import is_baseline
from bench.records import front
from bench.records.columns import (
    COLUMNS,
    MEMORY,
    PAPER_MEMORY,
    PRECISION,
    RECALL,
    SHARE,
    SPEED_UP,
    Column,
)
from bench.records.frame import FEATURES, SECTION, VARIANT
from bench.records.machines import as_recorded, with_machines
from bench.report import halves, pareto, systems
from bench.report.captions import caption
from bench.report.code_tables import ranked_rows
from bench.report.latex import to_latex
from bench.report.numerals import at_least, percent, significant
from bench.report.words import (
    PROTOCOL_NAMES,
    SPANS,
    GridInfo,
    ends_said,
    interval,
    interval_of,
    papers_row,
    papers_text,
    query_time,
    text,
    timed_on,
    word,
)
from bench.system.files import replace_file

SETTINGS = ["build_setting", "query_setting"]
INTERVAL = "95 % interval"


def write_tables(cells: pd.DataFrame, grid: GridInfo, folder: Path) -> list[Path]:
    """Write ``cells.csv``, ``table.csv`` and ``table.tex`` into the folder. Returns their paths.

    The layout "pareto" adds ``pareto.csv``. ``cells`` has a row for each cell and the columns COLUMNS, any of which may
    be missing, and any others. Precision, recall and shares are fractions. ``status`` is "ok", the kind of failure,
    "skipped", or empty for a cell not yet run.

    Raises ValueError: the reference is unknown.
    """
    tidy = complete(cells, grid)
    table, recorded = layout_table(tidy, grid), as_recorded(tidy)
    spans = table.pop(SPANS)
    tex = to_latex(table, caption(tidy, grid), spans)
    written = [
        replace_file(folder / "cells.csv", lambda path: recorded.to_csv(path, index=False)),
        replace_file(folder / "table.csv", lambda path: table.to_csv(path, index=False)),
        replace_file(folder / "table.tex", lambda path: path.write_text(tex, "utf-8")),
    ]
    if grid.layout == "pareto":
        fastest = pareto.levels(tidy, grid.k)
        written.append(replace_file(folder / "pareto.csv", lambda path: fastest.to_csv(path, index=False)))
    return written


def complete(cells: pd.DataFrame, grid: GridInfo) -> pd.DataFrame:
    """The cells with every column of COLUMNS (for the grid's k) in that order, the published figures,
    ``share_of_exact`` (precision over that of a baseline on the same features), ``paper_bytes_per_item``,
    ``speed_up`` (over that baseline: of medians in the same rounds if both were timed there, or else of means, by
    machines of one class), the machine class that each cell stands with (see `bench.records.machines`), and
    ``pareto_recall`` and ``pareto_precision``: whether the search is on the front of its section and seed, for single
    queries.
    """
    kinds = {column.at(grid.k).name: column.kind for column in COLUMNS}
    columns = [*kinds]
    precision, recall = PRECISION.at(grid.k).name, RECALL.at(grid.k).name
    tidy = attach(cells, grid.reference if grid.k == 10 or grid.layout in RANKED else None)
    others = [name for name in tidy.columns if name not in columns]
    tidy = tidy.reindex(columns=[*columns, *others])
    tidy[others] = tidy[others].convert_dtypes()
    for name in columns:
        if kinds[name] != "text":
            numbers = pd.to_numeric(tidy[name]).astype("float64")
            tidy[name] = numbers.round().astype("Int64") if kinds[name] == "integer" else numbers
    tidy["dim"], tidy["bits"] = _known(tidy, "dim", "embedder"), _known(tidy, "bits", "hasher")
    tidy = with_machines(tidy)
    scans = tidy[tidy["index"].isin(_baselines(tidy)) & tidy["rerank"].isna() & (tidy["status"] == "ok")]
    seconds = "seconds_all_queries"
    of_scans = _means_of(scans, tidy, FEATURES, [precision, seconds])
    tidy["share_of_exact"] = tidy[precision] / of_scans[precision]
    if f"tune_{precision}" in tidy:
        tuned = _means_of(scans, tidy, FEATURES, [f"tune_{precision}"])
        tidy["tune_share_of_exact"] = tidy[f"tune_{precision}"] / tuned[f"tune_{precision}"]
    tidy["paper_bytes_per_item"] = (tidy["paper_bytes"] / tidy["database_items"]).astype("float64")
    tidy["speed_up"] = _means_of(scans, tidy, SECTION, [seconds])[seconds] / tidy[seconds]
    if "ratio" in tidy:
        paired = (1 / tidy["ratio"].astype("float64")).where(of_scans[seconds].notna())
        tidy["speed_up"] = paired.fillna(tidy["speed_up"])
    tidy["pareto_recall"] = pareto.on_front(tidy, recall)
    tidy["pareto_precision"] = pareto.on_front(tidy, precision)
    return tidy


def _means_of(scans: pd.DataFrame, cells: pd.DataFrame, by: list[str], figures: list[str]) -> pd.DataFrame:
    """For each cell, the means of figures over the scans that share the columns ``by`` with it."""
    means = scans.groupby(by, dropna=False)[figures].mean()
    return cells[by].merge(means, how="left", left_on=by, right_index=True)


def _baselines(cells: pd.DataFrame) -> set[str]:
    """The baselines among the indexes of the cells."""
    return {name for name in cells["index"].dropna().unique() if is_baseline(name)}


def _known(tidy: pd.DataFrame, size: str, plugin: str) -> pd.Series:
    """The size of each cell. A cell that does not know it has that of the other cells of its plugin."""
    sizes = tidy.groupby(["dataset", "protocol", plugin], dropna=False)[size]
    only = sizes.transform("first").where(sizes.transform("nunique") == 1)
    return tidy[size].fillna(only.where(tidy[plugin].notna()))


def layout_table(tidy: pd.DataFrame, grid: GridInfo) -> pd.DataFrame:
    """The table as it is printed, as strings: a column ``section`` first, then a column for each printed one.

    The column SPANS is last. It says whether the values of a row, which are all equal, are one that is for all columns.
    The layouts "codes" and "models" print the cells without an index, the others those with one. Without such cells it
    has no rows.
    """
    if grid.layout in RANKED:
        rows = ranked_rows(tidy[tidy["index"].isna()], grid.layout)
    else:
        build = {
            "candidates": _candidates_rows,
            "methods": _methods_rows,
            "pareto": _pareto_rows,
            "systems": _systems_rows,
        }[grid.layout]
        searches = tidy[tidy["index"].notna()]
        rows = [
            row
            for keys, section in searches.groupby(SECTION, dropna=False, sort=True)
            for row in build(section, section_name(keys, searches), searches, grid.k)
        ]
    table = pd.DataFrame(rows, columns=None if rows else ["section", "row"])
    spans = table.pop(SPANS) if SPANS in table else pd.Series(False, table.index)
    return table.fillna("").assign(**{SPANS: spans.fillna(False).astype(bool)})


def method_columns(searches: pd.DataFrame) -> list[Column]:
    """The columns of the paper's Table 1. Those of quality wait for their k."""
    return [PRECISION, RECALL, query_time(searches), SPEED_UP, PAPER_MEMORY, MEMORY]


def _candidates_rows(section: pd.DataFrame, name: str, tidy: pd.DataFrame, k: int) -> list[dict[str, Any]]:
    """The rows of the supplementary Table 1: columns are candidates N, rows exact search and each table length L."""
    columns = sorted(tidy["candidates"].dropna().unique())
    rows = []
    for block, shown in (("quality", [PRECISION, SHARE, RECALL]), ("time", [query_time(tidy)])):
        for label, series in split_series(section, tidy, ["index", "rerank", *SETTINGS, *VARIANT]):
            single = series["candidates"].isna().all()
            cells = {
                f"N = {candidates}": series if single else series[(series["candidates"] == candidates).fillna(False)]
                for candidates in columns
            } or {"value": series}
            for column in (column.at(k) for column in shown if not (single and column.name == SHARE.name)):
                head = {"section": f"{name}: {block}", "row": label, "figure": column.heading, SPANS: single}
                rows.append(head | {place: text(group, column) for place, group in cells.items()})
                ends = {place: interval(group, column) for place, group in cells.items()}
                rows += [head | {"figure": f"{column.heading}, {INTERVAL}"} | ends] if any(ends.values()) else []
                rows += papers_row(head, series, {place: papers_text(group, column) for place, group in cells.items()})
    return rows


def _methods_rows(section: pd.DataFrame, name: str, tidy: pd.DataFrame, k: int) -> list[dict[str, str]]:
    """The rows of the paper's Table 1: rows are methods, columns quality, time and memory."""
    columns = [column.at(k) for column in method_columns(tidy)]
    rows = []
    for label, series in split_series(section, tidy, ["index", "rerank", "setting", *VARIANT]):
        head = {"section": name, "row": label}
        row = dict(head)
        for column in columns:
            row[column.heading] = text(series, column)
            if column.bounds and tidy[column.bounds[0]].notna().any():
                row[f"{column.heading}, {INTERVAL}"] = interval(series, column)
        rows.append(row)
        rows += papers_row(head, series, {column.heading: papers_text(series, column) for column in columns})
    return rows


def _pareto_rows(section: pd.DataFrame, name: str, tidy: pd.DataFrame, k: int) -> list[dict[str, str]]:
    """Rows are levels of quality. Columns are the fastest searches that reach them, for single queries and batches; if
    settings were chosen on other queries, also the quality of each.

    Where no search reaches a level, one row says how near the best one comes.
    """
    columns = {front.LATENCY: ("single queries", "ms"), front.THROUGHPUT: ("batch", "queries/s")}
    known = pareto.qualities(k)
    short = shortfalls(pareto.means(section[section["status"] == "ok"], k), tidy, k)
    rows: dict[tuple[str, float], dict[str, str]] = {}
    for _, best in pareto.levels(section, k).iterrows():
        quality, level = best["quality"], best["level"]
        start = {"section": f"{name}: {known[quality][0]}"}
        if quality in short:
            rows.setdefault((quality, 0.0), start | {"row": short[quality]})
            continue
        split = halves.is_split(section, quality)
        row = rows.setdefault((quality, level), start | {"row": wanted_words(level, split)})
        kind, time = columns[best["fastest_by"]]
        found = pd.notna(best["index"])
        row[f"Fastest {kind}"] = label(best, tidy, ["setting"]) + others_words(best) if found else "none"
        if split:
            row[f"Reached in {kind}, %"] = percent(best["reached"]) if found else ""
        row[time] = _time(best) if found else ""
    return list(rows.values())


def others_words(best: pd.Series) -> str:
    """How many others the intervals do not tell apart from the fastest at a level, behind its name. Empty if none is
    known, or no other.
    """
    number = best["as_fast"]
    if pd.isna(number) or not number:
        return ""
    return f"; not told apart from {number} {'other' if number == 1 else 'others'}"


def shortfalls(points: pd.DataFrame, tidy: pd.DataFrame, k: int) -> dict[str, str]:
    """By each quality of which none of the ``pareto.means`` reaches even the lowest level: how near the best comes."""
    told = {
        quality: shortfall(points, tidy, quality, name, wanted)
        for quality, (name, wanted) in pareto.qualities(k).items()
    }
    return {quality: words for quality, words in told.items() if words}


def shortfall(points: pd.DataFrame, tidy: pd.DataFrame, quality: str, name: str, wanted: Sequence[float]) -> str:
    """How near the best of the ``pareto.means`` comes to the lowest wanted level of a quality. Empty if one has it.

    If settings were chosen on other queries, both are of these.
    """
    best = pareto.nearest(points, quality, wanted)
    if best is None:
        return ""
    units = {front.LATENCY: "ms", front.THROUGHPUT: "queries/s"}
    times = [f"{significant(best[time])} {unit}" for time, unit in units.items() if pd.notna(best[time])]
    reached = (
        f"{percent(best[halves.deciding(points, quality)])} %, {', '.join([label(best, tidy, ['setting']), *times])}"
    )
    there, highest = (halves.THERE, "the highest there") if halves.is_split(points, quality) else ("", "the highest")
    return f"no search reaches {level_words(min(wanted))} of {name}{there}; {highest} is {reached}"


def level_words(level: float) -> str:
    """A level of quality, as the screen and the files have it."""
    return f"{100 * level:g} %"


def wanted_words(level: float, split: bool) -> str:
    """What searches must reach: "90 % or more", or if settings were chosen on other queries, what they reach there."""
    return f"{level_words(level)}{halves.THERE if split else ' or more'}"


def _systems_rows(section: pd.DataFrame, name: str, tidy: pd.DataFrame, k: int) -> list[dict[str, str]]:
    """Rows are indexes, each by its fastest search that reaches a level of recall, layer by layer."""
    rows = []
    split = halves.is_split(section, RECALL.at(k).name)
    for level in systems.LEVELS:
        for _, best in systems.fastest(section, k, level).iterrows():
            row = {
                "section": f"{name}: {RECALL.at(k).brief} of {wanted_words(level, split)}",
                "row": label(best, tidy, ["setting"]),
            }
            row["layer"] = best["layer"]
            for column in (column.at(k) for column in systems.COLUMNS):
                value = best[column.name]
                down = column.is_share
                row[column.heading] = "" if pd.isna(value) else at_least(value * column.scale, column.digits, down)
                if column.bounds:
                    row[f"{column.heading}, {INTERVAL}"] = interval_of(best, column)
            rows.append(row)
    short = shortfall(pareto.means(section[section["status"] == "ok"], k), tidy, *systems.judged(k))
    return [*rows, {"section": name, "row": short}] if short else rows


def _time(best: pd.Series) -> str:
    """The time that decided, with its interval if it has one."""
    low, high = (best[name] for name in pareto.INTERVALS[best["fastest_by"]])
    ends = ends_said(low, high)
    return f"{significant(best[best['fastest_by']])}{f' ({ends})' if ends else ''}"


def split_series(section: pd.DataFrame, tidy: pd.DataFrame, by: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """The groups of cells that share the columns ``by``, with labels: a baseline's first, the others in their order."""
    groups = [group for _, group in section.groupby(by, dropna=False, sort=False)]
    first = _baselines(section)
    groups.sort(key=lambda group: group["index"].iloc[0] not in first)
    shown = [name for name in ("setting", *SETTINGS) if name in by]
    return [(label(group.iloc[0], tidy, shown), group) for group in groups]


def label(cell: pd.Series, tidy: pd.DataFrame, shown: list[str]) -> str:
    """An index with the settings in the columns ``shown``, and its reranker if cells of that index differ in it.
    Columns of the codes are named if they differ inside the table, and the oracle always.
    """
    settings = [str(cell[name]) for name in shown if pd.notna(cell[name])]
    settings += [
        word(name, cell[name])
        for name in VARIANT
        if pd.notna(cell[name]) and (tidy[name].nunique() > 1 or cell[name] == "oracle")
    ]
    index = word("index", cell["index"])
    name = f"{index} ({', '.join(settings)})" if settings else index
    differs = tidy.loc[tidy["index"] == cell["index"], "rerank"].nunique(dropna=False) > 1
    return f"{name} + {cell['rerank']} re-ranking" if differs and pd.notna(cell["rerank"]) else name


def section_name(keys: Any, tidy: pd.DataFrame) -> str:
    """The features of a section, and the other columns of SECTION that differ. Unseen classes are always named."""
    dataset, protocol, embedder, dim, machine = keys
    parts = ["codes only" if pd.isna(embedder) else "features" if pd.isna(dim) else f"{dim}-d features"]
    parts += [str(embedder)] if tidy["embedder"].nunique() > 1 and pd.notna(embedder) else []
    parts += [str(dataset)] if tidy["dataset"].nunique() > 1 else []
    parts += [PROTOCOL_NAMES[protocol]] if set(tidy["protocol"].dropna()) - {"seen"} else []
    parts += [timed_on(machine)] if tidy["machine"].nunique() > 1 else []
    return ", ".join(parts)
