"""The shards of an index: each is an index on some rows, in this process or on a worker of a Dask cluster."""

from __future__ import annotations

import importlib
import importlib.util
import json
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from bench.interfaces import Corpus, Int, Unavailable
from methods.parameters import check_value

CONNECT_SECONDS = 20
SCHEMES = ("tcp", "tls", "ucx", "ws", "wss")


class Shard:
    """An index on one part of the database. It may be a Dask actor."""

    def __init__(self, plugin: Any, parameters: Mapping[str, Any], query: Mapping[str, Any], database: Corpus) -> None:
        """Make and build the index, and set its query parameters. What the index raises comes through."""
        self._index = plugin(**parameters)
        if hasattr(self._index, "start"):
            self._index.start()
        self._index.build(database)
        self.set_query(query)

    def set_query(self, query: Mapping[str, Any]) -> None:
        if query:
            self._index.set_query(**query)

    def search(self, queries: Corpus, k: int) -> Int:
        found: Int = self._index.search(queries, k)
        return found

    def size_bytes(self) -> int:
        return int(self._index.size_bytes())


class Here:
    """The shards in this process, which are built and asked one after another."""

    def __init__(self) -> None:
        self._shards: list[Shard] = []

    def build(
        self, plugin: Any, parameters: Mapping[str, Any], query: Mapping[str, Any], parts: Sequence[Corpus]
    ) -> None:
        """Build a shard on each part, in place of earlier ones."""
        self._shards = []
        for part in parts:
            self._shards.append(Shard(plugin, parameters, query, part))

    def ask(self, method: str, *given: Any) -> list[Any]:
        """What all shards return, in their order."""
        return [getattr(shard, method)(*given) for shard in self._shards]


class Afar:
    """The shards on the workers of a Dask cluster, in turn. They are built and asked side by side.

    The connection and the shards end with this object.
    """

    def __init__(self, scheduler: str) -> None:
        """Raises ValueError: the scheduler does not answer, or has no worker."""
        # Imported by name, as the index may do without it: its version is in no key.
        connect: Any = importlib.import_module("distributed").Client
        try:
            self._client = connect(scheduler, timeout=CONNECT_SECONDS, set_as_default=False, direct_to_workers=True)
        except (OSError, ValueError, TimeoutError) as fault:
            raise ValueError(f"scheduler = {scheduler!r} does not answer: {fault}") from fault
        self._end = weakref.finalize(self, self._client.close)
        self._workers = sorted(self._client.scheduler_info(n_workers=-1)["workers"])
        if not self._workers:
            raise ValueError(f"scheduler = {scheduler!r} has no worker")
        self._shards: list[Any] = []

    def build(
        self, plugin: Any, parameters: Mapping[str, Any], query: Mapping[str, Any], parts: Sequence[Corpus]
    ) -> None:
        """See `Here`. If a shard can't be built, the connection ends."""
        self._shards = []
        try:
            with self._client.as_current():  # an actor speaks through the client that is current when it appears
                made = [self._built(number, plugin, parameters, query, part) for number, part in enumerate(parts)]
                self._shards = [one.result() for one in made]
        except BaseException:
            self._end()  # the error itself keeps this object alive
            raise

    def _built(self, number: int, *given: Any) -> Any:
        """The future of the shard with this number, whose last argument, its rows, is sent to its worker first."""
        at = [self._workers[number % len(self._workers)]]
        *others, part = given
        rows = self._client.scatter(part, workers=at, hash=False)
        return self._client.submit(Shard, *others, rows, actor=True, workers=at, pure=False)

    def ask(self, method: str, *given: Any) -> list[Any]:
        """See `Here`."""
        with self._client.as_current():
            asked = [getattr(shard, method)(*given) for shard in self._shards]
            return [one.result() for one in asked]


def check_address(scheduler: str) -> None:
    """Raises ValueError: it is neither empty nor the address of a Dask scheduler."""
    scheme, colon, rest = scheduler.partition("://")
    if scheduler and (scheme not in SCHEMES or not colon or not rest):
        raise ValueError(
            f"scheduler = {scheduler!r} must be the address of a Dask scheduler, as tcp://HOST:8786, or empty"
        )


def check_client() -> None:
    """Raises Unavailable: the client of a Dask cluster is not installed."""
    if importlib.util.find_spec("distributed") is None:
        raise Unavailable("distributed is not installed: python -m pip install -e '.[cluster]'")


def parsed(what: str, text: str) -> dict[str, Any]:
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
