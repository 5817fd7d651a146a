"""Quality: precision by label, recall against the exact neighbours, mAP over a Hamming ranking.

Every figure is a mean over all queries. Where toolkits differ, these rules hold: a missing neighbour is
wrong, an id that is returned twice counts once, ties are never broken by position, no query is left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from bench.interfaces import Codes, Float, Int


def precision_at(neighbours: Int, query_labels: Int, database_labels: Int, k: int) -> float:
    """Share of the first k neighbours that bear the query's label, averaged over the queries.

    ``neighbours`` int64 [q, >= k] holds positions in the database, -1 where one is missing; labels are int64
    [q] and [n]. The divisor is always k. ValueError: sizes that do not fit, an id outside the database.
    """
    ids = _distinct(neighbours, k, len(query_labels), len(database_labels))
    right = (ids >= 0) & (database_labels[ids] == query_labels[:, None])
    return float(right.mean())


def recall_at(neighbours: Int, exact: Int, features: Float, query_features: Float, k: int) -> float:
    """Share of the k nearest that are among the first k neighbours, averaged over the queries.

    ``exact`` int64 [q, >= k] holds the exact nearest ids, nearest first (-1 where the database has fewer);
    ``features`` float32 [n, d], ``query_features`` float32 [q, d]. A neighbour counts if its squared
    distance, in float64, is at most that of the farthest of the k exact ones: these themselves and whatever
    ties with the last, with no epsilon. ValueError: sizes that do not fit, an id outside the database, a
    query without exact ids.
    """
    found = _distinct(neighbours, k, len(query_features), len(features))
    nearest = _distinct(exact, k, len(query_features), len(features))
    if (nearest < 0).all(axis=1).any():
        raise ValueError("exact: a query has no exact neighbour; each needs at least one")
    hits = _count_within(found, nearest, features, query_features)
    return float((hits / (nearest >= 0).sum(axis=1)).mean())


def mean_average_precision(query_codes: Codes, database_codes: Codes, query_labels: Int, database_labels: Int) -> float:
    """Mean of ``average_precisions``: mAP over the full Hamming ranking, a number in 0..1."""
    return float(average_precisions(query_codes, database_codes, query_labels, database_labels).mean())


def average_precisions(
    query_codes: Codes, database_codes: Codes, query_labels: Int, database_labels: Int
) -> NDArray[np.float64]:
    """Average precision of each query over the full Hamming ranking, float64 [q].

    Items at equal distance are in random order; this is the exact expectation over that order (closed form on
    two histograms of bits + 1 distances). The denominator is the number of relevant items in the database. A
    query with none scores 0 and stays in the mean: leaving it out would reward a database without its class.
    ValueError: codes of unequal length, labels that do not fit, padding that is not zero, nothing to rank.
    """
    if query_codes.bits != database_codes.bits:
        raise ValueError(f"query codes have {query_codes.bits} bits, database codes {database_codes.bits}")
    _check_labelled("query", query_codes, query_labels)
    _check_labelled("database", database_codes, database_labels)
    harmonic = np.concatenate(([0.0], np.cumsum(1.0 / np.arange(1, len(database_codes) + 1))))
    return _average_precisions(
        np.ascontiguousarray(query_codes.words),
        np.ascontiguousarray(database_codes.words),
        np.ascontiguousarray(query_labels),
        np.ascontiguousarray(database_labels),
        query_codes.bits,
        harmonic,
    )


def _check_labelled(name: str, codes: Codes, labels: Int) -> None:
    """ValueError unless there is a label to each code, and no bit beyond the codes' length is set."""
    if len(codes) != len(labels) or len(codes) == 0:
        raise ValueError(f"{name}: {len(codes)} codes and {len(labels)} labels; as many labels, at least one")
    padding = codes.words.shape[1] * 64 - codes.bits
    if not 0 <= padding < 64 or (padding and (codes.words[:, -1] >> np.uint64(64 - padding)).any()):
        raise ValueError(f"{name}: codes of {codes.bits} bits hold more; padding bits are zero")


def _distinct(neighbours: Int, k: int, queries: int, size: int) -> Int:
    """The first k ids of each row [queries, k], a repeated one and one that is missing as -1."""
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


def _emit_popcount(typing_context: Any, word: Any) -> Any:
    """The processor's own population count of a uint64."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), emit


_popcount: Any = intrinsic(_emit_popcount)


@njit(parallel=True)
def _average_precisions(query_words: Any, words: Any, query_labels: Any, labels: Any, bits: int, harmonic: Any) -> Any:
    result = np.zeros(len(query_words))
    for q in prange(len(query_words)):
        items = np.zeros(bits + 1, dtype=np.int64)
        relevant = np.zeros(bits + 1, dtype=np.int64)
        for i in range(len(words)):
            distance = np.int64(0)
            for w in range(words.shape[1]):
                distance += np.int64(_popcount(query_words[q, w] ^ words[i, w]))
            items[distance] += 1
            relevant[distance] += labels[i] == query_labels[q]
        result[q] = _expected_average_precision(items, relevant, harmonic)
    return result


@njit
def _expected_average_precision(items: Any, relevant: Any, harmonic: Any) -> float:
    """A tie group of n items, r relevant, behind N items, R relevant, adds
    sum over i = 1..n of (r / n) (R + 1 + (i - 1) m) / (N + i), with m = (r - 1) / (n - 1).
    """
    total = 0.0
    before, relevant_before = 0, 0
    for distance in range(len(items)):
        n, r = items[distance], relevant[distance]
        if r > 0:
            m = (r - 1) / (n - 1) if n > 1 else 0.0
            spread = harmonic[before + n] - harmonic[before]
            total += r / n * (n * m + (relevant_before + 1 - (before + 1) * m) * spread)
        before += n
        relevant_before += r
    return total / relevant_before if relevant_before > 0 else 0.0


@njit
def _squared_distance(left: Any, right: Any) -> float:
    total = 0.0
    for j in range(len(left)):
        difference = np.float64(left[j]) - np.float64(right[j])
        total += difference * difference
    return total


@njit(parallel=True)
def _count_within(found: Any, nearest: Any, features: Any, query_features: Any) -> Any:
    """How many found ids lie no farther from their query than the farthest of the nearest ids."""
    hits = np.zeros(len(found), dtype=np.int64)
    for q in prange(len(found)):
        radius = 0.0
        for i in nearest[q]:
            if i >= 0:
                radius = max(radius, _squared_distance(features[i], query_features[q]))
        for i in found[q]:
            if i >= 0 and _squared_distance(features[i], query_features[q]) <= radius:
                hits[q] += 1
    return hits
