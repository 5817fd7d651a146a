"""Twins: queries that stand in the database too, found by their content, told, and refused if the user asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Any, Self

import numpy as np

from bench.interfaces import Context, Items
from bench.system.files import replace_file
from datasets.arrays import blocks

FEW = 0.005
"""Official splits hold a few twins (Food-101 at 64x64: 22 of 25,247 queries); a larger share than this is too many."""

Hashes = tuple[Iterable[bytes], Iterable[bytes]]
"""Content hashes of the database and of the queries, one an item, in order."""


def content_hash(content: bytes | memoryview) -> bytes:
    """Sixteen bytes that stand for an item's content."""
    return blake2b(content, digest_size=16).digest()


def given_hashes(database: Sequence[Any], query: Sequence[Any]) -> Hashes:
    """Content hashes of the rows of sources (see `datasets.arrays`) before they are rounded or divided, on demand."""
    kind = np.result_type(*(source.dtype for source in (*database, *query)))

    def rows(sources: Sequence[Any]) -> Iterator[bytes]:
        for source in sources:
            for _, block in blocks(source):
                yield from (content_hash(row.tobytes()) for row in block.astype(kind, copy=False))

    return rows(database), rows(query)


@dataclass(frozen=True)
class Twins:
    """``count`` of the ``queries`` stand in the database, the first from row ``query`` at row ``database``.

    ``exact`` is the number of those that do so in the files too, where items are read with losses; None elsewhere.
    """

    count: int
    queries: int
    query: int = -1
    database: int = -1
    exact: int | None = None

    @classmethod
    def of(cls, hashes: Hashes) -> Self:
        """Count them. Memory follows the queries, however large the database is."""
        database, query = hashes
        queries = list(query)
        asked, first = set(queries), dict[bytes, int]()
        for row, content in enumerate(database):
            if content in asked:
                first.setdefault(content, row)
        found = [row for row, content in enumerate(queries) if content in first]
        return cls(len(found), len(queries), *((found[0], first[queries[found[0]]]) if found else ()))

    def __str__(self) -> str:
        share = f"{self.count / self.queries:.1%}"
        return f"{share}, first query item {self.query} = database item {self.database}"

    def check(self, source: str, allowed: float | None) -> None:
        """Raises ValueError: a larger share of the queries than ``allowed`` are twins; None allows any."""
        if allowed is not None and self.count > allowed * self.queries:
            what = f"{self.count} of {self.queries} queries stand in the database too"
            raise ValueError(f"{source}: {what} ({self}); twins_allowed = {allowed}")

    def remarks(self) -> list[str]:
        if not self.count:
            return []
        many = f": {self}. They flatter every figure (twins_allowed = {FEW} refuses so many)"
        how = "to the byte"
        if self.exact is not None and self.exact < self.count:
            rest = "only as they are read (rounded to float32, by angle at unit length)"
            how = f"{self.exact} to the byte and {self.count - self.exact} {rest}" if self.exact else f"but {rest}"
        said = f"{self.count} query items also stand in the database, {how}"
        return [said + (many if self.count > FEW * self.queries else "")]


def twins(database: Items, query: Items, hashes: Hashes, context: Context, given: Hashes | None = None) -> Twins:
    """The queries that stand in the database.

    ``given`` are the hashes of the items in their files, where these are read with losses. ``context.cache`` keeps the
    count under the items' fingerprints. ``hashes`` and ``given``, best made on demand, are then not read again.
    """
    if context.cache is None:
        return _found(hashes, given)
    form = "" if given is None else "\0given"
    pair = content_hash(f"{database.fingerprint}\0{query.fingerprint}{form}".encode()).hex()
    kept = context.cache / f"twins-{pair}.json"
    if kept.is_file():
        return Twins(**json.loads(kept.read_text()))
    found = _found(hashes, given)
    known = {name: value for name, value in asdict(found).items() if value is not None}
    replace_file(kept, lambda path: path.write_text(json.dumps(known)))
    return found


def _found(hashes: Hashes, given: Hashes | None) -> Twins:
    found = Twins.of(hashes)
    return found if given is None else replace(found, exact=Twins.of(given).count if found.count else 0)
