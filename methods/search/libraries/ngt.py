"""NGT (Iwasaki, Miyazaki 2018, Yahoo Japan): a graph with edges both ways (ANNG), searched from a tree's leaf."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from bench.interfaces import Float, Int
from methods.parameters import Count
from methods.search.common.library import LibraryIndex, saved_bytes, threads


@dataclass(kw_only=True, eq=False)
class NGT(LibraryIndex):
    """ANNG by NGT: ``edges`` a new node, ``epsilon`` says how far beyond the k-th distance the search still looks."""

    name = "ngt"
    module = "ngtpy"
    label = "NGT"
    family = "graph"
    deterministic = False
    query_parameters = ("epsilon",)
    edges: Count = 10
    epsilon: Annotated[float, Ge(-1)] = 0.1

    def _build(self, features: Float) -> Any:
        """NGT makes an index in a folder, which is not needed once the index is in memory."""
        import ngtpy

        made = []

        def insert(folder: Path) -> None:
            path = str(folder / "index")
            ngtpy.create(path, features.shape[1], edge_size_for_creation=self.edges, distance_type="L2")
            index = ngtpy.Index(path, log_disabled=True)
            index.batch_insert(features, num_threads=threads(len(features)))
            index.save()
            made.append(index)

        self._bytes = saved_bytes(insert)
        self._results: Any = ngtpy.BatchResults
        return made[0]

    def _ask(self, vectors: Float, k: int) -> Int:
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        if len(vectors) == 1:
            found = self._index.search(vectors[0], k, epsilon=self.epsilon, with_distance=False)
            ids[0, : len(found)] = found
        else:
            results = self._results()
            self._index.set(epsilon=self.epsilon)
            self._index.batch_search(vectors, results, k)
            counts = np.diff(results.get_index().astype(np.int64))
            ids[np.arange(k) < counts[:, None]] = results.get_indexed_ids()
        return ids

    def size_bytes(self) -> int:
        return self._bytes
