"""The nearest of the codes in a few cells, which differ from query to query."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from methods.search.codes.kernels.bits import IDS, INT, ITEMS, STARTS, WORDS, lowest_bit
from methods.search.codes.kernels.blocks import (
    FAR,
    count_distances,
    fill_distances,
    nearer,
    nearer_eights,
    new_histograms,
    radius_of,
)
from methods.search.codes.kernels.items import Selection, new_selection, order
from methods.search.common.compiled import Array, kernel, read_only


@kernel()
def _largest(starts: Array) -> int:
    """The number of codes in the largest cell."""
    largest = 0
    for cell in range(starts.shape[0] - 1):
        largest = max(largest, starts[cell + 1] - starts[cell])
    return largest


@kernel()
def _fill_cells(words: Array, query: Array, starts: Array, cells: Array, cell_distances: Array) -> tuple[Any, Any]:
    """Distances of the codes of some cells, each cell from a multiple of 8 on.

    Returns the end of the distances, and the number of codes.
    """
    end, measured = 0, 0
    for probe in range(cells.shape[0]):
        start = starts[cells[probe]]
        size = starts[cells[probe] + 1] - start
        fill_distances(words, query, start, size, cell_distances[end:])
        end += (size + 7) & ~7
        measured += size
    return end, measured


@kernel()
def _select_in_cells(
    starts: Array, items: Array, cells: Array, radius: int, cell_distances: Array, near_eights: Array,
    selection: Selection,
) -> int:  # fmt: skip
    """Select the items within ``radius``, below FAR, cell by cell. Returns their number."""
    ids, distances, histogram = selection.ids, selection.distances, selection.histogram
    eights, bound = cell_distances.view(np.uint64), np.uint64(radius + 1)
    histogram[:] = 0
    count, base = 0, 0
    for probe in range(cells.shape[0]):
        start = starts[cells[probe]]
        size = starts[cells[probe] + 1] - start
        for place in range(nearer_eights(eights, base >> 3, (base + size + 7) >> 3, bound, near_eights)):
            eight = near_eights[place]
            hits = nearer(eights[eight], bound)
            while hits:
                position = (eight << 3) + np.int64(lowest_bit(hits) >> np.uint64(3))
                hits &= hits - np.uint64(1)
                distance = np.int64(cell_distances[position])
                ids[count] = items[start + position - base]
                distances[count] = distance
                count += 1
                histogram[distance] += 1
        base += (size + 7) & ~7
    return count


@kernel(INT(WORDS, WORDS, STARTS, ITEMS, read_only(types.int64, 2), IDS), nogil=True)
def scan_cells(queries: Array, words: Array, starts: Array, items: Array, cells: Array, ids: Array) -> int:
    """The nearest codes of each query in its cells [q, probes] by (distance, place): ids of items, -1 behind them.

    words [words, n] and items [n] are in order of cells, cell c from ``starts[c]`` on. Codes that are FAR bits away or
    farther are left out. Returns the number of codes scanned.
    """
    cell_distances = np.empty(cells.shape[1] * ((_largest(starts) + 15) & ~7), np.uint8)
    near_eights, histograms = np.empty(cell_distances.shape[0] >> 3, np.int32), new_histograms()
    selection, distances = new_selection(cell_distances.shape[0], FAR), np.empty(ids.shape[1], np.int32)
    scanned = 0
    for i in range(queries.shape[0]):
        end, measured = _fill_cells(words, queries[i], starts, cells[i], cell_distances)
        scanned += measured
        histograms[:] = 0
        count_distances(cell_distances, end, histograms)
        radius = radius_of(ids.shape[1], histograms, FAR, FAR - 1)
        count = _select_in_cells(starts, items, cells[i], radius, cell_distances, near_eights, selection)
        order(selection, count, ids[i], distances)
    return scanned
