"""Distances of many codes as bytes, eight of which are compared at a time: what scans of codes have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from methods.search.codes.kernels.bits import popcount
from methods.search.common.compiled import Array, kernel

FAR = 127
"""Where distances are bytes, all from here on are this one: the highest bit is needed to compare eight at a time."""

EVERY_HIGH_BIT = np.uint64(0x8080808080808080)
EVERY_LOW_BIT = np.uint64(0x0101010101010101)


@kernel()
def fill_distances(words: Array, query: Array, start: int, size: int, distances: Array) -> None:
    """Distances of ``size`` codes from ``start`` on, FAR at most, as uint8; FAR up to a multiple of 8 behind them."""
    row, word = words[0, start : start + size], query[0]
    for i in range(size):
        distances[i] = popcount(row[i] ^ word)
    for j in range(1, words.shape[0]):
        row, word = words[j, start : start + size], query[j]
        for i in range(size):
            distances[i] = min(np.uint64(distances[i]) + popcount(row[i] ^ word), np.uint64(FAR))
    distances[size : (size + 7) & ~7] = FAR


@kernel()
def new_histograms() -> Array:
    """Memory for ``count_distances``: int32 [4, FAR + 1]."""
    return np.empty((4, FAR + 1), np.int32)


@kernel()
def count_distances(distances: Array, size: int, histograms: Array) -> None:
    """Add the first ``size`` distances, a multiple of 4, to the histograms.

    Neighbours are counted in turns in several of them: a count would wait for the last.
    """
    for i in range(0, size, 4):
        histograms[0, distances[i]] += 1
        histograms[1, distances[i + 1]] += 1
        histograms[2, distances[i + 2]] += 1
        histograms[3, distances[i + 3]] += 1


@kernel()
def radius_of(wanted: Any, histograms: Array, end: int, otherwise: int) -> int:
    """The smallest radius below ``end`` within which so many distances were counted; or ``otherwise``."""
    inside = 0
    for radius in range(end):
        for copy in range(4):
            inside += histograms[copy, radius]
        if inside >= wanted:
            return radius
    return otherwise


@kernel()
def nearer(eight: Any, bound: Any) -> Any:
    """The highest bit of each of eight distances, FAR at most, that is below ``bound``."""
    return ~((eight | EVERY_HIGH_BIT) - bound * EVERY_LOW_BIT) & EVERY_HIGH_BIT


@kernel()
def nearer_eights(eights: Array, first: int, last: int, bound: Any, found: Array) -> int:
    """Which of the eights from first to before last hold a distance below ``bound``. Returns how many do.

    Found without a branch: where one in ten does, the processor would guess wrong half of the time that this takes.
    """
    count = 0
    for eight in range(first, last):
        found[count] = eight
        count += nearer(eights[eight], bound) != 0
    return count
