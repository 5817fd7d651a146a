"""Nearest codes by weighted distance: the sum of the query's weights of the bits in which a code differs from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from methods.search.codes.kernels.bits import IDS, ITEMS, STARTS, WORDS, lowest_bit, popcount
from methods.search.common.compiled import Array, kernel, read_only

WEIGHTS = read_only(types.float32, 2)

COST_STEPS = 8192
"""Steps to which weighted distances are rounded before they are sorted."""

PLANES, MOST_STEPS = 8, 2**15 - 1
"""Binary digits of a weight in the first pass over weighted distances, and the largest sum of weights.

The sum has one bit less than uint16, since four are compared at a time.
"""

MOST_BITS = 1024
"""The longest code that takes the first pass: with more bits, a weight would have too few steps."""

SAMPLE = 4096
"""Codes from which the first pass judges the number of steps within which the n nearest are."""

EVERY_HIGH_BIT = np.uint64(0x8000800080008000)
EVERY_LOW_BIT = np.uint64(0x0001000100010001)


@kernel()
def new_byte_costs(bits: int) -> Array:
    """Memory for ``fill_byte_costs``: float32 [256 bytes of a code]."""
    return np.empty(((bits + 7) >> 3) << 8, np.float32)


@kernel()
def fill_byte_costs(weights: Array, query: Array, byte_costs: Array) -> None:
    """byte_costs[256 b + v]: the cost of value v in byte b of a code."""
    for byte in range(byte_costs.shape[0] >> 8):
        same = np.int64((query[byte >> 3] >> np.uint64(8 * (byte & 7))) & np.uint64(255))
        byte_costs[256 * byte + same] = 0
        for flips in range(1, 256):
            bit = 8 * byte + np.int64(lowest_bit(np.uint64(flips)))
            weight = weights[bit] if bit < weights.shape[0] else np.float32(0)
            byte_costs[256 * byte + (same ^ flips)] = byte_costs[256 * byte + (same ^ (flips & (flips - 1)))] + weight


@kernel()
def cost_of(words: Array, code: Any, byte_costs: Array) -> Any:
    """The weighted distance of code number ``code`` from the query with these costs, float32."""
    total = np.float32(0)
    byte = np.uint64(0)
    for j in range(words.shape[0]):
        word = words[j, code]
        for _ in range(min(8, (byte_costs.shape[0] >> 8) - 8 * j)):
            # Unsigned positions: numba checks signed ones for being negative.
            total += byte_costs[byte | (word & np.uint64(255))]
            word >>= np.uint64(8)
            byte += np.uint64(256)
    return total


@kernel()
def order_by_cost(selected: Array, costs: Array, count: int, bins: Array, by_cost: Array, ids: Array) -> None:
    """Write the first of ``count`` selected items, which ascend, by (cost, id) to ``ids``, and -1 behind them.

    A counting sort of the costs, rounded to as many steps as there are ``bins``, precedes an insertion sort. Its memory
    is bins int64, and by_cost int32, which takes positions among the selected items.
    """
    n = min(ids.shape[0], count)
    ids[n:] = -1
    if n == 0:
        return
    low, high = costs[0], costs[0]
    for position in range(count):
        low, high = min(low, costs[position]), max(high, costs[position])
    scale = np.float32(bins.shape[0] - 2) / max(high - low, np.float32(1e-30))
    bins[:] = 0
    for position in range(count):
        bins[np.int64((costs[position] - low) * scale) + 1] += 1
    last, inside = 1, bins[1]
    while inside < n:
        last += 1
        inside += bins[last]
        bins[last] = inside
    for position in range(count):
        step = np.int64((costs[position] - low) * scale)
        if step < last:
            by_cost[bins[step]] = position
            bins[step] += 1
    for end in range(1, inside):
        position = by_cost[end]
        hole = end
        while hole > 0 and costs[by_cost[hole - 1]] > costs[position]:
            by_cost[hole] = by_cost[hole - 1]
            hole -= 1
        by_cost[hole] = position
    for slot in range(n):
        ids[slot] = selected[by_cost[slot]]


# The first pass of a weighted scan: each weight rounded down to a number of steps, whose binary digits are masks, so
# that eight popcounts give a code's steps. Its cost is then between these and one more for each bit that differs.


@kernel()
def _fill_masks(weights: Array, masks: Array) -> None:
    """masks[p, j]: the bits of word j with digit p in their number of steps, uint64 [PLANES, words]."""
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


@kernel()
def _fill_steps(words: Array, query: Array, masks: Array, steps: Array) -> None:
    """The steps of each code, uint16 [codes], and MOST_STEPS behind them if ``steps`` is longer."""
    size = words.shape[1]
    steps[:size] = 0
    steps[size:] = MOST_STEPS
    for j in range(words.shape[0]):
        row, word = words[j], query[j]
        a, b, c, d = masks[0, j], masks[1, j], masks[2, j], masks[3, j]
        e, f, g, h = masks[4, j], masks[5, j], masks[6, j], masks[7, j]
        for i in range(size):
            bits = row[i] ^ word
            low = popcount(bits & a) + 2 * popcount(bits & b) + 4 * popcount(bits & c) + 8 * popcount(bits & d)
            high = popcount(bits & e) + 2 * popcount(bits & f) + 4 * popcount(bits & g) + 8 * popcount(bits & h)
            steps[i] += np.uint16(low + 16 * high)


@kernel()
def _steps_of_nth(steps: Array, size: int, n: int, every: int, histogram: Array) -> int:
    """A number of steps that holds n of ``size`` codes, judged by each ``every``-th code.

    A sample of the codes, which ``every`` above 1 takes, adds a margin.
    """
    histogram[:] = 0
    counted = 0
    for i in range(0, size, every):
        histogram[steps[i]] += 1
        counted += 1
    expected = n * counted / size
    wanted = min(n if every == 1 else expected + 3 * np.sqrt(expected) + 1, counted)
    inside, bound = 0, -1
    while inside < wanted:
        bound += 1
        inside += histogram[bound]
    return bound


@kernel()
def _select_within_steps(steps: Array, bound: int, selected: Array) -> int:
    """Select the codes of at most ``bound`` steps, in id order. Returns their number."""
    fours, limit = steps.view(np.uint64), np.uint64(min(bound, MOST_STEPS - 1) + 1) * EVERY_LOW_BIT
    count = 0
    for four in range(fours.shape[0]):
        hits = ~((fours[four] | EVERY_HIGH_BIT) - limit) & EVERY_HIGH_BIT
        while hits:
            selected[count] = (four << 2) + np.int64(lowest_bit(hits) >> np.uint64(4))
            count += 1
            hits &= hits - np.uint64(1)
    return count


@kernel()
def _select_by_steps(words: Array, n: int, bits: int, steps: Array, selected: Array, histogram: Array) -> int:
    """Select few more than n codes, in id order, among them the n nearest by weight. Returns their number."""
    size = words.shape[1]
    every = 1 if size < 4 * SAMPLE else size // SAMPLE
    bound = _steps_of_nth(steps, size, n, every, histogram)
    count = _select_within_steps(steps, bound, selected)
    if count < n:
        bound = _steps_of_nth(steps, size, n, 1, histogram)
        count = _select_within_steps(steps, bound, selected)
    histogram[: bound + 1] = 0
    for position in range(count):
        histogram[steps[selected[position]]] += 1
    nth, inside = -1, 0
    while inside < n:
        nth += 1
        inside += histogram[nth]
    # Two more for what rounding may do.
    return _select_within_steps(steps, nth + bits + 2, selected)


@kernel()
def _fill_costs(
    words: Array, starts: Array, items: Array, byte_costs: Array, selected: Array, count: int, costs: Array
) -> None:
    """Costs of the first ``count`` selected codes, or of all items if equal codes are stored once."""
    if starts.shape[0] == 0:
        for position in range(count):
            costs[position] = cost_of(words, np.uint64(selected[position]), byte_costs)
        return
    for code in range(words.shape[1]):
        cost = cost_of(words, np.uint64(code), byte_costs)
        for place in range(starts[code], starts[code + 1]):
            costs[items[place]] = cost


@kernel(types.void(WEIGHTS, WORDS, WORDS, STARTS, ITEMS, IDS), nogil=True)
def scan_weighted(weights: Array, queries: Array, words: Array, starts: Array, items: Array, ids: Array) -> None:
    """The nearest items of each query by (weighted distance, id); weights float32 [q, bits], at least 0.

    If each code is stored for one item, few are wanted and codes are short enough, a first pass leaves few to weigh.
    """
    size, bits = items.shape[0] if starts.shape[0] else words.shape[1], weights.shape[1]
    by_steps = starts.shape[0] == 0 and 4 * ids.shape[1] <= size and bits <= MOST_BITS
    selected = np.empty(size, dtype=np.int64) if by_steps else np.arange(size)
    byte_costs, costs = new_byte_costs(bits), np.empty(size, np.float32)
    bins, by_cost = np.empty(COST_STEPS, np.int64), np.empty(size, np.int32)
    steps, histogram = np.empty((size + 3) & ~3, np.uint16), np.empty(MOST_STEPS + 1, np.int32)
    masks = np.empty((PLANES, words.shape[0]), np.uint64)
    for i in range(queries.shape[0]):
        fill_byte_costs(weights[i], queries[i], byte_costs)
        count = size
        if by_steps:
            _fill_masks(weights[i], masks)
            _fill_steps(words, queries[i], masks, steps)
            count = _select_by_steps(words, ids.shape[1], bits, steps, selected, histogram)
        _fill_costs(words, starts, items, byte_costs, selected, count, costs)
        order_by_cost(selected, costs, count, bins, by_cost, ids[i])
