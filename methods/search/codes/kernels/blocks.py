"""Distances of many codes as bytes, eight of which are compared at a time, for scans of codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from methods.search.codes.kernels.bits import popcount
from methods.search.common.compiled import Array, kernel

FAR = 127
"""The largest distance as a byte, also for all larger ones: a comparison of eight bytes needs the highest bit."""

EVERY_HIGH_BIT = np.uint64(0x8080808080808080)
EVERY_LOW_BIT = np.uint64(0x0101010101010101)


@kernel()
def fill_distances(words: Array, query: Array, start: int, size: int, distances: Array) -> None:
    """Distances of ``size`` codes from ``start`` on, FAR at most, uint8, and FAR behind them up to a multiple of 8."""
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

    Neighbours are counted in four histograms in turns, since a count in the same one would wait for the last.
    """
    for i in range(0, size, 4):
        histograms[0, distances[i]] += 1
        histograms[1, distances[i + 1]] += 1
        histograms[2, distances[i + 2]] += 1
        histograms[3, distances[i + 3]] += 1


@kernel()
def radius_of(wanted: Any, histograms: Array, end: int, otherwise: int) -> int:
    """The smallest radius below ``end`` within which ``wanted`` distances were counted, or else ``otherwise``."""
    inside = 0
    for radius in range(end):
        for copy in range(4):
            inside += histograms[copy, radius]
        if inside >= wanted:
            return radius
    return otherwise


@kernel()
def nearer(eight: Any, bound: Any) -> Any:
    """The highest bit of each byte that is below ``bound``, of eight distances of FAR at most."""
    return ~((eight | EVERY_HIGH_BIT) - bound * EVERY_LOW_BIT) & EVERY_HIGH_BIT


@kernel()
def nearer_eights(eights: Array, first: int, last: int, bound: Any, found: Array) -> int:
    """Write to ``found`` the eights, from first to before last, that hold a distance below ``bound``.

    There is no branch: if one eight in ten is found, wrong guesses of the processor would double the time. Returns the
    number of these eights.
    """
    count = 0
    for eight in range(first, last):
        found[count] = eight
        count += nearer(eights[eight], bound) != 0
    return count
