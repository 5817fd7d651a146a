"""ScaNN (Guo et al. 2020): partitions, anisotropic quantisation in registers, exact re-ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.interfaces import Float, Int, Unsuitable
from methods.parameters import Count, Positive
from methods.search.common.inputs import check_one_length
from methods.search.common.library import LibraryIndex, saved_bytes, threads

CODEWORDS = 16
DIMENSIONS_PER_BLOCK, ANISOTROPIC_THRESHOLD = 2, 0.2


@dataclass(kw_only=True, eq=False)
class ScaNN(LibraryIndex):
    """ScaNN: a partition into ``leaves``, 4-bit codes for two dimensions, ``reorder`` items compared exactly.

    ``reorder`` below k counts as k. ScaNN takes no seed: two builds differ. A batch is scored in another order than a
    single query, so their answers may differ where codes tie.

    ``soar_lambda`` puts each item into a second leaf too, whose error is far from parallel to that of the first (SOAR,
    Sun et al., NeurIPS 2023, where 1.5 is usual). ScaNN has it for inner products alone, so the features need one
    length: the greatest product is then that of the nearest.
    """

    name = "scann"
    label = "ScaNN"
    family = "inverted file"
    deterministic = False
    query_parameters = ("leaves_to_search", "reorder")
    leaves: Count = 300
    leaves_to_search: Count = 16
    reorder: Count = 100
    soar_lambda: Positive | None = None

    def _build(self, features: Float) -> Any:
        import scann

        n = len(features)
        least = max(self.leaves, CODEWORDS)
        if n < least:
            raise Unsuitable(f"scann: {n} items are too few for leaves = {self.leaves}; at least {least} are needed")
        distance = "squared_l2" if self.soar_lambda is None else "dot_product"
        if self.soar_lambda is not None:
            check_one_length(features, "soar_lambda is for inner products")
        builder = scann.scann_ops_pybind.builder(features, 10, distance)
        builder.tree(self.leaves, self.leaves_to_search, training_sample_size=n, soar_lambda=self.soar_lambda)
        builder.score_ah(DIMENSIONS_PER_BLOCK, ANISOTROPIC_THRESHOLD, training_sample_size=n)
        index = builder.reorder(self.reorder).set_n_training_threads(threads(n)).build()
        index.set_num_threads(threads(n))
        return index

    def _ask(self, vectors: Float, k: int) -> Int:
        asked = (k, max(self.reorder, k), min(self.leaves_to_search, self.leaves))
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        if len(vectors) == 1:
            found = self._index.search(vectors[0], *asked)[0]
            ids[0, : len(found)] = found
        else:
            found, distances = self._index.search_batched_parallel(vectors, *asked)
            # ScaNN fills up the missing neighbours with item 0 at distance NaN.
            np.copyto(ids, found.astype(np.int64), where=~np.isnan(distances))
        return ids

    def size_bytes(self) -> int:
        return saved_bytes(lambda folder: self._index.serialize(str(folder)))
