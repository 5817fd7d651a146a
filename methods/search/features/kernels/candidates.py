"""Re-ranking: the k nearest of each query's candidates, which end at the first -1."""

from __future__ import annotations

import numpy as np

from methods.search.common.compiled import Array, kernel
from methods.search.features.kernels.exact import in_doubt, measure_likely
from methods.search.features.kernels.heap import clear, offer, offer_row, sink, sort
from methods.search.features.kernels.rows import (
    CANDIDATES,
    HALF_ROWS,
    IDS,
    INT,
    MARGINS,
    PRODUCTS,
    ROWS,
    VECTOR,
    farthest_rough,
    prefetch_row,
    rough_distance,
    squared_distance,
)

AHEAD, HEAD = 4, 1024
"""Re-ranking prefetches the first HEAD bytes of the row AHEAD rows further; the processor streams the rest. With half
of HEAD it takes 1.9 times a bare reading of the rows on a Zen 3 core, and 1.2 times with all of it.
"""


@kernel()
def count_candidates(candidates: Array) -> int:
    """The number of candidates of a query."""
    count = candidates.shape[0]
    while count > 0 and candidates[count - 1] < 0:
        count -= 1
    return count


@kernel(*(INT(rows, ROWS, CANDIDATES, IDS) for rows in (ROWS, HALF_ROWS)), nogil=True)
def rerank(rows: Array, queries: Array, candidates: Array, ids: Array) -> int:
    """The k nearest candidates int64 [q, n], as ids [q, k], by rows [n, d] of float32 or of float16 seen as uint16."""
    rough, distances = np.empty(candidates.shape[1], dtype=np.float32), np.empty(ids.shape[1])
    length = rows.shape[1]
    for i in range(queries.shape[0]):
        own = candidates[i]
        count = count_candidates(own)
        clear(distances, ids[i])
        for position in range(count):
            if position + AHEAD < count:
                prefetch_row(rows, own[position + AHEAD], length, rows.itemsize, HEAD)
            rough[position] = rough_distance(rows, own[position], queries[i])
            if rough[position] < distances[0]:
                sink(distances, ids[i], ids.shape[1], rough[position], own[position])
        limit = farthest_rough(distances[0], length)
        clear(distances, ids[i])
        for position in range(count):
            if rough[position] <= limit:
                offer(distances, ids[i], squared_distance(rows, own[position], queries[i]), own[position])
        sort(distances, ids[i])
    return 0


@kernel(INT(ROWS, VECTOR, ROWS, PRODUCTS, MARGINS, CANDIDATES, IDS), nogil=True)
def rerank_by_products(
    rows: Array, norms: Array, queries: Array, products: Array, margins: Array, candidates: Array, ids: Array
) -> int:
    """``rerank``, given what ``nearest_by_products`` is given: 4 bytes a candidate are read in place of its row."""
    distances, likely = np.empty(ids.shape[1]), np.empty(ids.shape[1], dtype=np.int64)
    for i in range(queries.shape[0]):
        own = candidates[i, : count_candidates(candidates[i])]
        scores = products[i]
        clear(distances, likely)
        for row in own:
            scores[row] = norms[row] - np.float32(2) * scores[row]
            if -np.inf < scores[row] < distances[0]:
                sink(distances, likely, ids.shape[1], scores[row], row)
        measure_likely(rows, queries[i], likely, scores, distances, ids[i])
        for row in own:
            if in_doubt(scores[row], distances[0] * margins[i, 0] + margins[i, 1]):
                offer_row(rows, row, queries[i], distances, ids[i])
        sort(distances, ids[i])
    return 0
