"""A heap of the k best by (squared distance, id): float64 and int64 [k], the worst at its root."""

from __future__ import annotations

import numpy as np

from methods.search.common.compiled import Array, kernel
from methods.search.features.kernels.rows import EPSILON, LEAST, rough_distance, squared_distance

NONE = np.iinfo(np.int64).max
"""The id of an entry that is empty."""


@kernel()
def clear(distances: Array, ids: Array) -> None:
    """Make all entries empty."""
    for slot in range(ids.shape[0]):
        distances[slot] = np.inf
        ids[slot] = NONE


@kernel()
def sink(distances: Array, ids: Array, size: int, distance: float, identity: int) -> None:
    """Replace the worst of the heap's first ``size`` entries, which is at its root."""
    hole = 0
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        right = child + 1
        if right < size and (
            distances[right] > distances[child] or (distances[right] == distances[child] and ids[right] > ids[child])
        ):
            child = right
        if distances[child] < distance or (distances[child] == distance and ids[child] <= identity):
            break
        distances[hole] = distances[child]
        ids[hole] = ids[child]
        hole = child
    distances[hole] = distance
    ids[hole] = identity


@kernel()
def offer(distances: Array, ids: Array, distance: float, identity: int) -> None:
    """Replace the worst entry if this one is better."""
    if distance < distances[0] or (distance == distances[0] and identity < ids[0]):
        sink(distances, ids, ids.shape[0], distance, identity)


@kernel(inline="always")
def offer_row(rows: Array, row: int, query: Array, distances: Array, ids: Array) -> None:
    """Offer a row. Its exact distance is taken unless float32 tells that it is too large."""
    length = query.shape[0]
    rough = np.float64(rough_distance(rows, row, query))
    most = distances[0] * (1 + (length + 8) * EPSILON) + length * LEAST
    if rough <= most or rough == np.inf:
        offer(distances, ids, squared_distance(rows, row, query), row)


@kernel()
def sort(distances: Array, ids: Array) -> None:
    """Turn the heap into ascending order; the ids of empty entries become -1."""
    for last in range(ids.shape[0] - 1, 0, -1):
        distance, identity = distances[last], ids[last]
        distances[last], ids[last] = distances[0], ids[0]
        sink(distances, ids, last, distance, identity)
    for slot in range(ids.shape[0]):
        if ids[slot] == NONE:
            ids[slot] = -1
