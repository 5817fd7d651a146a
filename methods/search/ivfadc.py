"""IVFADC (Jégou, Douze, Schmid 2011, section IV): inverted lists over product-quantised residuals, by faiss.

The paper's "PQ" row: 300 coarse centroids and 8 bytes a code; its nprobe is not stated. Nothing is re-ranked.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from bench.interfaces import Corpus, Float, Int, Unsuitable
from methods.search import faiss_calls
from methods.search.inputs import at_least, features_of
from methods.search.libraries import neighbours

CODEBOOK = 256


class IVFADC:
    """Inverted file with product-quantised residuals (faiss IndexIVFPQ), no re-ranking."""

    label = "IVFADC"
    family = "inverted file"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = ("nprobe",)

    def __init__(self, *, centroids: int = 300, code_bytes: int = 8, nprobe: int = 8, seed: int = 0) -> None:
        at_least(1, centroids=centroids, code_bytes=code_bytes)
        self.centroids = centroids
        self.code_bytes = code_bytes
        at_least(0, seed=seed)
        self.seed = seed
        self.set_query(nprobe=nprobe)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unsuitable: ``code_bytes`` does not divide the features' dimension."""
        if dim is not None and dim % self.code_bytes:
            raise Unsuitable(f"code_bytes = {self.code_bytes} must divide the features' dimension, {dim}")

    def build(self, database: Corpus) -> Self:
        """Train the quantisers on the database and add it. Unsuitable: fewer items than centroids or codewords."""
        import faiss

        features = features_of(database, "ivfadc")
        n, dim = features.shape
        self.check(dim, None)
        least = max(self.centroids, CODEBOOK)
        if n < least:
            raise Unsuitable(
                f"ivfadc: {n} items are too few to train {self.centroids} centroids and codebooks of {CODEBOOK}; "
                f"at least {least} are needed"
            )
        index = faiss.IndexIVFPQ(faiss.IndexFlatL2(dim), dim, self.centroids, self.code_bytes, 8)
        faiss_calls.prepare(index, self.seed)
        index.train(features)
        index.add(features)
        index.nprobe = self.nprobe
        self._index: Any = index
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``nprobe``, the number of lists visited. ValueError: not from 1 to ``centroids``, or another name."""
        nprobe = parameters.pop("nprobe", None)
        if parameters or not isinstance(nprobe, int) or not 1 <= nprobe <= self.centroids:
            raise ValueError(
                f"ivfadc: nprobe = {nprobe} {parameters or ''} must be an integer "
                f"from 1 to centroids = {self.centroids}"
            )
        self.nprobe = nprobe
        if hasattr(self, "_index"):
            self._index.nprobe = nprobe

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1."""
        return neighbours("ivfadc", (self._index.ntotal, self._index.d), queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        return faiss_calls.search(self._index, vectors, k)

    def size_bytes(self) -> int:
        """See `methods.search.faiss_calls.size_bytes`."""
        return faiss_calls.size_bytes(self._index)

    def paper_bytes(self) -> int:
        """The paper's Table 1 agrees with one codebook of 256 float32 words, neither codes nor centroids."""
        return CODEBOOK * self._index.d * 4

    def query_cost(self) -> tuple[float, float]:
        """The coarse centroids, and the visited lists' codes and ids if all lists are equally long."""
        visited = self.nprobe / self.centroids * self._index.ntotal
        read = 4.0 * self.centroids * self._index.d + visited * (self.code_bytes + 8)
        return read, 2.0 * self.centroids * self._index.d + visited * self.code_bytes
