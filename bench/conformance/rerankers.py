"""What a reranker must keep to."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.conformance import data
from bench.conformance.demands import (
    Make,
    Nonconformity,
    check_cost,
    check_ids,
    check_size,
    demand,
    must_accept,
    must_refuse,
    unchanged,
)
from bench.interfaces import Float, Int

FEW, MANY, K = 20, 200, 10


def build_returns_the_reranker(make: Make) -> None:
    """``build`` returns the reranker itself."""
    reranker = make()
    built = reranker.build(_features()[0])
    demand(built is reranker, f"build returned {type(built).__name__}; right is the reranker itself")


def candidates_come_nearest_first(make: Make) -> None:
    """The k nearest candidates by Euclidean distance, nearest first, ties by the smaller id.

    The features are small whole numbers, which float16 and any sum in float32 hold exactly, with many ties.
    """
    reranker, (rows, queries) = _built(make), _features()
    for count in (FEW, MANY):
        for asked in (queries, queries[:1]):
            some = _candidates(count)[: len(asked)]
            _check(
                reranker.nearest(asked, some, K), rows, asked, some, K, f"{count} candidates of {len(asked)} queries"
            )


def missing_candidates_are_left_out(make: Make) -> None:
    """Candidates of -1, where an index found fewer, are no answers; a query without any has -1 alone."""
    reranker, (rows, queries) = _built(make), _features()
    some = _candidates(FEW)
    some[1, 4:] = -1
    some[2] = -1
    _check(reranker.nearest(queries, some, K), rows, queries, some, K, "candidates that are partly -1")


def more_neighbours_than_candidates_are_padded(make: Make) -> None:
    """Where k is more than the candidates, the rest of the answer is -1."""
    reranker, (rows, queries) = _built(make), _features()
    some = _candidates(4)
    _check(reranker.nearest(queries, some, 9), rows, queries, some, 9, "9 neighbours of 4 candidates")


def the_order_of_candidates_does_not_matter(make: Make) -> None:
    """The same candidates in another order have the same answer."""
    reranker, (_, queries) = _built(make), _features()
    some = _candidates(FEW)
    ids = [reranker.nearest(queries, given, K) for given in (some, np.ascontiguousarray(some[:, ::-1]))]
    demand(np.array_equal(*ids), "candidates in reverse order: another answer; right is the same")


def a_batch_is_answered_like_single_queries(make: Make) -> None:
    """A batch has the answers that its queries have one at a time; no queries have none."""
    reranker, (rows, queries) = _built(make), _features()
    for count in (FEW, MANY):
        some = _candidates(count)
        single = [reranker.nearest(queries[i : i + 1], some[i : i + 1], K) for i in range(len(queries))]
        same = np.array_equal(reranker.nearest(queries, some, K), np.concatenate(single))
        demand(same, f"{count} candidates: a batch is answered otherwise than its queries; right is the same")
    check_ids(reranker.nearest(queries[:0], some[:0], K), 0, K, len(rows), "no queries")


def read_only_arrays_are_accepted(make: Make) -> None:
    """Arrays that must not be written to, as the store hands them out, are answered the same."""
    rows, queries = (data.read_only(part) for part in _features())
    some = data.read_only(_candidates(FEW))
    ids = must_accept(lambda: make().build(rows).nearest(queries, some, K), "read-only arrays")
    _check(ids, rows, queries, some, K, "read-only arrays")


def inputs_are_not_changed(make: Make) -> None:
    """Neither building nor re-ranking writes to the arrays that it is given."""
    rows, queries = _features()
    some = _candidates(FEW)
    with unchanged({"features": rows, "queries": queries, "candidates": some}):
        make().build(rows).nearest(queries, some, K)


def questions_that_do_not_fit_are_refused(make: Make) -> None:
    """k = 0, queries of another dimension, and candidates of another number of queries are ValueErrors in words."""
    reranker, (_, queries) = _built(make), _features()
    some = _candidates(FEW)
    must_refuse(lambda: reranker.nearest(queries, some, 0), "k = 0")
    must_refuse(lambda: reranker.nearest(queries[:, :-3].copy(), some, K), f"queries of {data.DIM - 3} dimensions")
    must_refuse(lambda: reranker.nearest(queries, some[:-1], K), "candidates for one query less")


def size_covers_its_arrays(make: Make) -> None:
    """``size_bytes`` is at least what the arrays take that it holds."""
    check_size(_built(make))


def query_cost_is_a_floor(make: Make) -> None:
    """``query_cost`` is bytes and operations, neither below 0, and no less for more candidates."""
    reranker = _built(make)
    few, many = (reranker.query_cost(count) for count in (FEW, MANY))
    for count, cost in ((FEW, few), (MANY, many)):
        check_cost(cost, reranker.size_bytes(), f"query_cost({count})")
    grows = few[0] <= many[0] and few[1] <= many[1]
    demand(grows, f"query_cost({MANY}) is {many}, less than query_cost({FEW}), {few}; right is that it grows")


CHECKS = (
    build_returns_the_reranker,
    candidates_come_nearest_first,
    missing_candidates_are_left_out,
    more_neighbours_than_candidates_are_padded,
    the_order_of_candidates_does_not_matter,
    a_batch_is_answered_like_single_queries,
    read_only_arrays_are_accepted,
    inputs_are_not_changed,
    questions_that_do_not_fit_are_refused,
    size_covers_its_arrays,
    query_cost_is_a_floor,
)


def _features() -> tuple[Float, Float]:
    """Of a database with ties, and of queries."""
    database, queries = data.corpora()
    assert database.features is not None and queries.features is not None
    return database.features, queries.features


def _candidates(count: int) -> Int:
    """So many candidates of each query, int64 [q, count], in no order; items that are there twice are among them."""
    rng = np.random.default_rng(5)
    copies = [*range(data.ITEMS - 1, data.ITEMS - data.REPEATED - 1, -1), *range(data.REPEATED)]
    rows = [_with(copies, rng.permutation(data.ITEMS), count) for _ in range(data.QUERIES)]
    return np.array([rng.permutation(row) for row in rows], dtype=np.int64)


def _with(first: list[int], others: Int, count: int) -> list[int]:
    return [*first, *(row for row in others.tolist() if row not in first)][:count]


def _built(make: Make) -> Any:
    try:
        return make().build(_features()[0])
    except ValueError as fault:
        what = f"{data.ITEMS} features of {data.DIM} dimensions"
        raise Nonconformity(f"build refused {what}: {fault}; give it parameters that fit them") from fault


def _check(ids: Any, rows: Float, queries: Float, candidates: Int, k: int, asked: str) -> None:
    """Nonconformity: not the answer of brute force."""
    check_ids(ids, len(queries), k, len(rows), asked)
    for query, given, found in zip(queries, candidates, ids, strict=True):
        known = np.sort(given[given >= 0])
        distances = ((rows[known].astype(np.float64) - query) ** 2).sum(axis=1)
        order = known[np.argsort(distances, kind="stable")][:k]
        expected = [*order.tolist(), *[-1] * (k - len(order))]
        got = found.tolist()
        demand(got == expected, f"{asked}: {got}; right by distance, then id, is {expected}")
