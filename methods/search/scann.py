"""ScaNN (Guo et al. 2020): partitions, anisotropic quantisation in registers, exact re-ranking."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int, Unsuitable
from methods.search.inputs import at_least, items_of, set_positive
from methods.search.libraries import installed, neighbours, saved_bytes, threads

CODEWORDS = 16
DIMENSIONS_PER_BLOCK, ANISOTROPIC_THRESHOLD = 2, 0.2


class ScaNN:
    """ScaNN: a partition into ``leaves``, 4-bit codes for two dimensions, ``reorder`` items compared exactly.

    It takes no seed: two builds differ. A batch is scored in another order than a single query, so that where codes tie
    they may differ too.
    """

    label = "ScaNN"
    family = "inverted file"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    deterministic: ClassVar[bool] = False
    query_parameters: ClassVar[tuple[str, ...]] = ("leaves_to_search", "reorder")
    leaves_to_search: int
    reorder: int

    def __init__(self, *, leaves: int = 300, leaves_to_search: int = 16, reorder: int = 100) -> None:
        at_least(1, leaves=leaves)
        self.leaves = leaves
        self.set_query(leaves_to_search=leaves_to_search, reorder=reorder)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unavailable: scann is not installed."""
        installed("scann")

    def build(self, database: Corpus) -> Self:
        """Train partition and codes on all items. Unsuitable: fewer items than leaves or codewords."""
        self.check(None, None)
        import scann

        features = items_of(database, "scann")
        n = len(features)
        least = max(self.leaves, CODEWORDS)
        if n < least:
            raise Unsuitable(f"scann: {n} items are too few for leaves = {self.leaves}; at least {least} are needed")
        builder = scann.scann_ops_pybind.builder(features, 10, "squared_l2")
        builder.tree(self.leaves, self.leaves_to_search, training_sample_size=n)
        builder.score_ah(DIMENSIONS_PER_BLOCK, ANISOTROPIC_THRESHOLD, training_sample_size=n)
        self._index: Any = builder.reorder(self.reorder).set_n_training_threads(threads(n)).build()
        self._index.set_num_threads(threads(n))
        self._shape = features.shape
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``leaves_to_search`` and ``reorder`` (at least k are). ValueError: below 1, or another name."""
        set_positive("scann", self, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        return neighbours("scann", self._shape, queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> Int:
        asked = (k, max(self.reorder, k), min(self.leaves_to_search, self.leaves))
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        if len(vectors) == 1:
            found = self._index.search(vectors[0], *asked)[0]
            ids[0, : len(found)] = found
        else:
            found, distances = self._index.search_batched_parallel(vectors, *asked)
            # Where fewer are found, the rest is item 0 at no distance.
            np.copyto(ids, found.astype(np.int64), where=~np.isnan(distances))
        return ids

    def size_bytes(self) -> int:
        """Partition, codes and features, as ScaNN writes them."""
        return saved_bytes(lambda folder: self._index.serialize(str(folder)))
