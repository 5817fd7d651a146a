"""hnswlib (Malkov, Yashunin 2018): the authors' hierarchical navigable small-world graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from bench.interfaces import Float
from methods.parameters import Count, Natural, TwoOrMore
from methods.search.common.library import LibraryIndex, as_many_as_found, threads


@dataclass(kw_only=True, eq=False)
class Hnswlib(LibraryIndex):
    """HNSW by hnswlib: ``m`` links a node, ``ef`` nodes kept while searching.

    ``ef`` below k counts as k. Several threads build the graph in varying order: the seed alone decides it on one CPU.
    """

    name = "hnswlib"
    label = "hnswlib"
    family = "graph"
    deterministic = False
    query_parameters = ("ef",)
    m: TwoOrMore = 16
    ef_construction: Count = 200
    ef: Count = 64
    seed: Natural = 0

    def _build(self, features: Float) -> Any:
        import hnswlib

        n, dim = features.shape
        index = hnswlib.Index("l2", dim)
        index.init_index(n, M=self.m, ef_construction=self.ef_construction, random_seed=self.seed + 1)
        index.add_items(features, num_threads=threads(n))
        return index

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        self._index.set_ef(self.ef)
        return as_many_as_found(self._found, vectors, k, RuntimeError)

    def _found(self, vectors: Float, k: int) -> NDArray[Any]:
        found: NDArray[Any] = self._index.knn_query(vectors, k, num_threads=threads(len(vectors)))[0]
        return found

    def size_bytes(self) -> int:
        return int(self._index.index_file_size())
