"""SVS (Aguerrebere et al. 2023, Intel): the Vamana graph of DiskANN in memory, over float32 features.

Its compressed vectors (LVQ, LeanVec) are not used: on other processors than Intel's they end the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.interfaces import Float, Int
from methods.parameters import Count
from methods.search.common.library import LibraryIndex, saved_bytes, threads


@dataclass(kw_only=True, eq=False)
class SVS(LibraryIndex):
    """Vamana graph by SVS: ``degree`` links a node, ``search_window`` nodes kept while searching.

    ``search_window`` is at least k. SVS takes no seed.
    """

    name = "svs"
    label = "SVS"
    family = "graph"
    deterministic = False
    query_parameters = ("search_window",)
    degree: Count = 32
    build_window: Count = 200
    search_window: Count = 32

    def _build(self, features: Float) -> Any:
        import svs

        self._first: Float = features[0].copy()
        chosen = svs.VamanaBuildParameters(graph_max_degree=self.degree, window_size=self.build_window)
        return svs.Vamana.build(chosen, features, svs.DistanceType.L2, num_threads=threads(len(features)))

    def _ask(self, vectors: Float, k: int) -> Int:
        self._index.search_window_size = self.search_window
        workers = threads(len(vectors))
        if self._index.num_threads != workers:  # a change starts new threads, which takes longer than a query
            self._index.num_threads = workers
        found, distances = self._index.search(vectors, k)
        ids = found.astype(np.int64)
        # SVS fills up the missing neighbours with item 0 at distance 0. Item 0 is one answer at most, and only if it
        # equals the query.
        zero = (ids == 0) & (distances == 0)
        ids[zero & (zero.cumsum(axis=1) > (vectors == self._first).all(axis=1)[:, None])] = -1
        return ids

    def size_bytes(self) -> int:
        return saved_bytes(lambda to: self._index.save(str(to / "config"), str(to / "graph"), str(to / "data")))
