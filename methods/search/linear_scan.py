"""The baseline of every speed-up: exact search over all features, at the speed that this machine allows.

A single query reads the features once, which bounds its time by the memory; a batch is a matrix product (BLAS).
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.inputs import features_of

BLOCK_QUERIES, BLOCK_BYTES = 512, 192 * 2**20
"""A block's products take at most BLOCK_BYTES."""


class LinearScan:
    """Exact Euclidean neighbours: a fused scan for one query, blocked GEMM for a batch."""

    query_parameters: ClassVar[tuple[str, ...]] = ()

    def check(self, dim: int | None, bits: int | None) -> None:
        """Any features will do."""

    def build(self, database: Corpus) -> Self:
        """Keep the features, without a copy, and their squared norms. ValueError: a value is not finite."""
        from methods.search import hamming

        self._hamming = hamming
        features = features_of(database, "linear_scan")
        norms = np.einsum("ij,ij->i", features, features)
        if not np.isfinite(norms).all():
            row = int(np.flatnonzero(~np.isfinite(norms))[0])
            raise ValueError(f"linear_scan: the features of item {row} are not finite, or their squares overflow")
        self._features: Float = features
        self._norms: Float = norms
        return self

    def set_query(self, **parameters: Any) -> None:
        """There is nothing to set. ValueError: something is given."""
        if parameters:
            raise ValueError(f"linear_scan has no query parameters, not {', '.join(parameters)}")

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`; ties go to the smaller id. ValueError: k < 1."""
        if k < 1:
            raise ValueError(f"k = {k} must be at least 1")
        vectors = features_of(queries, "linear_scan", self._features.shape[1])
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        found = min(k, len(self._features))
        if found == 0:
            return ids
        if len(vectors) == 1:
            self._hamming.nearest(self._features, vectors[0], np.empty(found, np.float32), ids[0, :found])
        else:
            ids[:, :found] = self._search_batch(vectors, found)
        return ids

    def _search_batch(self, vectors: Float, k: int) -> Int:
        features, norms = self._features, self._norms
        n, dim = features.shape
        # Two scores norm - 2 product may differ by this much through rounding alone (Higham's bound, for any order of
        # summation), so whatever is that near to the k-th score is compared exactly.
        error = (dim + 2) * float(np.finfo(np.float32).eps) / 2
        largest = float(norms.max())
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        slack = (4 * error * (largest + 2 * np.sqrt(largest) * lengths)).astype(np.float32)
        block = max(1, min(BLOCK_QUERIES, len(vectors), BLOCK_BYTES // (4 * n)))
        products = np.empty((block, n), dtype=np.float32)
        ids = np.empty((len(vectors), k), dtype=np.int64)
        for start in range(0, len(vectors), block):
            some = slice(start, min(start + block, len(vectors)))
            scores = np.matmul(vectors[some], features.T, out=products[: some.stop - start])
            self._hamming.nearest_by_products(features, vectors[some], scores, norms, slack[some], ids[some])
        return ids

    def size_bytes(self) -> int:
        """The features and their norms."""
        return self._features.nbytes + self._norms.nbytes

    def paper_bytes(self) -> int:
        """The paper's Table 1 counts the features."""
        return self._features.nbytes

    def query_cost(self) -> tuple[float, float]:
        """All features once; a multiplication and an addition per value."""
        return float(self._features.nbytes), 2.0 * self._features.size
