"""LanceDB: a table of Lance files in a folder, by inverted lists of quantised rows, or by a scan of codes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Unsuitable
from methods.parameters import Count, Natural
from methods.search.common.home import Home
from methods.search.systems.engine import CodeEngine, Engine, Rows

CODEWORDS = 256
"""The codewords of a part; as many items are needed."""


@dataclass(kw_only=True, eq=False)
class _Table(Engine):
    """The table ``items`` in a folder."""

    versions: ClassVar[dict[str, str]] = {"lancedb": "0.40."}
    own_threads = True

    def _start(self, home: Home) -> None:
        with hidden("datasets"):
            import lancedb

        self._database = lancedb.connect(str(home.folder))

    def _write(self, columns: dict[str, Any]) -> None:
        import pyarrow as pa

        ids = pa.array(np.arange(self._items, dtype=np.int32))
        with hidden("datasets"):
            self._table = self._database.create_table("items", pa.table({"id": ids, **columns}))

    def _client(self) -> Any:
        return self._table

    def _nothing(self) -> Any:
        return self._table.search().where("false").limit(1).select(["id"]).to_arrow()


@dataclass(kw_only=True, eq=False)
class LanceDB(_Table):
    """LanceDB, by Euclidean distance: ``lists`` of codes by product quantisation (IVF_PQ).

    ``nprobe`` of the lists are searched, and ``k_factor`` times k of the nearest codes are compared exactly, none
    if it is 0. LanceDB chooses the ``sub_vectors`` if they are not given.
    """

    name = "lancedb"
    label = "LanceDB"
    family = "inverted file"
    deterministic = False
    tuned = ("nprobe", "k_factor")
    lists: Count = 256
    sub_vectors: Count | None = None
    nprobe: Count = 20
    k_factor: Natural = 10

    def _load(self, rows: Rows) -> None:
        self._write({"features": arrays(rows.features)})

    def _index(self, rows: Rows) -> None:
        if len(rows) < CODEWORDS:
            raise Unsuitable(f"lancedb: {len(rows)} items are too few; at least {CODEWORDS} are needed")
        self._table.create_index(
            metric="l2",
            vector_column_name="features",
            index_type="IVF_PQ",
            num_partitions=self.lists,
            num_sub_vectors=self.sub_vectors,
        )

    def _ask(self, client: Any, query: Rows, k: int) -> Sequence[int]:
        search = client.search(query.features[0], vector_column_name="features").distance_type("l2")
        search = search.nprobes(min(self.nprobe, self.lists))
        if self.k_factor:
            search = search.refine_factor(self.k_factor)
        return search.limit(k).select(["id", "_distance"]).to_arrow()["id"].to_pylist()


@dataclass(kw_only=True, eq=False)
class LanceDBBinary(CodeEngine, _Table):
    """LanceDB on codes, scanned by Hamming distance. It hands out the features of the nearest, to ``reorder`` them."""

    name = "lancedb_binary"
    label = "LanceDB on codes"
    family = "code scan"

    def _load(self, rows: Rows) -> None:
        columns = {"code": arrays(rows.codes)}
        self._write(columns if self._dim is None else {**columns, "features": arrays(rows.features)})

    def _ask(self, client: Any, query: Rows, k: int) -> Sequence[int]:
        candidates = self._candidates(k)
        search = client.search(query.codes[0], vector_column_name="code").distance_type("hamming")
        search = search.limit(candidates or k).select(["id", "_distance", *(["features"] if candidates else [])])
        found = search.to_arrow()
        ids = found["id"].to_numpy()
        if not candidates:
            return ids
        features = found["features"].combine_chunks().flatten().to_numpy().reshape(len(ids), -1)
        away = ((features - query.features[0]) ** 2).sum(axis=1)
        return ids[np.argsort(away, kind="stable")[:k]]


@contextmanager
def hidden(module: str) -> Iterator[None]:
    """Inside, a module counts as not imported: LanceDB takes any module named datasets for Hugging Face's."""
    found = sys.modules.pop(module, None)
    try:
        yield
    finally:
        if found is not None:
            sys.modules[module] = found


def arrays(rows: NDArray[Any]) -> Any:
    """Rows [n, d] as an arrow array of arrays of a fixed length."""
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
