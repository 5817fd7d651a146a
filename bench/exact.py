"""The exact nearest neighbours: what recall is measured against, found by faiss and settled in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from bench.interfaces import Float, Int, untracked

MARGIN = 10
BLOCK = 1024


def exact_neighbours(queries: Float, database: Float, k: int, track: Callable[..., Iterable[int]] = untracked) -> Int:
    """Ids of the k nearest by Euclidean distance, int64 [q, k], ties by id, -1 where the database has fewer.

    faiss finds k + 10 in float32; these are ordered by (float64 distance, id), so that rounding does not decide
    between neighbours, as long as fewer than 10 others lie within float32's error of the k-th.
    """
    import faiss

    found = min(k + MARGIN, len(database))
    ids = np.full((len(queries), k), -1, dtype=np.int64)
    for start in track(range(0, len(queries), BLOCK), "exact neighbours"):
        block = np.ascontiguousarray(queries[start : start + BLOCK])
        _, near = faiss.knn(block, database, found)
        near.sort(axis=1)
        difference = database[near].astype(np.float64) - block[:, None, :]
        distance = np.einsum("qnd,qnd->qn", difference, difference)
        order = np.argsort(distance, axis=1, kind="stable")[:, :k]
        ids[start : start + BLOCK, : order.shape[1]] = np.take_along_axis(near, order, axis=1)
    return ids
