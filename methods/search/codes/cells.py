"""A coarse first level over codes: an inverted file whose lists are scanned by Hamming distance.

The cells are those of IVFADC's coarse quantiser (Jégou, Douze, Schmid 2011), found on the features; they hold hash
codes. A query scans a few thousand codes in place of all. That pays because a scan of codes costs so little that
finding the cells and re-ranking are most of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Corpus, Float, Int, Unsuitable, Words
from methods.parameters import Count, Natural, check_parameters
from methods.search.common.inputs import check_k, codes_of, items_of, set_parameters
from methods.search.common.threads import by_queries


@dataclass(kw_only=True, eq=False)
class CodeCells:
    """Codes in ``cells`` of the features, of which the ``nprobe`` nearest to the query are scanned.

    Its neighbours are the nearest codes in these cells, with ties in no defined order.
    """

    label = "Code cells"
    family = "inverted file"
    reads: ClassVar[tuple[str, ...]] = ("features", "codes")
    query_parameters: ClassVar[tuple[str, ...]] = ("nprobe",)
    cells: Count = 300
    nprobe: Count = 16
    seed: Natural = 0

    def __post_init__(self) -> None:
        check_parameters(self)

    def build(self, database: Corpus) -> Self:
        import faiss

        from methods.search.codes.kernels import entry as code_kernels
        from methods.search.features.kernels import entry as feature_kernels

        self._scan_cells, self._nearest = code_kernels.scan_cells, feature_kernels.nearest
        features, codes = items_of(database, "code_cells"), codes_of(database, "code_cells")
        if len(features) != len(codes):
            raise ValueError(f"code_cells: {len(features)} features and {len(codes)} codes; as many of both are needed")
        if len(features) < self.cells:
            raise Unsuitable(f"code_cells: {len(features)} items are too few for cells = {self.cells}")
        clustering = faiss.Kmeans(features.shape[1], self.cells, seed=self.seed, min_points_per_centroid=1)
        clustering.train(features)
        nearest_cell = clustering.assign(features)[1]
        order = np.argsort(nearest_cell, kind="stable")
        self._centroids: Float = np.asarray(clustering.centroids)
        self._items: NDArray[np.int32] = order.astype(np.int32)
        self._words: Words = np.ascontiguousarray(codes.words[order].T)
        self._starts: Int = np.searchsorted(nearest_cell[order], np.arange(self.cells + 1))
        self._bits = codes.bits
        return self

    def set_query(self, **parameters: Any) -> None:
        set_parameters("code_cells", self, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        check_k(k)
        codes = codes_of(queries, "code_cells", self._bits)
        vectors = items_of(queries, "code_cells") if len(codes) else np.empty((0, self._centroids.shape[1]), np.float32)
        if vectors.shape != (len(codes), self._centroids.shape[1]):
            raise ValueError(f"code_cells: query features {list(vectors.shape)} do not fit {len(codes)} codes")
        cells = np.empty((len(codes), min(self.nprobe, self.cells)), dtype=np.int64)
        ids = np.empty((len(codes), k), dtype=np.int64)
        words = np.ascontiguousarray(codes.words)

        def scan(part: slice) -> None:
            for row in range(part.start, part.stop):
                self._nearest(self._centroids, vectors[row], cells[row])
            self._scan_cells(words[part], self._words, self._starts, self._items, cells[part], ids[part])

        by_queries(scan, len(codes))
        return ids

    def size_bytes(self) -> int:
        """Centroids, codes, and the item of each code."""
        return self._centroids.nbytes + self._words.nbytes + self._items.nbytes + self._starts.nbytes

    def query_cost(self) -> tuple[float, float]:
        """The centroids, and the codes of the scanned cells if all are equally large."""
        share = min(self.nprobe, self.cells) / self.cells
        read = self._centroids.nbytes + share * self._words.nbytes
        return float(read), 3.0 * self._centroids.size
