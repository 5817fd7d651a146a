"""DuckDB (Raasveldt, Mühleisen 2019): a table of arrays or of words in a column store, scanned by SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bench.interfaces import Int
from methods.search.common.home import Home
from methods.search.systems.engine import Bytes, CodeEngine, Engine, Rows

WORD_BYTES = 8


@dataclass(kw_only=True, eq=False)
class _Table(Engine):
    """The table ``items`` in a file. A query runs in the thread that asks."""

    versions: ClassVar[dict[str, str]] = {"duckdb": "2.0."}

    def _start(self, home: Home) -> None:
        import duckdb

        self._database = duckdb.connect(str(home.folder / "items.duckdb"))

    def _write(self, columns: dict[str, Any]) -> None:
        """Make the table of arrow arrays, by column."""
        import pyarrow as pa

        table = pa.table({"id": pa.array(np.arange(self._items, dtype=np.int32)), **columns})
        self._database.register("given", table)
        self._database.execute("CREATE TABLE items AS SELECT * FROM given")
        self._database.unregister("given")
        self._database.execute("CHECKPOINT")
        self._database.execute("SET threads = 1")

    def _client(self) -> Any:
        return self._database.cursor()

    def _select(self, client: Any, query: str, values: Sequence[Any]) -> Sequence[int]:
        return [row for (row,) in client.execute(query, values).fetchall()]

    def _nothing(self) -> Any:
        return self._database.execute("SELECT 1").fetchall()


@dataclass(kw_only=True, eq=False)
class DuckDB(_Table):
    """DuckDB: a table of arrays in a file, scanned by Euclidean distance."""

    name = "duckdb"
    label = "DuckDB"
    family = "exact"

    def _load(self, rows: Rows) -> None:
        self._write({"features": _arrays(rows)})

    def _ask(self, client: Any, query: Rows, k: int) -> Sequence[int]:
        select = f"SELECT id FROM items ORDER BY array_distance(features, ?::FLOAT[{self._dim}]), id LIMIT {k}"
        return self._select(client, select, [query.features[0].tolist()])


@dataclass(kw_only=True, eq=False)
class DuckDBBinary(CodeEngine, _Table):
    """DuckDB on codes: a table of words in a file, scanned by the bits of their XOR; ``reorder`` by SQL."""

    name = "duckdb_binary"
    label = "DuckDB on codes"
    family = "code scan"

    def _load(self, rows: Rows) -> None:
        import pyarrow as pa

        words = _words(rows.codes)
        columns = {f"word{place}": pa.array(words[:, place]) for place in range(words.shape[1])}
        self._write(columns if self._dim is None else {**columns, "features": _arrays(rows)})

    def _ask(self, client: Any, query: Rows, k: int) -> Sequence[int]:
        words = _words(query.codes)[0].tolist()
        differing = " + ".join(f"bit_count(xor(word{place}, ?::BIGINT))::INTEGER" for place in range(len(words)))
        candidates = self._candidates(k)
        near = f"FROM items ORDER BY {differing}, id LIMIT {candidates or k}"
        if not candidates:
            return self._select(client, f"SELECT id {near}", words)
        distance = f"array_distance(features, ?::FLOAT[{self._dim}])"
        select = f"SELECT id FROM (SELECT id, features {near}) ORDER BY {distance}, id LIMIT {k}"
        return self._select(client, select, [*words, query.features[0].tolist()])


def _arrays(rows: Rows) -> Any:
    """The features as an arrow array of arrays of a fixed length."""
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(rows.features.ravel()), rows.features.shape[1])


def _words(codes: Bytes) -> Int:
    """The codes as signed words int64 [n, ceil(b / 8)], which SQL can count the bits of."""
    padded = np.zeros((len(codes), -(-codes.shape[1] // WORD_BYTES) * WORD_BYTES), dtype=np.uint8)
    padded[:, : codes.shape[1]] = codes
    return padded.view("<i8").astype(np.int64, copy=False)
