"""Annoy (Bernhardsson, Spotify): a forest of random-projection trees."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.inputs import at_least, items_of, set_positive
from methods.search.libraries import installed, neighbours, saved_bytes
from methods.search.threads import by_queries


class Annoy:
    """Annoy: random-projection trees; ``search_k`` items are compared exactly.

    The trees are shared out among the CPUs, so the forest depends on the seed and on how many there are.
    """

    label = "Annoy"
    family = "tree"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = ("search_k",)
    search_k: int

    def __init__(self, *, n_trees: int = 50, search_k: int = 5000, seed: int = 0) -> None:
        at_least(1, n_trees=n_trees)
        self.n_trees = n_trees
        at_least(0, seed=seed)
        self.seed = seed
        self.set_query(search_k=search_k)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unavailable: annoy is not installed."""
        installed("annoy")

    def build(self, database: Corpus) -> Self:
        """Grow the trees. Annoy tells their size by saving them, and from then on reads them from that file, mapped."""
        self.check(None, None)
        import annoy

        features = items_of(database, "annoy")
        self._shape = features.shape
        index = annoy.AnnoyIndex(features.shape[1], "euclidean")
        index.set_seed(self.seed)
        for row, vector in enumerate(features):
            index.add_item(row, vector)
        index.build(self.n_trees, n_jobs=-1)
        self._bytes = saved_bytes(lambda folder: index.save(str(folder / "index"), prefault=True))
        self._index: Any = index
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``search_k``, the number of items to compare. ValueError: below 1, or another name."""
        set_positive("annoy", self, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        return neighbours("annoy", self._shape, queries, k, self._ask)

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
        """The trees and their copy of the features, as Annoy writes them."""
        return self._bytes
