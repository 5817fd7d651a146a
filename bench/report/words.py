"""Prints values in tables: display names, quantities with their units and decimals, and counts in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from bench.grids.cells import Layout
from bench.plugins import names
from bench.plugins.registry import Kind
from bench.records.columns import MEAN_LATENCY, MEDIAN_LATENCY, Column
from bench.report.numerals import at_least, decimals_of, is_vague, significant
from bench.system.machines import NOT_RECORDED

NOT_RUN, TOO_FEW = "–", "too few replicates"
SPANS = "spans"
"""The key of a printed row that says whether its values, which are all equal, are one that is for all columns."""
DATASET_NAMES = {
    "food101": "Food101",
    "cub200": "CUB200",
    "aircraft": "Aircraft",
    "nabirds": "NABirds",
    "vegfru": "VegFru",
}
PROTOCOL_NAMES = {
    "seen": "seen classes",
    "seen_seen": "seen classes among themselves",
    "seen_all": "seen classes in the whole database",
    "unseen": "unseen classes among themselves",
    "unseen_all": "unseen classes in the whole database",
}
MODEL_NAMES = {
    "last": "last model",
    "best_on_validation": "best model on validation",
    "oracle": "oracle (best on the test queries)",
}


SHORT_MODEL_NAMES = {"last": "last", "best_on_validation": "best on validation", "oracle": "oracle"}
"""The models in the order of the columns of a table."""


@dataclass(frozen=True)
class GridInfo:
    """The facts of a grid that a table names. ``reference`` is a published table; ``notes`` go into the caption."""

    name: str
    title: str
    layout: Layout
    reference: str | None
    recipe: str
    notes: tuple[str, ...]
    k: int = 10


def word(column: str, value: Any) -> str:
    """The printed form of a value of a column. A plugin gives its own label."""
    if column == "bits":
        return f"{value} bits"
    kinds: dict[str, Kind] = {"index": "index", "hasher": "hasher"}
    if column in kinds:
        return names.label(kinds[column], str(value))
    if column == "dataset":
        return DATASET_NAMES.get(value, str(value))
    known = {"model": MODEL_NAMES}.get(column, {})
    return known.get(value, str(value).replace("_", " "))


def machine_word(machine: str) -> str:
    """A machine class, as it is printed alone."""
    return f"machine {NOT_RECORDED}" if machine == NOT_RECORDED else machine


def timed_on(machine: str) -> str:
    """A machine class, as it is printed behind the name of what it timed."""
    return machine_word(machine) if machine == NOT_RECORDED else f"on {machine}"


@dataclass(frozen=True)
class Value:
    """The figures of one field of a table, in the unit of its column. An unknown figure is None.

    ``mean`` is over the seeds, and ``spread`` is their standard deviation if there are several. ``done`` cells are
    finished, ``failed`` ones ended otherwise, and ``how`` is their status. ``published`` is of the same data.
    ``several``: the cells differ by more than the seed, so they have no mean.
    """

    mean: float | None = None
    spread: float | None = None
    done: int = 0
    failed: int = 0
    how: str = ""
    published: float | None = None
    several: bool = False


def value_of(group: pd.DataFrame, column: Column) -> Value:
    """The figures of the cells that differ only by seed."""
    done = group[group["status"] == "ok"]
    failed = group.loc[group["status"] != "ok", "status"].dropna()
    failed = failed[failed != ""]
    if done["seed"].duplicated().any():
        return Value(several=True)
    published = _published(group, column, of_our_data=True)
    values = pd.to_numeric(done[column.name]).dropna().astype(float) * column.scale
    mean = float(values.mean()) if len(values) else None
    spread = None
    if mean is not None and len(values) > 1:
        spread = float(values.std())
        if spread <= 4 * np.finfo(np.float64).eps * abs(mean):  # the values are equal, and the spread is rounding
            spread = 0.0
    theirs = float(published.iloc[0]) * column.scale if len(published) else None
    return Value(mean, spread, len(done), len(failed), "/".join(sorted(failed.unique())), theirs)


def query_time(searches: pd.DataFrame) -> Column:
    """The time that a table shows: the median, or where a published time of the same data stands beside it the mean, as
    that is one.
    """
    published = MEAN_LATENCY.reference in searches and searches[MEAN_LATENCY.reference].notna()
    return MEAN_LATENCY if (published & searches["reference_compares"].astype(bool)).any() else MEDIAN_LATENCY


def text(group: pd.DataFrame, column: Column) -> str:
    """One field of a table from the cells that differ only by seed: ``ours (published, difference)``.

    Published figures of other data have a line of their own (see ``papers_row``). Several seeds are shown as
    mean ± standard deviation, a failed cell by its status, and a cell that was not run as –.
    """
    value = value_of(group, column)
    if value.several:
        return "several, see cells.csv"
    shown = NOT_RUN if value.mean is None else at_least(value.mean, column.digits, down=column.is_share)
    if value.mean is not None and value.spread is not None:
        shown += f" ± {value.spread:.{decimals_of(value.mean, column.digits)}f}"
    if value.failed:
        shown = f"{shown} [{value.failed} {value.how}]" if value.done else value.how
    if value.published is None:
        return shown
    beside = at_least(value.published, column.digits)
    if value.mean is not None and column.compares:
        beside += f", {_difference(value.mean - value.published, decimals_of(value.mean, column.digits))}"
    return f"{shown} ({beside})"


def interval(group: pd.DataFrame, column: Column) -> str:
    """The interval of one field of a table, in its column's unit. Of several seeds, or where none is known, empty."""
    done = group[group["status"] == "ok"]
    return interval_of(done.iloc[0], column) if len(done) == 1 else ""


def interval_of(cell: pd.Series, column: Column) -> str:
    """The interval of a finished cell, in the unit of its column. Empty where none is known."""
    ends = [float(cell[name]) * column.scale for name in column.bounds if name in cell and pd.notna(cell[name])]
    if len(ends) < 2 or is_vague(*ends):
        return TOO_FEW if ends else ""
    decimals = decimals_of(ends[0], column.digits)
    return " to ".join(f"{end:.{decimals}f}" for end in ends)


def ends_said(low: float, high: float) -> str:
    """An interval of a time with three significant digits. Of one that says nothing, why. Empty: it is not known."""
    if pd.isna(low) or pd.isna(high):
        return ""
    return TOO_FEW if is_vague(low, high) else f"{significant(low)} to {significant(high)}"


def papers_data(group: pd.DataFrame) -> str | None:
    """The data of the published figures of some cells, as in "paper, Food101". None if these are our data."""
    others = group.loc[~group["reference_compares"].astype(bool), "reference_dataset"].dropna()
    return f"paper, {word('dataset', others.iloc[0])}" if len(others) else None


def papers_row(head: dict[str, Any], group: pd.DataFrame, texts: dict[str, str]) -> list[dict[str, Any]]:
    """The line below some cells with their published figures for other data. There is none without such figures."""
    return [head | {"row": f"{head['row']} ({papers_data(group)})"} | texts] if any(texts.values()) else []


def papers_text(group: pd.DataFrame, column: Column) -> str:
    """The published figures of one field for other data."""
    published = _published(group, column, of_our_data=False)
    return at_least(float(published.iloc[0]) * column.scale, column.digits) if len(published) else ""


def _published(group: pd.DataFrame, column: Column, of_our_data: bool) -> pd.Series:
    """The published values of some cells, for our data or for other data."""
    if column.reference not in group:
        return pd.Series(dtype=float)
    return group.loc[group["reference_compares"].astype(bool) == of_our_data, column.reference].dropna()


def _difference(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def span(counts: pd.Series) -> str:
    """The smallest and the largest of some counts, in words."""
    known = sorted(int(count) for count in counts.dropna().unique())
    return " to ".join(f"{count:,}" for count in dict.fromkeys([known[0], known[-1]])) if known else "no"


def listed(texts: Sequence[str]) -> str:
    """The different texts as a list of a sentence: "a, b and c"."""
    *most, last = dict.fromkeys(texts)
    return f"{', '.join(most)} and {last}" if most else last


def runs(named: dict[float, str]) -> list[tuple[str, list[float]]]:
    """The names, each with a run of levels that have it."""
    return [(name, [level for level, _ in run]) for name, run in groupby(named.items(), key=lambda item: item[1])]
