"""The baseline of every speed-up: exact search over all features, at the speed that this machine allows.

A single query reads the features once, which bounds its time by the memory; a batch is a matrix product (BLAS).
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.inputs import at_least, features_of, only
from methods.search.products import products, rounding_slack
from methods.search.threads import by_queries


class LinearScan:
    """Exact Euclidean neighbours: a fused scan for one query, blocked GEMM for a batch."""

    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = ()

    def build(self, database: Corpus) -> Self:
        """Keep the features, without a copy, and their squared norms. ValueError: a value is not finite."""
        from methods.search import nearest

        self._kernels: Any = nearest
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
        only("linear_scan", self.query_parameters, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`; ties go to the smaller id. ValueError: k < 1."""
        at_least(1, k=k)
        vectors = features_of(queries, "linear_scan", self._features.shape[1])
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        found = min(k, len(self._features))
        if found == 0:
            return ids
        if len(vectors) == 1:
            self._kernels.nearest(self._features, vectors[0], np.empty(found, np.float32), ids[0, :found])
        else:
            ids[:, :found] = self._search_batch(vectors, found)
        return ids

    def _search_batch(self, vectors: Float, k: int) -> Int:
        features, norms, kernel = self._features, self._norms, self._kernels.nearest_by_products
        slack = rounding_slack(norms, vectors)
        ids = np.empty((len(vectors), k), dtype=np.int64)
        for some, scores in products(features, vectors):
            given = (vectors[some], scores, slack[some], ids[some])
            by_queries(partial(_compare, kernel, features, norms, given), len(scores))
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


def _compare(kernel: Any, features: Float, norms: Float, given: tuple[Any, ...], part: slice) -> None:
    asked, scores, slack, ids = (array[part] for array in given)
    kernel(features, asked, scores, norms, slack, ids)
