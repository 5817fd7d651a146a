"""sqlite-vec (Garcia, Mozilla Builders): a virtual table of vectors in SQLite, scanned chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Le

from bench.interfaces import Unsuitable
from methods.search.systems.engine import CodeEngine, Engine, Rows

MOST_NEIGHBOURS, MOST_DIMENSIONS = 4096, 8192
"""The limits of sqlite-vec 0.1."""

SETTINGS = (f"mmap_size = {2**31 - 2**16}", f"cache_size = -{2**16}")
"""The file is mapped, up to what SQLite can, and a connection keeps 64 MB of pages, where the default is 2 MB."""


@dataclass(kw_only=True, eq=False)
class _Table(Engine):
    """The table ``items`` in a file."""

    versions: ClassVar[dict[str, str]] = {"apsw": "3.", "sqlite-vec": "0.1.9"}
    most: ClassVar[int | None] = MOST_NEIGHBOURS

    def check(self, dim: int | None, bits: int | None) -> None:
        """Raises Unsuitable: vectors or codes are longer than sqlite-vec takes.

        Raises Unavailable: sqlite-vec or apsw is not installed.
        """
        super().check(dim, bits)
        for field, length, what in (("features", dim, "dimensions"), ("codes", bits, "bits")):
            if field in self.reads and (length or 0) > MOST_DIMENSIONS:
                raise Unsuitable(f"sqlite-vec takes vectors of at most {MOST_DIMENSIONS:,} {what}, not {length:,}")

    def _client(self) -> Any:
        """A connection of apsw: the sqlite3 of many Pythons loads no extensions."""
        import apsw
        import sqlite_vec

        assert self._home is not None
        connection = apsw.Connection(str(self._home.folder / "items.db"))
        connection.enable_load_extension(True)
        connection.load_extension(sqlite_vec.loadable_path())
        connection.enable_load_extension(False)
        for setting in SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        return connection

    def _write(self, column: str, value: str, vectors: Iterable[bytes]) -> Any:
        """Make the table with a column of this type and write its rows, in one transaction. Returns the connection."""
        connection = self._client()
        self._clients.append(connection)
        with connection:
            connection.execute(f"CREATE VIRTUAL TABLE items USING vec0({column})")
            insert = f"INSERT INTO items (rowid, {column.split()[0]}) VALUES (?, {value})"
            connection.executemany(insert, enumerate(vectors))
        return connection

    def _nothing(self) -> Any:
        return self._clients[0].execute("SELECT 1").fetchall()


@dataclass(kw_only=True, eq=False)
class SqliteVec(_Table):
    """sqlite-vec: a table of vectors in a file, scanned by Euclidean distance."""

    name = "sqlite_vec"
    label = "sqlite-vec"
    family = "exact"

    def _load(self, rows: Rows) -> None:
        self._write(f"features float[{self._dim}]", "?", (row.tobytes() for row in rows.features))

    def _ask(self, client: Any, query: Rows, k: int) -> Sequence[int]:
        found = client.execute(
            "SELECT rowid FROM items WHERE features MATCH ? AND k = ? ORDER BY distance", (query.features.tobytes(), k)
        )
        return [row for (row,) in found]


@dataclass(kw_only=True, eq=False)
class SqliteVecBinary(CodeEngine, _Table):
    """sqlite-vec on codes: a table of bit vectors in a file, scanned by Hamming distance; ``reorder`` by SQL."""

    name = "sqlite_vec_binary"
    label = "sqlite-vec on codes"
    family = "code scan"
    reorder: Annotated[int, Ge(0), Le(MOST_NEIGHBOURS)] | None = None

    def _load(self, rows: Rows) -> None:
        bits = 8 * rows.codes.shape[1]
        connection = self._write(f"code bit[{bits}]", "vec_bit(?)", (code.tobytes() for code in rows.codes))
        if self._dim is None:
            return
        with connection:  # an ordinary table: a virtual one takes long to find a row
            connection.execute("CREATE TABLE vectors (id INTEGER PRIMARY KEY, features BLOB)")
            vectors = (row.tobytes() for row in rows.features)
            connection.executemany("INSERT INTO vectors VALUES (?, ?)", enumerate(vectors))

    def _ask(self, client: Any, query: Rows, k: int) -> Sequence[int]:
        near = "SELECT rowid AS id FROM items WHERE code MATCH vec_bit(?) AND k = ? ORDER BY distance"
        code, candidates = query.codes.tobytes(), self._candidates(k)
        if not candidates:
            return [row for (row,) in client.execute(near, (code, k))]
        found = client.execute(
            f"SELECT id FROM ({near}) JOIN vectors USING (id) ORDER BY vec_distance_l2(features, ?), id LIMIT ?",
            (code, candidates, query.features.tobytes(), k),
        )
        return [row for (row,) in found]
