"""Chooses the searches of the gallery, and its queries: those where searches fail, differ, or do best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.interfaces import Int
from bench.plugins.names import is_baseline
from bench.records.frame import SECTION, VARIANT

MOST_METHODS = 4
ENOUGH = 0.9
"""The recall that a method's shown setting must reach: the fastest such setting, or else the one with most recall."""

Right = NDArray[np.bool_]


def candidates(searches: pd.DataFrame, k: int) -> list[int]:
    """The rows (positions) of the finished ``searches`` that are worth a look: one setting of each method.

    They share protocol and seed with the first row, so all answer the same queries over the same items. Exact search
    comes first, then searches by codes, then the others; each kind with the fastest first.
    """
    first = searches.iloc[0]
    alike = searches["protocol"].eq(first["protocol"]) & searches["seed"].eq(first["seed"])
    rows = searches.reset_index(drop=True)[alike.to_numpy(dtype=bool)]
    best = [_setting(same, k) for _, same in rows.groupby([*SECTION, *VARIANT, "index", "rerank"], dropna=False)]
    return sorted(best, key=lambda row: _order(row, searches))


def _setting(same: pd.DataFrame, k: int) -> int:
    """The row of a method's fastest setting with enough recall, or of the setting with most recall."""
    recall, time = same[f"recall_at_{k}"].map(_number), same["latency_ms_p50"].map(_number)
    enough = time[recall >= ENOUGH]
    return int(str(enough.idxmin() if len(enough) else recall.fillna(-1).idxmax()))


def _order(row: int, searches: pd.DataFrame) -> tuple[int, float, int]:
    """The sort key: exact search first, then searches by codes, then the others; each kind by time, then by row."""
    search: pd.Series = searches.iloc[row]
    exact = is_baseline(search["index"]) and pd.isna(search["rerank"])
    kind = 0 if exact else 1 if pd.notna(search["hasher"]) else 2
    return kind, _number(search["latency_ms_p50"]), row


def _number(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)


def different(answers: Sequence[Int], most: int = MOST_METHODS) -> list[int]:
    """The positions of the first ``most`` answers, int64 [queries, k] each, that differ from all before them."""
    kept: list[int] = []
    for at, one in enumerate(answers):
        if len(kept) < most and not any(np.array_equal(one, answers[other]) for other in kept):
            kept.append(at)
    return kept


def right_by_id(neighbours: Int, exact: Int) -> Right:
    """Whether each neighbour, ids int64 [q, k], is among its query's exact ones, int64 [q, m]. A missing one is not."""
    return (neighbours[:, :, None] == exact[:, None, :]).any(axis=2) & (neighbours >= 0)


def differing(answers: Sequence[Int]) -> Int:
    """The differences of searches, int64 [q]: the items that only one of two searches found, over all pairs.

    ``answers``: the ids int64 [q, k] of each search, -1 where one is missing.
    """
    alone = [(~right_by_id(one, other) & (one >= 0)).sum(axis=1) for one in answers for other in answers]
    return np.sum(alone, axis=0, dtype=np.int64)


def queries(hits: Int | None, differences: Int, count: int, seed: int) -> dict[str, list[int]]:
    """``count`` queries in all, none twice: positions by choice. The choices have about equal numbers.

    ``hits`` int64 [methods, q]: right neighbours; None if it is not known what is right. ``differences`` int64 [q]: see
    ``differing``. The choice ``differ`` has queries with the widest range of hits, and then with most differences.
    ``worst`` and ``best`` have the fewest and the most hits; none that has as many as the best is among the worst, and
    the other way round. ``random`` has other queries. Ties and ``random`` are drawn by ``seed``. A choice without a
    query is left out.
    """
    lots = np.random.default_rng(seed).permutation(len(differences))
    apart = np.zeros_like(differences) if hits is None else hits.max(axis=0) - hits.min(axis=0)
    orders = {"differ": [query for query in np.lexsort((lots, -differences, -apart)).tolist() if differences[query]]}
    if hits is not None:
        all_hits = hits.sum(axis=0)
        rising = np.lexsort((lots, all_hits))
        orders["worst"] = rising[all_hits[rising] < all_hits.max()].tolist()
        falling = np.lexsort((lots, -all_hits))
        orders["best"] = falling[all_hits[falling] > all_hits.min()].tolist()
    orders["random"] = np.argsort(lots).tolist()
    return {name: found for name, found in _dealt(orders, count).items() if found}


def _dealt(orders: dict[str, list[int]], count: int) -> dict[str, list[int]]:
    """Deal the queries: the choices take turns, and each takes the first of its order that is not taken."""
    found: dict[str, list[int]] = {name: [] for name in orders}
    taken: set[int] = set()
    waiting: dict[str, Iterator[int]] = {name: iter(order) for name, order in orders.items()}
    while waiting and len(taken) < count:
        for name in list(waiting):
            query = next((one for one in waiting[name] if one not in taken), None)
            if query is None:
                del waiting[name]
            elif len(taken) < count:
                taken.add(query)
                found[name].append(query)
    return found
