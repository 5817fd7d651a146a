"""Any index on parts of the database, all of which are asked and whose answers are merged: for databases that one index
cannot be built on at once.

Each shard gives its k nearest, and the merged answer is the k nearest of all these by their exact distance: Euclidean,
from differences in float64, where the index reads features, else by Hamming. So the merged answer of exact shards is
exact, and that of approximate ones is no worse than what the shards have found. The database's rows are read for it.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from itertools import pairwise
from typing import Any, Self

import numpy as np

from bench.interfaces import Codes, Corpus, IndexName, Int, Unsuitable
from methods.parameters import Count, check_value
from methods.search.common.inputs import check_k, codes_of, features_of, only
from methods.search.features.rerank import Float32
from methods.search.shards import Afar, Here, check_address, check_client, parsed

LINEAR = IndexName("linear_scan")


class Sharded:
    """The index ``of``, built on each of so many ``shards`` of the database, all of which are asked.

    ``parameters``: those of the index, as in "factory=IVF64,Flat; device=cpu"; values are JSON or else texts.
    ``query``: its query parameters, written likewise, as in "nprobe=8". The shards are asked one after another, or
    side by side where they are on the workers of a Dask cluster, whose address is the ``scheduler``'s, as in
    "tcp://HOST:8786". Then all times have the network in them, and what else the workers do is not watched.
    """

    label = "Sharded"
    query_parameters = ("query",)

    def __init__(
        self,
        *,
        of: IndexName = LINEAR,
        parameters: str = "",
        query: str = "",
        shards: Count = 2,
        scheduler: str = "",
    ) -> None:
        """Raises ValueError: there is no such index, it reads real codes, or a parameter is wrong."""
        check_value("shards", Count, shards)
        check_value("scheduler", str, scheduler)
        check_address(scheduler)
        self.of, self.parameters, self.shards, self.scheduler = of, parameters, shards, scheduler
        self._shards: Here | Afar | None = None
        found = [*entry_points(group="bench.indexes", name=of)]
        if len(found) != 1 or of == "sharded":
            raise ValueError(f"of = {of!r} must be the name of one other index, as `bench list` shows")
        self._plugin: Any = found[0].load()
        self.set_query(query=query)
        if "real_codes" in self.reads:
            raise ValueError(
                f"of = {of!r} orders by real codes, and shards are merged by Euclidean or Hamming distance"
            )

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(self._one.reads)

    @property
    def family(self) -> str:
        return str(getattr(self._one, "family", "other"))

    @property
    def deterministic(self) -> bool:
        return bool(getattr(self._one, "deterministic", True))

    def check(self, dim: int | None, bits: int | None) -> None:
        """What the index itself refuses; see ``bench.interfaces.Index``.

        Raises Unavailable: the client of a Dask cluster is not installed.
        """
        if self.scheduler:
            check_client()
        if hasattr(self._one, "check"):
            self._one.check(dim, bits)

    def set_query(self, **parameters: Any) -> None:
        """Set the query parameters of all shards; those that ``query`` does not name have their defaults.

        Raises ValueError: the index has no such query parameter, or a value is wrong.
        """
        only("sharded", self.query_parameters, parameters)
        text = parameters.get("query", getattr(self, "query", ""))
        values = parsed("query", text)
        try:
            one: Any = self._plugin(**parsed("parameters", self.parameters), **values)
            only(self.of, one.query_parameters, values)
        except (TypeError, ValueError) as fault:
            raise ValueError(
                f"of = {self.of!r}, parameters = {self.parameters!r}, query = {text!r}: {fault}"
            ) from fault
        self._one, self.query = one, text
        if self._shards is not None:
            self._shards.ask("set_query", self._query())

    def start(self) -> None:
        """Connect to the workers, if there are any.

        Raises ValueError: the scheduler does not answer, or has no worker.
        """
        self._shards = Afar(self.scheduler) if self.scheduler else Here()

    def build(self, database: Corpus) -> Self:
        """Build the shards; each has rows that follow each other.

        Raises Unsuitable: there are fewer items than shards, or the index refuses a shard. Raises ValueError: see
        ``start``.
        """
        if len(database) < self.shards:
            raise Unsuitable(f"sharded: {len(database)} items are too few for shards = {self.shards}")
        euclidean = "features" in self.reads
        self._rows = Float32().build(features_of(database, "sharded")) if euclidean else codes_of(database, "sharded")
        self._starts = [len(database) * number // self.shards for number in range(self.shards + 1)]
        if self._shards is None:
            self.start()
        assert self._shards is not None
        parts = [database.part(start, stop) for start, stop in pairwise(self._starts)]
        self._shards.build(self._plugin, parsed("parameters", self.parameters), self._query(), parts)
        return self

    def _query(self) -> dict[str, Any]:
        """The query parameters of the index, with their values."""
        return {name: getattr(self._one, name) for name in self._one.query_parameters}

    def search(self, queries: Corpus, k: int) -> Int:
        check_k(k)
        assert self._shards is not None
        found = self._shards.ask("search", queries, k)
        every = np.hstack([np.where(one >= 0, one + at, -1) for one, at in zip(found, self._starts, strict=False)])
        ids = np.sort(every, axis=1)[:, ::-1]  # what is missing comes last
        if isinstance(self._rows, Float32):
            return self._rows.nearest(features_of(queries, "sharded"), ids, k)
        return _nearest(self._rows, codes_of(queries, "sharded", self._rows.bits), ids, k)

    def size_bytes(self) -> int:
        """The shards, and the rows that answers are merged by: they count twice where the index keeps them too."""
        rows = self._rows.size_bytes() if isinstance(self._rows, Float32) else self._rows.words.nbytes
        assert self._shards is not None
        return rows + sum(self._shards.ask("size_bytes"))


def _nearest(database: Codes, queries: Codes, ids: Int, k: int) -> Int:
    """The k nearest of the ids [q, n] by (Hamming distance, id), -1 where there are fewer."""
    distances = np.bitwise_count(database.words[ids] ^ queries.words[:, None]).sum(axis=2, dtype=np.int64)
    distances[ids < 0] = database.bits + 1
    return np.take_along_axis(ids, np.lexsort((ids, distances))[:, :k], axis=1)
