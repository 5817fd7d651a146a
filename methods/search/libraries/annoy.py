"""Annoy (Bernhardsson, Spotify): a forest of random-projection trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.interfaces import Float, Int
from methods.parameters import Count, Natural
from methods.search.common.library import LibraryIndex, file_bytes
from methods.search.common.threads import by_queries


@dataclass(kw_only=True, eq=False)
class Annoy(LibraryIndex):
    """Annoy: random-projection trees; ``search_k`` items are compared exactly.

    The CPUs share out the trees, so the forest depends on the seed and on the number of CPUs.
    """

    name = "annoy"
    label = "Annoy"
    family = "tree"
    query_parameters = ("search_k",)
    n_trees: Count = 50
    search_k: Count = 5000
    seed: Natural = 0

    def _build(self, features: Float) -> Any:
        """Annoy tells the trees' size by saving them, and from then on reads them from that file, mapped."""
        import annoy

        index = annoy.AnnoyIndex(features.shape[1], "euclidean")
        index.set_seed(self.seed)
        for row, vector in enumerate(features):
            index.add_item(row, vector)
        index.build(self.n_trees, n_jobs=-1)
        self._bytes = file_bytes(lambda path: index.save(path, prefault=True))
        return index

    def _ask(self, vectors: Float, k: int) -> Int:
        ids = np.full((len(vectors), k), -1, dtype=np.int64)

        def answer(part: slice) -> None:
            # A list is converted much faster than an array, which Annoy reads value by value.
            for row, vector in zip(ids[part], vectors[part].tolist(), strict=True):
                found = self._index.get_nns_by_vector(vector, k, self.search_k)
                row[: len(found)] = found

        by_queries(answer, len(vectors))
        return ids

    def size_bytes(self) -> int:
        return self._bytes
