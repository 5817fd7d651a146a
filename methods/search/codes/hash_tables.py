"""The paper's search: multi-table look-up of the codes, whose candidates a reranker puts in order.

ExchNet (ECCV 2020), section 4.2 and supplement section 1: ``key_bits`` is its L, and the number of neighbours asked for
is its N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from annotated_types import Ge, Le

from bench.interfaces import Corpus, Int
from methods.parameters import check_parameters
from methods.search.codes.layout import as_they_are, distinct
from methods.search.codes.lookup import (
    MAX_KEY_BITS,
    Candidates,
    Cut,
    Mode,
    Tables,
    build_tables,
    candidates,
    check_key_bits,
    weighted_candidates,
)
from methods.search.common.inputs import codes_of


@dataclass(kw_only=True, eq=False)
class HashTables:
    """Hash tables over substrings of the code: the N that are found first, nearest code first.

    ``mode`` and ``cut`` are those of `methods.search.codes.lookup.candidates`; the cut "asymmetric" is by weighted
    distance. ``collapse`` stores equal codes once if they repeat. After a search, ``complete_share_`` is the share of
    its queries whose answers were provably the nearest codes, and ``scan_share_`` the share for which all codes were
    scanned.
    """

    label = "Hash tables"
    family = "hash tables"
    query_parameters: ClassVar[tuple[str, ...]] = ()

    key_bits: Annotated[int, Ge(1), Le(MAX_KEY_BITS)] = 16
    mode: Mode = "auto"
    cut: Cut = "hamming"
    collapse: bool = True

    def __post_init__(self) -> None:
        check_parameters(self)
        self.reads: tuple[str, ...] = ("codes", "real_codes") if self.cut == "asymmetric" else ("codes",)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Raises Unsuitable: ``key_bits`` does not divide the code length."""
        if bits is not None:
            check_key_bits(bits, self.key_bits)

    def build(self, database: Corpus) -> Self:
        codes = codes_of(database, "hash_tables")
        if len(codes) == 0:
            raise ValueError("hash_tables cannot be built on an empty database")
        self._tables: Tables = build_tables(distinct(codes) if self.collapse else as_they_are(codes), self.key_bits)
        return self

    def search(self, queries: Corpus, k: int) -> Int:
        codes = codes_of(queries, "hash_tables", self._tables.codes.bits)
        if self.cut != "asymmetric":
            found = candidates(codes, self._tables, k, self.mode, self.cut)
        elif queries.real_codes is None:
            raise ValueError("hash_tables: cut = 'asymmetric' reads the queries' real codes, and there are none")
        else:
            found = weighted_candidates(queries.real_codes, codes, self._tables, k, self.mode)
        return self._noted(found, len(codes))

    def _noted(self, found: Candidates, queries: int) -> Int:
        self.complete_share_ = found.complete / max(queries, 1)
        self.scan_share_ = found.scans / max(queries, 1)
        return found.ids

    def size_bytes(self) -> int:
        return self._tables.nbytes()

    def paper_bytes(self) -> int:
        """The codes of all items alone, which the paper's Table 1 counts."""
        return len(self._tables.codes) * self._tables.codes.bits // 8

    def query_cost(self) -> tuple[float, float]:
        """The floor: two offsets of one bucket in each table. The number of codes to read depends on N."""
        return 8.0 * len(self._tables.offsets), 0.0
