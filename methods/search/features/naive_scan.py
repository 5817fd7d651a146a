"""The scan that one writes first: whole arrays of differences and squares, and a sort of all distances.

ExchNet's paper divides the time of its linear scan by that of its look-up, and does not say how the scan was written.
Its 9,481 s for 25,250 queries of 512 dimensions are 375 ms each, if they are seconds, which fits such code. A scan at
the speed of memory takes a tenth of that or less: `linear_scan`, over which the speed-ups of all tables are.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.common.inputs import check_k, features_of
from methods.search.common.threads import by_queries


class NaiveScan:
    """Euclidean neighbours by numpy, one query after another in float32; a batch is shared among threads.

    Each thread takes twice the memory of the features while it searches. Ties of float32 go to the smaller id.
    """

    label = "Naive scan (numpy)"
    family = "exact"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = ()

    def build(self, database: Corpus) -> Self:
        """Keep the features, without a copy."""
        self._features: Float = features_of(database, "naive_scan")
        return self

    def search(self, queries: Corpus, k: int) -> Int:
        check_k(k)
        vectors = features_of(queries, "naive_scan", self._features.shape[1])
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        found = min(k, len(self._features))

        def scan(part: slice) -> None:
            for vector, nearest in zip(vectors[part], ids[part], strict=True):
                nearest[:found] = self._in_order(vector)[:found]

        if len(vectors):
            by_queries(scan, len(vectors))
        return ids

    def _in_order(self, vector: Float) -> Int:
        """All ids, nearest first."""
        with np.errstate(over="ignore", invalid="ignore"):
            distances = ((self._features - vector) ** 2).sum(axis=1)
        return np.argsort(distances, kind="stable")

    def size_bytes(self) -> int:
        return self._features.nbytes

    def paper_bytes(self) -> int:
        """The features, which the paper's Table 1 counts."""
        return self._features.nbytes

    def query_cost(self) -> tuple[float, float]:
        """All features once; a subtraction, a multiplication and an addition per value."""
        return float(self._features.nbytes), 3.0 * self._features.size
