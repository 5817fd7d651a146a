"""Finds the front of quality against cost, and the fastest searches that reach a level of quality."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.records import columns
from bench.records.frame import SEARCH, SECTION, VARIANT
from bench.records.front import LATENCY, THROUGHPUT, TUNE, cost_of, front
from bench.report.halves import CHOSEN, deciding, is_split
from bench.report.numerals import is_vague

RECALL_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)
PRECISION_LEVELS = (0.9, 0.95, 0.98, 0.99, 1.0)
"""The levels of precision, as shares of that of exact search."""
INTERVALS = {column.name: column.bounds for column in (columns.LATENCY, columns.THROUGHPUT)}
BOUNDS = [*INTERVALS[LATENCY], *INTERVALS[THROUGHPUT]]
LEVEL = ["quality", "level", "fastest_by"]
METHOD = ["index", "rerank", "build_setting", *VARIANT]
"""The columns that a method's searches share: those of an index as it was built, with what is behind it."""
ROUNDING = 1e-12
"""The rounding error of a mean over seeds, by which exact search may miss its own precision."""


def reach(points: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """The distances of the interval's ends below and above ``cost_of`` the points, float64 [2, n]; 0 for no end, and
    for an interval that says nothing.
    """
    cost, (low, high) = cost_of(points, column), INTERVALS[column]
    if column == THROUGHPUT:
        below, above = cost - 1e3 / points[high], 1e3 / points[low] - cost
    else:
        below, above = cost - points[low], points[high] - cost
    ends = np.stack([below.to_numpy(dtype=np.float64), above.to_numpy(dtype=np.float64)])
    vague = is_vague(points[low], points[high]).to_numpy(dtype=bool)
    return np.where(np.isfinite(ends) & ~vague, np.maximum(ends, 0), 0)


def on_front(cells: pd.DataFrame, quality: str, column: str = LATENCY) -> pd.Series:
    """Whether each finished search is on the front of its section and seed. Missing if one of both is not measured.

    ``quality`` and ``column`` are columns of the cells.
    """
    found = pd.Series(pd.NA, index=cells.index, dtype="boolean")
    cost = cost_of(cells, column)
    known = cells[cells["index"].notna() & (cells["status"] == "ok") & cells[quality].notna() & cost.notna()]
    for _, group in known.groupby([*SECTION, "seed"], dropna=False):
        found[group.index] = front(cost[group.index], group[quality])
    return found


def levels(cells: pd.DataFrame, k: int) -> pd.DataFrame:
    """The fastest search that reaches each level of quality, in each section, one query at a time and in a batch.

    ``cells`` as ``bench.report.tables.complete`` returns them. Figures are means over the seeds. There is a row for
    each section, quality (``recall_at_k``, and ``share_of_exact`` if exact search was run), level and kind of time
    (``fastest_by``). It has the search, its quality (``reached``), its times with their intervals, and the number of
    other searches that reach the level and whose intervals meet its own (``as_fast``). These are empty if no search
    reaches the level, and ``as_fast`` also if its own interval is unknown or says nothing. If queries were split, the
    search is the fastest of those that ``contenders`` chooses, ``chosen`` says so, and ``tune_reached`` has the quality
    by which it was chosen.
    """
    done = cells[cells["index"].notna() & (cells["status"] == "ok")]
    rows = []
    for keys, section in done.groupby(SECTION, dropna=False):
        points = means(section, k)
        head = dict(zip(SECTION, keys, strict=True))
        for quality, (_, wanted) in qualities(k).items():
            rows += [head | row for row in _levels(points, quality, wanted)]
    times = [LATENCY, *INTERVALS[LATENCY], THROUGHPUT, *INTERVALS[THROUGHPUT]]
    split = ["chosen", "tune_reached"] if any("chosen" in row for row in rows) else []
    columns = [*SECTION, *LEVEL, *SEARCH, *VARIANT, "reached", *times, "as_fast", *split]
    return pd.DataFrame(rows, columns=columns).convert_dtypes()


def qualities(k: int) -> dict[str, tuple[str, Sequence[float]]]:
    """The qualities that searches are judged by: the printed name and the levels of each column."""
    return {
        columns.RECALL.at(k).name: (f"recall@{k}", RECALL_LEVELS),
        columns.SHARE.name: (f"P@{k} over that of exact search", PRECISION_LEVELS),
    }


def means(searches: pd.DataFrame, k: int, more: Sequence[str] = ()) -> pd.DataFrame:
    """The finished searches of a section, a row each, with means over their seeds of qualities, times and ``more``, and
    with their ``build_setting``.
    """
    figures = [f"recall_at_{k}", "share_of_exact", LATENCY, THROUGHPUT, *BOUNDS]
    figures += [f"{TUNE}{name}" for name in figures if f"{TUNE}{name}" in searches]
    groups = searches.groupby([*SEARCH, *VARIANT], dropna=False, sort=False)
    found = groups[[*figures, *more]].mean()
    return found.assign(build_setting=groups["build_setting"].first()).reset_index()


def reaching(points: pd.DataFrame, quality: str, level: float) -> pd.DataFrame:
    """The ``means`` that reach a level of quality, on the tune half if queries were split."""
    return points[points[deciding(points, quality)] >= level - ROUNDING]


def contenders(points: pd.DataFrame, quality: str, level: float, column: str) -> pd.DataFrame:
    """The ``means`` among which the fastest at a level of quality is named: all that reach it.

    If queries were split, of each METHOD only the fastest of these, both by the tune half. Where machines of two
    classes timed the halves of one of them, the times of the report half decide.
    """
    found = reaching(points, quality, level)
    if not is_split(points, quality):
        return found
    timed = found[cost_of(found, column).notna()]
    chosen = [_chosen(rows, column) for _, rows in timed.groupby(METHOD, dropna=False, sort=False)]
    return timed.loc[chosen]


def _chosen(rows: pd.DataFrame, column: str) -> Any:
    """The row of a method that costs least on the tune half, or on the report half where that is not known of all."""
    tuned = cost_of(rows, column, TUNE)
    return (tuned if tuned.notna().all() else cost_of(rows, column)).idxmin()


def fastest(points: pd.DataFrame, quality: str, level: float, column: str) -> pd.Series | None:
    """The fastest of the ``contenders`` at the level of quality. None if no timed one reaches it."""
    found = contenders(points, quality, level, column)
    cost = cost_of(found, column)
    return found.iloc[int(cost.argmin())] if cost.notna().any() else None


def nearest(points: pd.DataFrame, quality: str, levels: Sequence[float]) -> pd.Series | None:
    """The best of the ``means`` where none reaches even the lowest level. None if one does, or if none is judged."""
    judged = points[deciding(points, quality)]
    if judged.isna().all() or len(reaching(points, quality, min(levels))):
        return None
    return points.iloc[int(judged.fillna(-1.0).argmax())]


def as_fast(points: pd.DataFrame, best: pd.Series, column: str) -> pd.DataFrame | None:
    """The other points whose interval meets that of ``best``, so they may be as fast. None if ``best`` has none.

    An interval that says nothing counts as none.
    """
    low, high = INTERVALS[column]
    if pd.isna(best[low]) or pd.isna(best[high]) or is_vague(best[low], best[high]):
        return None
    meets = (points[low] <= best[high]) & (points[high] >= best[low]) & ~is_vague(points[low], points[high])
    return points[meets & (points.index != best.name)]


def _levels(points: pd.DataFrame, quality: str, wanted: Sequence[float]) -> Iterator[dict[str, Any]]:
    if points[quality].isna().all():
        return
    for level in wanted:
        for column in (LATENCY, THROUGHPUT):
            row: dict[str, Any] = {"quality": quality, "level": level, "fastest_by": column}
            best = fastest(points, quality, level, column)
            if best is not None:
                row |= {str(name): value for name, value in best.items()} | {"reached": best[quality]}
                others = as_fast(contenders(points, quality, level, column), best, column)
                row["as_fast"] = pd.NA if others is None else len(others)
            if is_split(points, quality):
                row["chosen"] = CHOSEN
                row["tune_reached"] = pd.NA if best is None else best[TUNE + quality]
            yield row
