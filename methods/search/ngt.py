"""NGT (Iwasaki, Miyazaki 2018, Yahoo Japan): a graph with edges both ways (ANNG), searched from a tree's leaf."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.inputs import at_least, items_of, only
from methods.search.libraries import installed, neighbours, saved_bytes, threads


class NGT:
    """ANNG by NGT: ``edges`` a new node, ``epsilon`` says how far beyond the k-th distance the search still looks."""

    label = "NGT"
    family = "graph"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    deterministic: ClassVar[bool] = False
    query_parameters: ClassVar[tuple[str, ...]] = ("epsilon",)

    def __init__(self, *, edges: int = 10, epsilon: float = 0.1) -> None:
        at_least(1, edges=edges)
        self.edges = edges
        self.set_query(epsilon=epsilon)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unavailable: ngtpy is not installed."""
        installed("ngtpy")

    def build(self, database: Corpus) -> Self:
        """Insert the items, on all CPUs. NGT makes an index in a folder, which is not needed once it is in memory."""
        self.check(None, None)
        import ngtpy

        features = items_of(database, "ngt")
        self._shape = features.shape

        def insert(folder: Path) -> None:
            path = str(folder / "index")
            ngtpy.create(path, features.shape[1], edge_size_for_creation=self.edges, distance_type="L2")
            self._index: Any = ngtpy.Index(path, log_disabled=True)
            self._index.batch_insert(features, num_threads=threads(len(features)))
            self._index.save()

        self._bytes = saved_bytes(insert)
        self._results: Any = ngtpy.BatchResults
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``epsilon``. ValueError: below -1, or another name."""
        only("ngt", self.query_parameters, parameters)
        epsilon = parameters.get("epsilon", getattr(self, "epsilon", 0.0))
        if not isinstance(epsilon, int | float) or not epsilon >= -1:
            raise ValueError(f"epsilon = {epsilon!r} must be a number of at least -1")
        self.epsilon = float(epsilon)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        return neighbours("ngt", self._shape, queries, k, self._ask)

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
        """Graph, tree and features, as NGT writes them."""
        return self._bytes
