"""The nearest neighbours that a publisher gives, against exact search on a sample of the queries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Float, Int
from bench.system.files import replace_file
from datasets.arrays import blocks

QUERIES, NEAREST = 10, 10
"""The sample: so many queries, evenly spread, and so many neighbours of each."""


def compared_once(given: NDArray[Any], queries: Float, database: Float, fingerprint: str, context: Context) -> str:
    """What ``compared`` says; ``context.cache`` keeps it under the ``fingerprint`` of all three arrays."""
    if context.cache is None:
        return compared(given, queries, database)
    kept = context.cache / f"neighbours-{fingerprint}.txt"
    if kept.is_file():
        return kept.read_text()
    found = compared(given, queries, database)
    replace_file(kept, lambda path: path.write_text(found))
    return found


def compared(given: NDArray[Any], queries: Float, database: Float) -> str:
    """The recall of the given neighbours by exact search, on a sample, in words.

    ``given``: positions in the database, integers [q, k], nearest first, below 0 where one is missing.
    ``queries`` float32 [q, d], ``database`` float32 [n, d]. A given neighbour counts if it is no farther than the
    farthest exact one, in float64, and counts once.
    """
    if given.max() >= len(database):
        beyond = f"{given.max()}, and the database has {len(database):,} items"
        return f"the given neighbours are of another database, with ids to {beyond}; they are not compared"
    rows = np.unique(np.arange(QUERIES) * (len(queries) - 1) // (QUERIES - 1))
    k = min(NEAREST, given.shape[1], len(database))
    asked, ids = queries[rows].astype(np.float64), np.sort(given[rows, :k].astype(np.int64), axis=1)

    def squared(ids: Int) -> NDArray[np.float64]:
        return ((database[np.maximum(ids, 0)].astype(np.float64) - asked[:, None]) ** 2).sum(axis=2)

    near = squared(ids) <= squared(nearest(asked, database, k)).max(axis=1, keepdims=True)
    near &= ids >= 0
    near[:, 1:] &= ids[:, 1:] != ids[:, :-1]
    said = f"the given neighbours have recall@{k} {near.mean():.3f} by exact search, on {len(rows)} queries"
    return said if near.all() else f"{said}, the first that differs {rows[near.all(axis=1).argmin()]}"


def nearest(queries: NDArray[np.float64], database: Float, k: int) -> Int:
    """Positions of the k nearest database vectors by Euclidean distance in float64, int64 [q, k], in any order.

    ``k`` is at most the number of vectors.
    """
    from scipy.spatial.distance import cdist

    near = np.empty((len(queries), 0), dtype=np.int64)
    distances = np.empty((len(queries), 0))
    for first_row, block in blocks(database):
        here = np.broadcast_to(np.arange(first_row, first_row + len(block)), (len(queries), len(block)))
        near = np.hstack([near, here])
        distances = np.hstack([distances, cdist(queries, block.astype(np.float64), "sqeuclidean")])
        most = min(k, distances.shape[1])
        kept = np.argpartition(distances, most - 1, axis=1)[:, :most]
        near, distances = np.take_along_axis(near, kept, axis=1), np.take_along_axis(distances, kept, axis=1)
    return near
