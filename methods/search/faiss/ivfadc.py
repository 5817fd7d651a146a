"""IVFADC (Jégou, Douze, Schmid 2011, section IV): inverted lists over product-quantised residuals, by faiss.

The paper's "PQ" row has 300 coarse centroids and 8 bytes a code; its nprobe is not stated. Nothing is re-ranked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from bench.interfaces import Float, Unsuitable
from methods.parameters import Count, Natural
from methods.search.common.library import LibraryIndex
from methods.search.faiss import calls

CODEBOOK = 256


@dataclass(kw_only=True, eq=False)
class IVFADC(LibraryIndex):
    """Inverted file with product-quantised residuals (faiss IndexIVFPQ), no re-ranking."""

    name = "ivfadc"
    module = "faiss"
    label = "IVFADC"
    family = "inverted file"
    query_parameters = ("nprobe",)
    centroids: Count = 300
    code_bytes: Count = 8
    nprobe: Count = 8
    seed: Natural = 0

    def check(self, dim: int | None, bits: int | None) -> None:
        """Raises Unsuitable: ``code_bytes`` does not divide the features' dimension."""
        if dim is not None and dim % self.code_bytes:
            raise Unsuitable(f"code_bytes = {self.code_bytes} must divide the features' dimension, {dim}")

    def _build(self, features: Float) -> Any:
        import faiss

        n, dim = features.shape
        least = max(self.centroids, CODEBOOK)
        if n < least:
            raise Unsuitable(
                f"ivfadc: {n} items are too few to train {self.centroids} centroids and codebooks of {CODEBOOK}; "
                f"at least {least} are needed"
            )
        index = faiss.IndexIVFPQ(faiss.IndexFlatL2(dim), dim, self.centroids, self.code_bytes, 8)
        calls.prepare(index, self.seed)
        index.train(features)
        index.add(features)
        return index

    def set_query(self, **parameters: Any) -> None:
        nprobe = parameters.get("nprobe")
        if isinstance(nprobe, int) and nprobe > self.centroids:
            raise ValueError(f"nprobe = {nprobe} must be an integer from 1 to centroids = {self.centroids}")
        super().set_query(**parameters)

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        self._index.nprobe = self.nprobe
        return calls.search(self._index, vectors, k)

    def size_bytes(self) -> int:
        return calls.size_bytes(self._index)

    def paper_bytes(self) -> int:
        """One codebook of 256 float32 words, without codes and centroids, with which the paper's Table 1 agrees."""
        return CODEBOOK * self._index.d * 4

    def query_cost(self) -> tuple[float, float]:
        """The coarse centroids, and the visited lists' codes and ids if all lists are equally long."""
        visited = self.nprobe / self.centroids * self._index.ntotal
        read = 4.0 * self.centroids * self._index.d + visited * (self.code_bytes + 8)
        return read, 2.0 * self.centroids * self._index.d + visited * self.code_bytes
