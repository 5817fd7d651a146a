"""SVS (Aguerrebere et al. 2023, Intel): the Vamana graph of DiskANN in memory, over float32 features.

Its compressed vectors (LVQ, LeanVec) are left out: on other processors than Intel's they end the process.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.inputs import at_least, items_of, set_positive
from methods.search.libraries import installed, neighbours, saved_bytes, threads


class SVS:
    """Vamana graph by SVS: ``degree`` links a node, ``search_window`` nodes kept while searching. It takes no seed."""

    label = "SVS"
    family = "graph"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    deterministic: ClassVar[bool] = False
    query_parameters: ClassVar[tuple[str, ...]] = ("search_window",)
    search_window: int

    def __init__(self, *, degree: int = 32, build_window: int = 200, search_window: int = 32) -> None:
        at_least(1, degree=degree, build_window=build_window)
        self.degree = degree
        self.build_window = build_window
        self.set_query(search_window=search_window)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unavailable: svs is not installed."""
        installed("svs")

    def build(self, database: Corpus) -> Self:
        """Build the graph, on all CPUs."""
        self.check(None, None)
        import svs

        features = items_of(database, "svs")
        self._shape = features.shape
        self._first: Float = features[0].copy()
        parameters = svs.VamanaBuildParameters(graph_max_degree=self.degree, window_size=self.build_window)
        workers = threads(len(features))
        self._index: Any = svs.Vamana.build(parameters, features, svs.DistanceType.L2, num_threads=workers)
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``search_window``, the nodes kept while searching (at least k are). ValueError: below 1, another name."""
        set_positive("svs", self, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        self._index.search_window_size = self.search_window
        return neighbours("svs", self._shape, queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> Int:
        workers = threads(len(vectors))
        if self._index.num_threads != workers:  # a change starts new threads, which takes longer than a query
            self._index.num_threads = workers
        found, distances = self._index.search(vectors, k)
        ids = found.astype(np.int64)
        # Where fewer are found, the rest is item 0 at distance 0. It is one answer, at most, and only if it is there.
        zero = (ids == 0) & (distances == 0)
        ids[zero & (zero.cumsum(axis=1) > (vectors == self._first).all(axis=1)[:, None])] = -1
        return ids

    def size_bytes(self) -> int:
        """The graph and its copy of the features, as SVS writes them."""
        return saved_bytes(lambda to: self._index.save(str(to / "config"), str(to / "graph"), str(to / "data")))
