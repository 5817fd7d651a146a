"""The base of the indexes made by other libraries."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Corpus, Float, Int, Unavailable
from methods.parameters import check_parameters
from methods.search.common.home import Home
from methods.search.common.inputs import bytes_of, check_k, codes_of, features_of, items_of, set_parameters


@dataclass(kw_only=True, eq=False)
class LibraryIndex:
    """An index over features, made by a library: a subclass is a dataclass of its parameters that wraps the library.

    ``name``: the library in error messages
    ``module``: the module to import, if it has another name
    ``extra``: the extra of this distribution that installs the library

    The subclass also gives ``_build``, ``_ask`` and ``size_bytes``, which counts the index as the library writes it. It
    imports the library in ``_build``, by a statement: that puts the library's version into the keys.
    """

    name: ClassVar[str]
    module: ClassVar[str | None] = None
    extra: ClassVar[str] = "ann"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_parameters(self)
        self.set_query(**{name: getattr(self, name) for name in self.query_parameters})

    def check(self, dim: int | None, bits: int | None) -> None:
        """Raises Unavailable: the library is not installed."""
        installed(self.module or self.name, self.extra)

    def build(self, database: Corpus) -> Self:
        """Build on the features, on all CPUs.

        Raises ValueError: the database has no features or no item, or ``check`` refuses.
        """
        features = items_of(database, self.name)
        self.check(features.shape[1], None)
        self._shape = features.shape
        self._index: Any = self._build(features)
        return self

    def set_query(self, **parameters: Any) -> None:
        set_parameters(self.name, self, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        return neighbours(self.name, self._shape, queries, k, self._ask)

    def size_bytes(self) -> int:
        raise NotImplementedError

    def _build(self, features: NDArray[Any]) -> Any:
        """The library's index of features [n, d], n >= 1.

        Raises Unsuitable: there are too few items for the parameters.
        """
        raise NotImplementedError

    def _ask(self, vectors: NDArray[Any], k: int) -> NDArray[Any]:
        """Ids [q, k] of the library's ``_index``, -1 if it finds fewer; q >= 1, and k from 1 to n."""
        raise NotImplementedError


class CodeLibraryIndex(LibraryIndex):
    """The same over codes: ``_build`` and ``_ask`` get their bytes, uint8 [n, 8 words] (see `bytes_of`)."""

    reads: ClassVar[tuple[str, ...]] = ("codes",)

    def build(self, database: Corpus) -> Self:
        """Build on the codes, on all CPUs.

        Raises ValueError: the database has no codes or no item, or ``check`` refuses.
        """
        codes = codes_of(database, self.name)
        if len(codes) == 0:
            raise ValueError(f"{self.name} cannot be built on an empty database")
        self.check(None, codes.bits)
        self._shape = (len(codes), codes.bits)
        self._index = self._build(bytes_of(codes))
        return self

    def search(self, queries: Corpus, k: int) -> Int:
        check_k(k)
        n, bits = self._shape
        return padded(bytes_of(codes_of(queries, self.name, bits)), k, n, self._ask)


def installed(module: str, extra: str = "ann") -> None:
    """Raises Unavailable: the module is not installed. It is not imported here."""
    if importlib.util.find_spec(module) is None:
        raise Unavailable(f"{module} is not installed: pip install -e '.[{extra}]'")


def threads(rows: int) -> int:
    """One for a single query, else the number of the calling thread's CPUs."""
    if rows == 1:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def neighbours(
    owner: str, shape: tuple[int, ...], queries: Corpus, k: int, ask: Callable[[Float, int], NDArray[Any]]
) -> Int:
    """Ids int64 [q, k] by ``ask(vectors, found)``, whose ``found`` is at most the n items of ``shape`` [n, d].

    ``ask`` returns [q, found], with -1 for a missing neighbour.

    Raises ValueError: k is below 1, or the queries are not features of d dimensions.
    """
    check_k(k)
    n, dim = shape
    return padded(features_of(queries, owner, dim), k, n, ask)


def padded(rows: NDArray[Any], k: int, n: int, ask: Callable[[Any, int], NDArray[Any]]) -> Int:
    """Ids int64 [q, k] by ``ask(rows, found)``, with -1 beyond the n items that there are."""
    if len(rows) == 0:
        return np.empty((0, k), dtype=np.int64)
    found = np.asarray(ask(rows, min(k, n)), dtype=np.int64)
    return found if k <= n else np.pad(found, ((0, 0), (0, k - n)), constant_values=-1)


def as_many_as_found(
    ask: Callable[[Float, int], NDArray[Any]], vectors: Float, k: int, fault: type[Exception]
) -> NDArray[Any]:
    """The neighbours [q, k] by a graph search that raises ``fault`` when it finds fewer for a query.

    A graph of many equal items falls into pieces. Then each query takes as many as are found, and the rest is -1.
    """
    try:
        return ask(vectors, k)
    except fault:
        return np.stack([most(partial(ask, vector), k, fault) for vector in vectors])


def most(ask: Callable[[int], NDArray[Any]], k: int, fault: type[Exception]) -> Int:
    """The neighbours of one query, int64 [k], -1 from where the search fails."""

    def fails(wanted: int) -> bool:
        try:
            ask(wanted)
        except fault:
            return True
        return False

    found = bisect_left(range(1, k + 1), True, key=fails)
    ids = np.full(k, -1, dtype=np.int64)
    if found:
        ids[:found] = ask(found)
    return ids


def file_bytes(save: Callable[[str], Any]) -> int:
    """Bytes that a library writes into the file at a path. The file has no name: it goes with this process."""
    with tempfile.TemporaryFile() as file:
        save(path_of(file.fileno()))
        return os.fstat(file.fileno()).st_size


def path_of(descriptor: int) -> str:
    """A path at which this process may open a file once more that has no name."""
    return f"/proc/self/fd/{descriptor}"


def saved_bytes(save: Callable[[Path], Any]) -> int:
    """The same for several files in a folder, which is then removed, also if this process is killed."""
    home = Home()
    try:
        save(home.folder)
        return sum(path.stat().st_size for path in home.folder.rglob("*") if path.is_file())
    finally:
        home.close()
