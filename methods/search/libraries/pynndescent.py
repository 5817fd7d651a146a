"""PyNNDescent (McInnes): a neighbour graph by descent (Dong et al. 2011), searched from a tree's leaf, in numba."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from bench.interfaces import Float, Int
from methods.parameters import Natural, TwoOrMore
from methods.search.common.library import LibraryIndex


@dataclass(kw_only=True, eq=False)
class PyNNDescent(LibraryIndex):
    """Neighbour descent graph: ``epsilon`` says how far beyond the k-th distance the search still looks.

    Its batches run on one thread: the library's own switch for threads would slow single queries down.

    The first build compiles for minutes, and keeps that on disk. A build in a later process loads it, and compiles for
    some seconds the two functions that can't be kept.
    """

    name = "pynndescent"
    label = "PyNNDescent"
    family = "graph"
    query_parameters = ("epsilon",)
    n_neighbors: TwoOrMore = 30
    epsilon: Annotated[float, Ge(0)] = 0.1
    seed: Natural = 0

    def _build(self, features: Float) -> Any:
        """The index answers a query too, so that nothing is left to compile."""
        import pynndescent

        from methods.search.common.kept import keep_compiled, silent

        keep_compiled("pynndescent")
        neighbors = min(self.n_neighbors, len(features))
        with silent():
            index = pynndescent.NNDescent(features, n_neighbors=neighbors, random_state=self.seed, compressed=True)
            index.prepare()
            index.query(features[:1], k=1, epsilon=self.epsilon)
        return index

    def _ask(self, vectors: Float, k: int) -> Int:
        ids, distances = self._index.query(vectors, k=k, epsilon=self.epsilon)
        return np.where(np.isfinite(distances), ids, -1)

    def size_bytes(self) -> int:
        """All arrays that the index holds: features, graph, tree, scratch."""
        return sum(_bytes(value) for value in vars(self._index).values())


def _bytes(value: Any) -> int:
    """Bytes of an array, or of the arrays in a sequence or a sparse matrix."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, tuple | list):
        return sum(_bytes(one) for one in value)
    return sum(_bytes(getattr(value, name, None)) for name in ("indptr", "indices", "data") if hasattr(value, "indptr"))
