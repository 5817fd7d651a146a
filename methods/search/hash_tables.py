"""The paper's search: multi-table look-up of the codes, then exact re-ranking on the real-valued features.

ExchNet (ECCV 2020), section 4.2 and supplement section 1: ``key_bits`` is its L, ``candidates`` its N.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.inputs import codes_of, features_of
from methods.search.tables import MAX_KEY_BITS, Tables, build_tables, check_key_bits


class HashTables:
    """Hash tables over substrings of the code, N candidates, exact re-rank on features.

    ``complete_share_``, after a search: the share of its queries whose candidates were provably the N nearest codes.
    """

    query_parameters: ClassVar[tuple[str, ...]] = ("candidates",)

    def __init__(self, *, key_bits: int = 16, candidates: int = 1000) -> None:
        if not 1 <= key_bits <= MAX_KEY_BITS:
            raise ValueError(f"key_bits = {key_bits} must be from 1 to {MAX_KEY_BITS}")
        self.key_bits = key_bits
        self.set_query(candidates=candidates)

    def check(self, dim: int | None, bits: int | None) -> None:
        """ValueError: no codes, or a code length that ``key_bits`` does not divide."""
        if bits is None:
            raise ValueError("hash_tables needs a hasher (the codes to look up)")
        check_key_bits(bits, self.key_bits)

    def build(self, database: Corpus) -> Self:
        """Build the tables; the features are kept as they are, without a copy."""
        from methods.search import hamming

        self._hamming = hamming
        self._features: Float = features_of(database, "hash_tables")
        codes = codes_of(database, "hash_tables")
        if not 0 < len(codes) == len(self._features):
            raise ValueError(f"hash_tables needs as many codes as features, not {len(codes)} and {len(self._features)}")
        self._tables: Tables = build_tables(codes, self.key_bits)
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``candidates``, the number N of codes that are re-ranked. ValueError: it is below 1, or another name."""
        candidates = parameters.pop("candidates", None)
        if parameters or not isinstance(candidates, int) or candidates < 1:
            raise ValueError(f"hash_tables: candidates = {candidates} {parameters or ''} must be an integer >= 1")
        self.candidates = candidates

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`; a single query runs in one thread. ValueError: k > candidates."""
        tables, features = self._tables, self._features
        if not 1 <= k <= self.candidates:
            raise ValueError(f"k = {k} must be from 1 to candidates = {self.candidates}")
        codes = codes_of(queries, "hash_tables", tables.codes.bits)
        vectors = features_of(queries, "hash_tables", features.shape[1])
        if len(codes) != len(vectors):
            raise ValueError(f"{len(codes)} query codes and {len(vectors)} query features: they must agree")
        ids = np.empty((len(codes), k), dtype=np.int64)
        kernels = self._hamming
        kernel = kernels.search_tables if len(codes) == 1 else kernels.search_tables_parallel
        complete = kernel(
            codes.words,
            vectors,
            tables.codes.words,
            features,
            tables.offsets,
            tables.members,
            codes.bits,
            self.key_bits,
            min(self.candidates, len(features)),
            ids,
        )
        self.complete_share_ = complete / max(len(codes), 1)
        return ids

    def size_bytes(self) -> int:
        """Codes, tables, and the features that the re-ranking reads."""
        tables = self._tables
        return tables.codes.words.nbytes + tables.offsets.nbytes + tables.members.nbytes + self._features.nbytes

    def paper_bytes(self) -> int:
        """The paper's Table 1 counts the codes alone."""
        return len(self._features) * self._tables.codes.bits // 8

    def query_cost(self) -> tuple[float, float]:
        """Floor: the candidates' features, codes and ids once, the bitset once; 3 operations per dimension."""
        n, dim = self._features.shape
        read = min(self.candidates, n)
        words = self._tables.codes.words.shape[1]
        return read * (4.0 * dim + 8 * words + 4) + n / 8, 3.0 * read * dim
