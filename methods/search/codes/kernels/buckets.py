"""The buckets of the tables that `methods.search.codes.lookup` builds, ring by ring around a query's substrings."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from methods.search.codes.kernels.bits import INT, WORDS, lowest_bit
from methods.search.codes.kernels.items import new_bitset
from methods.search.common.compiled import Array, kernel, read_only

TABLE = read_only(types.int32, 2)

SPANS = 64
"""Buckets whose bounds are read before their codes are."""

BUCKET_COST, MEMBER_COST, CODE_COST = 10.0, 16.0, 0.35
"""Costs of a bucket visited, a member seen and a code scanned, in nanoseconds on a Zen 4 core.

Only their ratios matter. They are constants so that equal data give an equal choice on every machine.
"""

CHOICE_COST = 2000.0
"""Cost of a call that judges a query, in the same unit: it starts with a cold cache."""

JUDGEMENT_SHARE = 0.05
"""The largest share of a scan's cost that is spent on judging."""


class Tables(NamedTuple):
    """Bucket b of table t is ``members[t, offsets[t, b] : offsets[t, b + 1]]``: positions of codes.

    offsets int32 [tables, 2**key_bits + 1]; members int32 [tables, codes].
    """

    offsets: Array
    members: Array
    key_bits: int


class Visited(NamedTuple):
    """The codes that a query has met.

    codes int32 [n + 1] are in order of arrival; members is their bitset, uint64; spans int32 [2, SPANS] is memory for
    the bounds of buckets.
    """

    codes: Array
    members: Array
    spans: Array


@kernel()
def new_visited(size: int) -> Visited:
    """No visited codes, of ``size``."""
    return Visited(np.empty(size + 1, np.int32), new_bitset(size), new_spans())


@kernel()
def new_spans() -> Array:
    """Memory for ``_fill_spans``."""
    return np.empty((2, SPANS), np.int32)


@kernel()
def _substring(query: Array, table: int, key_bits: int) -> Any:
    """Bits [table * key_bits, (table + 1) * key_bits) of a code [words], which may cross a word border."""
    first = table * key_bits
    word, shift = first >> 6, np.uint64(first & 63)
    key = query[word] >> shift
    if (first & 63) + key_bits > 64:
        key |= query[word + 1] << (np.uint64(64) - shift)
    return np.int64(key & ((np.uint64(1) << np.uint64(key_bits)) - np.uint64(1)))


@kernel()
def _next_mask(mask: Any) -> Any:
    """The next larger number with as many bits set (Gosper)."""
    carried = mask + (mask & -mask)
    return ((mask ^ carried) >> 2 >> np.int64(lowest_bit(np.uint64(mask)))) | carried


@kernel()
def _fill_spans(offsets: Array, table: int, key: Any, mask: Any, key_bits: int, spans: Array) -> tuple[Any, Any]:
    """Begin and end of the bucket ``key ^ mask`` and of those of the masks that follow, into spans [2, SPANS].

    The bounds of many buckets are read at once, since each may have to come from far, and the work that follows depends
    on the sizes, which no processor can foresee. Returns the number of buckets, and the mask to go on with.
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


@kernel()
def _visit_buckets(tables: Tables, query: Array, radius: int, visited: Visited, count: Any) -> Any:
    """Append the codes of every bucket whose key differs from the query's in exactly ``radius`` bits, table by table.

    Visited codes are left out. ``count`` is their number before; the number after is returned.
    """
    offsets, members, key_bits = tables.offsets, tables.members, tables.key_bits
    codes, known, spans = visited.codes, visited.members, visited.spans
    for table in range(offsets.shape[0]):
        key = _substring(query, table, key_bits)
        mask: Any = np.int64((1 << radius) - 1)
        while mask >> key_bits == 0:
            buckets, mask = _fill_spans(offsets, table, key, mask, key_bits, spans)
            for bucket in range(buckets):
                for place in range(spans[0, bucket], spans[1, bucket]):
                    code = np.uint64(members[table, np.uint64(place)])
                    word, bit = code >> np.uint64(6), np.uint64(1) << (code & np.uint64(63))
                    before = known[word]
                    known[word] = before | bit
                    codes[count] = code  # Without a branch: a code that is known is overwritten by the next.
                    count += np.int64((before & bit) == 0)
    return count


@kernel()
def visit_ring(
    tables: Tables, query: Array, radius: int, starts: Array, visited: Visited, before: Any
) -> tuple[Any, Any]:
    """Visit the buckets at ``radius``. Returns the number of visited codes, and the number of items of the new ones.

    ``before`` is the number of codes visited so far.
    """
    count = _visit_buckets(tables, query, radius, visited, before)
    if starts.shape[0] == 0:
        return count, count - before
    codes, new_items = visited.codes, 0
    for position in range(before, count):
        code = codes[position]
        new_items += starts[code + 1] - starts[code]
    return count, new_items


@kernel()
def forget(visited: Visited, count: int) -> None:
    """Empty the bitset of ``count`` visited codes; their list stays."""
    codes, members = visited.codes, visited.members
    for position in range(count):
        members[codes[position] >> 6] = 0


@kernel()
def _count_members(query: Array, offsets: Array, key_bits: int, radius: int, spans: Array) -> int:
    """The number of members in the buckets of a ring."""
    held = 0
    for table in range(offsets.shape[0]):
        key = _substring(query, table, key_bits)
        mask: Any = np.int64((1 << radius) - 1)
        while mask >> key_bits == 0:
            buckets, mask = _fill_spans(offsets, table, key, mask, key_bits, spans)
            for bucket in range(buckets):
                held += spans[1, bucket] - spans[0, bucket]
    return held


@kernel()
def _scan_is_cheaper(query: Array, words: Array, offsets: Array, key_bits: int, wanted: int, spans: Array) -> bool:
    """Whether a scan of all codes costs less than the rings that hold ``wanted`` members, judged by bucket sizes.

    The answer is yes as well if counting the buckets costs more than JUDGEMENT_SHARE of the scan.
    """
    limit = CODE_COST * words.shape[1]
    spent, judged, held = 0.0, 0.0, 0
    ring = 1.0 * offsets.shape[0]
    for radius in range(key_bits + 1):
        judged += BUCKET_COST * ring
        if judged > JUDGEMENT_SHARE * limit:
            return True
        members = _count_members(query, offsets, key_bits, radius, spans)
        held += members
        spent += BUCKET_COST * ring + MEMBER_COST * members
        if spent > limit:
            return True
        if held >= wanted:
            return False
        ring = ring * (key_bits - radius) / (radius + 1)
    return False


@kernel(types.void(WORDS, WORDS, TABLE, INT, INT, types.boolean[::1]), nogil=True)
def choose_scan(queries: Array, words: Array, offsets: Array, key_bits: int, wanted: int, scanned: Array) -> None:
    """Whether a scan of all codes is cheaper than the rings that hold ``wanted`` codes, for each query: scanned [q]."""
    spans = new_spans()
    for i in range(queries.shape[0]):
        scanned[i] = _scan_is_cheaper(queries[i], words, offsets, key_bits, wanted, spans)
