"""What a reranker must keep to."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from bench.conformance import data
from bench.conformance.arrays import K, built, check_cost, check_ids, check_size, taken_as_they_come
from bench.conformance.demands import Make, demand, must_refuse
from bench.interfaces import Float, Int

FEW, MANY = 20, 200


def the_nearest_candidates_are_answered(make: Make) -> None:
    """The k nearest candidates by Euclidean distance, nearest first, ties by the smaller id, and -1 where there are
    fewer; of a batch as of its queries one at a time, in any order of the candidates.

    The features are small whole numbers, which float16 and any sum in float32 hold exactly, with many ties.
    """
    reranker, (rows, queries) = built(make, _features()[0]), _features()
    partly = _candidates(FEW)
    partly[1, 4:], partly[2] = -1, -1
    cases = {
        f"{FEW} candidates": (_candidates(FEW), K),
        f"{MANY} candidates": (_candidates(MANY), K),
        "candidates in reverse order": (np.ascontiguousarray(_candidates(FEW)[:, ::-1]), K),
        "candidates that are partly -1": (partly, K),
        "9 neighbours of 4 candidates": (_candidates(4), 9),
    }
    for asked, (some, k) in cases.items():
        expected = [_nearest(rows, query, given, k) for query, given in zip(queries, some, strict=True)]
        alone = [reranker.nearest(queries[at : at + 1], some[at : at + 1], k) for at in range(data.QUERIES)]
        batch = reranker.nearest(queries, some, k)
        for how, ids in (("", batch), (", one query at a time", np.concatenate(alone))):
            check_ids(ids, data.QUERIES, k, len(rows), asked + how)
            for got, right in zip(ids.tolist(), expected, strict=True):
                demand(got == right, f"{asked}{how}: {got}; right by distance, then id, is {right}")
    check_ids(reranker.nearest(queries[:0], _candidates(FEW)[:0], K), 0, K, len(rows), "no queries")


def arrays_are_taken_as_they_come(make: Make) -> None:
    """No array is written to, and those that must not be are answered the same; arrays with strides and in float64 are
    answered the same too, or a ValueError, which names the type.
    """
    given = dict(zip(("features", "queries", "candidates"), (*_features(), _candidates(FEW)), strict=True))
    taken_as_they_come(partial(_answer, make), given, _agree)


def questions_that_do_not_fit_are_refused(make: Make) -> None:
    """k = 0, queries of another dimension, and candidates of another number of queries are ValueErrors in words."""
    reranker, queries, some = built(make, _features()[0]), _features()[1], _candidates(FEW)
    must_refuse(lambda: reranker.nearest(queries, some, 0), "k = 0")
    must_refuse(lambda: reranker.nearest(queries[:, :-3].copy(), some, K), f"queries of {data.DIM - 3} dimensions")
    must_refuse(lambda: reranker.nearest(queries, some[:-1], K), "candidates for one query less")


def size_and_cost_are_of_what_it_holds(make: Make) -> None:
    """``size_bytes`` covers the arrays that it holds; ``query_cost`` is bytes, no more than these, and operations, and
    no less for more candidates.
    """
    reranker = built(make, _features()[0])
    check_size(reranker)
    few, many = (reranker.query_cost(count) for count in (FEW, MANY))
    for count, cost in ((FEW, few), (MANY, many)):
        check_cost(cost, reranker.size_bytes(), f"query_cost({count})")
    grows = few[0] <= many[0] and few[1] <= many[1]
    demand(grows, f"query_cost({MANY}) is {many}, less than query_cost({FEW}), {few}; right is that it grows")


def _features() -> tuple[Any, Any]:
    """float32 [n, d] of a database with ties, and of queries."""
    database, queries = data.corpora()
    return database.features, queries.features


def _candidates(count: int) -> Int:
    """So many candidates of each query, int64 [q, count], in no order; items that are there twice are among them."""
    rng = np.random.default_rng(5)
    copies = [*range(data.ITEMS - 1, data.ITEMS - data.REPEATED - 1, -1), *range(data.REPEATED)]
    others = np.arange(data.REPEATED, data.ITEMS - data.REPEATED)
    rows = [np.append(copies, rng.permutation(others))[:count] for _ in range(data.QUERIES)]
    return np.array([rng.permutation(row) for row in rows], dtype=np.int64)


def _nearest(rows: Float, query: Float, candidates: Int, k: int) -> list[int]:
    """The answer of brute force, in float64."""
    known = np.sort(candidates[candidates >= 0])
    distances = ((rows[known].astype(np.float64) - query) ** 2).sum(axis=1)
    found = known[np.argsort(distances, kind="stable")][:k].tolist()
    return [*found, *[-1] * (k - len(found))]


def _answer(make: Make, features: Float, queries: Float, candidates: Int) -> Int:
    """The answer of a reranker that is built for it; whatever is raised comes through."""
    ids: Int = make().build(features).nearest(queries, candidates, K)
    return ids


def _agree(first: Int, second: Int, asked: str) -> None:
    demand(np.array_equal(first, second), f"{asked}: another answer; right is the same")
