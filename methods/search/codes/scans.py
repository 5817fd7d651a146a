"""Linear scans of the codes: the control beside every hash table."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from bench.interfaces import Codes, Corpus, Int
from methods.search.codes.layout import (
    Distances,
    Distinct,
    as_they_are,
    asked,
    distinct,
    scan,
    scan_weighted,
    weights_of,
)
from methods.search.common.inputs import codes_of


def top_n(queries: Codes, database: Distinct, n: int) -> tuple[Int, Distances]:
    """The n nearest database codes of each query in Hamming distance, exactly; ties go to the smaller id.

    Returns ids int64 [q, n] and distances int32 [q, n], both -1 if the database has fewer than n codes. A single query
    runs in the calling thread, several are shared among numba's threads.

    Raises ValueError: n is below 1, or the codes differ in length.
    """
    words = asked(queries, database, n)
    ids = np.empty((len(queries), n), dtype=np.int64)
    distances = np.empty((len(queries), n), dtype=np.int32)
    scan(words, database, ids, distances)
    return ids, distances


class HammingScan:
    """Exact nearest codes by a linear popcount scan. ``collapse``: equal codes are stored once if they repeat."""

    label = "Hamming scan"
    family = "code scan"
    reads: ClassVar[tuple[str, ...]] = ("codes",)
    query_parameters: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, collapse: bool = True) -> None:
        self.collapse = collapse

    def build(self, database: Corpus) -> Self:
        codes = codes_of(database, "hamming_scan")
        self._codes: Distinct = distinct(codes) if self.collapse else as_they_are(codes)
        return self

    def search(self, queries: Corpus, k: int) -> Int:
        return top_n(codes_of(queries, "hamming_scan", self._codes.bits), self._codes, k)[0]

    def size_bytes(self) -> int:
        return self._codes.nbytes()

    def paper_bytes(self) -> int:
        """The codes of all items."""
        return len(self._codes) * self._codes.bits // 8

    def query_cost(self) -> tuple[float, float]:
        """All stored codes once; nothing is computed in floating point."""
        return float(self._codes.words.nbytes), 0.0


class AsymmetricScan:
    """Nearest codes by weighted distance: a bit that differs costs the query's |real code| (Gordo et al. 2014)."""

    label = "Asymmetric scan"
    family = "code scan"
    reads: ClassVar[tuple[str, ...]] = ("codes", "real_codes")
    query_parameters: ClassVar[tuple[str, ...]] = ()

    def build(self, database: Corpus) -> Self:
        self._codes: Distinct = distinct(codes_of(database, "asymmetric_scan"))
        return self

    def search(self, queries: Corpus, k: int) -> Int:
        codes = codes_of(queries, "asymmetric_scan", self._codes.bits)
        words, weights = asked(codes, self._codes, k), weights_of(queries.real_codes, codes)
        ids = np.empty((len(codes), k), dtype=np.int64)
        scan_weighted(weights, words, self._codes, ids)
        return ids

    def size_bytes(self) -> int:
        return self._codes.nbytes()

    def query_cost(self) -> tuple[float, float]:
        """All stored codes once; an addition a byte."""
        return float(self._codes.words.nbytes), float(self._codes.words.shape[1] * -(-self._codes.bits // 8))
