"""Finds what a query costs in a library, in an embedded engine and in a server, at equal recall."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from bench.records import front
from bench.records.columns import BUILD, DISK, LATENCY, LOAD, MEMORY, OVERHEAD, RECALL, SERVER_MEMORY, THROUGHPUT
from bench.report import pareto

LEVELS = (0.9, 0.99)
"""The levels of recall at which the indexes are compared."""

LAYERS = {"library": "in a library", "embedded": "in an embedded engine", "server": "in a server"}
"""The layers in their order, as a sentence says them. Others follow in the order of the cells."""

COLUMNS = (RECALL, LATENCY, OVERHEAD, THROUGHPUT, LOAD, BUILD, DISK, MEMORY, SERVER_MEMORY)
"""The columns of the table, each where it is measured."""

BUILT = ["index", "rerank", "build_setting"]
"""The columns that name a built index and what is behind it."""


def judged(k: int) -> tuple[str, str, tuple[float, ...]]:
    """The column of the quality at which the indexes are compared, its printed name, and its levels."""
    return RECALL.at(k).name, f"recall@{k}", LEVELS


def fastest(searches: pd.DataFrame, k: int, level: float) -> pd.DataFrame:
    """For each built index of a section its fastest search, one query at a time, that reaches a level of recall.

    A row for each that reaches it, by layer and time: the columns ``layer`` and those of ``pareto.means``, with
    means over the seeds of COLUMNS.
    """
    done = searches[searches["status"] == "ok"]
    recall = RECALL.at(k).name
    known = {column.at(k).name for column in COLUMNS}
    more = sorted(known - {recall, front.LATENCY, front.THROUGHPUT})
    layers = done.groupby("index", sort=False)["layer"].first()
    built = [pareto.means(of, k, more) for _, of in done.groupby(BUILT, dropna=False, sort=False)]
    best = [pareto.fastest(points, recall, level, front.LATENCY) for points in built]
    rows = pd.DataFrame([one for one in best if one is not None], columns=pareto.means(done, k, more).columns)
    rows["layer"] = rows["index"].map(layers).fillna(next(iter(LAYERS)))
    order = dict.fromkeys([*LAYERS, *rows["layer"]])
    rows["place"] = rows["layer"].map({name: place for place, name in enumerate(order)})
    return rows.sort_values(["place", front.LATENCY], kind="stable").drop(columns="place").reset_index(drop=True)


def by_layer(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of ``fastest`` for each layer, with its name."""
    for name, group in rows.groupby("layer", sort=False):
        yield str(name), group
