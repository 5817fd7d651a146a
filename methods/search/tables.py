"""The multi-table look-up: which database codes are candidates for a query.

A code of q bits is cut into q / L substrings of L bits, and each substring has a table: bucket b lists the ids of the
codes whose substring is b. A query visits the buckets in increasing Hamming distance (the ring) from its own
substring, all tables in each ring. It stops after the first ring in which at least N distinct codes have been seen
("finish the ring"; the paper's supplement leaves the rule open), and keeps the N of them with the smallest distance
over the whole code, ties by id. By the pigeonhole principle every code nearer than (q / L) (ring + 1) has been seen
then (Norouzi, Punjani, Fleet 2012, section 3), so candidates whose N-th distance is below that are ``complete``: they
are exactly the N nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes, Int

MAX_KEY_BITS = 24


@dataclass(frozen=True)
class Tables:
    """Direct-address tables: bucket b of table t is ``members[t, offsets[t, b] : offsets[t, b + 1]]``.

    offsets int32 [tables, 2**key_bits + 1]; members int32 [tables, n], ascending inside a bucket.
    """

    codes: Codes
    key_bits: int
    offsets: NDArray[np.int32]
    members: NDArray[np.int32]


def substrings(codes: Codes, table: int, key_bits: int) -> Int:
    """Bits [table * key_bits, (table + 1) * key_bits) of each code, int64 [n]; they may cross a word border."""
    word, shift = divmod(table * key_bits, 64)
    keys = codes.words[:, word] >> np.uint64(shift)
    if shift + key_bits > 64:
        keys = keys | codes.words[:, word + 1] << np.uint64(64 - shift)
    return (keys & np.uint64((1 << key_bits) - 1)).astype(np.int64)


def build_tables(codes: Codes, key_bits: int) -> Tables:
    """The tables of ``codes``. ValueError: ``check_key_bits`` refuses, or there are 2**31 codes or more."""
    check_key_bits(codes.bits, key_bits)
    if len(codes) >= 2**31:
        raise ValueError(f"{len(codes)} codes: the tables number at most {2**31 - 1}")
    count = codes.bits // key_bits
    offsets = np.zeros((count, 2**key_bits + 1), dtype=np.int32)
    members = np.empty((count, len(codes)), dtype=np.int32)
    for table in range(count):
        keys = substrings(codes, table, key_bits)
        np.cumsum(np.bincount(keys, minlength=2**key_bits), out=offsets[table, 1:])
        members[table] = np.argsort(keys, kind="stable")
    return Tables(codes, key_bits, offsets, members)


def check_key_bits(bits: int, key_bits: int) -> None:
    """ValueError where codes of ``bits`` bits cannot be cut into substrings of ``key_bits`` bits."""
    if bits % key_bits:
        fitting = ", ".join(str(key) for key in range(1, min(bits, MAX_KEY_BITS) + 1) if bits % key == 0)
        raise ValueError(
            f"bits = {bits} is not a multiple of key_bits = {key_bits}; for {bits} bits key_bits may be {fitting}"
        )


def candidates(queries: Codes, tables: Tables, n: int) -> tuple[Int, NDArray[np.int32], NDArray[np.bool_]]:
    """Each query's n candidates: ids int64 [q, n], distances int32 [q, n] (both -1 padded) and complete [q]."""
    from methods.search import hamming

    database = tables.codes.words
    wanted = min(n, len(database))
    ids = np.full((len(queries), n), -1, dtype=np.int64)
    distances = np.full((len(queries), n), -1, dtype=np.int32)
    complete = np.empty(len(queries), dtype=np.bool_)
    seen = np.zeros(-(-len(database) // 64), dtype=np.uint64)
    kept, kept_distances = np.empty(len(database), np.int32), np.empty(len(database), np.uint16)
    ordered = np.empty(len(database), dtype=np.int32)
    histogram = np.empty(queries.bits + 1, dtype=np.int64)
    for i, code in enumerate(np.ascontiguousarray(queries.words)):
        complete[i] = hamming.look_up(
            code,
            database,
            tables.offsets,
            tables.members,
            tables.key_bits,
            seen,
            kept,
            kept_distances,
            histogram,
            ordered,
            ids[i, :wanted],
            distances[i, :wanted],
        )
    return ids, distances, complete
