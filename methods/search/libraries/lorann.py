"""LoRANN (Jääsaari, Hyvönen, Roos 2024): clusters, in each a low-rank regression of the scores, exact re-ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, MultipleOf
from numpy.typing import NDArray

from bench.interfaces import Float, Unsuitable
from methods.parameters import Count
from methods.search.common.library import LibraryIndex, file_bytes, threads

LEAST_DIM, DIM_STEP = 64, 32


@dataclass(kw_only=True, eq=False)
class LoRANN(LibraryIndex):
    """LoRANN: 8-bit reduced-rank regression in ``clusters``, ``points_to_rerank`` items compared exactly.

    ``points_to_rerank`` below k counts as k. ``global_dim`` is the number of dimensions that the queries are reduced
    to, a multiple of 32 (None: all). LoRANN takes no seed: two builds differ.
    """

    name = "lorann"
    extra = "ann-source"
    label = "LoRANN"
    family = "inverted file"
    deterministic = False
    check_parameters: ClassVar[dict[str, int]] = {"clusters": 20, "clusters_to_search": 5}
    query_parameters = ("clusters_to_search", "points_to_rerank")
    clusters: Count = 300
    global_dim: Annotated[int, Ge(DIM_STEP), MultipleOf(DIM_STEP)] | None = None
    rank: Literal[16, 32, 64] = 32
    clusters_to_search: Count = 16
    points_to_rerank: Count = 100

    def check(self, dim: int | None, bits: int | None) -> None:
        super().check(dim, bits)
        least = max(LEAST_DIM, self.rank + 1, self.global_dim or 0)
        if dim is not None and dim < least:
            raise Unsuitable(
                f"lorann with rank = {self.rank}, global_dim = {self.global_dim} needs {least} dimensions, not {dim}"
            )

    def _build(self, features: Float) -> Any:
        import lorann

        n = len(features)
        if n < self.clusters:
            raise Unsuitable(f"lorann: {n} items are too few for clusters = {self.clusters}")
        index = lorann.LorannIndex(features, self.clusters, self.global_dim, rank=self.rank, distance=lorann.L2)
        index.build(n_threads=threads(n))
        return index

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        visited = min(self.clusters_to_search, self.clusters)
        found: NDArray[Any] = self._index.search(
            vectors, k, visited, max(self.points_to_rerank, k), n_threads=threads(len(vectors))
        )
        return found

    def size_bytes(self) -> int:
        return file_bytes(self._index.save)
