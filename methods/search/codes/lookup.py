"""The multi-table look-up: the database codes that are candidates for a query.

A code of q bits is cut into q / L substrings of L bits, and each substring has a table: bucket b lists the codes whose
substring is b. A query visits the buckets in increasing Hamming distance (the ring) from its own substring, all tables
in each ring. It stops after the first ring in which at least N distinct items have been seen ("finish the ring"; the
paper's supplement leaves the rule open), and keeps the N of them with the smallest distance over the whole code, ties
by id. By the pigeonhole principle every code nearer than (q / L) (ring + 1) has been seen then (Norouzi, Punjani, Fleet
2012, section 3), so candidates whose N-th distance is below that are ``complete``: they are exactly the N nearest.

Codes learned with labels repeat heavily; `methods.search.codes.layout` stores equal ones once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes, Float, Int, Unsuitable, Words
from methods.search.codes.layout import Distances, Distinct, asked, scan, scan_weighted, weights_of
from methods.search.common.threads import by_queries

MAX_KEY_BITS = 24

Mode = Literal["tables", "scan", "auto"]
Cut = Literal["hamming", "arrival", "asymmetric"]
MODES = get_args(Mode)


@dataclass(frozen=True)
class Tables:
    """Direct-address tables: bucket b of table t is ``members[t, offsets[t, b] : offsets[t, b + 1]]``.

    offsets int32 [tables, 2**key_bits + 1]; members, positions among the distinct codes, int32 [tables, m], ascending
    inside a bucket.
    """

    codes: Distinct
    key_bits: int
    offsets: NDArray[np.int32]
    members: NDArray[np.int32]

    @cached_property
    def few(self) -> bool:
        """Whether a scan is so cheap that to judge a query by its buckets costs more than the share set apart for it.

        A query is judged by the buckets of two rings at least; fewer would be a guess.
        """
        from methods.search.codes.kernels import entry as kernels

        two_rings = len(self.offsets) * (1 + self.key_bits) * kernels.BUCKET_COST
        scan = kernels.CODE_COST * self.codes.words.shape[1]
        return kernels.CHOICE_COST + two_rings > kernels.JUDGEMENT_SHARE * scan

    def nbytes(self) -> int:
        """Bytes of codes and tables."""
        return self.codes.nbytes() + self.offsets.nbytes + self.members.nbytes


def substrings(words: Words, table: int, key_bits: int) -> Int:
    """Bits [table * key_bits, (table + 1) * key_bits) of each code [words, m], int64 [m], across word borders too."""
    word, shift = divmod(table * key_bits, 64)
    keys = words[word] >> np.uint64(shift)
    if shift + key_bits > 64:
        keys = keys | words[word + 1] << np.uint64(64 - shift)
    return (keys & np.uint64((1 << key_bits) - 1)).astype(np.int64)


def build_tables(codes: Distinct, key_bits: int) -> Tables:
    """The tables of the codes.

    Raises Unsuitable: ``check_key_bits`` refuses.
    """
    check_key_bits(codes.bits, key_bits)
    count, size = codes.bits // key_bits, codes.words.shape[1]
    offsets = np.zeros((count, 2**key_bits + 1), dtype=np.int32)
    members = np.empty((count, size), dtype=np.int32)
    for table in range(count):
        keys = substrings(codes.words, table, key_bits)
        np.cumsum(np.bincount(keys, minlength=2**key_bits), out=offsets[table, 1:])
        # Sixteen bits are sorted by radix, which takes a tenth of the time.
        members[table] = np.argsort(keys.astype(np.uint16) if key_bits <= 16 else keys, kind="stable")
    return Tables(codes, key_bits, offsets, members)


def check_key_bits(bits: int, key_bits: int) -> None:
    """Raises Unsuitable: codes of ``bits`` bits can't be cut into substrings of ``key_bits`` bits."""
    if bits % key_bits:
        fitting = ", ".join(str(key) for key in range(1, min(bits, MAX_KEY_BITS) + 1) if bits % key == 0)
        raise Unsuitable(
            f"bits = {bits} is not a multiple of key_bits = {key_bits}; for {bits} bits key_bits may be {fitting}"
        )


class Candidates(NamedTuple):
    """The result of a look-up: ids int64 [q, n] and Hamming distances int32 [q, n], both -1 padded.

    By weighted distance, ``distances`` are None. ``complete`` is the number of queries whose candidates are provably
    the n nearest codes (0 by weighted distance), and ``scans`` the number of those for which all codes were scanned.
    """

    ids: Int
    distances: NDArray[np.int32] | None
    complete: int
    scans: int


def candidates(queries: Codes, tables: Tables, n: int, mode: Mode = "tables", cut: Cut = "hamming") -> Candidates:
    """Each query's n candidates, nearest first; with ``cut`` "arrival", the first that are seen, in that order.

    ``mode``: by the "tables", by a "scan" of all codes, or "auto", which takes the cheaper of the two by the sizes of
    the buckets. Scanned candidates are always the nearest.

    Raises ValueError: the codes differ in length, n is below 1, or the mode or the cut is unknown.
    """
    if cut not in ("hamming", "arrival"):
        raise ValueError(f"cut = {cut!r}: must be hamming or arrival; see weighted_candidates for real codes")
    words = asked(queries, tables.codes, n)
    if _scans_unasked(tables, mode):
        return _scan(words, tables, n)
    if mode == "tables":
        return _look_up(words, tables, n, cut)
    scanned = _cheaper_scanned(words, tables, n)
    if scanned.all():
        return _scan(words, tables, n)
    if not scanned.any():
        return _look_up(words, tables, n, cut)
    return _merged(scanned, _scan(words[scanned], tables, n), _look_up(words[~scanned], tables, n, cut))


def weighted_candidates(real_codes: Float, queries: Codes, tables: Tables, n: int, mode: Mode = "tables") -> Candidates:
    """As ``candidates``, nearest first by weighted distance: a bit that differs costs the query's |real code| there.

    real_codes float32 [q, bits]. Up to a constant, that is minus half the inner product of the real codes and the
    database's codes of -1 and +1 (Gordo et al., "Asymmetric distances for binary embeddings", PAMI 2014).
    """
    words, weights = asked(queries, tables.codes, n), weights_of(real_codes, queries)
    if _scans_unasked(tables, mode):
        return _weighted_scan(weights, words, tables, n)
    if mode == "tables":
        return _weighted_look_up(weights, words, tables, n)
    scanned = _cheaper_scanned(words, tables, n)
    if scanned.all():
        return _weighted_scan(weights, words, tables, n)
    if not scanned.any():
        return _weighted_look_up(weights, words, tables, n)
    looked_up = ~scanned
    return _merged(
        scanned,
        _weighted_scan(weights[scanned], words[scanned], tables, n),
        _weighted_look_up(weights[looked_up], words[looked_up], tables, n),
    )


def _scans_unasked(tables: Tables, mode: Mode) -> bool:
    """Whether all codes are scanned whatever the queries are; an unknown mode is refused."""
    if mode not in MODES:
        raise ValueError(f"mode = {mode!r}: must be one of {', '.join(MODES)}")
    return mode == "scan" or (mode == "auto" and tables.few)


def _cheaper_scanned(words: Words, tables: Tables, n: int) -> NDArray[np.bool_]:
    """Whether a scan of all codes is cheaper than the buckets that hold n items, for each query: bool [q]."""
    from methods.search.codes.kernels import entry as kernels

    codes = tables.codes
    wanted = min(n, len(codes)) * codes.words.shape[1] // max(1, len(codes))
    scanned = np.empty(len(words), dtype=np.bool_)
    kernels.choose_scan(words, codes.words, tables.offsets, tables.key_bits, wanted, scanned)
    return scanned


def _scan(words: Words, tables: Tables, n: int) -> Candidates:
    ids, distances = _unfilled(words, n)
    scan(words, tables.codes, ids, distances)
    return Candidates(ids, distances, len(words), len(words))


def _look_up(words: Words, tables: Tables, n: int, cut: Cut) -> Candidates:
    from methods.search.codes.kernels import entry as kernels

    ids, distances = _unfilled(words, n)
    kernel = kernels.look_up_first if cut == "arrival" else kernels.look_up
    complete = by_queries(lambda part: kernel(words[part], *_arrays(tables), ids[part], distances[part]), len(words))
    return Candidates(ids, distances, sum(complete), 0)


def _weighted_scan(weights: Float, words: Words, tables: Tables, n: int) -> Candidates:
    ids = np.empty((len(words), n), dtype=np.int64)
    scan_weighted(weights, words, tables.codes, ids)
    return Candidates(ids, None, 0, len(words))


def _weighted_look_up(weights: Float, words: Words, tables: Tables, n: int) -> Candidates:
    from methods.search.codes.kernels import entry as kernels

    ids = np.empty((len(words), n), dtype=np.int64)
    kernel = kernels.look_up_weighted
    by_queries(lambda part: kernel(weights[part], words[part], *_arrays(tables), ids[part]), len(words))
    return Candidates(ids, None, 0, 0)


def _unfilled(words: Words, n: int) -> tuple[Int, Distances]:
    return np.empty((len(words), n), dtype=np.int64), np.empty((len(words), n), dtype=np.int32)


def _merged(scanned: NDArray[np.bool_], by_scan: Candidates, by_tables: Candidates) -> Candidates:
    """The candidates of all queries, from those of the scanned ones and those of the others."""
    ids = np.empty((len(scanned), by_scan.ids.shape[1]), dtype=np.int64)
    ids[scanned], ids[~scanned] = by_scan.ids, by_tables.ids
    distances = None
    if by_scan.distances is not None and by_tables.distances is not None:
        distances = np.empty(ids.shape, dtype=np.int32)
        distances[scanned], distances[~scanned] = by_scan.distances, by_tables.distances
    return Candidates(ids, distances, by_scan.complete + by_tables.complete, by_scan.scans)


def _arrays(tables: Tables) -> tuple[Words, Int, NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], int, int]:
    codes = tables.codes
    return codes.words, codes.starts, codes.items, tables.offsets, tables.members, codes.bits, tables.key_bits
