"""LoRANN (Jääsaari, Hyvönen, Roos 2024): clusters, in each a low-rank regression of the scores, exact re-ranking."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from bench.interfaces import Corpus, Float, Int, Unsuitable
from methods.search.inputs import at_least, items_of, set_positive
from methods.search.libraries import installed, neighbours, saved_bytes, threads

LEAST_DIM, DIM_STEP, RANKS = 64, 32, (16, 32, 64)


class LoRANN:
    """LoRANN: 8-bit reduced-rank regression in ``clusters``, ``points_to_rerank`` items compared exactly.

    ``global_dim``: dimensions that the queries are reduced to, a multiple of 32 (None: all). It takes no seed: two
    builds differ.
    """

    label = "LoRANN"
    family = "inverted file"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    deterministic: ClassVar[bool] = False
    check_parameters: ClassVar[dict[str, int]] = {"clusters": 20, "clusters_to_search": 5}
    query_parameters: ClassVar[tuple[str, ...]] = ("clusters_to_search", "points_to_rerank")
    clusters_to_search: int
    points_to_rerank: int

    def __init__(
        self,
        *,
        clusters: int = 300,
        global_dim: int | None = None,
        rank: int = 32,
        clusters_to_search: int = 16,
        points_to_rerank: int = 100,
    ) -> None:
        at_least(1, clusters=clusters)
        if rank not in RANKS:
            raise ValueError(f"rank = {rank} must be one of {', '.join(map(str, RANKS))}")
        if global_dim is not None and (global_dim < DIM_STEP or global_dim % DIM_STEP):
            raise ValueError(f"global_dim = {global_dim} must be a multiple of {DIM_STEP}")
        self.clusters = clusters
        self.global_dim = global_dim
        self.rank = rank
        self.set_query(clusters_to_search=clusters_to_search, points_to_rerank=points_to_rerank)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unavailable: lorann is not installed. Unsuitable: too few dimensions."""
        installed("lorann", "ann-source")
        least = max(LEAST_DIM, self.rank + 1, self.global_dim or 0)
        if dim is not None and dim < least:
            raise Unsuitable(
                f"lorann with rank = {self.rank}, global_dim = {self.global_dim} needs {least} dimensions, not {dim}"
            )

    def build(self, database: Corpus) -> Self:
        """Cluster and fit, on all CPUs; the features are kept, without a copy. Unsuitable: too few items."""
        features = items_of(database, "lorann")
        n, dim = self._shape = features.shape
        self.check(dim, None)
        import lorann

        if n < self.clusters:
            raise Unsuitable(f"lorann: {n} items are too few for clusters = {self.clusters}")
        self._index: Any = lorann.LorannIndex(
            features, self.clusters, self.global_dim, rank=self.rank, distance=lorann.L2
        )  # fmt: skip
        self._index.build(n_threads=threads(n))
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``clusters_to_search``, ``points_to_rerank`` (at least k are). ValueError: below 1, or another name."""
        set_positive("lorann", self, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        return neighbours("lorann", self._shape, queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        visited = min(self.clusters_to_search, self.clusters)
        found: NDArray[Any] = self._index.search(
            vectors, k, visited, max(self.points_to_rerank, k), n_threads=threads(len(vectors))
        )
        return found

    def size_bytes(self) -> int:
        """Clusters, regressions and features, as LoRANN writes them."""
        return saved_bytes(lambda folder: self._index.save(str(folder / "index")))
