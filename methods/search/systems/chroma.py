"""Chroma: a collection in a folder, searched by the graph of its own hnswlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from methods.parameters import Count, TwoOrMore
from methods.search.common.home import Home
from methods.search.systems.engine import Engine, Rows

FLOAT_BYTES = 4


@dataclass(kw_only=True, eq=False)
class Chroma(Engine):
    """Chroma, by HNSW: ``m`` links a node, ``ef`` nodes kept while searching, by Euclidean distance.

    ``ef`` is fixed by the build: a collection whose configuration is changed goes on searching with the first one.
    """

    name = "chroma"
    versions: ClassVar[dict[str, str]] = {"chromadb": "1.5."}
    label = "Chroma"
    family = "graph"
    deterministic = False
    own_threads = True
    m: TwoOrMore = 16
    ef_construction: Count = 100
    ef: Count = 100

    def _start(self, home: Home) -> None:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        self._store = chromadb.PersistentClient(str(home.folder), settings)

    def _load(self, rows: Rows) -> None:
        graph: Any = {
            "space": "l2",
            "max_neighbors": self.m,
            "ef_construction": self.ef_construction,
            "ef_search": self.ef,
        }
        self._collection = self._store.create_collection(
            "items", configuration={"hnsw": graph}, embedding_function=None
        )
        size = self._store.get_max_batch_size()
        for start in range(0, len(rows), size):
            part = rows.features[start : start + size]
            self._collection.add([str(start + row) for row in range(len(part))], part)

    def load_seconds(self) -> None:
        """Chroma indexes the rows while it writes them."""

    def size_bytes(self) -> int:
        """The files of the graph, without the rows in SQLite. The last rows may not be in them yet."""
        assert self._home is not None and self._dim is not None
        return max(self._home.disk_bytes("*.bin"), FLOAT_BYTES * self._items * self._dim)

    def _client(self) -> Any:
        return self._collection

    def _ask(self, client: Any, query: Rows, k: int) -> Sequence[int]:
        found = client.query(query.features, n_results=k, include=[])
        return [int(name) for name in found["ids"][0]]

    def _nothing(self) -> Any:
        return self._collection.get(ids=["none"], include=[])
