"""Re-ranking by int8 rows first, which leave few float32 rows to be read.

The leading part of a row is a rotation of it to fewer dimensions, or the row itself. It is rounded to int8, with a step
for each dimension. The lengths of the rounding error and of the part left out are known. By the triangle inequality a
row is farther than r from the query if the estimate of its squared distance exceeds (r + error of the row)^2 + slack of
the query.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import from_dtype, types

from methods.search.common.compiled import Array, kernel, read_only
from methods.search.features.kernels.candidates import count_candidates
from methods.search.features.kernels.heap import NONE, clear, offer, offer_row, sort
from methods.search.features.kernels.rows import (
    CANDIDATES,
    EPSILON,
    IDS,
    INT,
    ROWS,
    TINY,
    VECTOR,
    prefetch,
    prefetch_row,
    squared_distance,
)

ROUNDED_ROW = np.dtype([(name, np.float32) for name in ("squared_norm", "error", "rest_norm")], align=True)
"""A row: the squared norm of the int8 row in units of the features, its distance from the true leading part, and the
norm of the part left out. They are one record, so that they come from memory together.
"""

ROUNDED_QUERY = np.dtype([(name, np.float32) for name in ("unit", "squared_norm", "rest_norm", "slack")], align=True)
"""A query: the unit of its products with int8 rows, the squared norm of its leading part, the norm of the part left
out, and the slack, which bounds the rounding errors of an estimate.
"""

AHEAD = 8
"""Int8 rows are prefetched as a whole, this many rows further."""

_REAL, _CODES = types.float64, types.int16[:, ::1]
_ROUNDED_QUERIES = types.Array(from_dtype(ROUNDED_QUERY), 1, "C")
_GIVEN_ROWS = (ROWS, read_only(types.int8, 2), read_only(from_dtype(ROUNDED_ROW), 1))
_GIVEN_QUERIES = (ROWS, read_only(types.int16, 2), read_only(from_dtype(ROUNDED_QUERY), 1))


@kernel(INT(ROWS, ROWS, VECTOR, INT, _REAL, _REAL, _REAL, _CODES, _ROUNDED_QUERIES), nogil=True)
def round_queries(
    queries: Array, leading: Array, steps: Array, largest_code: int, row_norm: float, row_code_norm: float,
    row_rest: float, codes: Array, rounded: Array,
) -> int:  # fmt: skip
    """Round queries float32 [q, d] with leading parts [q, m].

    The results are ``codes`` int16 [q, m] and ``rounded`` ROUNDED_QUERY [q]. steps [m] are those of the int8 rows.
    ``largest_code`` bounds the codes. ``row_norm``, ``row_code_norm`` and ``row_rest`` are the largest norms of an int8
    row in units of the features, in units of the steps, and of the part of a row that is left out.
    """
    rounding = 4 * np.finfo(np.float32).eps * np.sqrt(queries.shape[1])
    for i in range(queries.shape[0]):
        whole, squared_norm, highest, lost = 0.0, 0.0, 0.0, 0.0
        for j in range(queries.shape[1]):
            whole += np.float64(queries[i, j]) ** 2
        for j in range(steps.shape[0]):
            squared_norm += np.float64(leading[i, j]) ** 2
            highest = max(highest, abs(np.float64(leading[i, j]) * steps[j]))
        # The unit as float32 holds it. Where it is too small for that, all codes are 0, and all of the product is lost.
        unit = np.float64(np.float32(highest / largest_code))
        if unit < TINY:
            unit = np.float64(0)
        for j in range(steps.shape[0]):
            scaled = np.float64(leading[i, j]) * steps[j]
            code = np.rint(scaled / unit) if unit > 0 else np.float64(0)
            codes[i, j] = np.int16(code)
            lost += (scaled - code * unit) ** 2
        rest = np.sqrt(max(0.0, whole - squared_norm)) if steps.shape[0] < queries.shape[1] else 0.0
        rounded[i].unit = unit
        rounded[i].squared_norm = squared_norm
        rounded[i].rest_norm = rest
        # The products miss the root of ``lost`` at most times the norm of an int8 row; the rest is float32 rounding of
        # sums of the squares of these sizes.
        sizes = np.sqrt(squared_norm) + row_norm + rest + row_rest
        rounded[i].slack = 2 * np.sqrt(lost) * row_code_norm + rounding * sizes * sizes + TINY
    return 0


@kernel()
def _product(row_codes: Array, row: int, query_codes: Array) -> Any:
    """The product of an int8 row and an int16 query, exact: the query is scaled so that int32 holds it."""
    total = np.int32(0)
    for j in range(query_codes.shape[0]):
        # numba adds int32 as int64; only as int32 does the loop become multiply-and-add instructions.
        total = np.int32(total + np.int32(row_codes[row, j]) * np.int32(query_codes[j]))
    return total


@kernel()
def _estimate(
    row_codes: Array, rounded_rows: Array, query_codes: Array, query: Any, candidates: Array, estimates: Array
) -> None:
    """Squared distances of the int8 rows: ||x' - q'||^2 plus (|x''| - |q''|)^2 of the parts left out."""
    length = row_codes.shape[1]
    unit, query_norm, query_rest = query.unit, query.squared_norm, query.rest_norm
    for position in range(candidates.shape[0]):
        if position + AHEAD < candidates.shape[0]:
            prefetch_row(row_codes, candidates[position + AHEAD], length, 1, length)
            prefetch(rounded_rows, candidates[position + AHEAD])
        row = candidates[position]
        rest = rounded_rows[row].rest_norm - query_rest
        product = np.float32(_product(row_codes, row, query_codes)) * unit
        estimate = rounded_rows[row].squared_norm + query_norm - np.float32(2) * product + rest * rest
        estimates[position] = estimate if np.isfinite(estimate) else 0  # That excludes nothing.


@kernel()
def _measure(
    rows: Array, rounded_rows: Array, query: Array, slack: float, candidates: Array, estimates: Array,
    distances: Array, ids: Array,
) -> int:  # fmt: skip
    """Exact distances of the k best estimates, then of all that may be nearer. Returns the number of rows read."""
    clear(distances, ids)
    for position in range(candidates.shape[0]):
        offer(distances, ids, estimates[position], position)
    best = ids.copy()
    clear(distances, ids)
    taken = 0
    for position in best:
        if position != NONE:
            row = candidates[position]
            offer(distances, ids, squared_distance(rows, row, query), row)
            estimates[position] = np.inf
            taken += 1
    rounding = 1 + (query.shape[0] + 2) * EPSILON
    radius = np.sqrt(distances[0] * rounding)
    for position in range(candidates.shape[0]):
        reach = radius + rounded_rows[candidates[position]].error
        if not estimates[position] - slack > reach * reach and estimates[position] != np.inf:
            offer_row(rows, candidates[position], query, distances, ids)
            radius = np.sqrt(distances[0] * rounding)
            taken += 1
    sort(distances, ids)
    return taken


@kernel(INT(*_GIVEN_ROWS, *_GIVEN_QUERIES, CANDIDATES, IDS), nogil=True)
def rerank_int8(
    rows: Array, row_codes: Array, rounded_rows: Array, queries: Array, query_codes: Array, rounded_queries: Array,
    candidates: Array, ids: Array,
) -> int:  # fmt: skip
    """The result of ``rerank``. It reads only the float32 rows of candidates that the int8 rows leave in doubt.

    row_codes int8 [n, m] are leading parts in units of the steps, and rounded_rows ROUNDED_ROW [n]. query_codes int16
    [q, m] and rounded_queries ROUNDED_QUERY [q] come from ``round_queries``. Returns the number of float32 rows read.
    """
    distances = np.empty(ids.shape[1])
    estimates = np.empty(candidates.shape[1], dtype=np.float32)
    taken = 0
    for i in range(queries.shape[0]):
        own, query = candidates[i, : count_candidates(candidates[i])], rounded_queries[i]
        _estimate(row_codes, rounded_rows, query_codes[i], query, own, estimates)
        taken += _measure(rows, rounded_rows, queries[i], query.slack, own, estimates, distances, ids[i])
    return taken
