"""The compiled kernels of the metrics. They count the items at each place of a ranking without sorting it.

The numbers of items and of relevant items at each distance determine a Hamming ranking up to its ties. They take
O(bits) memory a query; a sort needs eight bytes an item. All kernels are in this one file because numba's cache notices
a change of the file that a kernel is in, and of no other. `bench.quality.ranking` checks and arranges the arrays: codes
and labels are uint64 [words, n], so one word of many items is contiguous and the loops over items are vectorised. A
class number is one word, compared as a whole (``single``); a set of labels is one bit per class.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from threading import Thread
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])

BLOCK = 2048
"""The items whose distances and shared labels are computed before they are counted. Both fit a first-level cache."""

COPIES = 4
"""Histograms that take turns. Neighbouring items often fall into one bin, and would wait for each other's store."""

QUERIES_PER_TASK = 8
"""Queries whose float64 distances a thread holds at a time. Each row of the database is read once for all of them."""


@cache
def _start_threads() -> None:
    """Start numba's threads from a thread that ends.

    numba sets OpenMP's number of threads for the thread that starts its own. torch reads that number, and a training
    that is judged half-way would go on with another one, and to other weights.
    """
    starter = Thread(target=numba.get_num_threads)
    starter.start()
    starter.join()


def _parallel(function: F) -> F:
    """Compile a kernel that Python calls and that shares its loop among threads."""
    compiled: Any = njit(cache=True, parallel=True)(function)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        _start_threads()
        return compiled(*arguments)

    return call  # type: ignore[return-value]


def _popcount_code(typing_context: Any, word: Any) -> Any:
    """The number of set bits of a uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


def _apart_code(typing_context: Any) -> Any:
    """Prevent the inlining of the function that calls this, so that the function always rounds alike."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


_popcount: Any = intrinsic(_popcount_code)
_apart: Any = intrinsic(_apart_code)


@njit(cache=True)
def _fill_distances(query_words: Array, q: int, words: Array, start: int, near: Array) -> None:
    """Fill ``near`` with the Hamming distances of the items from ``start`` on, as many as fit or exist."""
    size = min(near.shape[0], words.shape[1] - start)
    near[:size] = 0
    for word in range(words.shape[0]):
        code = query_words[word, q]
        row = words[word, start : start + size]
        for i in range(size):
            near[i] += np.uint32(_popcount(row[i] ^ code))


@njit(cache=True)
def _fill_shared(query_labels: Array, q: int, labels: Array, single: bool, start: int, shared: Array) -> None:
    """Fill ``shared`` with the numbers of labels that the items from ``start`` on share with the query."""
    size = min(shared.shape[0], labels.shape[1] - start)
    shared[:size] = 0
    for word in range(labels.shape[0]):
        label = query_labels[word, q]
        row = labels[word, start : start + size]
        if single:
            for i in range(size):
                shared[i] = np.uint32(row[i] == label)
        else:
            for i in range(size):
                shared[i] += np.uint32(_popcount(row[i] & label))


@_parallel
def count(query_words: Array, words: Array, query_labels: Array, labels: Array, single: bool, counts: Array) -> None:
    """Fill ``counts`` int32 [q, bits + 1, grades]: items by Hamming distance and number of shared labels."""
    size = words.shape[1]
    for q in prange(counts.shape[0]):
        near, shared = np.empty(BLOCK, dtype=np.uint32), np.empty(BLOCK, dtype=np.uint32)
        histogram = np.zeros((COPIES, counts.shape[1], counts.shape[2]), dtype=np.int32)
        for start in range(0, size, BLOCK):
            _fill_distances(query_words, q, words, start, near)
            _fill_shared(query_labels, q, labels, single, start, shared)
            for i in range(min(BLOCK, size - start)):
                histogram[i % COPIES, near[i], shared[i]] += 1
        counts[q] = histogram.sum(axis=0)


@njit(cache=True)
def _score_block(
    near: Array, shared: Array, place: Array, hits: Array, k: int, gains: Array, discounts: Array, scores: Array
) -> None:
    """Give the items of a block their places, and add what they score to ``scores`` [3].

    Inlined into the loop over the queries it takes a third longer: the sums would not stay in registers.
    """
    _apart()
    precisions, relevant, gained = scores[0], scores[1], scores[2]
    for i in range(near.shape[0]):
        distance = near[i]
        place[distance] += 1
        if shared[i] > 0:
            hits[distance] += 1
            if place[distance] <= k:
                precisions += hits[distance] / place[distance]
                relevant += 1
                gained += gains[shared[i]] * discounts[place[distance] - 1]
    scores[0], scores[1], scores[2] = precisions, relevant, gained


@_parallel
def score_in_id_order(
    query_words: Array, words: Array, query_labels: Array, labels: Array, single: bool, counts: Array,
    k: int, gains: Array, discounts: Array, scores: Array,
) -> None:  # fmt: skip
    """Fill ``scores`` float64 [q, 3] from the first k places, with ties in order of id.

    They are the sum of the precisions at the relevant items, the number of relevant items, and the sum of gain times
    discount. ``counts`` gives the first place of each distance; every item takes the next place of its distance.
    """
    size = words.shape[1]
    for q in prange(counts.shape[0]):
        near, shared = np.empty(BLOCK, dtype=np.uint32), np.empty(BLOCK, dtype=np.uint32)
        place, hits = np.zeros(counts.shape[1], dtype=np.int64), np.zeros(counts.shape[1], dtype=np.int64)
        for distance in range(1, counts.shape[1]):
            place[distance] = place[distance - 1] + counts[q, distance - 1].sum()
            hits[distance] = hits[distance - 1] + counts[q, distance - 1, 1:].sum()
        for start in range(0, size, BLOCK):
            _fill_distances(query_words, q, words, start, near)
            _fill_shared(query_labels, q, labels, single, start, shared)
            block = min(BLOCK, size - start)
            _score_block(near[:block], shared[:block], place, hits, k, gains, discounts, scores[q])


# Expected precisions over the order inside each tie group.


@njit(cache=True)
def _sum_of_precisions(before: int, hits: int, items: int, relevant: int, first: int, harmonic: Array) -> float:
    """The expected sum of the precisions at the relevant items among the first places of a tie group.

    N = ``before`` items are ahead of the group, R = ``hits`` of them relevant. Place i of its n items holds a relevant
    one with probability r / n, and then (i - 1) m of those ahead in the group are relevant, m = (r - 1) / (n - 1):
    sum over i = 1..first of (r / n) (R + 1 + (i - 1) m) / (N + i), with ``harmonic[j]`` = 1 + 1/2 + ... + 1/j.
    """
    if relevant == 0:
        return 0.0
    slope = (relevant - 1) / (items - 1) if items > 1 else 0.0
    spread = harmonic[before + first] - harmonic[before]
    return relevant / items * (first * slope + (hits + 1 - (before + 1) * slope) * spread)


@njit(cache=True)
def hypergeometric(items: int, relevant: int, first: int) -> Array:
    """The probabilities [first + 1] of the number of relevant items among the first places of a tie group.

    They are computed from the likeliest number by the ratios of neighbouring ones, so that none overflows.
    """
    likeliest = (first + 1) * (relevant + 1) // (items + 2)
    weights = np.zeros(first + 1)
    weights[likeliest] = 1.0
    for x in range(likeliest, min(relevant, first)):
        weights[x + 1] = weights[x] * (relevant - x) * (first - x) / ((x + 1) * (items - relevant - first + x + 1))
    for x in range(likeliest, max(0, first - items + relevant), -1):
        weights[x - 1] = weights[x] * x * (items - relevant - first + x) / ((relevant - x + 1) * (first - x + 1))
    return weights / weights.sum()


@njit(cache=True)
def _expected_ratio(
    total: float, before: int, hits: int, items: int, relevant: int, first: int, harmonic: Array
) -> float:
    """The expected sum of precisions over the relevant items retrieved, if place k falls into a tie group.

    ``total`` is the sum ahead of the group. Given the number of relevant items among its ``first`` places, the ratio's
    denominator is known and their order there is uniform.
    """
    probabilities = hypergeometric(items, relevant, first)
    ratio = 0.0
    for x in range(first + 1):
        if probabilities[x] > 0 and hits + x > 0:
            precisions = total + _sum_of_precisions(before, hits, first, x, first, harmonic)
            ratio += probabilities[x] * precisions / (hits + x)
    return ratio


@njit(cache=True)
def _score_groups(items: Array, relevant: Array, k: int, retrieved: bool, harmonic: Array) -> float:
    """One query's sum of precisions among the first k places, or its ratio to the relevant items retrieved there.

    k is at least 1 and at most the number of items, so place k is inside a group or at its end.
    """
    total, before, hits, group = 0.0, 0, 0, 0
    while before + items[group] < k:
        total += _sum_of_precisions(before, hits, items[group], relevant[group], items[group], harmonic)
        before += items[group]
        hits += relevant[group]
        group += 1
    first = k - before
    if retrieved:
        return _expected_ratio(total, before, hits, items[group], relevant[group], first, harmonic)
    return total + _sum_of_precisions(before, hits, items[group], relevant[group], first, harmonic)


@_parallel
def score_groups(items: Array, relevant: Array, k: int, retrieved: bool, harmonic: Array, scores: Array) -> None:
    """Fill ``scores`` float64 [q] from tie groups int64 [q, groups]: see ``_score_groups``."""
    for q in prange(scores.shape[0]):
        scores[q] = _score_groups(items[q], relevant[q], k, retrieved, harmonic)


# Rankings by real values.


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _squared_distance(left: Array, right: Array) -> float:
    """The squared distance in float64 from differences: nothing cancels, and equal rows are at equal distances."""
    _apart()
    total = 0.0
    for j in range(left.shape[0]):
        difference = np.float64(left[j]) - np.float64(right[j])
        total += difference * difference
    return total


@njit(cache=True)
def _fill_positions(steps: Array, values: Array, positions: Array) -> None:
    """Fill ``positions`` with the number of ascending steps (at least one) that lie below each value.

    The binary search halves for all values before the next halving, so that the loop has no branch to mispredict.
    """
    positions[:] = 0
    length = steps.shape[0]
    while length > 1:
        half = length >> 1
        for i in range(values.shape[0]):
            positions[i] += half * np.int64(steps[positions[i] + half - 1] < values[i])
        length -= half
    for i in range(values.shape[0]):
        positions[i] += np.int64(steps[positions[i]] < values[i])


@njit(cache=True)
def _tie_groups(distances: Array, shared: Array) -> tuple[Array, Array]:
    """The items and relevant items at each distance of a relevant one (odd groups) and between these (even groups)."""
    steps = np.unique(distances[shared > 0])
    items = np.zeros(2 * steps.shape[0] + 1, dtype=np.int64)
    relevant = np.zeros(2 * steps.shape[0] + 1, dtype=np.int64)
    if steps.shape[0] == 0:
        items[0] = distances.shape[0]
        return items, relevant
    positions = np.empty(BLOCK, dtype=np.int64)
    for start in range(0, distances.shape[0], BLOCK):
        block = distances[start : start + BLOCK]
        _fill_positions(steps, block, positions[: block.shape[0]])
        for i in range(block.shape[0]):
            step = positions[i]
            group = 2 * step + (step < steps.shape[0] and steps[step] == block[i])
            items[group] += 1
            relevant[group] += shared[start + i] > 0
    return items, relevant


@_parallel
def score_distances(
    queries: Array, features: Array, query_labels: Array, labels: Array, single: bool, k: int,
    retrieved: bool, harmonic: Array, scores: Array, totals: Array,
) -> None:  # fmt: skip
    """Fill ``scores`` float64 [q] as ``score_groups`` does, by Euclidean distance, and ``totals``: relevant items."""
    size = features.shape[0]
    for task in prange((queries.shape[0] + QUERIES_PER_TASK - 1) // QUERIES_PER_TASK):
        begin = task * QUERIES_PER_TASK
        end = min(begin + QUERIES_PER_TASK, queries.shape[0])
        distances = np.empty((QUERIES_PER_TASK, size))
        shared = np.empty(size, dtype=np.uint32)
        for row in range(size):
            for q in range(begin, end):
                distances[q - begin, row] = _squared_distance(queries[q], features[row])
        for q in range(begin, end):
            _fill_shared(query_labels, q, labels, single, 0, shared)
            items, relevant = _tie_groups(distances[q - begin], shared)
            scores[q] = _score_groups(items, relevant, k, retrieved, harmonic)
            totals[q] = relevant.sum()


@_parallel
def count_within(found: Array, nearest: Array, features: Array, queries: Array, hits: Array) -> None:
    """Fill ``hits`` int64 [q]: found ids no farther from their query than the farthest of ``nearest``; -1 is no id."""
    for q in prange(hits.shape[0]):
        radius = 0.0
        for i in nearest[q]:
            if i >= 0:
                radius = max(radius, _squared_distance(features[i], queries[q]))
        for i in found[q]:
            if i >= 0 and _squared_distance(features[i], queries[q]) <= radius:
                hits[q] += 1


@njit(cache=True)
def _replace_worst(distances: Array, ids: Array, distance: float, identity: int) -> None:
    """Replace the worst entry of a heap by (distance, id), which is its first."""
    hole, size = 0, ids.shape[0]
    while True:
        child, right = 2 * hole + 1, 2 * hole + 2
        if right < size and (distances[right], ids[right]) > (distances[child], ids[child]):
            child = right
        if child >= size or (distances[child], ids[child]) <= (distance, identity):
            break
        distances[hole], ids[hole] = distances[child], ids[child]
        hole = child
    distances[hole], ids[hole] = distance, identity


@njit(cache=True)
def _offer(distances: Array, ids: Array, distance: float, identity: int) -> None:
    if (distance, identity) < (distances[0], ids[0]):
        _replace_worst(distances, ids, distance, identity)


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def shift_rows(features: Array, origin: Array, scale: float, shifted: Array, norms: Array) -> None:
    """Fill ``shifted`` [n, d] with the features less the origin, times the scale; ``norms``: squared, not rounded."""
    for row in range(features.shape[0]):
        total = 0.0
        for j in range(features.shape[1]):
            value = (np.float64(features[row, j]) - origin[j]) * scale
            shifted[row, j] = value
            total += value * value
        norms[row] = total


@_parallel
def offer_rows(
    features: Array, first: int, queries: Array, scores: Array, norms: Array, limits: Array, unit: float,
    distances: Array, ids: Array,
) -> int:  # fmt: skip
    """Offer the features, whose ids begin at ``first``, to the heaps [q, k] of the k nearest of each query.

    ``scores`` [q, n] come as products and are overwritten. A row is farther than the square root of r if its norm less
    twice its product exceeds ``unit`` r + the query's limit. The distances of the k best rows by that score are
    computed first, so that few others are in doubt. Returns the number of other rows whose distances were computed.
    """
    k, measured = ids.shape[1], 0
    for q in prange(queries.shape[0]):
        likely, places = np.full(k, np.inf), np.full(k, -1)
        limit = distances[q, 0] * unit + limits[q]
        for row in range(features.shape[0]):
            score = norms[row] - (scores[q, row] + scores[q, row])
            scores[q, row] = score
            if score <= limit and -np.inf < score < likely[0]:
                _replace_worst(likely, places, score, row)
        for row in places:
            if row >= 0:
                scores[q, row] = np.inf
                _offer(distances[q], ids[q], _squared_distance(features[row], queries[q]), first + row)
        limit = distances[q, 0] * unit + limits[q]
        for row in range(features.shape[0]):
            if scores[q, row] <= limit and scores[q, row] != np.inf:
                _offer(distances[q], ids[q], _squared_distance(features[row], queries[q]), first + row)
                limit = distances[q, 0] * unit + limits[q]
                measured += 1
    return measured
