"""Compiled kernels on feature rows: the exact scan, and re-ranking that reads as few bytes as it can.

Re-ranking waits for memory: a row of 512 float32 is 2 KiB at a random place. The smaller rows of ``nearest_int8`` carry
a bound on what they leave out, so that the result is that of the float32 rows and few of these are read. All kernels
live in this one file because numba's cache notices a change of the file that a kernel stands in, and of no other. Every
kernel that is called from Python has an explicit signature, so importing the module compiles (or loads) all of them
and no timed call ever does; inputs are typed read-only, which writable arrays satisfy too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]

AHEAD, HEAD = 4, 1024
"""Re-ranking prefetches the first HEAD bytes of the row AHEAD rows further; the processor streams the rest. With half
of HEAD it takes 1.9 times a bare reading of the rows on a Zen 3 core, and 1.2 times with this."""

AHEAD_SMALL = 8
"""Rows further, where a row is short enough to be prefetched as a whole."""

NONE = np.iinfo(np.int64).max
FASTMATH = {"reassoc", "contract", "nsz"}
EPSILON, LARGEST = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).max)
TINY, LEAST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).smallest_subnormal)


def _read(dtype: Any, dimensions: int) -> Any:
    return types.Array(dtype, dimensions, "C", readonly=True)


_ROWS, _VECTOR = _read(types.float32, 2), _read(types.float32, 1)
_INT = types.int64
_IDS, _CANDIDATES, _MARGINS = _INT[:, ::1], _read(types.int64, 2), _read(types.float64, 2)


def _prefetch_code(typing_context: Any, array: Any, position: Any) -> Any:
    """Ask for the cache line that holds ``array[position]`` (flat position), without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.PointerType(ir.IntType(8)))
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        builder.call(function, [address, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _real_code(typing_context: Any, value: Any) -> Any:
    """A value of a row as float32: itself, or that of a float16 given as uint16 (numba has none on the CPU)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if signature.args[0] == types.float32:
            return arguments[0]
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(value), generate


def _apart_code(typing_context: Any) -> Any:
    """Keep the function that this is called in from being inlined, so that it rounds alike wherever it is called."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


_apart: Any = intrinsic(_apart_code)
_prefetch: Any = intrinsic(_prefetch_code)
_real: Any = intrinsic(_real_code)


@njit(cache=True)
def _prefetch_row(rows: Array, row: int, length: int, item_bytes: int, most: int) -> None:
    """Ask for the first ``most`` bytes of a row."""
    start = row * length
    for position in range(start, start + min(most // item_bytes, length), 64 // item_bytes):
        _prefetch(rows, position)


# Exact squared distances, in float64 from differences, and a heap of the best by (distance, id).


@njit(fastmath=FASTMATH, cache=True)
def _rough_distance(rows: Array, row: int, query: Array) -> Any:
    """In float32: at most (1 + (d + 2) eps) of the true one and d of the smallest numbers too large; or infinite."""
    total = np.float32(0)
    for j in range(query.shape[0]):
        difference = _real(rows[row, j]) - query[j]
        total += difference * difference
    return total


@njit(fastmath=FASTMATH, cache=True)
def _squared_distance(rows: Array, row: int, query: Array) -> float:
    _apart()
    total = 0.0
    for j in range(query.shape[0]):
        difference = np.float64(_real(rows[row, j])) - np.float64(query[j])
        total += difference * difference
    return total


@njit(cache=True)
def _clear(distances: Array, ids: Array) -> None:
    for slot in range(ids.shape[0]):
        distances[slot] = np.inf
        ids[slot] = NONE


@njit(cache=True)
def _sink(distances: Array, ids: Array, size: int, distance: float, identity: int) -> None:
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


@njit(cache=True)
def _offer(distances: Array, ids: Array, distance: float, identity: int) -> None:
    if distance < distances[0] or (distance == distances[0] and identity < ids[0]):
        _sink(distances, ids, ids.shape[0], distance, identity)


@njit(cache=True, inline="always")
def _consider(rows: Array, row: int, query: Array, distances: Array, ids: Array) -> None:
    """Offer a row, whose exact distance is taken where float32 does not tell that it is too large."""
    length = query.shape[0]
    rough = np.float64(_rough_distance(rows, row, query))
    most = distances[0] * (1 + (length + 8) * EPSILON) + length * LEAST
    if rough <= most or rough == np.inf:
        _offer(distances, ids, _squared_distance(rows, row, query), row)


@njit(cache=True)
def _sort(distances: Array, ids: Array) -> None:
    """Turn the heap into ascending order; empty entries become -1."""
    for last in range(ids.shape[0] - 1, 0, -1):
        distance, identity = distances[last], ids[last]
        distances[last], ids[last] = distances[0], ids[0]
        _sink(distances, ids, last, distance, identity)
    for slot in range(ids.shape[0]):
        if ids[slot] == NONE:
            ids[slot] = -1


@njit(cache=True)
def _farthest_rough(kth: float, length: int) -> float:
    """The largest rough distance of a row that may be among the k nearest, from the k-th rough distance."""
    limit = kth * (1 + (length + 16) * EPSILON) + 2 * (length + 1) * TINY
    return limit if limit < LARGEST / 2 else np.inf


@njit(_INT(_ROWS, _VECTOR, _INT[::1]), cache=True)
def nearest(rows: Array, query: Array, ids: Array) -> int:
    """The k nearest rows by (squared distance, id), into ``ids`` [k]; -1 where there are fewer."""
    rough, distances = np.empty(rows.shape[0], dtype=np.float32), np.empty(ids.shape[0])
    _clear(distances, ids)
    for row in range(rows.shape[0]):
        rough[row] = _rough_distance(rows, row, query)
        if rough[row] < distances[0]:
            _sink(distances, ids, ids.shape[0], rough[row], row)
    limit = _farthest_rough(distances[0], query.shape[0])
    _clear(distances, ids)
    for row in range(rows.shape[0]):
        if rough[row] <= limit:
            _offer(distances, ids, _squared_distance(rows, row, query), row)
    _sort(distances, ids)
    return 0


@njit(cache=True)
def _measure(rows: Array, query: Array, likely: Array, scores: Array, distances: Array, ids: Array) -> None:
    """Take the exact distances of likely rows, and their scores out of what follows."""
    _clear(distances, ids)
    for row in likely:
        if row != NONE:
            scores[row] = np.inf
            _offer(distances, ids, _squared_distance(rows, row, query), row)


@njit(cache=True)
def _in_doubt(score: float, limit: float) -> bool:
    """Whether a score says nothing, as one that is not a number does, and was not taken out."""
    return not score > limit and score != np.inf


@njit(_INT(_ROWS, _VECTOR, _ROWS, types.float32[:, ::1], _MARGINS, _IDS), cache=True, nogil=True)
def nearest_by_products(rows: Array, norms: Array, queries: Array, products: Array, margins: Array, ids: Array) -> int:
    """The k nearest rows of each query, given the products queries @ rows.T (overwritten) and the rows' squared norms.

    ``norms`` and ``margins`` [q, 2] are those of `features.products`: a row is farther than the square root of r if its
    score, the norm less twice the product, exceeds r times the query's first margin plus its second. The k best
    by score are measured, and then whatever that does not exclude: nothing is lost to cancellation, however many rows
    tie.
    """
    distances, likely = np.empty(ids.shape[1]), np.empty(ids.shape[1], dtype=np.int64)
    for i in range(queries.shape[0]):
        scores = products[i]
        _clear(distances, likely)
        for row in range(scores.shape[0]):
            scores[row] = norms[row] - np.float32(2) * scores[row]
            if -np.inf < scores[row] < distances[0]:
                _sink(distances, likely, ids.shape[1], scores[row], row)
        _measure(rows, queries[i], likely, scores, distances, ids[i])
        for row in range(scores.shape[0]):
            if _in_doubt(scores[row], distances[0] * margins[i, 0] + margins[i, 1]):
                _consider(rows, row, queries[i], distances, ids[i])
        _sort(distances, ids[i])
    return 0


# Re-ranking: the k nearest of each query's candidates, which end at the first -1.


@njit(cache=True)
def _count(candidates: Array) -> int:
    """How many candidates there are."""
    count = candidates.shape[0]
    while count > 0 and candidates[count - 1] < 0:
        count -= 1
    return count


@njit([_INT(rows, _ROWS, _CANDIDATES, _IDS) for rows in (_ROWS, _read(types.uint16, 2))], cache=True, nogil=True)
def rerank(rows: Array, queries: Array, candidates: Array, ids: Array) -> int:
    """By float32 rows [n, d], or float16 ones given as uint16: candidates int64 [q, n] to ids [q, k]."""
    rough, distances = np.empty(candidates.shape[1], dtype=np.float32), np.empty(ids.shape[1])
    length = rows.shape[1]
    for i in range(queries.shape[0]):
        some = candidates[i]
        count = _count(some)
        _clear(distances, ids[i])
        for position in range(count):
            if position + AHEAD < count:
                _prefetch_row(rows, some[position + AHEAD], length, rows.itemsize, HEAD)
            rough[position] = _rough_distance(rows, some[position], queries[i])
            if rough[position] < distances[0]:
                _sink(distances, ids[i], ids.shape[1], rough[position], some[position])
        limit = _farthest_rough(distances[0], length)
        _clear(distances, ids[i])
        for position in range(count):
            if rough[position] <= limit:
                _offer(distances, ids[i], _squared_distance(rows, some[position], queries[i]), some[position])
        _sort(distances, ids[i])
    return 0


@njit(
    _INT(_ROWS, _VECTOR, _ROWS, types.float32[:, ::1], _MARGINS, _CANDIDATES, _IDS), cache=True, nogil=True
)  # fmt: skip
def rerank_by_products(
    rows: Array, norms: Array, queries: Array, products: Array, margins: Array, candidates: Array, ids: Array
) -> int:
    """``rerank``, given what ``nearest_by_products`` is given: 4 bytes a candidate are read in place of its row."""
    distances, likely = np.empty(ids.shape[1]), np.empty(ids.shape[1], dtype=np.int64)
    for i in range(queries.shape[0]):
        some = candidates[i, : _count(candidates[i])]
        scores = products[i]
        _clear(distances, likely)
        for row in some:
            scores[row] = norms[row] - np.float32(2) * scores[row]
            if -np.inf < scores[row] < distances[0]:
                _sink(distances, likely, ids.shape[1], scores[row], row)
        _measure(rows, queries[i], likely, scores, distances, ids[i])
        for row in some:
            if _in_doubt(scores[row], distances[0] * margins[i, 0] + margins[i, 1]):
                _consider(rows, row, queries[i], distances, ids[i])
        _sort(distances, ids[i])
    return 0


@njit(cache=True)
def _product(small: Array, row: int, query: Array) -> Any:
    """The product of an int8 row and an int16 query, exact: the query is scaled so that int32 holds it."""
    total = np.int32(0)
    for j in range(query.shape[0]):
        # numba adds int32 as int64; only as int32 does the loop become multiply-and-add instructions.
        total = np.int32(total + np.int32(small[row, j]) * np.int32(query[j]))
    return total


@njit(cache=True)
def _estimate(
    small: Array, about: Array, query: Array, unit: float, query_norm: float, query_rest: float, some: Array,
    estimates: Array,
) -> None:  # fmt: skip
    """Squared distances of the small rows: ||x' - q'||^2 plus (|x''| - |q''|)^2 of what both leave out."""
    length = small.shape[1]
    for position in range(some.shape[0]):
        if position + AHEAD_SMALL < some.shape[0]:
            _prefetch_row(small, some[position + AHEAD_SMALL], length, 1, length)
            _prefetch(about, some[position + AHEAD_SMALL] * 3)
        row = some[position]
        rest = about[row, 2] - query_rest
        product = np.float32(_product(small, row, query)) * unit
        estimate = about[row, 0] + query_norm - np.float32(2) * product + rest * rest
        estimates[position] = estimate if np.isfinite(estimate) else 0  # That excludes nothing.


@njit(cache=True)
def _finish(
    rows: Array, about: Array, query: Array, slack: float, some: Array, estimates: Array, distances: Array, ids: Array
) -> int:
    """Exact distances of the k best estimates, then of whatever else may be nearer. Returns how many rows were read."""
    k = ids.shape[0]
    _clear(distances, ids)
    for position in range(some.shape[0]):
        _offer(distances, ids, estimates[position], position)
    best = ids.copy()
    _clear(distances, ids)
    taken = 0
    for slot in range(k):
        if best[slot] != NONE:
            row = some[best[slot]]
            _offer(distances, ids, _squared_distance(rows, row, query), row)
            estimates[best[slot]] = np.inf
            taken += 1
    rounding = 1 + (query.shape[0] + 2) * EPSILON
    radius = np.sqrt(distances[0] * rounding)
    for position in range(some.shape[0]):
        reach = radius + about[some[position], 1]
        if not estimates[position] - slack > reach * reach and estimates[position] != np.inf:
            _consider(rows, some[position], query, distances, ids)
            radius = np.sqrt(distances[0] * rounding)
            taken += 1
    _sort(distances, ids)
    return taken


_BOUNDS = _read(types.float64, 1)


@njit(
    _INT(_ROWS, _ROWS, _VECTOR, _BOUNDS, types.int16[:, ::1], types.float32[:, ::1]), cache=True, nogil=True
)  # fmt: skip
def ask_int8(
    queries: Array, leading: Array, steps: Array, bounds: Array, small_queries: Array, about_queries: Array
) -> int:
    """What ``rerank_int8`` must know of queries float32 [q, d], from their leading parts [q, m] and the steps [m].

    ``bounds``: the largest number in ``small_queries``; and of the int8 rows the largest norm in units of the features,
    in units of the steps, and of what is left out.
    """
    largest, row_norm, row_small, row_rest = bounds[0], bounds[1], bounds[2], bounds[3]
    rounding = 4 * np.finfo(np.float32).eps * np.sqrt(queries.shape[1])
    for i in range(queries.shape[0]):
        whole, norm, highest, lost = 0.0, 0.0, 0.0, 0.0
        for j in range(queries.shape[1]):
            whole += np.float64(queries[i, j]) ** 2
        for j in range(steps.shape[0]):
            norm += np.float64(leading[i, j]) ** 2
            highest = max(highest, abs(np.float64(leading[i, j]) * steps[j]))
        unit = highest / largest if highest > 0 else 1.0
        for j in range(steps.shape[0]):
            scaled = np.float64(leading[i, j]) * steps[j]
            code = np.rint(scaled / unit)
            small_queries[i, j] = np.int16(code)
            lost += (scaled - code * unit) ** 2
        rest = np.sqrt(max(0.0, whole - norm)) if steps.shape[0] < queries.shape[1] else 0.0
        about_queries[i, 0] = unit
        about_queries[i, 1] = norm
        about_queries[i, 2] = rest
        # The products miss the root of ``lost`` at most times the norm of an int8 row; the rest is float32 rounding of
        # sums of the squares of these sizes.
        sizes = np.sqrt(norm) + row_norm + rest + row_rest
        about_queries[i, 3] = 2 * np.sqrt(lost) * row_small + rounding * sizes * sizes + TINY
    return 0


@njit(
    _INT(_ROWS, _read(types.int8, 2), _ROWS, _ROWS, _read(types.int16, 2), _ROWS, _CANDIDATES, _IDS),
    cache=True,
    nogil=True,
)
def rerank_int8(
    rows: Array, small: Array, about: Array, queries: Array, small_queries: Array, about_queries: Array,
    candidates: Array, ids: Array,
) -> int:  # fmt: skip
    """``rerank``, with the same result, that reads the float32 rows of those alone which the int8 rows leave in doubt.

    small int8 [n, m]: the leading dimensions of a rotation, in units. about float32 [n, 3]: the squared norm of the
    small row, the distance from it to the row's true leading part, and the norm of what is left out. small_queries
    int16 [q, m]. about_queries float32 [q, 4]: the unit of the products, the squared norm of the query's leading part,
    the norm of the rest, and the slack, which bounds the rounding errors of an estimate. By the triangle inequality a
    row is farther than r if its estimate exceeds (r + its error)^2 + slack. Returns how many float32 rows were read.
    """
    distances = np.empty(ids.shape[1])
    estimates = np.empty(candidates.shape[1], dtype=np.float32)
    taken = 0
    for i in range(queries.shape[0]):
        some = candidates[i, : _count(candidates[i])]
        unit, norm, rest, slack = about_queries[i]
        _estimate(small, about, small_queries[i], unit, norm, rest, some, estimates)
        taken += _finish(rows, about, queries[i], slack, some, estimates, distances, ids[i])
    return taken
