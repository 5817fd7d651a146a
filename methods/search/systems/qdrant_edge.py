"""Qdrant edge: Qdrant's storage and graph inside the process, as one shard in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from methods.parameters import Count, TwoOrMore
from methods.search.common.home import Home
from methods.search.systems.engine import Engine, Rows

BATCH = 1000
SMALLEST = 1
"""Kilobytes from which on vectors are indexed and the graph is searched, so that it is also on small data."""


@dataclass(kw_only=True, eq=False)
class QdrantEdge(Engine):
    """Qdrant edge, by HNSW and Euclidean distance: ``m`` links a node, ``ef`` nodes kept while searching.

    ``hnsw_binary`` searches by Qdrant's own binary codes, of the features' signs, and compares ``k_factor`` times k
    of the nearest by the features.
    """

    name = "qdrant_edge"
    versions: ClassVar[dict[str, str]] = {"qdrant-edge-py": "0.9."}
    label = "Qdrant edge"
    family = "graph"
    deterministic = False
    kinds: ClassVar[dict[str, dict[str, int]]] = {
        "hnsw": {"m": 16, "ef_construction": 100, "ef": 100},
        "hnsw_binary": {"m": 16, "ef_construction": 100, "ef": 100, "k_factor": 10},
    }
    tuned = ("ef", "k_factor")
    own_threads = True

    kind: Literal["hnsw", "hnsw_binary"] = "hnsw"
    m: TwoOrMore | None = None
    ef_construction: Count | None = None
    ef: Count | None = None
    k_factor: Count | None = None

    def _start(self, home: Home) -> None:
        (home.folder / "shard").mkdir()

    def _load(self, rows: Rows) -> None:
        import qdrant_edge as engine

        assert self._home is not None
        graph = engine.HnswIndexConfig(self.m or 0, self.ef_construction or 0, SMALLEST)
        codes = engine.BinaryQuantizationConfig() if self.kind == "hnsw_binary" else None
        config = engine.EdgeConfig(
            vectors=engine.EdgeVectorParams(rows.features.shape[1], engine.Distance.Euclid),
            hnsw_config=graph,
            quantization_config=codes,
            optimizers=engine.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=SMALLEST),
        )
        self._shard = engine.EdgeShard.create(str(self._home.folder / "shard"), config)
        for start in range(0, len(rows), BATCH):
            part = rows.features[start : start + BATCH].tolist()
            points = [engine.Point(start + place, vector) for place, vector in enumerate(part)]
            self._shard.update(engine.UpdateOperation.upsert_points(points))

    def _index(self, rows: Rows) -> None:
        self._shard.optimize()
        self._shard.flush()

    def size_bytes(self) -> int:
        """The files without the log of what was written, which no query reads."""
        assert self._home is not None
        return self.disk_bytes() - self._home.disk_bytes("wal/*")

    def _client(self) -> Any:
        return self._shard

    def _ask(self, client: Any, query: Rows, k: int) -> Sequence[int]:
        import qdrant_edge as engine

        codes = None
        if self.k_factor is not None:
            codes = engine.QuantizationSearchParams(rescore=True, oversampling=float(self.k_factor))
        asked = engine.QueryRequest(
            limit=k,
            query=engine.Query.Nearest(query.features[0].tolist()),
            params=engine.SearchParams(hnsw_ef=max(self.ef or 0, k), quantization=codes),
        )
        return [point.id for point in client.query(asked)]

    def _nothing(self) -> Any:
        import qdrant_edge as engine

        return self._shard.count(engine.CountRequest(exact=False))
