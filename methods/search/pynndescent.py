"""PyNNDescent (McInnes): a neighbour graph by descent (Dong et al. 2011), searched from a tree's leaf, in numba."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.inputs import at_least, items_of, only
from methods.search.libraries import installed, neighbours


class PyNNDescent:
    """Neighbour descent graph: ``epsilon`` says how far beyond the k-th distance the search still looks.

    Its batches run on one thread: the library's own switch for threads would slow single queries down.
    """

    label = "PyNNDescent"
    family = "graph"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = ("epsilon",)

    def __init__(self, *, n_neighbors: int = 30, epsilon: float = 0.1, seed: int = 0) -> None:
        at_least(2, n_neighbors=n_neighbors)
        self.n_neighbors = n_neighbors
        at_least(0, seed=seed)
        self.seed = seed
        self.set_query(epsilon=epsilon)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unavailable: pynndescent is not installed."""
        installed("pynndescent")

    def build(self, database: Corpus) -> Self:
        """Build the graph, on all CPUs, and answer a query, so that nothing is left to compile."""
        self.check(None, None)
        import pynndescent

        features = items_of(database, "pynndescent")
        self._shape = features.shape
        self._index: Any = pynndescent.NNDescent(
            features, n_neighbors=min(self.n_neighbors, len(features)), random_state=self.seed, compressed=True
        )  # fmt: skip
        self._index.prepare()
        self._index.query(features[:1], k=1, epsilon=self.epsilon)
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``epsilon``. ValueError: below 0, or another name."""
        only("pynndescent", self.query_parameters, parameters)
        epsilon = parameters.get("epsilon", getattr(self, "epsilon", 0.0))
        if not isinstance(epsilon, int | float) or not epsilon >= 0:
            raise ValueError(f"epsilon = {epsilon!r} must be a number of at least 0")
        self.epsilon = float(epsilon)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        return neighbours("pynndescent", self._shape, queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> Int:
        ids, distances = self._index.query(vectors, k=k, epsilon=self.epsilon)
        return np.where(np.isfinite(distances), ids, -1)

    def size_bytes(self) -> int:
        """All arrays that the index holds: features, graph, tree, scratch."""
        return sum(_bytes(value) for value in vars(self._index).values())


def _bytes(value: Any) -> int:
    """Of an array, or of the arrays in a sequence or a sparse matrix."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, tuple | list):
        return sum(_bytes(one) for one in value)
    return sum(_bytes(getattr(value, name, None)) for name in ("indptr", "indices", "data") if hasattr(value, "indptr"))
