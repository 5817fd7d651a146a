"""USearch (Unum): a small-world graph over features in a selectable number format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bench.interfaces import Float, Int, Unsuitable
from methods.parameters import Count, TwoOrMore
from methods.search.common.library import LibraryIndex, threads

LENGTH_TOLERANCE = 1e-3


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
            lengths = np.linalg.norm(features, axis=1)
            if np.ptp(lengths) > LENGTH_TOLERANCE * lengths.max():
                raise Unsuitable(
                    f"dtype = 'i8' keeps directions alone: features need one length, not {lengths.min():.3g} to "
                    f"{lengths.max():.3g}"
                )
        n, dim = features.shape
        index = Index(
            ndim=dim, metric="l2sq", dtype=self.dtype, connectivity=self.m, expansion_add=self.ef_construction
        )  # fmt: skip
        index.add(np.arange(n, dtype=np.uint64), features, threads=threads(n))
        return index

    def _ask(self, vectors: Float, k: int) -> Int:
        self._index.expansion_search = self.ef
        found = self._index.search(vectors, k, threads=threads(len(vectors)))
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        if len(vectors) == 1:
            ids[0, : len(found.keys)] = found.keys
        else:
            np.copyto(ids, found.keys.astype(np.int64), where=np.arange(k) < found.counts[:, None])
        return ids

    def size_bytes(self) -> int:
        return int(self._index.serialized_length)
