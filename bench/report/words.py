"""How it is said in print: names, the quantities with their units and decimals, counts in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.grids.cells import Layout
from bench.plugins import names
from bench.plugins.registry import Kind
from bench.records.columns import Column

NOT_RUN = "–"
DATASET_NAMES = {
    "food101": "Food101",
    "cub200": "CUB200",
    "aircraft": "Aircraft",
    "nabirds": "NABirds",
    "vegfru": "VegFru",
}
PROTOCOL_NAMES = {
    "seen": "seen classes",
    "unseen": "unseen classes among themselves",
    "unseen_all": "unseen classes in the whole database",
}
MODEL_NAMES = {
    "last": "last model",
    "best_on_validation": "best model on validation",
    "oracle": "oracle (best on the test queries)",
}


@dataclass(frozen=True)
class GridInfo:
    """What a table says of its grid: ``reference`` names a published table, ``notes`` go into the caption."""

    name: str
    title: str
    layout: Layout
    reference: str | None
    recipe: str
    notes: tuple[str, ...]
    k: int = 10


def word(column: str, value: Any) -> str:
    """A value of a column as a reader knows it; plugins say themselves what they are called."""
    if column == "bits":
        return f"{value} bits"
    kinds: dict[str, Kind] = {"index": "index", "hasher": "hasher"}
    if column in kinds:
        return names.label(kinds[column], str(value))
    known = {"model": MODEL_NAMES, "dataset": DATASET_NAMES}.get(column, {})
    return known.get(value, str(value).replace("_", " "))


@dataclass(frozen=True)
class Value:
    """What is known of a printed cell, in the unit of its column; what is not known is None.

    ``mean`` over the seeds, ``spread`` their standard deviation where there are several. ``done`` cells are finished,
    ``failed`` ended otherwise, and ``how`` says how. ``published`` is of the same data. ``several``: the cells differ
    by more than the seed, and have no mean.
    """

    mean: float | None = None
    spread: float | None = None
    done: int = 0
    failed: int = 0
    how: str = ""
    published: float | None = None
    several: bool = False


def value_of(group: pd.DataFrame, column: Column) -> Value:
    """The printed cell of the cells that differ only by seed."""
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
        if spread <= 4 * np.finfo(np.float64).eps * abs(mean):  # of equal values, whose spread is rounding alone
            spread = 0.0
    theirs = float(published.iloc[0]) * column.scale if len(published) else None
    return Value(mean, spread, len(done), len(failed), "/".join(sorted(failed.unique())), theirs)


def text(group: pd.DataFrame, column: Column) -> str:
    """One printed cell from the cells that differ only by seed: ``ours (published, difference)``.

    What was published of other data is not set beside ours: it has a line of its own (see ``papers_row``).
    Several seeds are shown as mean ± standard deviation; what failed by its status; what was not run as –.
    """
    value = value_of(group, column)
    if value.several:
        return "several, see cells.csv"
    shown = NOT_RUN if value.mean is None else _number(value.mean, column.digits)
    if value.spread is not None:
        shown += f" ± {_number(value.spread, column.digits)}"
    if value.failed:
        shown = f"{shown} [{value.failed} {value.how}]" if value.done else value.how
    if value.published is None:
        return shown
    beside = _number(value.published, column.digits)
    if value.mean is not None and column.compares:
        beside += f", {_difference(value.mean - value.published, column.digits)}"
    return f"{shown} ({beside})"


def papers_data(group: pd.DataFrame) -> str | None:
    """Whose data what was published of some cells is of, where these are not ours, as in "paper, Food101"."""
    others = group.loc[~group["reference_compares"].astype(bool), "reference_dataset"].dropna()
    return f"paper, {word('dataset', others.iloc[0])}" if len(others) else None


def papers_row(head: dict[str, str], group: pd.DataFrame, texts: dict[str, str]) -> list[dict[str, str]]:
    """The line below that of some cells, with what was published of them for other data; none where nothing was."""
    return [head | {"row": f"{head['row']} ({papers_data(group)})"} | texts] if any(texts.values()) else []


def papers_text(group: pd.DataFrame, column: Column) -> str:
    """What was published of one printed cell for other data."""
    published = _published(group, column, of_our_data=False)
    return _number(float(published.iloc[0]) * column.scale, column.digits) if len(published) else ""


def _published(group: pd.DataFrame, column: Column, of_our_data: bool) -> pd.Series:
    """The published values of some cells, those of the same data or those of other data."""
    if column.reference not in group:
        return pd.Series(dtype=float)
    return group.loc[group["reference_compares"].astype(bool) == of_our_data, column.reference].dropna()


def _number(value: float, digits: int) -> str:
    small = 0 < abs(value) < 0.5 * 10**-digits
    return f"{value:.2g}" if small else f"{value:.{digits}f}"


def _difference(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def span(counts: pd.Series) -> str:
    """The least and the largest of some counts, in words."""
    known = sorted(int(count) for count in counts.dropna().unique())
    return " to ".join(f"{count:,}" for count in dict.fromkeys([known[0], known[-1]])) if known else "no"
