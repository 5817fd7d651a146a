"""USearch (Unum) on codes: a small-world graph over packed bits, by Hamming distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Int
from methods.parameters import Count, TwoOrMore
from methods.search.common.library import CodeLibraryIndex, threads
from methods.search.libraries.usearch import ask


@dataclass(kw_only=True, eq=False)
class USearchBinary(CodeLibraryIndex):
    """HNSW by USearch on codes (its number format b1): ``m`` links a node, ``ef`` nodes kept while searching.

    ``ef`` below k counts as k. USearch takes no seed; its graph depends on the order in which the CPUs insert.
    """

    name = "usearch_binary"
    module = "usearch"
    label = "USearch on codes"
    family = "graph"
    deterministic = False
    query_parameters = ("ef",)
    m: TwoOrMore = 16
    ef_construction: Count = 128
    ef: Count = 64

    def _build(self, rows: NDArray[Any]) -> Any:
        from usearch.index import Index

        n, width = rows.shape
        index = Index(
            ndim=8 * width, metric="hamming", dtype="b1", connectivity=self.m, expansion_add=self.ef_construction
        )  # fmt: skip
        index.add(np.arange(n, dtype=np.uint64), rows, threads=threads(n))
        return index

    def _ask(self, rows: NDArray[Any], k: int) -> Int:
        return ask(self._index, self.ef, rows, k)

    def size_bytes(self) -> int:
        return int(self._index.serialized_length)
