"""Compiled kernels: exact nearest codes by a popcount scan, the multi-table look-up, and exact re-ranking.

They are written for latency: at the paper's scale the Python-level equivalents cost 2 to 20 times more, which would
compare interpreters and not methods. All of them live in this one file because numba's cache notices a change of the
file that a kernel stands in, and of no other. Every kernel has an explicit signature, so importing the module compiles
(or loads) all of them and no timed call ever does; inputs are typed read-only, which writable arrays satisfy too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from bench.interfaces import Codes, Int

Array = NDArray[Any]

BLOCK = 4096
"""Codes whose distances are computed before they are filtered: 32 KiB of codes, the size of a first-level cache."""

QUERIES_PER_TASK = 16
"""Queries that share one set of scratch arrays in the parallel kernels."""

AHEAD, HEAD = 4, 128
"""Re-ranking prefetches the first HEAD values of the row AHEAD rows further; the processor streams the rest."""

NONE = np.iinfo(np.int64).max
EVERY_HIGH_BIT = np.uint64(0x8080808080808080)
EVERY_LOW_BIT = np.uint64(0x0101010101010101)


def _read(dtype: Any, dimensions: int) -> Any:
    return types.Array(dtype, dimensions, "C", readonly=True)


_WORDS, _ROW = _read(types.uint64, 2), _read(types.uint64, 1)
_ROWS, _VECTOR, _TABLE = _read(types.float32, 2), _read(types.float32, 1), _read(types.int32, 2)
_INT = types.int64


def _popcount_code(typing_context: Any, word: Any) -> Any:
    """Number of set bits of a uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


def _lowest_code(typing_context: Any, word: Any) -> Any:
    """Position of the lowest set bit of a uint64 that is not zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


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


_popcount: Any = intrinsic(_popcount_code)
_lowest: Any = intrinsic(_lowest_code)
_prefetch: Any = intrinsic(_prefetch_code)

# Nearest rows: exact squared distances, and a heap of the best by (distance, id).


@njit(fastmath={"reassoc", "contract", "nsz"}, cache=True)
def _squared_distance(rows: Array, row: int, query: Array) -> Any:
    total = np.float32(0)
    for j in range(query.shape[0]):
        difference = rows[row, j] - query[j]
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


@njit(_INT(_ROWS, _VECTOR, types.float32[::1], _INT[::1]), cache=True)
def nearest(rows: Array, query: Array, distances: Array, ids: Array) -> int:
    """The k nearest rows by (squared distance, id), into ``distances`` and ``ids`` [k]; -1 where there are fewer."""
    _clear(distances, ids)
    for row in range(rows.shape[0]):
        _offer(distances, ids, _squared_distance(rows, row, query), row)
    _sort(distances, ids)
    return 0


@njit(cache=True)
def _nearest_by_score(rows: Array, query: Array, scores: Array, slack: float, distances: Array, ids: Array) -> None:
    _clear(distances, ids)
    for row in range(scores.shape[0]):
        if scores[row] < distances[0]:
            _sink(distances, ids, ids.shape[0], scores[row], row)
    limit = distances[0] + slack
    _clear(distances, ids)
    for row in range(scores.shape[0]):
        if scores[row] <= limit:
            _offer(distances, ids, _squared_distance(rows, row, query), row)
    _sort(distances, ids)


@njit(
    _INT(_ROWS, _ROWS, types.float32[:, ::1], _VECTOR, _VECTOR, _INT[:, ::1]),
    cache=True,
    parallel=True,
)
def nearest_by_products(rows: Array, queries: Array, products: Array, norms: Array, slack: Array, ids: Array) -> int:
    """The k nearest rows of each query, given the products queries @ rows.T (overwritten) and the rows' squared norms.

    ``norm - 2 * product`` only proposes: every row within ``slack`` [q] of the k-th score, which must bound the
    rounding error of two scores, is compared exactly. So nothing is lost to cancellation, however many rows tie.
    """
    for i in prange(queries.shape[0]):
        scores = products[i]
        for row in range(scores.shape[0]):
            scores[row] = norms[row] - np.float32(2) * scores[row]
        distances = np.empty(ids.shape[1], dtype=np.float32)
        _nearest_by_score(rows, queries[i], scores, slack[i], distances, ids[i])
    return 0


# Nearest codes. Codes arrive in id order and a code is kept while fewer than n earlier ones are at least as near, so
# ties go to the smaller id and what is kept stays short.


@njit(cache=True)
def _distance(words: Array, row: Any, query: Array) -> Any:
    total = _popcount(words[row, 0] ^ query[0])
    for j in range(1, query.shape[0]):
        total += _popcount(words[row, j] ^ query[j])
    return np.int64(total)


@njit(cache=True)
def _tighten(histogram: Array, inside: Any, radius: int, n: int) -> tuple[Any, int]:
    """The smallest radius within which there are still n codes, and how many there are."""
    while inside - histogram[radius] >= n:
        inside -= histogram[radius]
        radius -= 1
    return inside, radius


@njit(cache=True)
def _order(
    kept: Array, kept_distances: Array, count: int, histogram: Array, ordered: Array, ids: Array, distances: Array
) -> None:
    """The first n = ids.shape[0] of the kept codes in order, by a counting sort; the rest is -1.

    All kept codes are sorted, into the scratch ``ordered``: that takes no branch, and dropping the far ones would.
    """
    start = 0
    for distance in range(histogram.shape[0]):
        size = histogram[distance]
        histogram[distance] = start
        start += size
    for position in range(count):
        slot = histogram[kept_distances[position]]
        histogram[kept_distances[position]] = slot + 1
        ordered[slot] = kept[position]
    found = min(count, ids.shape[0])
    ids[:found] = ordered[:found]
    ids[found:] = -1
    distances[found:] = -1
    start = 0
    for distance in range(histogram.shape[0]):
        end = min(histogram[distance], found)
        distances[start:end] = distance
        start = end


@njit(cache=True)
def _scan_words(
    words: Array, query: Array, n: int, near: Array, kept: Array, kept_distances: Array, histogram: Array, radius: int
) -> int:
    """Codes of at most 64 bits: a vectorised pass over a block, then 8 distances compared at a time."""
    count, inside = 0, np.int64(0)
    bound = np.uint64(radius + 1)
    eights = near.view(np.uint64)
    for start in range(0, words.shape[0], BLOCK):
        block = words[start : start + BLOCK]
        size = block.shape[0]
        for i in range(size):
            near[i] = _popcount(block[i, 0] ^ query[0])
        near[size : (size + 7) & ~7] = 127
        for eight in range((size + 7) >> 3):
            hits = ~((eights[eight] | EVERY_HIGH_BIT) - bound * EVERY_LOW_BIT) & EVERY_HIGH_BIT
            if hits == 0:
                continue
            while hits:
                position = (eight << 3) + np.int64(_lowest(hits) >> np.uint64(3))
                hits &= hits - np.uint64(1)
                distance = np.int64(near[position])
                kept[count] = start + position
                kept_distances[count] = distance
                count += 1
                inside += distance <= radius
                histogram[distance] += 1
            inside, radius = _tighten(histogram, inside, radius, n)
            bound = np.uint64(radius + (inside < n))
    return count


@njit(cache=True)
def _scan_long(
    words: Array, query: Array, n: int, kept: Array, kept_distances: Array, histogram: Array, radius: int
) -> int:
    inside, count = 0, 0
    for row in range(words.shape[0]):
        distance = _distance(words, row, query)
        if distance < radius + (inside < n):
            kept[count] = row
            kept_distances[count] = distance
            count += 1
            inside += 1
            histogram[distance] += 1
            inside, radius = _tighten(histogram, inside, radius, n)
    return count


_SCAN = _INT(_WORDS, _WORDS, _INT, _INT[:, ::1], types.int32[:, ::1])


@njit(_SCAN, cache=True)
def scan(queries: Array, words: Array, bits: int, ids: Array, distances: Array) -> int:
    """The nearest ``ids.shape[1]`` codes of each query by (Hamming distance, id), one query after the other."""
    near = np.empty(BLOCK, dtype=np.uint8)
    kept = np.empty(words.shape[0], dtype=np.int32)
    kept_distances = np.empty(words.shape[0], dtype=np.uint16)
    ordered = np.empty(words.shape[0], dtype=np.int32)
    histogram = np.empty(bits + 1, dtype=np.int64)
    n = ids.shape[1]
    for i in range(queries.shape[0]):
        histogram[:] = 0
        if words.shape[1] == 1:
            count = _scan_words(words, queries[i], n, near, kept, kept_distances, histogram, bits)
        else:
            count = _scan_long(words, queries[i], n, kept, kept_distances, histogram, bits)
        _order(kept, kept_distances, count, histogram, ordered, ids[i], distances[i])
    return 0


@njit(_SCAN, cache=True, parallel=True)
def scan_parallel(queries: Array, words: Array, bits: int, ids: Array, distances: Array) -> int:
    """``scan``, queries shared among the threads."""
    for task in prange((queries.shape[0] + QUERIES_PER_TASK - 1) // QUERIES_PER_TASK):
        first = task * QUERIES_PER_TASK
        last = min(first + QUERIES_PER_TASK, queries.shape[0])
        scan(queries[first:last], words, bits, ids[first:last], distances[first:last])
    return 0


def top_n(query_codes: Codes, database_codes: Codes, n: int) -> tuple[Int, NDArray[np.int32]]:
    """The n nearest database codes of each query in Hamming distance, exactly; ties go to the smaller id.

    Returns ids int64 [q, n] and distances int32 [q, n], both -1 where the database has fewer than n codes. A single
    query runs in the calling thread, several are shared among numba's threads. ValueError: n < 1, or codes of
    different lengths.
    """
    if n < 1:
        raise ValueError(f"n = {n} must be at least 1")
    if query_codes.bits != database_codes.bits:
        raise ValueError(
            f"query codes have {query_codes.bits} bits, database codes {database_codes.bits}: they must agree"
        )
    ids = np.empty((len(query_codes), n), dtype=np.int64)
    distances = np.empty((len(query_codes), n), dtype=np.int32)
    kernel = scan if len(query_codes) == 1 else scan_parallel
    kernel(
        np.ascontiguousarray(query_codes.words),
        np.ascontiguousarray(database_codes.words),
        database_codes.bits,
        ids,
        distances,
    )
    return ids, distances


# The multi-table look-up.


@njit(cache=True)
def _substring(code: Array, table: int, key_bits: int) -> Any:
    """Bits [table * key_bits, (table + 1) * key_bits) of a code, which may cross a word border."""
    first = table * key_bits
    word, shift = first >> 6, np.uint64(first & 63)
    key = code[word] >> shift
    if (first & 63) + key_bits > 64:
        key |= code[word + 1] << (np.uint64(64) - shift)
    return np.int64(key & ((np.uint64(1) << np.uint64(key_bits)) - np.uint64(1)))


@njit(cache=True)
def _see_bucket(offsets: Array, members: Array, table: int, bucket: int, seen: Array) -> Any:
    """Mark a bucket's codes in the bitset; how many of them were new."""
    new = np.uint64(0)
    for position in range(offsets[table, bucket], offsets[table, bucket + 1]):
        member = np.uint64(members[table, position])
        word, shift = member >> np.uint64(6), member & np.uint64(63)
        before = seen[word]
        new += ~(before >> shift) & np.uint64(1)
        seen[word] = before | (np.uint64(1) << shift)
    return np.int64(new)


@njit(cache=True)
def _see_ring(code: Array, offsets: Array, members: Array, key_bits: int, radius: int, seen: Array) -> int:
    """Mark every code whose substring differs from the query's in exactly ``radius`` bits, in any table."""
    found = 0
    for table in range(offsets.shape[0]):
        key = _substring(code, table, key_bits)
        mask = np.int64((1 << radius) - 1)
        while mask >> key_bits == 0:
            found += _see_bucket(offsets, members, table, key ^ mask, seen)
            if mask == 0:
                break
            # Gosper: the next larger number with as many bits set.
            carried = mask + (mask & -mask)
            mask = ((mask ^ carried) >> 2 >> np.int64(_lowest(np.uint64(mask)))) | carried
    return found


@njit(cache=True)
def _select_seen(
    code: Array,
    words: Array,
    seen: Array,
    kept: Array,
    kept_distances: Array,
    histogram: Array,
    ordered: Array,
    ids: Array,
    distances: Array,
) -> None:
    """The nearest seen codes by (distance, id), walking the bitset in id order and clearing it."""
    count = 0
    for word in range(seen.shape[0]):
        left = seen[word]
        seen[word] = np.uint64(0)
        while left:
            kept[count] = (word << 6) + np.int64(_lowest(left))
            left &= left - np.uint64(1)
            count += 1
    histogram[:] = 0
    for position in range(count):
        distance = _distance(words, np.uint64(kept[position]), code)
        kept_distances[position] = distance
        histogram[distance] += 1
    _order(kept, kept_distances, count, histogram, ordered, ids, distances)


_SEEN, _KEPT = types.uint64[::1], types.int32[::1]
_SCRATCH = (_SEEN, _KEPT, types.uint16[::1], _INT[::1], _KEPT)


@njit(
    types.boolean(_ROW, _WORDS, _TABLE, _TABLE, _INT, *_SCRATCH, _INT[::1], types.int32[::1]),
    cache=True,
)
def look_up(
    code: Array,
    words: Array,
    offsets: Array,
    members: Array,
    key_bits: int,
    seen: Array,
    kept: Array,
    kept_distances: Array,
    histogram: Array,
    ordered: Array,
    ids: Array,
    distances: Array,
) -> bool:
    """One query's candidates; see `methods.search.tables`. Whether they are provably the exact nearest codes."""
    n, wanted = words.shape[0], ids.shape[0]
    found, ring = 0, 0
    if wanted >= n:
        found = n
        seen[:] = ~np.uint64(0)
        if n & 63:
            seen[n >> 6] = (np.uint64(1) << np.uint64(n & 63)) - np.uint64(1)
    else:
        found = _see_ring(code, offsets, members, key_bits, 0, seen)
        while found < wanted:
            ring += 1
            found += _see_ring(code, offsets, members, key_bits, ring, seen)
    _select_seen(code, words, seen, kept, kept_distances, histogram, ordered, ids, distances)
    return found == n or distances[wanted - 1] < offsets.shape[0] * (ring + 1)


@njit(cache=True)
def _rerank(candidates: Array, rows: Array, query: Array, distances: Array, ids: Array) -> None:
    """The k nearest of the candidate rows, read in place."""
    _clear(distances, ids)
    for i in range(candidates.shape[0]):
        if i + AHEAD < candidates.shape[0]:
            start = candidates[i + AHEAD] * query.shape[0]
            for position in range(start, start + min(HEAD, query.shape[0]), 16):
                _prefetch(rows, position)
        _offer(distances, ids, _squared_distance(rows, candidates[i], query), candidates[i])
    _sort(distances, ids)


@njit(
    _INT(_WORDS, _ROWS, _WORDS, _ROWS, _TABLE, _TABLE, _INT, _INT, _INT, _INT[:, ::1]),
    cache=True,
)
def search_tables(
    codes: Array,
    queries: Array,
    words: Array,
    rows: Array,
    offsets: Array,
    members: Array,
    bits: int,
    key_bits: int,
    wanted: int,
    ids: Array,
) -> int:
    """Look-up, then re-rank by exact distance, one query after the other, into ids [q, k].

    Returns how many queries had provably complete candidates.
    """
    seen = np.zeros((words.shape[0] + 63) >> 6, dtype=np.uint64)
    kept = np.empty(words.shape[0], dtype=np.int32)
    kept_distances = np.empty(words.shape[0], dtype=np.uint16)
    ordered = np.empty(words.shape[0], dtype=np.int32)
    histogram = np.empty(bits + 1, dtype=np.int64)
    candidates = np.empty(wanted, dtype=np.int64)
    hamming = np.empty(wanted, dtype=np.int32)
    distances = np.empty(ids.shape[1], dtype=np.float32)
    complete = 0
    for i in range(codes.shape[0]):
        complete += look_up(
            codes[i],
            words,
            offsets,
            members,
            key_bits,
            seen,
            kept,
            kept_distances,
            histogram,
            ordered,
            candidates,
            hamming,
        )
        _rerank(candidates, rows, queries[i], distances, ids[i])
    return complete


@njit(
    _INT(_WORDS, _ROWS, _WORDS, _ROWS, _TABLE, _TABLE, _INT, _INT, _INT, _INT[:, ::1]),
    cache=True,
    parallel=True,
)
def search_tables_parallel(
    codes: Array,
    queries: Array,
    words: Array,
    rows: Array,
    offsets: Array,
    members: Array,
    bits: int,
    key_bits: int,
    wanted: int,
    ids: Array,
) -> int:
    """``search_tables``, queries shared among the threads."""
    complete = 0
    for task in prange((codes.shape[0] + QUERIES_PER_TASK - 1) // QUERIES_PER_TASK):
        first = task * QUERIES_PER_TASK
        last = min(first + QUERIES_PER_TASK, codes.shape[0])
        complete += search_tables(
            codes[first:last],
            queries[first:last],
            words,
            rows,
            offsets,
            members,
            bits,
            key_bits,
            wanted,
            ids[first:last],
        )
    return complete
