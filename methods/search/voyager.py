"""Voyager (Spotify): hnswlib's graph, rewritten for production."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Corpus, Float, Int
from methods.search.inputs import at_least, items_of, set_positive
from methods.search.libraries import installed, most, neighbours, threads


class Voyager:
    """HNSW by Voyager: ``m`` links a node, ``ef`` nodes kept while searching.

    Several threads build the graph in an order of their own: the seed alone decides it only where there is one CPU.
    """

    label = "Voyager"
    family = "graph"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    deterministic: ClassVar[bool] = False
    query_parameters: ClassVar[tuple[str, ...]] = ("ef",)
    ef: int

    def __init__(self, *, m: int = 16, ef_construction: int = 200, ef: int = 64, seed: int = 0) -> None:
        at_least(2, m=m)
        at_least(1, ef_construction=ef_construction)
        self.m = m
        self.ef_construction = ef_construction
        at_least(0, seed=seed)
        self.seed = seed
        self.set_query(ef=ef)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unavailable: voyager is not installed."""
        installed("voyager")

    def build(self, database: Corpus) -> Self:
        """Insert the items, on all CPUs."""
        self.check(None, None)
        import voyager

        features = _writable(items_of(database, "voyager"))
        n, dim = self._shape = features.shape
        self._index: Any = voyager.Index(
            voyager.Space.Euclidean, dim, M=self.m, ef_construction=self.ef_construction, random_seed=self.seed + 1,
            max_elements=n,
        )  # fmt: skip
        self._index.add_items(features, num_threads=threads(n))
        self._fault = voyager.RecallError
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``ef``, the nodes kept while searching (at least k are). ValueError: below 1, or another name."""
        set_positive("voyager", self, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        return neighbours("voyager", self._shape, queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        try:
            return self._found(vectors, k)
        except self._fault:
            return np.stack([most(partial(self._found, vector), k, self._fault) for vector in vectors])

    def _found(self, vectors: Float, k: int) -> NDArray[Any]:
        asked = {"k": k, "num_threads": threads(len(vectors)), "query_ef": max(self.ef, k)}
        found: NDArray[Any] = self._index.query(_writable(vectors), **asked)[0]
        return found

    def size_bytes(self) -> int:
        """The graph and its copy of the features, as Voyager writes them."""
        return len(self._index.as_bytes())


def _writable(features: Float) -> Float:
    """The features themselves, or a copy where they must not be written to: Voyager accepts no such array."""
    return np.require(features, requirements="W")
