"""Compiled kernels on codes: exact nearest codes by a popcount scan, weighted distances, and the multi-table look-up.

They are written for latency: at the paper's scale the Python-level equivalents cost 2 to 20 times more, which would
compare interpreters and not methods. All of them live in this one file because numba's cache notices a change of the
file that a kernel stands in, and of no other. Every kernel that is called from Python has an explicit signature, so
importing the module compiles (or loads) all of them and no timed call ever does; inputs are typed read-only, which
writable arrays satisfy too.

Codes are uint64 [words, n], a word of many codes contiguous, so that the loops over codes are vectorised. Equal codes
may be stored once: code c then stands for the items ``items[starts[c] : starts[c + 1]]`` (ascending), and where no
two are equal, ``starts`` is empty and code c is item c.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK = 4096
"""Codes whose distances are computed before they are filtered: 32 KiB of codes, the size of a first-level cache."""

SAMPLE, RUN = 4096, 64
"""Codes from which the scan first judges how near the n-th nearest will be, in runs that lie apart."""

FAR = 127
"""Where distances are bytes, all from here on are this one: the highest bit is needed to compare eight at a time."""

SPANS = 64
"""Buckets whose bounds are read before their codes are."""

EVERY = 2**31
"""A distance that no two codes have."""

COST_STEPS = 8192
"""Steps to which weighted distances are rounded before they are sorted."""

PLANES, MOST_STEPS = 8, 2**15 - 1
"""Binary digits of a weight in the first pass over weighted distances, and what these may sum to: a bit less than the
numbers have that hold them, since four are compared at a time."""

MOST_BITS = 1024
"""Of longer codes a weight would have too few steps to tell them apart."""

EVERY_HIGH_BIT = np.uint64(0x8080808080808080)
EVERY_LOW_BIT = np.uint64(0x0101010101010101)


def _read(dtype: Any, dimensions: int) -> Any:
    return types.Array(dtype, dimensions, "C", readonly=True)


_WORDS, _INT = _read(types.uint64, 2), types.int64
_STARTS, _ITEMS, _TABLE = _read(types.int64, 1), _read(types.int32, 1), _read(types.int32, 2)
_IDS, _DISTANCES = _INT[:, ::1], types.int32[:, ::1]


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


_popcount: Any = intrinsic(_popcount_code)
_lowest: Any = intrinsic(_lowest_code)


@njit(cache=True)
def _distance(words: Array, code: Any, query: Array) -> Any:
    total = _popcount(words[0, code] ^ query[0])
    for j in range(1, words.shape[0]):
        total += _popcount(words[j, code] ^ query[j])
    return np.int64(total)


# The scan. Codes arrive in id order and a code is kept while fewer than n earlier ones are at least as near, so ties
# go to the smaller id and what is kept stays short.


@njit(cache=True)
def _fill_near(words: Array, query: Array, start: int, size: int, near: Array) -> None:
    """Distances of ``size`` codes from ``start`` on, FAR at most, and FAR up to a multiple of 8 behind them."""
    row, word = words[0, start : start + size], query[0]
    for i in range(size):
        near[i] = _popcount(row[i] ^ word)
    for j in range(1, words.shape[0]):
        row, word = words[j, start : start + size], query[j]
        for i in range(size):
            near[i] = min(np.uint64(near[i]) + _popcount(row[i] ^ word), np.uint64(FAR))
    near[size : (size + 7) & ~7] = FAR


@njit(cache=True)
def _first_radius(words: Array, query: Array, n: int, bits: int, near: Array, histograms: Array) -> int:
    """A radius that a sample lets expect to hold n codes, by a margin of three standard deviations.

    Neighbouring codes are counted in turns in several ``histograms`` [4, FAR + 1]: a count would wait for the last.
    """
    size = words.shape[1]
    if n >= size:
        return bits
    histograms[:] = 0
    runs = max(1, min(SAMPLE, size) // RUN)
    for number in range(runs):
        _fill_near(words, query, number * ((size - RUN) // runs) if size > RUN else 0, min(RUN, size), near)
        for i in range(0, min(RUN, size) & ~3, 4):
            histograms[0, near[i]] += 1
            histograms[1, near[i + 1]] += 1
            histograms[2, near[i + 2]] += 1
            histograms[3, near[i + 3]] += 1
    expected = n * runs * (min(RUN, size) & ~3) / size
    wanted = expected + 3 * np.sqrt(expected) + 1
    inside = 0
    for radius in range(min(bits, FAR)):
        for copy in range(4):
            inside += histograms[copy, radius]
        if inside >= wanted:
            return radius
    return bits


@njit(cache=True)
def _nearer(eight: Any, bound: Any) -> Any:
    """The highest bit of each of eight distances, FAR at most, that is below ``bound``."""
    return ~((eight | EVERY_HIGH_BIT) - bound * EVERY_LOW_BIT) & EVERY_HIGH_BIT


@njit(cache=True)
def _nearer_eights(eights: Array, first: int, last: int, bound: Any, found: Array) -> int:
    """Which of the eights from first to before last hold a distance below ``bound``. Returns how many do.

    Found without a branch: where one in ten does, the processor would guess wrong half of the time that this takes.
    """
    count = 0
    for eight in range(first, last):
        found[count] = eight
        count += _nearer(eights[eight], bound) != 0
    return count


@njit(cache=True)
def _tighten(histogram: Array, inside: Any, radius: int, n: int) -> tuple[Any, int]:
    """The smallest radius within which there are still n codes, and how many there are."""
    while inside - histogram[radius] >= n:
        inside -= histogram[radius]
        radius -= 1
    return inside, radius


@njit(cache=True)
def _scan_near(
    words: Array, query: Array, n: int, radius: int, near: Array, kept: Array, kept_distances: Array, histogram: Array
) -> tuple[Any, Any]:
    """Keep the codes within ``radius``, below FAR, which shrinks. Returns how many are kept, and are inside it."""
    count, inside = 0, np.int64(0)
    bound = np.uint64(radius + 1)
    eights, nearer = near.view(np.uint64), np.empty(BLOCK >> 3, np.int32)
    for start in range(0, words.shape[1], BLOCK):
        size = min(BLOCK, words.shape[1] - start)
        _fill_near(words, query, start, size, near)
        for place in range(_nearer_eights(eights, 0, (size + 7) >> 3, bound, nearer)):
            eight = nearer[place]
            hits = _nearer(eights[eight], bound)
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
    return count, inside


@njit(cache=True)
def _scan_far(
    words: Array, query: Array, n: int, radius: int, kept: Array, kept_distances: Array, histogram: Array
) -> int:
    """``_scan_near`` for any radius: code by code."""
    inside, count = 0, 0
    for code in range(words.shape[1]):
        distance = _distance(words, code, query)
        if distance < radius + (inside < n):
            kept[count] = code
            kept_distances[count] = distance
            count += 1
            inside += 1
            histogram[distance] += 1
            inside, radius = _tighten(histogram, inside, radius, n)
    return count


@njit(cache=True)
def _order(
    kept: Array, kept_distances: Array, count: int, histogram: Array, ordered: Array, ids: Array, distances: Array
) -> None:
    """The first n = ids.shape[0] of the kept ids in order, by a counting sort; the rest is -1.

    All that are kept are sorted, into the scratch ``ordered``: that takes no branch, and dropping the far ones would.
    """
    start = 0
    for distance in range(histogram.shape[0]):
        size = histogram[distance]
        histogram[distance] = start
        start += size
    for position in range(count):
        slot = histogram[kept_distances[position]]
        histogram[kept_distances[position]] = slot + 1
        ordered[np.uint64(slot)] = kept[position]
    found = min(count, ids.shape[0])
    for position in range(found):
        ids[position] = ordered[position]
    ids[found:] = -1
    distances[found:] = -1
    start = 0
    for distance in range(histogram.shape[0]):
        end = min(histogram[distance], found)
        distances[start:end] = distance
        start = end


@njit(_INT(_WORDS, _WORDS, _INT, _IDS, _DISTANCES), cache=True, nogil=True)
def scan(queries: Array, words: Array, bits: int, ids: Array, distances: Array) -> int:
    """The nearest ``ids.shape[1]`` codes of each query by (Hamming distance, id), one query after the other.

    queries uint64 [q, words]; ids and distances, -1 where there are fewer codes.
    """
    near = np.empty(BLOCK, dtype=np.uint8)
    kept = np.empty(words.shape[1], dtype=np.int32)
    kept_distances = np.empty(words.shape[1], dtype=np.uint16)
    ordered = np.empty(words.shape[1], dtype=np.int32)
    histogram = np.empty(bits + 1, dtype=np.int64)
    histograms = np.empty((4, FAR + 1), dtype=np.int32)
    n = min(ids.shape[1], words.shape[1])
    for i in range(queries.shape[0]):
        radius = _first_radius(words, queries[i], n, bits, near, histograms)
        count, inside = 0, 0
        histogram[:] = 0
        if radius < FAR:
            count, inside = _scan_near(words, queries[i], n, radius, near, kept, kept_distances, histogram)
        if inside < n:
            histogram[:] = 0
            count = _scan_far(words, queries[i], n, bits, kept, kept_distances, histogram)
        _order(kept, kept_distances, count, histogram, ordered, ids[i], distances[i])
    return 0


# Codes in cells, of which a query scans some.


@njit(cache=True)
def _radius_of(near: Array, end: int, n: int, histograms: Array) -> int:
    """The smallest distance within which n of the first ``end`` bytes lie, FAR - 1 at most."""
    histograms[:] = 0
    for i in range(0, end, 4):
        histograms[0, near[i]] += 1
        histograms[1, near[i + 1]] += 1
        histograms[2, near[i + 2]] += 1
        histograms[3, near[i + 3]] += 1
    inside = 0
    for radius in range(FAR):
        for copy in range(4):
            inside += histograms[copy, radius]
        if inside >= n:
            return radius
    return FAR - 1


@njit(_INT(_WORDS, _WORDS, _STARTS, _ITEMS, _read(types.int64, 2), _IDS), cache=True, nogil=True)
def scan_cells(queries: Array, words: Array, starts: Array, items: Array, cells: Array, ids: Array) -> int:
    """The nearest codes of each query in its cells [q, probes] by (distance, place): ids of items, -1 behind them.

    words [words, n] and items [n] cell by cell, cell c from ``starts[c]`` on. Codes FAR bits away or farther are left
    out. Returns how many codes were scanned.
    """
    longest = 0
    for cell in range(starts.shape[0] - 1):
        longest = max(longest, starts[cell + 1] - starts[cell])
    near = np.empty(cells.shape[1] * ((longest + 15) & ~7), dtype=np.uint8)
    eights, nearer = near.view(np.uint64), np.empty(near.shape[0] >> 3, np.int32)
    kept, ordered = np.empty(near.shape[0], np.int32), np.empty(near.shape[0], np.int32)
    kept_distances = np.empty(near.shape[0], np.uint16)
    distances, histogram = np.empty(ids.shape[1], np.int32), np.empty(FAR + 1, np.int64)
    histograms = np.empty((4, FAR + 1), np.int32)
    scanned = 0
    for i in range(queries.shape[0]):
        end = 0
        for probe in range(cells.shape[1]):
            start = starts[cells[i, probe]]
            size = starts[cells[i, probe] + 1] - start
            _fill_near(words, queries[i], start, size, near[end:])
            end += (size + 7) & ~7
            scanned += size
        radius = _radius_of(near, end, ids.shape[1], histograms)
        bound = np.uint64(radius + 1)
        histogram[:] = 0
        count, base = 0, 0
        for probe in range(cells.shape[1]):
            start = starts[cells[i, probe]]
            size = starts[cells[i, probe] + 1] - start
            for place in range(_nearer_eights(eights, base >> 3, (base + size + 7) >> 3, bound, nearer)):
                eight = nearer[place]
                hits = _nearer(eights[eight], bound)
                while hits:
                    position = (eight << 3) + np.int64(_lowest(hits) >> np.uint64(3))
                    hits &= hits - np.uint64(1)
                    distance = np.int64(near[position])
                    kept[count] = items[start + position - base]
                    kept_distances[count] = distance
                    count += 1
                    histogram[distance] += 1
            base += (size + 7) & ~7
        _order(kept, kept_distances, count, histogram, ordered, ids[i], distances)
    return scanned


# Equal codes stored once.


@njit(cache=True)
def _mark_items(own: Any, starts: Array, items: Array, marks: Array, near: Array, value: Any) -> int:
    """Mark the items of a code in the bitset ``marks``, with a value in ``near``. Returns how many they are."""
    first, last = (own, own + 1) if starts.shape[0] == 0 else (starts[own], starts[own + 1])
    for place in range(first, last):
        item = np.uint64(own if starts.shape[0] == 0 else items[place])
        marks[item >> np.uint64(6)] |= np.uint64(1) << (item & np.uint64(63))
        near[item] = value
    return last - first


@njit(cache=True)
def _select_items(
    codes: Array, code_distances: Array, count: int, starts: Array, items: Array, n: int, marks: Array, near: Array,
    kept: Array, kept_distances: Array, histogram: Array,
) -> int:  # fmt: skip
    """Items of the codes at these distances, in id order: all of the nearest distances that together hold n.

    ``marks``, a bitset of the items, is left clear. Returns how many items are kept; ``histogram`` counts them.
    """
    histogram[:] = 0
    for position in range(count):
        code = codes[position]
        histogram[code_distances[position]] += starts[code + 1] - starts[code]
    inside, radius = 0, -1
    while inside < n and radius + 1 < histogram.shape[0]:
        radius += 1
        inside += histogram[radius]
    histogram[radius + 1 :] = 0
    for position in range(count):
        if code_distances[position] <= radius:
            _mark_items(np.int64(codes[position]), starts, items, marks, near, code_distances[position])
    count = _walk(marks, kept)
    _take(near, kept, count, kept_distances)
    return count


@njit(cache=True)
def _walk(marks: Array, kept: Array) -> int:
    """What is marked, in id order; the marks are cleared. Returns how many."""
    count = 0
    for word in range(marks.shape[0]):
        left = marks[word]
        marks[word] = np.uint64(0)
        while left:
            kept[count] = (word << 6) + np.int64(_lowest(left))
            left &= left - np.uint64(1)
            count += 1
    return count


@njit(cache=True)
def _take(near: Array, kept: Array, count: int, kept_distances: Array) -> None:
    for position in range(count):
        kept_distances[position] = near[kept[position]]


@njit(cache=True)
def _measure(words: Array, query: Array, kept: Array, count: int, kept_distances: Array, histogram: Array) -> None:
    """Distances of the kept codes, which the histogram counts.

    In id order: codes of a large array that are read to and fro wait for the page of each.
    """
    for position in range(count):
        kept_distances[position] = _distance(words, np.uint64(kept[position]), query)
    histogram[:] = 0
    for position in range(count):
        histogram[kept_distances[position]] += 1


@njit(_INT(_WORDS, _WORDS, _STARTS, _ITEMS, _INT, _IDS, _DISTANCES), cache=True, nogil=True)
def scan_distinct(
    queries: Array, words: Array, starts: Array, items: Array, bits: int, ids: Array, distances: Array
) -> int:
    """``scan`` where equal codes are stored once; ids are items."""
    size = words.shape[1]
    codes = np.arange(size).astype(np.int32)
    code_distances = np.empty(size, dtype=np.uint16)
    marks = np.zeros((items.shape[0] + 63) >> 6, dtype=np.uint64)
    near = np.empty(items.shape[0], dtype=np.uint16)
    kept = np.empty(items.shape[0], dtype=np.int32)
    kept_distances = np.empty(items.shape[0], dtype=np.uint16)
    ordered = np.empty(items.shape[0], dtype=np.int32)
    histogram = np.empty(bits + 1, dtype=np.int64)
    for i in range(queries.shape[0]):
        for code in range(size):
            code_distances[code] = _distance(words, code, queries[i])
        count = _select_items(
            codes, code_distances, size, starts, items, ids.shape[1], marks, near, kept, kept_distances, histogram
        )
        _order(kept, kept_distances, count, histogram, ordered, ids[i], distances[i])
    return 0


# Weighted distances: bit j of a code that differs from the query's costs the query's weight j.


@njit(cache=True)
def _fill_costs(weights: Array, query: Array, costs: Array) -> None:
    """costs[256 b + v]: what byte b of a code costs if its value is v, float32 [256 bytes]."""
    for byte in range(costs.shape[0] >> 8):
        own = np.int64((query[byte >> 3] >> np.uint64(8 * (byte & 7))) & np.uint64(255))
        costs[256 * byte + own] = 0
        for flips in range(1, 256):
            place = 8 * byte + np.int64(_lowest(np.uint64(flips)))
            weight = weights[place] if place < weights.shape[0] else np.float32(0)
            costs[256 * byte + (own ^ flips)] = costs[256 * byte + (own ^ (flips & (flips - 1)))] + weight


@njit(cache=True)
def _cost(words: Array, code: Any, costs: Array) -> Any:
    total = np.float32(0)
    byte = np.uint64(0)
    for j in range(words.shape[0]):
        word = words[j, code]
        for _ in range(min(8, (costs.shape[0] >> 8) - 8 * j)):
            # Unsigned positions: numba checks signed ones for being negative.
            total += costs[byte | (word & np.uint64(255))]
            word >>= np.uint64(8)
            byte += np.uint64(256)
    return total


@njit(cache=True)
def _nearest_costs(kept: Array, cost: Array, count: int, bins: Array, places: Array, ids: Array) -> None:
    """The first of the kept items by (cost, id) into ``ids``, the rest is -1. ``kept`` is in id order.

    By a counting sort of the costs, rounded to as many steps as there are ``bins``, and an insertion sort of what that
    leaves; ``places`` is scratch.
    """
    n = min(ids.shape[0], count)
    ids[n:] = -1
    if n == 0:
        return
    low, high = cost[0], cost[0]
    for position in range(count):
        low, high = min(low, cost[position]), max(high, cost[position])
    scale = np.float32(bins.shape[0] - 2) / max(high - low, np.float32(1e-30))
    bins[:] = 0
    for position in range(count):
        bins[np.int64((cost[position] - low) * scale) + 1] += 1
    last, inside = 1, bins[1]
    while inside < n:
        last += 1
        inside += bins[last]
        bins[last] = inside
    for position in range(count):
        step = np.int64((cost[position] - low) * scale)
        if step < last:
            places[bins[step]] = position
            bins[step] += 1
    for end in range(1, inside):
        place = places[end]
        hole = end
        while hole > 0 and cost[places[hole - 1]] > cost[place]:
            places[hole] = places[hole - 1]
            hole -= 1
        places[hole] = place
    for slot in range(n):
        ids[slot] = kept[places[slot]]


# The first pass of a weighted scan: each weight rounded down to a number of steps, whose binary digits are masks, so
# that eight popcounts give a code's steps. Its cost is then between these and one more for each bit that differs.


@njit(cache=True)
def _fill_masks(weights: Array, masks: Array) -> None:
    """masks[p, j]: which bits of word j have digit p in their number of steps, uint64 [PLANES, words]."""
    most = min((1 << PLANES) - 1, MOST_STEPS // weights.shape[0])
    highest = np.float32(0)
    for bit in range(weights.shape[0]):
        highest = max(highest, weights[bit])
    scale = most / max(np.float64(highest), 1e-30)
    masks[:] = 0
    for bit in range(weights.shape[0]):
        steps = min(np.int64(weights[bit] * scale), most)
        for plane in range(PLANES):
            masks[plane, bit >> 6] |= np.uint64((steps >> plane) & 1) << np.uint64(bit & 63)


@njit(cache=True)
def _fill_steps(words: Array, query: Array, masks: Array, steps: Array) -> None:
    """The steps of each code, uint16 [codes], and the most there are behind them, where ``steps`` is longer."""
    size = words.shape[1]
    steps[:size] = 0
    steps[size:] = MOST_STEPS
    for j in range(words.shape[0]):
        row, word = words[j], query[j]
        a, b, c, d = masks[0, j], masks[1, j], masks[2, j], masks[3, j]
        e, f, g, h = masks[4, j], masks[5, j], masks[6, j], masks[7, j]
        for i in range(size):
            bits = row[i] ^ word
            low = _popcount(bits & a) + 2 * _popcount(bits & b) + 4 * _popcount(bits & c) + 8 * _popcount(bits & d)
            high = _popcount(bits & e) + 2 * _popcount(bits & f) + 4 * _popcount(bits & g) + 8 * _popcount(bits & h)
            steps[i] += np.uint16(low + 16 * high)


@njit(cache=True)
def _steps_of_nth(steps: Array, size: int, n: int, every: int, counts: Array) -> int:
    """A number of steps within which there are n of ``size`` codes; of a sample of them a margin is added."""
    counts[:] = 0
    seen = 0
    for i in range(0, size, every):
        counts[steps[i]] += 1
        seen += 1
    expected = n * seen / size
    wanted = min(n if every == 1 else expected + 3 * np.sqrt(expected) + 1, seen)
    inside, bound = 0, -1
    while inside < wanted:
        bound += 1
        inside += counts[bound]
    return bound


@njit(cache=True)
def _within_steps(steps: Array, bound: int, kept: Array) -> int:
    """The codes of at most so many steps, in id order. Returns how many."""
    fours = steps.view(np.uint64)
    high, limit = (
        np.uint64(0x8000800080008000),
        np.uint64(min(bound, MOST_STEPS - 1) + 1) * np.uint64(0x0001000100010001),
    )
    count = 0
    for four in range(fours.shape[0]):
        hits = ~((fours[four] | high) - limit) & high
        while hits:
            kept[count] = (four << 2) + np.int64(_lowest(hits) >> np.uint64(4))
            count += 1
            hits &= hits - np.uint64(1)
    return count


@njit(cache=True)
def _near_by_steps(words: Array, n: int, bits: int, steps: Array, kept: Array, counts: Array) -> int:
    """Codes, in id order, among which the n nearest by weighted distance are: few more than n. Returns how many."""
    size = words.shape[1]
    every = 1 if size < 4 * SAMPLE else size // SAMPLE
    bound = _steps_of_nth(steps, size, n, every, counts)
    count = _within_steps(steps, bound, kept)
    if count < n:
        bound = _steps_of_nth(steps, size, n, 1, counts)
        count = _within_steps(steps, bound, kept)
    counts[: bound + 1] = 0
    for position in range(count):
        counts[steps[kept[position]]] += 1
    nth, inside = -1, 0
    while inside < n:
        nth += 1
        inside += counts[nth]
    # Two more for what rounding may do.
    return _within_steps(steps, nth + bits + 2, kept)


@njit(types.void(_read(types.float32, 2), _WORDS, _WORDS, _STARTS, _ITEMS, _IDS), cache=True, nogil=True)
def scan_weighted(weights: Array, queries: Array, words: Array, starts: Array, items: Array, ids: Array) -> None:
    """The nearest items of each query by (weighted distance, id); weights float32 [q, bits], at least 0.

    Where no codes are equal, and few are wanted of codes short enough, a first pass leaves few to weigh.
    """
    size, bits = items.shape[0] if starts.shape[0] else words.shape[1], weights.shape[1]
    costs = np.empty(((bits + 7) >> 3) << 8, dtype=np.float32)
    cost = np.empty(size, dtype=np.float32)
    by_steps = starts.shape[0] == 0 and 4 * ids.shape[1] <= size and bits <= MOST_BITS
    kept = np.empty(size, dtype=np.int64) if by_steps else np.arange(size)
    bins, places = np.empty(COST_STEPS, dtype=np.int64), np.empty(size, dtype=np.int32)
    steps, counts = np.empty((size + 3) & ~3, dtype=np.uint16), np.empty(MOST_STEPS + 1, dtype=np.int32)
    masks = np.empty((PLANES, words.shape[0]), dtype=np.uint64)
    for i in range(queries.shape[0]):
        _fill_costs(weights[i], queries[i], costs)
        count = size
        if by_steps:
            _fill_masks(weights[i], masks)
            _fill_steps(words, queries[i], masks, steps)
            count = _near_by_steps(words, ids.shape[1], bits, steps, kept, counts)
        if starts.shape[0]:
            for code in range(words.shape[1]):
                value = _cost(words, np.uint64(code), costs)
                for place in range(starts[code], starts[code + 1]):
                    cost[items[place]] = value
        else:
            for position in range(count):
                cost[position] = _cost(words, np.uint64(kept[position]), costs)
        _nearest_costs(kept, cost, count, bins, places, ids[i])


@njit(cache=True)
def _substring(code: Array, table: int, key_bits: int) -> Any:
    """Bits [table * key_bits, (table + 1) * key_bits) of a code [words], which may cross a word border."""
    first = table * key_bits
    word, shift = first >> 6, np.uint64(first & 63)
    key = code[word] >> shift
    if (first & 63) + key_bits > 64:
        key |= code[word + 1] << (np.uint64(64) - shift)
    return np.int64(key & ((np.uint64(1) << np.uint64(key_bits)) - np.uint64(1)))


@njit(cache=True)
def _next_mask(mask: Any) -> Any:
    """The next larger number with as many bits set (Gosper)."""
    carried = mask + (mask & -mask)
    return ((mask ^ carried) >> 2 >> np.int64(_lowest(np.uint64(mask)))) | carried


@njit(cache=True)
def _fill_spans(offsets: Array, table: int, key: Any, mask: Any, key_bits: int, spans: Array) -> tuple[Any, Any]:
    """Where the buckets ``key ^ mask``, and of the masks that follow, begin and end: spans [2, SPANS].

    Returns how many they are, and the mask to go on with. The bounds of many buckets are read at once because each
    may have to come from far, and what is then done with them depends on their sizes, which no processor can foresee.
    """
    count = 0
    while count < spans.shape[1] and mask >> key_bits == 0:
        spans[0, count] = offsets[table, key ^ mask]
        spans[1, count] = offsets[table, (key ^ mask) + 1]
        count += 1
        if mask == 0:
            return count, np.int64(1) << key_bits
        mask = _next_mask(mask)
    return count, mask


@njit(cache=True)
def _see_ring(
    code: Array, offsets: Array, members: Array, key_bits: int, radius: int, starts: Array, spans: Array, seen: Array,
    arrived: Array, count: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Append the codes of every bucket whose key differs from the query's in exactly ``radius`` bits, table by table.

    Those in the bitset ``seen`` are left out, the others are marked there. Returns how many are in ``arrived``, and how
    many items the new ones stand for.
    """
    before = count
    for table in range(offsets.shape[0]):
        key = _substring(code, table, key_bits)
        mask: Any = np.int64((1 << radius) - 1)
        while mask >> key_bits == 0:
            buckets, mask = _fill_spans(offsets, table, key, mask, key_bits, spans)
            for bucket in range(buckets):
                for place in range(spans[0, bucket], spans[1, bucket]):
                    own = np.uint64(members[table, np.uint64(place)])
                    word, bit = own >> np.uint64(6), np.uint64(1) << (own & np.uint64(63))
                    marks = seen[word]
                    seen[word] = marks | bit
                    arrived[count] = own
                    count += np.int64((marks & bit) == 0)
    if starts.shape[0] == 0:
        return count, count - before
    new_items = 0
    for position in range(before, count):
        own = arrived[position]
        new_items += starts[own + 1] - starts[own]
    return count, new_items


@njit(cache=True)
def _ring_members(code: Array, offsets: Array, key_bits: int, radius: int, spans: Array) -> int:
    """How many members the buckets of a ring hold."""
    held = 0
    for table in range(offsets.shape[0]):
        key = _substring(code, table, key_bits)
        mask: Any = np.int64((1 << radius) - 1)
        while mask >> key_bits == 0:
            buckets, mask = _fill_spans(offsets, table, key, mask, key_bits, spans)
            for bucket in range(buckets):
                held += spans[1, bucket] - spans[0, bucket]
    return held


BUCKET_COST, MEMBER_COST, CODE_COST = 10.0, 16.0, 0.35
"""Of a bucket visited, a member seen and a code scanned, in nanoseconds on a Zen 4 core: only their ratios matter, and
they are constants so that a choice does not depend on the weather."""

CHOICE_COST = 2000.0
"""Of a call that judges whether the tables are cheaper, in the same unit: it starts with a cold cache."""

JUDGEMENT_SHARE = 0.05
"""Of the cost of a scan: what is spent at most on that judgement."""


@njit(cache=True)
def _scan_is_cheaper(code: Array, words: Array, offsets: Array, key_bits: int, wanted: int, spans: Array) -> bool:
    """Whether a scan of all codes costs less than the rings that hold ``wanted`` members, judged by bucket sizes.

    A ring with more buckets than can be counted for a small share of the scan's cost is left to the scan.
    """
    limit = CODE_COST * words.shape[1]
    spent, judged, held = 0.0, 0.0, 0
    ring = 1.0 * offsets.shape[0]
    for radius in range(key_bits + 1):
        judged += BUCKET_COST * ring
        if judged > JUDGEMENT_SHARE * limit:
            return True
        members = _ring_members(code, offsets, key_bits, radius, spans)
        held += members
        spent += BUCKET_COST * ring + MEMBER_COST * members
        if spent > limit:
            return True
        if held >= wanted:
            return False
        ring = ring * (key_bits - radius) / (radius + 1)
    return False


@njit(types.void(_WORDS, _WORDS, _TABLE, _INT, _INT, types.boolean[::1]), cache=True, nogil=True)
def choose_scan(queries: Array, words: Array, offsets: Array, key_bits: int, wanted: int, scanned: Array) -> None:
    """For which queries a scan of all codes is cheaper than the rings that hold ``wanted`` codes: into scanned [q]."""
    spans = np.empty((2, SPANS), np.int32)
    for i in range(queries.shape[0]):
        scanned[i] = _scan_is_cheaper(queries[i], words, offsets, key_bits, wanted, spans)


@njit(cache=True)
def _look_up(
    code: Array, starts: Array, offsets: Array, members: Array, key_bits: int, wanted: int, size: int, spans: Array,
    seen: Array, arrived: Array,
) -> tuple[Any, Any]:  # fmt: skip
    """The codes of the first rings that hold ``wanted`` of the ``size`` items: in ``arrived``, and marked in ``seen``.

    Returns how many they are, and the distance below which every code is among them.
    """
    count, found, ring = 0, 0, -1
    while found < wanted:
        ring += 1
        count, new = _see_ring(code, offsets, members, key_bits, ring, starts, spans, seen, arrived, count)
        found += new
    return count, EVERY if found == size else offsets.shape[0] * (ring + 1)


@njit(cache=True)
def _unmark(seen: Array, arrived: Array, count: int) -> None:
    for position in range(count):
        seen[arrived[position] >> 6] = 0


_LOOK_UP = (_WORDS, _WORDS, _STARTS, _ITEMS, _TABLE, _TABLE, _INT, _INT)


@njit(_INT(*_LOOK_UP, _IDS, _DISTANCES), cache=True, nogil=True)
def look_up(
    queries: Array, words: Array, starts: Array, items: Array, offsets: Array, members: Array, bits: int,
    key_bits: int, ids: Array, distances: Array,
) -> int:  # fmt: skip
    """Candidates of each query, nearest first, one query after the other; see `methods.search.codes.lookup`.

    Returns for how many queries they are provably the exact nearest codes.
    """
    repeated = items.shape[0] if starts.shape[0] else 0
    size = repeated if repeated else words.shape[1]
    seen, marks = np.zeros((words.shape[1] + 63) >> 6, np.uint64), np.zeros((repeated + 63) >> 6, np.uint64)
    arrived, spans = np.empty(words.shape[1] + 1, np.int32), np.empty((2, SPANS), np.int32)
    code_distances, near = np.empty(words.shape[1] if repeated else 0, np.uint16), np.empty(repeated, np.uint16)
    kept, kept_distances, ordered = np.empty(size, np.int32), np.empty(size, np.uint16), np.empty(size, np.int32)
    histogram = np.empty(bits + 1, np.int64)
    wanted = min(ids.shape[1], size)
    complete = 0
    for i in range(queries.shape[0]):
        count, limit = _look_up(
            queries[i], starts, offsets, members, key_bits, wanted, size, spans, seen, arrived
        )  # fmt: skip
        if starts.shape[0]:
            _unmark(seen, arrived, count)
            for position in range(count):
                code_distances[position] = _distance(words, np.uint64(arrived[position]), queries[i])
            count = _select_items(
                arrived, code_distances, count, starts, items, wanted, marks, near, kept, kept_distances, histogram
            )
        else:
            count = _walk(seen, kept)
            _measure(words, queries[i], kept, count, kept_distances, histogram)
        _order(kept, kept_distances, count, histogram, ordered, ids[i], distances[i])
        complete += distances[i, wanted - 1] < limit
    return complete


@njit(_INT(*_LOOK_UP, _IDS, _DISTANCES), cache=True, nogil=True)
def look_up_first(
    queries: Array, words: Array, starts: Array, items: Array, offsets: Array, members: Array, bits: int,
    key_bits: int, ids: Array, distances: Array,
) -> int:  # fmt: skip
    """``look_up`` whose candidates are the first items that are seen, in that order, with their distances."""
    size = items.shape[0] if starts.shape[0] else words.shape[1]
    seen, spans = np.zeros((words.shape[1] + 63) >> 6, np.uint64), np.empty((2, SPANS), np.int32)
    arrived = np.empty(words.shape[1] + 1, np.int32)
    wanted = min(ids.shape[1], size)
    for i in range(queries.shape[0]):
        count, _ = _look_up(queries[i], starts, offsets, members, key_bits, wanted, size, spans, seen, arrived)
        _unmark(seen, arrived, count)
        found = 0
        for position in range(count):
            own = arrived[position]
            distance = _distance(words, np.uint64(own), queries[i])
            first, last = (own, own + 1) if starts.shape[0] == 0 else (starts[own], starts[own + 1])
            for place in range(first, min(last, first + wanted - found)):
                ids[i, found] = own if starts.shape[0] == 0 else items[place]
                distances[i, found] = distance
                found += 1
        ids[i, found:] = -1
        distances[i, found:] = -1
    return queries.shape[0] if wanted == size else 0


@njit(types.void(_read(types.float32, 2), *_LOOK_UP, _IDS), cache=True, nogil=True)
def look_up_weighted(
    weights: Array, queries: Array, words: Array, starts: Array, items: Array, offsets: Array, members: Array,
    bits: int, key_bits: int, ids: Array,
) -> None:  # fmt: skip
    """``look_up`` whose candidates are the nearest of those seen by (weighted distance, id): weights [q, bits]."""
    repeated = items.shape[0] if starts.shape[0] else 0
    size = repeated if repeated else words.shape[1]
    seen, marks = np.zeros((words.shape[1] + 63) >> 6, np.uint64), np.zeros((repeated + 63) >> 6, np.uint64)
    arrived, spans = np.empty(words.shape[1] + 1, np.int32), np.empty((2, SPANS), np.int32)
    near, kept, cost = np.empty(repeated, np.float32), np.empty(size, np.int32), np.empty(size, np.float32)
    costs = np.empty(((bits + 7) >> 3) << 8, np.float32)
    bins, places = np.empty(COST_STEPS, np.int64), np.empty(size, np.int32)
    wanted = min(ids.shape[1], size)
    for i in range(queries.shape[0]):
        count, _ = _look_up(queries[i], starts, offsets, members, key_bits, wanted, size, spans, seen, arrived)
        _fill_costs(weights[i], queries[i], costs)
        if starts.shape[0]:
            _unmark(seen, arrived, count)
            for position in range(count):
                own = np.int64(arrived[position])
                _mark_items(own, starts, items, marks, near, _cost(words, np.uint64(own), costs))
            count = _walk(marks, kept)
            _take(near, kept, count, cost)
        else:
            count = _walk(seen, kept)
            for position in range(count):
                cost[position] = _cost(words, np.uint64(kept[position]), costs)
        _nearest_costs(kept, cost, count, bins, places, ids[i])


@njit(_INT(_read(types.uint64, 1), *_LOOK_UP[1:], _INT, types.int64[::1], types.int32[::1]), cache=True, nogil=True)
def within(
    code: Array, words: Array, starts: Array, items: Array, offsets: Array, members: Array, bits: int, key_bits: int,
    radius: int, ids: Array, distances: Array,
) -> int:  # fmt: skip
    """The items of the codes within a radius of one query, by (distance, id). Returns how many; the rest is -1.

    A code within r differs from the query in at most r // tables bits of some substring (pigeonhole). ids [items].
    """
    size = items.shape[0] if starts.shape[0] else words.shape[1]
    seen, marks = np.zeros((words.shape[1] + 63) >> 6, np.uint64), np.zeros((size + 63) >> 6, np.uint64)
    arrived, spans = np.empty(words.shape[1] + 1, np.int32), np.empty((2, SPANS), np.int32)
    near, kept = np.empty(size, np.uint16), np.empty(size, np.int32)
    kept_distances, ordered = np.empty(size, np.uint16), np.empty(size, np.int32)
    histogram = np.zeros(bits + 1, np.int64)
    count = 0
    for ring in range(radius // offsets.shape[0] + 1):
        count, _ = _see_ring(code, offsets, members, key_bits, ring, starts, spans, seen, arrived, count)
    for position in range(count):
        own = np.int64(arrived[position])
        distance = _distance(words, np.uint64(own), code)
        if distance <= radius:
            histogram[distance] += _mark_items(own, starts, items, marks, near, distance)
    count = _walk(marks, kept)
    _take(near, kept, count, kept_distances)
    _order(kept, kept_distances, count, histogram, ordered, ids, distances)
    return count
