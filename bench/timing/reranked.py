"""An index with a reranker behind it: the index finds candidates, and the reranker orders them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from bench.interfaces import Corpus, Index, Int, Reranker
from bench.timing.told import Told, checked_share

BLOCK_BYTES = 64 * 2**20
"""The most bytes of candidate ids that a batch holds at a time."""

OF_ENGINES = ("start", "empty_query", "load_seconds", "disk_bytes", "server_bytes")
"""The optional members of an index in a database engine."""


class Reranked:
    """An index whose nearest ``candidates`` are ordered by a reranker.

    It has those optional members of an `Index` that the inner index has. Its costs are read of both parts by `Told`,
    which raises `bench.workers.limits.Failure` where one tells what can't be right.
    """

    def __init__(
        self, index: Index, reranker: Reranker, candidates: int, names: tuple[str, str] = ("index", "reranker")
    ) -> None:
        """Build neither part yet. ``names``: those of the two plugins."""
        self.index = index
        self.reranker = reranker
        self.candidates = candidates
        self.reads: tuple[str, ...] = tuple(dict.fromkeys((*index.reads, "features")))
        self.query_parameters: tuple[str, ...] = (*index.query_parameters, "candidates")
        self._told, self._told_behind = (Told(*one) for one in zip((index, reranker), names, strict=True))
        self._complete: list[tuple[int, Any]] = []
        optional: Any = index
        if hasattr(index, "query_cost"):
            self.query_cost: Callable[[], tuple[float, float]] = self._query_cost
        if hasattr(index, "paper_bytes"):
            self.paper_bytes: Callable[[], int] = optional.paper_bytes
        for name in OF_ENGINES:
            if hasattr(index, name):
                setattr(self, name, getattr(index, name))

    def build(self, database: Corpus) -> Self:
        """Build both parts.

        Raises ValueError: there are no features.
        """
        if database.features is None:
            raise ValueError("re-ranking orders by features, and the database has none")
        self.index.build(database)
        self.reranker.build(database.features)
        self._size = len(database)
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``candidates``, the number of neighbours that the index finds, and the index's own parameters."""
        self.candidates = parameters.pop("candidates", self.candidates)
        if parameters:
            optional: Any = self.index
            optional.set_query(**parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`.

        Raises ValueError: there are no features.
        """
        if queries.features is None:
            raise ValueError("re-ranking orders by features, and the queries have none")
        ids = np.empty((len(queries), k), dtype=np.int64)
        rows = max(1, BLOCK_BYTES // (ids.itemsize * self._wanted))
        complete: list[tuple[int, Any]] = []
        for start in range(0, len(queries), rows):
            part = queries.part(start, start + rows)
            found = self.index.search(part, self._wanted)
            ids[start : start + rows] = self.reranker.nearest(queries.features[start : start + rows], found, k)
            complete.append((len(part), getattr(self.index, "complete_share_", None)))
        self._complete = complete
        return ids

    @property
    def complete_share_(self) -> float | None:
        """The inner index's share over all queries of the last search. None before one, or where it is not known."""
        told = [(count, checked_share(self._told.name, share)) for count, share in self._complete]
        known = [count * share for count, share in told if share is not None]
        return sum(known) / sum(count for count, _ in told) if told and len(known) == len(told) else None

    @property
    def _wanted(self) -> int:
        return min(self.candidates, self._size)

    def size_bytes(self) -> int:
        """The bytes of both parts."""
        return self._told.size_bytes() + self._told_behind.size_bytes()

    def _query_cost(self) -> tuple[float, float]:
        """The bytes and operations of both parts."""
        own, more = self._told.query_cost(), self._told_behind.query_cost(self._wanted)
        return own[0] + more[0], own[1] + more[1]
