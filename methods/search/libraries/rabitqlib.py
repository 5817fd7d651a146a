"""RaBitQ-Library, by the authors of RaBitQ (Gao, Long, SIGMOD 2024; Gao et al., SIGMOD 2025).

Its calls are those of version 0.7.1: they were renamed between 0.7 and 0.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, MultipleOf

from bench.interfaces import Float, Int, Unsuitable
from methods.parameters import Count, Natural, TwoOrMore, check_parameters
from methods.search.common.inputs import only
from methods.search.common.kinds import complete, set_own
from methods.search.common.library import LibraryIndex, file_bytes, threads

DEFAULTS: dict[str, dict[str, int]] = {
    "ivf": {"nbits": 5, "clusters": 300, "nprobe": 16},
    "hnsw": {"nbits": 5, "clusters": 16, "m": 16, "ef_construction": 200, "ef": 64},
    "symphony": {"degree": 32, "ef_construction": 200, "ef": 64},
}

LEAST_DIM = 64
MISSING = 2**32 - 1
"""The library's id of a missing neighbour."""


@dataclass(kw_only=True, eq=False)
class RaBitQLib(LibraryIndex):
    """RaBitQ-Library: an inverted file or a graph over RaBitQ codes, or SymphonyQG, a graph over codes and features.

    Each ``kind`` has its own parameters with defaults. SymphonyQG alone keeps the features, and compares by them.

    ``ivf``: ``nbits`` of a code a dimension, ``clusters``, of which ``nprobe`` are visited
    ``hnsw``: ``nbits``, ``clusters`` whose centroids the codes are relative to, ``m``, ``ef_construction``, ``ef``
    ``symphony``: ``degree``, ``ef_construction``, ``ef``

    ``ef`` below k counts as k. The library rotates by a random seed of its own: two builds differ.
    """

    name = "rabitqlib"
    label = "RaBitQ-Library"
    deterministic = False
    query_parameters = ("nprobe", "ef")
    check_parameters: ClassVar[dict[str, int]] = {"clusters": 20}
    kind: Literal["ivf", "hnsw", "symphony"] = "ivf"
    nbits: Annotated[int, Ge(1), Le(9)] | None = None
    clusters: Count | None = None
    nprobe: Count | None = None
    m: TwoOrMore | None = None
    degree: Annotated[int, Ge(32), Le(1024), MultipleOf(32)] | None = None
    ef_construction: Count | None = None
    ef: Count | None = None
    seed: Natural = 0

    def __post_init__(self) -> None:
        check_parameters(self)
        set_own(self, DEFAULTS)

    @property
    def family(self) -> str:
        return "inverted file" if self.kind == "ivf" else "graph"

    def check(self, dim: int | None, bits: int | None) -> None:
        super().check(dim, bits)
        if dim is not None and dim < LEAST_DIM:
            raise Unsuitable(f"rabitqlib needs at least {LEAST_DIM} dimensions, not {dim}")

    def _build(self, features: Float) -> Any:
        import rabitqlib

        n, dim = features.shape
        values = {name: getattr(self, name) for name in DEFAULTS[self.kind]}
        least = values.get("clusters", values.get("degree", 0) + 1)
        if n < least:
            raise Unsuitable(f"rabitqlib: {n} items are too few, kind = {self.kind!r} needs {least}")
        if self.kind == "symphony":
            graph = rabitqlib.SymqgIndex(dim, values["degree"])
            graph.build(features, values["ef_construction"], threads(n))
            return graph
        index = (
            rabitqlib.IvfIndex(dim, n, values["clusters"], values["nbits"])
            if self.kind == "ivf"
            else rabitqlib.HnswIndex(
                dim, n, values["m"], values["ef_construction"], values["nbits"], random_seed=self.seed
            )
        )
        index.build(features, *self._clustered(features, values["clusters"]), threads(n))
        return index

    def _clustered(self, features: Float, clusters: int) -> tuple[Float, Any]:
        """Centroids float32 [clusters, d] and the cluster of each item, uint32 [n], by k-means of faiss."""
        import faiss

        clustering = faiss.Kmeans(features.shape[1], clusters, seed=self.seed, min_points_per_centroid=1)
        clustering.train(features)
        return np.asarray(clustering.centroids), clustering.assign(features)[1].astype(np.uint32)

    def set_query(self, **parameters: Any) -> None:
        """Set query parameters; None is the default of the kind.

        Raises ValueError: the kind has no such parameter, or the value is out of bounds.
        """
        only(self.name, self.query_parameters, parameters)
        super().set_query(**complete(DEFAULTS, self.kind, parameters))

    def _ask(self, vectors: Float, k: int) -> Int:
        if self.kind == "ivf":
            visited = min(self.nprobe or 1, self.clusters or 1)
            found = self._index.search(vectors, k, visited, num_threads=threads(len(vectors)))[0]
        else:
            found = self._index.search(vectors, k, max(self.ef or 1, k), threads(len(vectors)))[0]
        ids = found.astype(np.int64)
        ids[ids == MISSING] = -1
        return ids

    def size_bytes(self) -> int:
        return file_bytes(self._index.save)
