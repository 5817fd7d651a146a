"""The base of the indexes that a database engine holds: rows in, questions to its clients, and its costs out."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes, Corpus, Float, Int, Unavailable
from methods.parameters import Natural, check_parameters
from methods.search.common.home import Home
from methods.search.common.inputs import bytes_of, check_k, codes_of, features_of, set_parameters
from methods.search.common.kinds import names_of, set_own
from methods.search.common.library import threads

Bytes = NDArray[np.uint8]
INSTALL = "pip install -e '.[systems]'"


@dataclass(frozen=True)
class Rows:
    """Database items or queries: features float32 [n, d] and codes as bytes uint8 [n, b]; d or b is 0 if not read."""

    features: Float
    codes: Bytes

    def __len__(self) -> int:
        return len(self.features)

    def part(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` to before ``stop``."""
        return Rows(self.features[start:stop], self.codes[start:stop])


@dataclass(kw_only=True, eq=False)
class Engine:
    """An index over features, in a table of an engine: a subclass is a dataclass of its parameters, and asks it.

    ``name``: the plugin in error messages
    ``versions``: the distributions that are needed, and how the versions begin that this was tried with
    ``kinds``: for each ``kind`` of index, if the subclass has that parameter, its own parameters with their defaults;
    None stands for the default
    ``tuned``: the parameters that may change after the build
    ``most``: the most neighbours that the engine finds for a query
    ``own_threads``: the engine answers a query on threads of its own. They run on the CPUs of the calling thread.

    The subclass also gives ``_load``, ``_client``, ``_ask`` and ``_nothing``, and what else differs. It imports the
    engine in a method, by a statement: that puts the engine's version into the keys.
    """

    name: ClassVar[str]
    versions: ClassVar[dict[str, str]]
    layer: ClassVar[str] = "embedded"
    kinds: ClassVar[dict[str, dict[str, int]]] = {}
    tuned: ClassVar[tuple[str, ...]] = ()
    most: ClassVar[int | None] = None
    own_threads: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_parameters(self)
        self.reads: tuple[str, ...] = self._fields()
        set_own(self, self.kinds)
        self.query_parameters: tuple[str, ...] = self._query_parameters()
        self._home: Home | None = None
        self._used = False

    def _defaults(self) -> dict[str, int]:
        return self.kinds.get(getattr(self, "kind", ""), {})

    def _fields(self) -> tuple[str, ...]:
        return ("features",)

    def _query_parameters(self) -> tuple[str, ...]:
        return tuple(name for name in self.tuned if name in self._defaults() or name not in names_of(self.kinds))

    def check(self, dim: int | None, bits: int | None) -> None:
        """Raises Unavailable: the engine or its driver is not installed as it was tried, or this is no Linux."""
        if sys.platform != "linux":
            raise Unavailable(f"{self.name} is run on Linux alone, whose kernel tells which processes are left")
        for distribution, tried in self.versions.items():
            check_version(distribution, tried)

    def start(self) -> None:
        """Make the folder and start what runs in it, in place of an earlier one.

        Raises Unavailable: ``check`` refuses, or the engine can't be imported.
        """
        self.check(None, None)
        self._clients: list[Any] = []
        home = Home()
        try:
            self._start(home)
        except ImportError as fault:
            raise Unavailable(f"{self.name} can't be imported: {fault}; {INSTALL}") from fault
        self._home, self._used = home, False

    def build(self, database: Corpus) -> Self:
        """Write the rows and index them, on all CPUs.

        Raises ValueError: the database lacks what is read or has no item, or ``check`` refuses.
        """
        rows, bits = self._rows(database, None, None)
        if len(rows) == 0:
            raise ValueError(f"{self.name} cannot be built on an empty database")
        self._items, self._bits = len(rows), bits
        self._dim = rows.features.shape[1] if "features" in self.reads else None
        self.check(self._dim, bits)
        if self._home is None or self._used:
            self.start()
        self._cpus = _cpus()
        self._used = True
        began = time.perf_counter()
        self._load(rows)
        self._load_seconds = time.perf_counter() - began
        self._index(rows)
        return self

    def set_query(self, **parameters: Any) -> None:
        own = self._defaults()
        given = {name: own.get(name) if value is None else value for name, value in parameters.items()}
        set_parameters(self.name, self, given)

    def search(self, queries: Corpus, k: int) -> Int:
        check_k(k)
        rows, _ = self._rows(queries, self._dim, self._bits)
        found = min(k, self._items)
        if self.most is not None and found > self.most:
            raise ValueError(f"{self.name} finds at most {self.most:,} neighbours of a query, not {found:,}")
        ids = np.full((len(rows), k), -1, dtype=np.int64)
        if len(rows) == 0:
            return ids
        if self.own_threads:
            self._follow()
        several = min(threads(len(rows)), len(rows))
        while len(self._clients) < several:
            self._clients.append(self._client())
        if several == 1:
            self._answer(self._clients[0], rows, found, ids)
            return ids
        bounds = np.linspace(0, len(rows), several + 1).astype(int)
        parts = [(int(start), int(stop)) for start, stop in pairwise(bounds)]

        def answer(client: Any, bounds: tuple[int, int]) -> None:
            self._answer(client, rows.part(*bounds), found, ids[slice(*bounds)])

        with ThreadPoolExecutor(several) as pool:
            list(pool.map(answer, self._clients, parts))
        return ids

    def _answer(self, client: Any, rows: Rows, k: int, ids: Int) -> None:
        """Write the answers to rows into ``ids`` [n, k or more], by one client."""
        for row in range(len(rows)):
            found = self._ask(client, rows.part(row, row + 1), k)
            ids[row, : len(found)] = found

    def _follow(self) -> None:
        """Let all threads of this process run on the CPUs of the calling thread, if these changed."""
        cpus = _cpus()
        if cpus != self._cpus:
            for task in Path("/proc/self/task").iterdir():
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), cpus)
            self._cpus = cpus

    def empty_query(self) -> None:
        if self.own_threads:
            self._follow()
        self._nothing()

    def load_seconds(self) -> float | None:
        return self._load_seconds

    def disk_bytes(self) -> int:
        assert self._home is not None
        return self._home.disk_bytes()

    def size_bytes(self) -> int:
        """The files of the engine: what a query reads of them must stay in memory, as pages of the system."""
        return self.disk_bytes()

    def _rows(self, corpus: Corpus, dim: int | None, bits: int | None) -> tuple[Rows, int | None]:
        """The rows of a corpus, and the bits of its codes.

        Raises ValueError: it lacks what is read, or dimension or bits are not those given.
        """
        n = len(corpus)
        features = features_of(corpus, self.name, dim) if "features" in self.reads else np.empty((n, 0), np.float32)
        if "codes" not in self.reads:
            return Rows(features, np.empty((n, 0), np.uint8)), None
        codes = codes_of(corpus, self.name, bits)
        return Rows(features, as_bytes(codes)), codes.bits

    def _start(self, home: Home) -> None:
        """Start what runs in the folder."""

    def _load(self, rows: Rows) -> None:
        """Write the rows, n >= 1, into a table of the engine, each under its position as id."""
        raise NotImplementedError

    def _index(self, rows: Rows) -> None:
        """Index the table."""

    def _client(self) -> Any:
        """What asks the engine: one for each thread."""
        raise NotImplementedError

    def _ask(self, client: Any, query: Rows, k: int) -> Sequence[int]:
        """The ids of the nearest to one query, at most k, which is from 1 to n."""
        raise NotImplementedError

    def _nothing(self) -> Any:
        """The engine's answer to a query for nothing."""
        raise NotImplementedError


@dataclass(kw_only=True, eq=False)
class CodeEngine(Engine):
    """An index over codes, in a table of an engine. If ``reorder`` is given, the table has the features too, and the
    engine orders that many of the nearest codes by them.

    ``reorder`` below k counts as k, and 0 leaves the order by codes.
    """

    reorder: Natural | None = None

    def _fields(self) -> tuple[str, ...]:
        return ("codes",) if self.reorder is None else ("codes", "features")

    def _query_parameters(self) -> tuple[str, ...]:
        return (*super()._query_parameters(), *(() if self.reorder is None else ("reorder",)))

    def _candidates(self, k: int) -> int:
        """How many of the nearest codes are ordered by features. 0: none."""
        return min(max(self.reorder, k), self._items) if self.reorder else 0


def check_version(distribution: str, tried: str) -> None:
    """Raises Unavailable: the distribution is not installed, or its version does not begin with the one tried."""
    try:
        found = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise Unavailable(f"{distribution} is not installed: {INSTALL}") from None
    if not found.startswith(tried):
        raise Unavailable(f"{distribution} {found} is installed, and {tried.rstrip('.')} is needed: {INSTALL}")


def as_bytes(codes: Codes) -> Bytes:
    """The codes in whole bytes, uint8 [n, ceil(bits / 8)]. Bits behind the last are zero."""
    return np.ascontiguousarray(bytes_of(codes)[:, : -(-codes.bits // 8)])


def _cpus() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
