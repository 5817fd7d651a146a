"""Exact nearest codes by a popcount scan of all.

Codes arrive in id order, and a code is selected while fewer than n earlier ones are at least as near. So ties go to the
smaller id, and few more than n codes are selected.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from methods.search.codes.kernels.bits import (
    DISTANCES,
    IDS,
    INT,
    ITEMS,
    STARTS,
    WORDS,
    hamming_distance,
    lowest_bit,
)
from methods.search.codes.kernels.blocks import (
    FAR,
    count_distances,
    fill_distances,
    nearer,
    nearer_eights,
    new_histograms,
    radius_of,
)
from methods.search.codes.kernels.items import (
    ItemSet,
    Selection,
    Stored,
    new_bitset,
    new_selection,
    order,
    select_nearest,
)
from methods.search.common.compiled import Array, kernel

BLOCK = 4096
"""Codes whose distances are computed before they are filtered: 32 KiB of codes, the size of a first-level cache."""

SAMPLE, RUN = 4096, 64
"""Codes from which the scan first judges how near the n-th nearest will be, in runs that lie apart."""


@kernel()
def _first_radius(words: Array, query: Array, n: int, bits: int, block_distances: Array, histograms: Array) -> int:
    """A radius that is expected to hold n codes, judged by a sample with a margin of three standard deviations."""
    size = words.shape[1]
    if n >= size:
        return bits
    histograms[:] = 0
    runs, counted = max(1, min(SAMPLE, size) // RUN), min(RUN, size) & ~3
    for number in range(runs):
        start = number * ((size - RUN) // runs) if size > RUN else 0
        fill_distances(words, query, start, min(RUN, size), block_distances)
        count_distances(block_distances, counted, histograms)
    expected = n * runs * counted / size
    return radius_of(expected + 3 * np.sqrt(expected) + 1, histograms, min(bits, FAR), bits)


@kernel()
def _tighten(histogram: Array, inside: Any, radius: int, n: int) -> tuple[Any, int]:
    """The number of codes within the smallest radius that still holds n, and that radius."""
    while inside - histogram[radius] >= n:
        inside -= histogram[radius]
        radius -= 1
    return inside, radius


@kernel()
def _scan_near(
    words: Array, query: Array, n: int, radius: int, block_distances: Array, selection: Selection
) -> tuple[Any, Any]:
    """Select the codes within ``radius``, below FAR, which shrinks when it holds more than n.

    Returns the number of codes that are selected, and of those inside the last radius.
    """
    ids, distances, histogram = selection.ids, selection.distances, selection.histogram
    count, inside = 0, np.int64(0)
    bound = np.uint64(radius + 1)
    eights, near_eights = block_distances.view(np.uint64), np.empty(BLOCK >> 3, np.int32)
    for start in range(0, words.shape[1], BLOCK):
        size = min(BLOCK, words.shape[1] - start)
        fill_distances(words, query, start, size, block_distances)
        for place in range(nearer_eights(eights, 0, (size + 7) >> 3, bound, near_eights)):
            eight = near_eights[place]
            hits = nearer(eights[eight], bound)
            while hits:
                position = (eight << 3) + np.int64(lowest_bit(hits) >> np.uint64(3))
                hits &= hits - np.uint64(1)
                distance = np.int64(block_distances[position])
                ids[count] = start + position
                distances[count] = distance
                count += 1
                inside += distance <= radius
                histogram[distance] += 1
        inside, radius = _tighten(histogram, inside, radius, n)
        bound = np.uint64(radius + (inside < n))
    return count, inside


@kernel()
def _scan_far(words: Array, query: Array, n: int, radius: int, selection: Selection) -> int:
    """Select codes as ``_scan_near`` does, one by one and from any radius. Returns their number."""
    ids, distances, histogram = selection.ids, selection.distances, selection.histogram
    inside, count = 0, 0
    for code in range(words.shape[1]):
        distance = hamming_distance(words, code, query)
        if distance < radius + (inside < n):
            ids[count] = code
            distances[count] = distance
            count += 1
            inside += 1
            histogram[distance] += 1
            inside, radius = _tighten(histogram, inside, radius, n)
    return count


@kernel(INT(WORDS, WORDS, INT, IDS, DISTANCES), nogil=True)
def scan(queries: Array, words: Array, bits: int, ids: Array, distances: Array) -> int:
    """The nearest ``ids.shape[1]`` codes of each query by (Hamming distance, id), one query after the other.

    queries uint64 [q, words]; ids and distances, -1 where there are fewer codes.
    """
    selection = new_selection(words.shape[1], bits)
    block_distances, histograms = np.empty(BLOCK, np.uint8), new_histograms()
    n = min(ids.shape[1], words.shape[1])
    for i in range(queries.shape[0]):
        radius = _first_radius(words, queries[i], n, bits, block_distances, histograms)
        count, inside = 0, 0
        selection.histogram[:] = 0
        if radius < FAR:
            count, inside = _scan_near(words, queries[i], n, radius, block_distances, selection)
        if inside < n:
            selection.histogram[:] = 0
            count = _scan_far(words, queries[i], n, bits, selection)
        order(selection, count, ids[i], distances[i])
    return 0


@kernel(INT(WORDS, WORDS, STARTS, ITEMS, INT, IDS, DISTANCES), nogil=True)
def scan_distinct(
    queries: Array, words: Array, starts: Array, items: Array, bits: int, ids: Array, distances: Array
) -> int:
    """``scan`` of codes of which equal ones are stored once; ids are those of items."""
    stored, size = Stored(words, starts, items), words.shape[1]
    codes, code_distances = np.arange(size).astype(np.int32), np.empty(size, np.uint16)
    near = ItemSet(new_bitset(items.shape[0]), np.empty(items.shape[0], np.uint16))
    selection = new_selection(items.shape[0], bits)
    for i in range(queries.shape[0]):
        for code in range(size):
            code_distances[code] = hamming_distance(words, code, queries[i])
        count = select_nearest(codes, code_distances, size, stored, ids.shape[1], near, selection)
        order(selection, count, ids[i], distances[i])
    return 0
