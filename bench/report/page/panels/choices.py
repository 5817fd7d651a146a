"""Which searches the gallery shows, and which queries: where they fail, where they differ, where they do best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.interfaces import Int
from bench.plugins.names import baselines
from bench.records.frame import SECTION, VARIANT

MOST_METHODS = 4
ENOUGH = 0.9
"""The recall from which on a method's fastest setting is shown; of one that does not reach it, the best."""

Right = NDArray[np.bool_]


def candidates(searches: pd.DataFrame, k: int) -> list[int]:
    """The rows of the finished ``searches`` that are worth a look, best first: one setting of each method.

    They share protocol and seed with the first row, so that all are asked the same queries over the same items; the
    fastest first, but exact search before what hashes, and that before the others. Rows are positions.
    """
    first = searches.iloc[0]
    alike = searches["protocol"].eq(first["protocol"]) & searches["seed"].eq(first["seed"])
    rows = searches.reset_index(drop=True)[alike.to_numpy(dtype=bool)]
    best = [_setting(same, k) for _, same in rows.groupby([*SECTION, *VARIANT, "index", "rerank"], dropna=False)]
    return sorted(best, key=lambda row: _order(row, searches))


def _setting(same: pd.DataFrame, k: int) -> int:
    """The row of a method's fastest setting with enough recall, or of that with most."""
    recall, time = same[f"recall_at_{k}"].map(_number), same["latency_ms_p50"].map(_number)
    enough = time[recall >= ENOUGH]
    return int(str(enough.idxmin() if len(enough) else recall.fillna(-1).idxmax()))


def _order(row: int, searches: pd.DataFrame) -> tuple[int, float, int]:
    """Exact search first, then what hashes, then the others; each kind by its time, and then by its row."""
    search: pd.Series = searches.iloc[row]
    exact = search["index"] in baselines() and pd.isna(search["rerank"])
    kind = 0 if exact else 1 if pd.notna(search["hasher"]) else 2
    return kind, _number(search["latency_ms_p50"]), row


def _number(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)


def different(answers: Sequence[Int], most: int = MOST_METHODS) -> list[int]:
    """The first ``most`` positions of answers, int64 [queries, k] each, that are not the same as one before them."""
    kept: list[int] = []
    for at, one in enumerate(answers):
        if len(kept) < most and not any(np.array_equal(one, answers[other]) for other in kept):
            kept.append(at)
    return kept


def right_by_label(neighbours: Int, labels: Int, query_labels: Int) -> Right:
    """Whether each neighbour, ids int64 [q, k], bears its query's label; one that is missing (-1) does not."""
    return (labels[np.maximum(neighbours, 0)] == query_labels[:, None]) & (neighbours >= 0)


def right_by_id(neighbours: Int, exact: Int) -> Right:
    """Whether each neighbour, ids int64 [q, k], is among its query's exact ones, int64 [q, m]; a missing one is not."""
    return (neighbours[:, :, None] == exact[:, None, :]).any(axis=2) & (neighbours >= 0)


def differing(answers: Sequence[Int]) -> Int:
    """How much searches differ, int64 [q]: items that one of two found and the other did not, over all pairs.

    ``answers``: of each search the ids int64 [q, k], -1 where one is missing.
    """
    alone = [(~right_by_id(one, other) & (one >= 0)).sum(axis=1) for one in answers for other in answers]
    return np.sum(alone, axis=0, dtype=np.int64)


def queries(hits: Int | None, differences: Int, count: int, seed: int) -> dict[str, list[int]]:
    """``count`` queries in all, in about equal numbers, none twice: positions by the choice that they belong to.

    ``hits`` int64 [methods, q]: right neighbours, None where nothing says what is right; ``differences`` int64 [q]: see
    ``differing``. ``differ``: the numbers of hits lie farthest apart, and then the items; only queries in which
    something differs. ``worst`` and ``best``: fewest and most hits. ``random``: of those that are left. Ties and
    ``random`` are drawn by ``seed``. A choice without a query is left out.
    """
    lots = np.random.default_rng(seed).permutation(len(differences))
    apart = np.zeros_like(differences) if hits is None else hits.max(axis=0) - hits.min(axis=0)
    orders = {"differ": [query for query in np.lexsort((lots, -differences, -apart)).tolist() if differences[query]]}
    if hits is not None:
        orders["worst"] = np.lexsort((lots, hits.sum(axis=0))).tolist()
        orders["best"] = np.lexsort((lots, -hits.sum(axis=0))).tolist()
    orders["random"] = np.argsort(lots).tolist()
    return {name: found for name, found in _dealt(orders, count).items() if found}


def _dealt(orders: dict[str, list[int]], count: int) -> dict[str, list[int]]:
    """The choices take turns, each with the first of its order that no other has taken."""
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
