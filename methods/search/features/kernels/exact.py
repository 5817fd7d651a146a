"""The exact nearest of all rows: by a scan for one query, and given the products of rows and queries for many."""

from __future__ import annotations

import numpy as np

from methods.search.common.compiled import Array, kernel
from methods.search.features.kernels.heap import NONE, clear, offer, offer_row, sink, sort
from methods.search.features.kernels.rows import (
    IDS,
    INT,
    MARGINS,
    PRODUCTS,
    ROWS,
    VECTOR,
    farthest_rough,
    rough_distance,
    squared_distance,
)


@kernel(INT(ROWS, VECTOR, INT[::1]))
def nearest(rows: Array, query: Array, ids: Array) -> int:
    """The k nearest rows by (squared distance, id), into ``ids`` [k]; -1 if there are fewer."""
    rough, distances = np.empty(rows.shape[0], dtype=np.float32), np.empty(ids.shape[0])
    clear(distances, ids)
    for row in range(rows.shape[0]):
        rough[row] = rough_distance(rows, row, query)
        if rough[row] < distances[0]:
            sink(distances, ids, ids.shape[0], rough[row], row)
    limit = farthest_rough(distances[0], query.shape[0])
    clear(distances, ids)
    for row in range(rows.shape[0]):
        if rough[row] <= limit:
            offer(distances, ids, squared_distance(rows, row, query), row)
    sort(distances, ids)
    return 0


@kernel()
def measure_likely(rows: Array, query: Array, likely: Array, scores: Array, distances: Array, ids: Array) -> None:
    """Take the exact distances of likely rows, and set their scores so that they are not in doubt."""
    clear(distances, ids)
    for row in likely:
        if row != NONE:
            scores[row] = np.inf
            offer(distances, ids, squared_distance(rows, row, query), row)


@kernel()
def in_doubt(score: float, limit: float) -> bool:
    """Whether a score does not exclude its row, as NaN does not, and the row was not measured before."""
    return not score > limit and score != np.inf


@kernel(INT(ROWS, VECTOR, ROWS, PRODUCTS, MARGINS, IDS), nogil=True)
def nearest_by_products(rows: Array, norms: Array, queries: Array, products: Array, margins: Array, ids: Array) -> int:
    """The k nearest rows of each query, given the products queries @ rows.T (overwritten) and the rows' squared norms.

    ``norms`` and ``margins`` [q, 2] are those of `methods.search.features.products`: a row is farther than the square
    root of r if its score, the norm less twice the product, exceeds r times the query's first margin plus its second.
    The k best by score are measured, and then all rows that these do not exclude. So nothing is lost to cancellation,
    however many rows tie.
    """
    distances, likely = np.empty(ids.shape[1]), np.empty(ids.shape[1], dtype=np.int64)
    for i in range(queries.shape[0]):
        scores = products[i]
        clear(distances, likely)
        for row in range(scores.shape[0]):
            scores[row] = norms[row] - np.float32(2) * scores[row]
            if -np.inf < scores[row] < distances[0]:
                sink(distances, likely, ids.shape[1], scores[row], row)
        measure_likely(rows, queries[i], likely, scores, distances, ids[i])
        for row in range(scores.shape[0]):
            if in_doubt(scores[row], distances[0] * margins[i, 0] + margins[i, 1]):
                offer_row(rows, row, queries[i], distances, ids[i])
        sort(distances, ids[i])
    return 0
