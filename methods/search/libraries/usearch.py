"""USearch (Unum): a small-world graph over features in a selectable number format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float, Int
from methods.parameters import Count, TwoOrMore
from methods.search.common.inputs import check_one_length
from methods.search.common.library import LibraryIndex, threads


@dataclass(kw_only=True, eq=False)
class USearch(LibraryIndex):
    """HNSW by USearch, ``dtype`` f32, f16 or i8: ``m`` links a node, ``ef`` nodes kept while searching.

    i8 keeps the direction of a vector and drops its length, so the features must have one length. ``ef`` below k counts
    as k. USearch takes no seed; its graph depends on the order in which the CPUs insert.
    """

    name = "usearch"
    label = "USearch"
    family = "graph"
    deterministic = False
    query_parameters = ("ef",)
    dtype: Literal["f32", "f16", "i8"] = "f32"
    m: TwoOrMore = 16
    ef_construction: Count = 128
    ef: Count = 64

    def _build(self, features: Float) -> Any:
        """Raises Unsuitable: ``dtype`` is "i8" and the features have different lengths."""
        from usearch.index import Index

        if self.dtype == "i8":
            check_one_length(features, "dtype = 'i8' keeps directions alone")
        n, dim = features.shape
        index = Index(
            ndim=dim, metric="l2sq", dtype=self.dtype, connectivity=self.m, expansion_add=self.ef_construction
        )  # fmt: skip
        index.add(np.arange(n, dtype=np.uint64), features, threads=threads(n))
        return index

    def _ask(self, vectors: Float, k: int) -> Int:
        return ask(self._index, self.ef, vectors, k)

    def size_bytes(self) -> int:
        return int(self._index.serialized_length)


def ask(index: Any, ef: int, rows: NDArray[Any], k: int) -> Int:
    """Ids int64 [q, k] by an index of USearch that keeps ``ef`` nodes while searching."""
    index.expansion_search = ef
    found = index.search(rows, k, threads=threads(len(rows)))
    ids = np.full((len(rows), k), -1, dtype=np.int64)
    if len(rows) == 1:
        ids[0, : len(found.keys)] = found.keys
    else:
        np.copyto(ids, found.keys.astype(np.int64), where=np.arange(k) < found.counts[:, None])
    return ids
