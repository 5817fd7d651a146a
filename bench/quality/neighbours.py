"""Precision and recall of neighbour lists. A missing neighbour is wrong, and an id returned twice counts once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes, Float, Int, Labels
from bench.quality import kernels
from bench.quality.labels import check_kinds
from bench.quality.ranking import HammingRanking

BLOCK_CODES = 2**22
"""Codes of the database that are counted at a time."""


def check_neighbours(neighbours: NDArray[Any], queries: int, k: int, database: int) -> None:
    """Raises ValueError: an index's answer is not int64 [queries, k] of ids in 0 .. database - 1, or -1."""
    if neighbours.shape != (queries, k) or neighbours.dtype != np.int64:
        raise ValueError(f"search returned {neighbours.dtype} {list(neighbours.shape)}, expected int64 {[queries, k]}")
    if len(neighbours) and (neighbours.min() < -1 or neighbours.max() >= database):
        raise ValueError(
            f"search returned ids from {neighbours.min()} to {neighbours.max()}, expected -1 .. {database - 1}"
        )
    ordered = np.sort(neighbours, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("search returned an id twice for one query")


def precision_at(neighbours: Int, query_labels: Labels, database_labels: Labels, k: int) -> float:
    """The share of the first k neighbours that have the query's label, or one of its labels, averaged over the queries.

    ``neighbours`` int64 [q, >= k] holds positions in the database, -1 where one is missing. The divisor is always k.

    Raises ValueError: sizes or labels do not fit, or an id is outside the database.
    """
    ids = _distinct(neighbours, k, len(query_labels), len(database_labels))
    return float(right_by_label(ids, query_labels, database_labels).mean())


def right_by_label(ids: Int, query_labels: Labels, database_labels: Labels) -> NDArray[np.bool_]:
    """Whether each neighbour has the query's label, or one of its labels, bool [q, k]; a missing one (-1) has not.

    Raises ValueError: one side has class numbers and the other sets of classes, or sets of other classes.
    """
    check_kinds(query_labels, database_labels)
    right: Any
    if query_labels.ndim == 1:
        right = database_labels[ids] == query_labels[:, None]
    else:
        found_rows, place = np.unique(ids, return_inverse=True)
        sets = (query_labels, database_labels[found_rows])
        of_queries, of_found = (Codes.pack(one.astype(np.bool_)).words for one in sets)
        right = (of_found[place.reshape(ids.shape)] & of_queries[:, None]).any(axis=2)
    found: NDArray[np.bool_] = right & (ids >= 0)
    return found


def recall_at(neighbours: Int, exact: Int, features: Float, query_features: Float, k: int) -> float:
    """The share of the k nearest items that are among the first k neighbours, averaged over the queries.

    ``exact`` int64 [q, >= k] holds the exact nearest ids, nearest first (-1 where the database has fewer);
    ``features`` float32 [n, d], ``query_features`` float32 [q, d]. A neighbour counts if its squared distance, in
    float64, is at most that of the farthest of the k exact ones. So ties with the last count, with no epsilon.

    Raises ValueError: sizes do not fit, an id is outside the database, or a query has no exact ids.
    """
    found = _distinct(neighbours, k, len(query_features), len(features))
    nearest = _distinct(exact, k, len(query_features), len(features))
    if (nearest < 0).all(axis=1).any():
        raise ValueError("exact: a query has no exact neighbour; each needs at least one")
    hits = np.zeros(len(found), dtype=np.int64)
    kernels.count_within(found, nearest, features, query_features, hits)
    return float((hits / (nearest >= 0).sum(axis=1)).mean())


def items_by_distance(query_codes: Codes, database_codes: Codes) -> Int:
    """The number of database items at each Hamming distance from each query, int64 [q, bits + 1].

    The database may be mapped: BLOCK_CODES of its codes are counted at a time.
    """
    items = np.zeros((len(query_codes), query_codes.bits + 1), dtype=np.int64)
    for start in range(0, len(database_codes), BLOCK_CODES):
        part = Codes(database_codes.words[start : start + BLOCK_CODES], database_codes.bits)
        alike = [np.zeros(len(codes), dtype=np.int64) for codes in (query_codes, part)]
        items += HammingRanking.of(query_codes, part, *alike).items
    return items


def radius_of(query_codes: Codes, database_codes: Codes, k: int) -> Int:
    """The Hamming distance of the k-th nearest code to each query, or of the farthest if there are fewer, int64 [q]."""
    within = np.cumsum(items_by_distance(query_codes, database_codes), axis=1)
    radius: Int = (within < min(k, len(database_codes))).sum(axis=1)
    return radius


def recall_at_by_codes(
    neighbours: Int, query_codes: Codes, database_codes: Codes, k: int, radius: Int | None = None
) -> float:
    """The share of the k nearest codes that are among the first k neighbours, averaged over the queries.

    A neighbour counts if its Hamming distance is at most that of the k-th nearest code, so ties with this code count.
    ``neighbours`` as for ``recall_at``. ``radius``: what ``radius_of`` returns, where it is known.

    Raises ValueError: sizes do not fit, or an id is outside the database.
    """
    size = len(database_codes)
    found = _distinct(neighbours, k, len(query_codes), size)
    radius = radius_of(query_codes, database_codes, k) if radius is None else radius
    differing = query_codes.words[:, None] ^ database_codes.words[found]
    distances = np.bitwise_count(differing).sum(axis=2, dtype=np.int64)
    hits = ((distances <= radius[:, None]) & (found >= 0)).sum(axis=1)
    return float((hits / min(k, size)).mean())


def _distinct(neighbours: Int, k: int, queries: int, size: int) -> Int:
    """The first k ids of each row [queries, k]. A repeated id and a missing one are -1."""
    shape = neighbours.shape
    if min(k, queries) < 1 or len(shape) != 2 or shape[0] != queries or shape[1] < k:
        raise ValueError(f"neighbours of shape {shape} for {queries} queries and k={k}; [q, >= k] needed")
    ids = neighbours[:, :k]
    if ids.min() < -1 or ids.max() >= size:
        raise ValueError(f"neighbours {ids.min()} to {ids.max()}; ids are -1 (missing) to {size - 1}")
    order = np.argsort(ids, axis=1, kind="stable")
    ordered = np.take_along_axis(ids, order, axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = -1
    distinct = np.empty_like(ordered)
    np.put_along_axis(distinct, order, ordered, axis=1)
    return distinct
