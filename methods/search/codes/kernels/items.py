"""Items of codes: sets of them, selections of them, and their order by (Hamming distance, id)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from methods.search.codes.kernels.bits import hamming_distance, lowest_bit
from methods.search.common.compiled import Array, kernel


class Stored(NamedTuple):
    """The arrays of `methods.search.codes.layout.Distinct`: codes and their items.

    words uint64 [words, n]; starts int64 [n + 1] and items int32, both empty if code c is item c.
    """

    words: Array
    starts: Array
    items: Array


class Selection(NamedTuple):
    """Items that may be an answer, in id order, and the memory to put them in order of distance.

    ids int32 [size] and distances uint16 [size], the first of which are those of the selected items; histogram int64
    [bits + 1], the number of selected items at each distance; by_distance int32 [size], the ids in order.
    """

    ids: Array
    distances: Array
    histogram: Array
    by_distance: Array


class ItemSet(NamedTuple):
    """A set of items with a value each: a bitset ``members``, uint64, and ``values`` [items], valid for members."""

    members: Array
    values: Array


@kernel()
def new_selection(size: int, highest: int) -> Selection:
    """An empty selection of ``size`` items at most, at distances up to ``highest``."""
    ids, distances = np.empty(size, np.int32), np.empty(size, np.uint16)
    return Selection(ids, distances, np.zeros(highest + 1, np.int64), np.empty(size, np.int32))


@kernel()
def new_bitset(size: int) -> Array:
    """An empty bitset of numbers below ``size``, uint64."""
    return np.zeros((size + 63) >> 6, np.uint64)


@kernel()
def count_items(stored: Stored) -> int:
    """The number of items of all codes."""
    return stored.items.shape[0] if stored.starts.shape[0] else stored.words.shape[1]


@kernel()
def places_of(starts: Array, code: Any) -> tuple[Any, Any]:
    """The first place of a code's items and the one behind the last; ``item_at`` reads a place."""
    if starts.shape[0] == 0:
        return np.int64(code), np.int64(code) + 1
    return starts[code], starts[code + 1]


@kernel()
def item_at(starts: Array, items: Array, place: Any) -> Any:
    """The item at a place."""
    return place if starts.shape[0] == 0 else np.int64(items[place])


@kernel()
def add_items(code: Any, value: Any, starts: Array, items: Array, members: Array, values: Array) -> int:
    """Add the items of a code with this value to the `ItemSet` of these arrays. Returns their number."""
    first, last = places_of(starts, code)
    for place in range(first, last):
        item = np.uint64(item_at(starts, items, place))
        members[item >> np.uint64(6)] |= np.uint64(1) << (item & np.uint64(63))
        values[item] = value
    return last - first


@kernel()
def take_members(members: Array, ids: Array) -> int:
    """Move the members of a bitset into ``ids``, ascending, and leave it empty. Returns their number."""
    count = 0
    for word in range(members.shape[0]):
        left = members[word]
        members[word] = np.uint64(0)
        while left:
            ids[count] = (word << 6) + np.int64(lowest_bit(left))
            left &= left - np.uint64(1)
            count += 1
    return count


@kernel()
def take_values(values: Array, ids: Array, count: int, taken: Array) -> None:
    """Copy the values of the first ``count`` ids into ``taken``."""
    for position in range(count):
        taken[position] = values[ids[position]]


@kernel()
def select_nearest(
    codes: Array, code_distances: Array, count: int, stored: Stored, n: int, near: ItemSet, selection: Selection
) -> int:
    """Select the items of the nearest of the first ``count`` codes, in whole distances until they hold n items.

    ``near`` is memory, empty before and after. Returns the number of selected items.
    """
    starts, items, histogram = stored.starts, stored.items, selection.histogram
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
            add_items(np.int64(codes[position]), code_distances[position], starts, items, near.members, near.values)
    selected = take_members(near.members, selection.ids)
    take_values(near.values, selection.ids, selected, selection.distances)
    return selected


@kernel()
def measure_selected(words: Array, query: Array, count: int, selection: Selection) -> None:
    """Fill in the distances and the histogram of the first ``count`` ids of a selection, if code c is item c.

    The ids ascend: reads of a large array to and fro would wait for a page each.
    """
    ids, distances, histogram = selection.ids, selection.distances, selection.histogram
    for position in range(count):
        distances[position] = hamming_distance(words, np.uint64(ids[position]), query)
    histogram[:] = 0
    for position in range(count):
        histogram[distances[position]] += 1


@kernel()
def order(selection: Selection, count: int, ids: Array, distances: Array) -> None:
    """Write the first n = ids.shape[0] of ``count`` selected items by (distance, id), and -1 behind them.

    The counting sort is of all selected items, since dropping the far ones would take a branch. It uses up the
    histogram.
    """
    selected, selected_distances = selection.ids, selection.distances
    ends, by_distance = selection.histogram, selection.by_distance
    start = 0
    for distance in range(ends.shape[0]):
        size = ends[distance]
        ends[distance] = start
        start += size
    for position in range(count):
        slot = ends[selected_distances[position]]
        ends[selected_distances[position]] = slot + 1
        by_distance[np.uint64(slot)] = selected[position]
    found = min(count, ids.shape[0])
    for position in range(found):
        ids[position] = by_distance[position]
    ids[found:] = -1
    distances[found:] = -1
    start = 0
    for distance in range(ends.shape[0]):
        end = min(ends[distance], found)
        distances[start:end] = distance
        start = end
