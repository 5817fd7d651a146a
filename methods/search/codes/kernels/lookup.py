"""The multi-table look-up: candidates of each query from the buckets around its substrings.

All of these kernels take queries uint64 [q, words]; words, starts and items of `methods.search.codes.layout.Distinct`;
offsets, members and key_bits of `methods.search.codes.lookup.Tables`; and bits, the length of a code. They are single
arrays because numba takes microseconds to find the type of a named tuple that Python hands to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from methods.search.codes.kernels.bits import DISTANCES, IDS, INT, ITEMS, STARTS, WORDS, hamming_distance
from methods.search.codes.kernels.buckets import TABLE, Tables, Visited, forget, new_visited, visit_ring
from methods.search.codes.kernels.items import (
    ItemSet,
    Stored,
    add_items,
    count_items,
    item_at,
    measure_selected,
    new_bitset,
    new_selection,
    order,
    places_of,
    select_nearest,
    take_members,
    take_values,
)
from methods.search.codes.kernels.weighted import (
    COST_STEPS,
    WEIGHTS,
    cost_of,
    fill_byte_costs,
    new_byte_costs,
    order_by_cost,
)
from methods.search.common.compiled import Array, kernel

EVERY = 2**31
"""A distance that no two codes have."""

_STORED_AND_TABLES = (WORDS, STARTS, ITEMS, TABLE, TABLE, INT, INT)


@kernel()
def _visit(query: Array, starts: Array, size: int, tables: Tables, wanted: int, visited: Visited) -> tuple[Any, Any]:
    """Visit the codes of the first rings that hold ``wanted`` of the ``size`` items.

    Returns the number of these codes, and the distance below which every code is among them.
    """
    count, found, ring = 0, 0, -1
    while found < wanted:
        ring += 1
        count, new_items = visit_ring(tables, query, ring, starts, visited, count)
        found += new_items
    return count, EVERY if found == size else tables.offsets.shape[0] * (ring + 1)


@kernel(INT(WORDS, *_STORED_AND_TABLES, IDS, DISTANCES), nogil=True)
def look_up(
    queries: Array, words: Array, starts: Array, items: Array, offsets: Array, members: Array, bits: int,
    key_bits: int, ids: Array, distances: Array,
) -> int:  # fmt: skip
    """Candidates of each query, nearest first, one query after the other; see `methods.search.codes.lookup`.

    Returns the number of queries whose candidates are provably the exact nearest codes.
    """
    stored, tables = Stored(words, starts, items), Tables(offsets, members, key_bits)
    size = count_items(stored)
    repeated = size if starts.shape[0] else 0
    near = ItemSet(new_bitset(repeated), np.empty(repeated, np.uint16))
    code_distances = np.empty(words.shape[1] if repeated else 0, np.uint16)
    visited, selection = new_visited(words.shape[1]), new_selection(size, bits)
    codes, wanted = visited.codes, min(ids.shape[1], size)
    complete = 0
    for i in range(queries.shape[0]):
        count, limit = _visit(queries[i], starts, size, tables, wanted, visited)
        if starts.shape[0]:
            forget(visited, count)
            for position in range(count):
                code_distances[position] = hamming_distance(words, np.uint64(codes[position]), queries[i])
            count = select_nearest(codes, code_distances, count, stored, wanted, near, selection)
        else:
            count = take_members(visited.members, selection.ids)
            measure_selected(words, queries[i], count, selection)
        order(selection, count, ids[i], distances[i])
        complete += distances[i, wanted - 1] < limit
    return complete


@kernel(INT(WORDS, *_STORED_AND_TABLES, IDS, DISTANCES), nogil=True)
def look_up_first(
    queries: Array, words: Array, starts: Array, items: Array, offsets: Array, members: Array, bits: int,
    key_bits: int, ids: Array, distances: Array,
) -> int:  # fmt: skip
    """``look_up`` of the first items that are seen, in that order, with their distances."""
    tables, visited = Tables(offsets, members, key_bits), new_visited(words.shape[1])
    size = count_items(Stored(words, starts, items))
    codes, wanted = visited.codes, min(ids.shape[1], size)
    for i in range(queries.shape[0]):
        count, _ = _visit(queries[i], starts, size, tables, wanted, visited)
        forget(visited, count)
        found = 0
        for position in range(count):
            code = codes[position]
            distance = hamming_distance(words, np.uint64(code), queries[i])
            first, last = places_of(starts, code)
            for place in range(first, min(last, first + wanted - found)):
                ids[i, found] = item_at(starts, items, place)
                distances[i, found] = distance
                found += 1
        ids[i, found:] = -1
        distances[i, found:] = -1
    return queries.shape[0] if wanted == size else 0


@kernel(types.void(WEIGHTS, WORDS, *_STORED_AND_TABLES, IDS), nogil=True)
def look_up_weighted(
    weights: Array, queries: Array, words: Array, starts: Array, items: Array, offsets: Array, members: Array,
    bits: int, key_bits: int, ids: Array,
) -> None:  # fmt: skip
    """``look_up`` of the nearest by (weighted distance, id) of the items that are seen: weights float32 [q, bits]."""
    tables, visited = Tables(offsets, members, key_bits), new_visited(words.shape[1])
    size = count_items(Stored(words, starts, items))
    repeated = size if starts.shape[0] else 0
    item_set, item_costs = new_bitset(repeated), np.empty(repeated, np.float32)
    selected, costs = np.empty(size, np.int32), np.empty(size, np.float32)
    byte_costs = new_byte_costs(bits)
    bins, by_cost = np.empty(COST_STEPS, np.int64), np.empty(size, np.int32)
    codes, wanted = visited.codes, min(ids.shape[1], size)
    for i in range(queries.shape[0]):
        count, _ = _visit(queries[i], starts, size, tables, wanted, visited)
        fill_byte_costs(weights[i], queries[i], byte_costs)
        if starts.shape[0]:
            forget(visited, count)
            for position in range(count):
                code = np.int64(codes[position])
                cost = cost_of(words, np.uint64(code), byte_costs)
                add_items(code, cost, starts, items, item_set, item_costs)
            count = take_members(item_set, selected)
            take_values(item_costs, selected, count, costs)
        else:
            count = take_members(visited.members, selected)
            for position in range(count):
                costs[position] = cost_of(words, np.uint64(selected[position]), byte_costs)
        order_by_cost(selected, costs, count, bins, by_cost, ids[i])
