"""Any index on parts of the database, all of which are asked and whose answers are merged: for databases that one index
cannot be built on at once.

Each shard gives its k nearest, and the merged answer is the k nearest of all these by their exact distance: Euclidean,
from differences in float64, where the index reads features, else by Hamming. So the merged answer of exact shards is
exact, and that of approximate ones is no worse than what the shards have found. The database's rows are read for it.
"""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from itertools import pairwise
from typing import Any, Self

import numpy as np

from bench.interfaces import Codes, Corpus, Index, IndexName, Int, Unsuitable
from methods.parameters import Count, check_value
from methods.search.common.inputs import check_k, codes_of, features_of, only
from methods.search.features.rerank import Float32

LINEAR = IndexName("linear_scan")


class Sharded:
    """The index ``of``, built on each of so many ``shards`` of the database, all of which are asked.

    ``parameters``: those of the index, as in "factory=IVF64,Flat; device=cpu"; values are JSON or else texts.
    ``query``: its query parameters, written likewise, as in "nprobe=8". The shards are asked one after another.
    """

    label = "Sharded"
    query_parameters = ("query",)

    def __init__(self, *, of: IndexName = LINEAR, parameters: str = "", query: str = "", shards: Count = 2) -> None:
        """Raises ValueError: there is no such index, it reads real codes, or its parameters are wrong."""
        check_value("shards", Count, shards)
        self.of, self.parameters, self.shards, self._parts = of, parameters, shards, list[Any]()
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
        """What the index itself refuses; see ``bench.interfaces.Index``."""
        if hasattr(self._one, "check"):
            self._one.check(dim, bits)

    def set_query(self, **parameters: Any) -> None:
        """Set the query parameters of all shards; those that ``query`` does not name have their defaults.

        Raises ValueError: the index has no such query parameter, or a value is wrong.
        """
        only("sharded", self.query_parameters, parameters)
        text = parameters.get("query", getattr(self, "query", ""))
        values = _parsed("query", text)
        try:
            one: Any = self._plugin(**_parsed("parameters", self.parameters), **values)
            only(self.of, one.query_parameters, values)
        except (TypeError, ValueError) as fault:
            raise ValueError(
                f"of = {self.of!r}, parameters = {self.parameters!r}, query = {text!r}: {fault}"
            ) from fault
        self._one, self.query = one, text
        for part in self._parts:
            _set(part, one)

    def build(self, database: Corpus) -> Self:
        """Build the shards one after another; each has rows that follow each other.

        Raises Unsuitable: there are fewer items than shards, or the index refuses a shard.
        """
        if len(database) < self.shards:
            raise Unsuitable(f"sharded: {len(database)} items are too few for shards = {self.shards}")
        euclidean = "features" in self.reads
        self._rows = Float32().build(features_of(database, "sharded")) if euclidean else codes_of(database, "sharded")
        self._starts = [len(database) * number // self.shards for number in range(self.shards + 1)]
        self._parts = []
        for start, stop in pairwise(self._starts):
            part: Any = self._plugin(**_parsed("parameters", self.parameters))
            if hasattr(part, "start"):
                part.start()
            part.build(database.part(start, stop))
            _set(part, self._one)
            self._parts.append(part)
        return self

    def search(self, queries: Corpus, k: int) -> Int:
        check_k(k)
        found = [part.search(queries, k) for part in self._parts]
        every = np.hstack([np.where(one >= 0, one + at, -1) for one, at in zip(found, self._starts, strict=False)])
        ids = np.sort(every, axis=1)[:, ::-1]  # what is missing comes last
        if isinstance(self._rows, Float32):
            return self._rows.nearest(features_of(queries, "sharded"), ids, k)
        return _nearest(self._rows, codes_of(queries, "sharded", self._rows.bits), ids, k)

    def size_bytes(self) -> int:
        """The shards, and the rows that answers are merged by: they count twice where the index keeps them too."""
        rows = self._rows.size_bytes() if isinstance(self._rows, Float32) else self._rows.words.nbytes
        return rows + sum(int(part.size_bytes()) for part in self._parts)


def _nearest(database: Codes, queries: Codes, ids: Int, k: int) -> Int:
    """The k nearest of the ids [q, n] by (Hamming distance, id), -1 where there are fewer."""
    distances = np.bitwise_count(database.words[ids] ^ queries.words[:, None]).sum(axis=2, dtype=np.int64)
    distances[ids < 0] = database.bits + 1
    return np.take_along_axis(ids, np.lexsort((ids, distances))[:, :k], axis=1)


def _set(part: Index, like: Index) -> None:
    """Give a built index the query parameters of another."""
    if like.query_parameters:
        optional: Any = part
        optional.set_query(**{name: getattr(like, name) for name in like.query_parameters})


def _parsed(what: str, text: str) -> dict[str, Any]:
    """The parameters that a text names.

    Raises ValueError: it is no text of that form.
    """
    check_value(what, str, text)
    values: dict[str, Any] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not name.isidentifier():
            raise ValueError(f"{what} = {text!r}: {part!r} must be NAME=VALUE; a semicolon stands between two")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values
