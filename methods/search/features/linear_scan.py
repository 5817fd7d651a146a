"""The baseline of every speed-up: exact search over all features, at the speed that this machine allows.

A single query reads the features once, so the memory bounds its time; a batch is a matrix product (BLAS). Either only
excludes rows. Distances are measured in float64 from differences, so the two agree. Far from the origin products
exclude little, and a batch is a scan for each of its queries.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.common.inputs import check_k, features_of
from methods.search.features.products import compare, lowered_norms


class LinearScan:
    """Exact Euclidean neighbours of any finite values: a fused scan for one query, blocked GEMM for a batch."""

    label = "Linear scan"
    family = "exact"
    baseline = True
    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = ()

    def build(self, database: Corpus) -> Self:
        """Keep the features, without a copy, and their squared norms, which must be finite."""
        from methods.search.features.kernels import entry as kernels

        self._kernels: Any = kernels
        self._features: Float = features_of(database, "linear_scan")
        self._norms = lowered_norms(self._features)
        return self

    def search(self, queries: Corpus, k: int) -> Int:
        check_k(k)
        vectors = features_of(queries, "linear_scan", self._features.shape[1])
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        found = min(k, len(self._features))
        if found == 0:
            return ids
        if len(vectors) == 1:
            self._kernels.nearest(self._features, vectors[0], ids[0, :found])
        else:
            ids[:, :found] = self._search_batch(vectors, found)
        return ids

    def _search_batch(self, vectors: Float, k: int) -> Int:
        ids = np.empty((len(vectors), k), dtype=np.int64)
        compare(self._kernels.nearest_by_products, self._features, self._norms, vectors, ids)
        return ids

    def size_bytes(self) -> int:
        return self._features.nbytes + self._norms.nbytes

    def paper_bytes(self) -> int:
        """The features, which the paper's Table 1 counts."""
        return self._features.nbytes

    def query_cost(self) -> tuple[float, float]:
        """All features once; a multiplication and an addition per value."""
        return float(self._features.nbytes), 2.0 * self._features.size
