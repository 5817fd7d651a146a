"""What a grid is once it is read: cells, each checked on its own, and how much of them is measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from bench import registry
from bench.estimators import as_hasher
from bench.interfaces import Model, Unavailable
from bench.protocols import ClassSplit, ProtocolName, QuerySplit

Layout = Literal["candidates", "methods", "pareto", "codes"]
DatabaseCodes = Literal["encoded", "learned"]
Role = Literal["embedder", "input", "hasher", "index", "rerank"]
ROLES: dict[Role, registry.Kind] = {
    "embedder": "embedder",
    "input": "embedder",
    "hasher": "hasher",
    "index": "index",
    "rerank": "reranker",
}
MOST_BITS = 2**16
MOST_SECONDS = 3600
MOST_MEASURED = 10**7
"""Rounds and the like; with more a run would never end."""


@dataclass(frozen=True)
class Choice:
    """A plugin and the parameters that are not its defaults."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> str:
        """The choice in one short line."""
        inside = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.name}({inside})"


@dataclass(frozen=True)
class Cell:
    """One row of the results: what is trained on, how items are coded, and how they are searched.

    ``input``: the embedder whose features the hasher reads in place of the items' own. Without an ``index`` the whole
    database is ranked: by the hasher's codes, or by the embedder's features. ``model`` and ``database_codes`` are None
    where there is no hasher. With ``rerank`` the index is asked for ``candidates`` neighbours, and these are put in
    order by the embedder's features.
    """

    protocol: ProtocolName
    embedder: Choice | None
    input: Choice | None
    hasher: Choice | None
    model: Model | None
    database_codes: DatabaseCodes | None
    index: Choice | None
    rerank: Choice | None
    candidates: int | None
    seed: int

    def choices(self) -> Iterator[tuple[Role, Choice]]:
        """The plugins of the cell, each with the role it plays."""
        for role in ROLES:
            choice = getattr(self, role)
            if choice is not None:
                yield role, choice

    def describe(self) -> str:
        """What the cell is about, in one short line: its index, or else what is ranked."""
        choice = self.index or self.hasher or self.embedder
        assert choice is not None
        if self.rerank is None:
            return choice.describe()
        return f"{choice.describe()} + {self.rerank.describe()} of {self.candidates} candidates"


@dataclass(frozen=True)
class Measure:
    """How much is measured. ``queries``: how many queries are searched, drawn by seed (0: all of them).

    ``replicates``: fresh processes with fresh builds, each of ``rounds`` of ``queries_per_round``, and of batches that
    last ``batch_seconds`` on all threads and again on one. ``split``: all of these queries, or one half to choose
    settings by (``tune``) and the other to report what was chosen.
    """

    queries: int = 0
    replicates: int = 10
    rounds: int = 4
    queries_per_round: int = 50
    batch_seconds: float = 0.25
    split: QuerySplit = "all"

    def __post_init__(self) -> None:
        for name, least in (("queries", 0), ("replicates", 1), ("rounds", 1), ("queries_per_round", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least {least}")
            if getattr(self, name) > MOST_MEASURED:
                raise ValueError(f"{name} = {getattr(self, name)} must be at most {MOST_MEASURED:,}")
        if not 0 < self.batch_seconds <= MOST_SECONDS:
            raise ValueError(f"batch_seconds = {self.batch_seconds} must be above 0 and at most {MOST_SECONDS:,}")
        if self.split != "all" and self.queries == 1:
            raise ValueError("queries = 1 has no halves, as split asks for")


@dataclass(frozen=True)
class Grid:
    """A checked grid on one data set, expanded. ``dataset_name``: what its data are called (see ``bench.naming``)."""

    name: str
    title: str
    dataset: Choice
    dataset_name: str
    recipe: str
    layout: Layout
    reference: str | None
    k: int
    class_split: ClassSplit
    measure: Measure
    cells: tuple[Cell, ...]


def to_json(grid: Grid) -> str:
    """The grid as text, for another process. Tuples among the plugins' parameters become lists."""
    return json.dumps(asdict(grid))


def from_json(text: str) -> Grid:
    """The grid of ``to_json``."""
    return TypeAdapter(Grid).validate_json(text)


def settings(role: Role, choice: Choice) -> dict[str, Any]:
    """All the parameters of a plugin as it will run, its defaults included."""
    plugin = registry.build(ROLES[role], choice.name, choice.parameters)
    return {name: getattr(plugin, name, None) for name in registry.parameters(type(plugin))}


def check(cell: Cell, content: str, labelled: bool, k: int) -> None:
    """ValueError where the parts of a cell do not fit each other, k neighbours, or data that hold ``content``, with
    labels or without.
    """
    _check_parts(cell, k)
    for role, choice in cell.choices():
        registry.build(ROLES[role], choice.name, choice.parameters)
    hasher = _built(cell, "hasher")
    if cell.hasher is not None:
        if getattr(hasher, "bits", 0) > MOST_BITS:
            raise ValueError(f"bits = {hasher.bits}: codes have at most {MOST_BITS:,}")
        models = getattr(hasher, "models", ("last",))
        if cell.model not in models:
            raise ValueError(f"model = {cell.model!r}: {cell.hasher.name} offers {', '.join(map(repr, models))}")
        if content == "images" and cell.input is None and not hasattr(hasher, "encode"):
            raise ValueError(
                f"hasher = {cell.hasher.name!r} reads vectors and the data set holds images; "
                "name the embedder whose features it reads, as in input = 'pretrained'"
            )
    if not labelled:
        _check_without_labels(cell)
    if cell.index is not None:
        _check_reads(cell)
        with suppress(Unavailable):  # that cell is skipped when its turn comes
            ask_index(cell)


def ask_index(cell: Cell) -> None:
    """``check`` of the cell's index, where there are both. ValueError, Unavailable: see ``bench.interfaces.Index``."""
    index = _built(cell, "index")
    if cell.index is None or not hasattr(index, "check"):
        return
    dim, bits = getattr(_built(cell, "embedder"), "dim", None), getattr(_built(cell, "hasher"), "bits", None)
    try:
        index.check(dim=dim, bits=bits)
    except ValueError as fault:
        raise ValueError(f"{cell.index.name}: {fault}") from fault


def reads(cell: Cell) -> tuple[str, ...]:
    """The fields of ``Corpus`` that the cell's index reads."""
    return () if cell.index is None else tuple(_built(cell, "index").reads)


def _built(cell: Cell, role: Role) -> Any:
    choice: Choice | None = getattr(cell, role)
    return None if choice is None else registry.build(ROLES[role], choice.name, choice.parameters)


def _check_without_labels(cell: Cell) -> None:
    """ValueError where a cell needs labels."""
    if cell.index is None:
        what = "a ranking (a cell without an index)"
    elif cell.protocol != "seen":
        what = f"protocol = {cell.protocol!r}"
    elif cell.model == "oracle":
        what = "model = 'oracle'"
    elif cell.hasher is not None and getattr(_built(cell, "hasher"), "supervised", True):
        what = f"hasher = {cell.hasher.name!r} (which does not say supervised = False)"
    else:
        return
    raise ValueError(f"{what} needs labels, and the data set has none")


def _check_reads(cell: Cell) -> None:
    """ValueError where nothing in the cell makes what its index reads."""
    assert cell.index is not None
    what, wanted = f"index = {cell.index.name!r} reads", reads(cell)
    if "features" in wanted and cell.embedder is None:
        raise ValueError(f"{what} features: key 'embedder' is missing")
    if {"codes", "real_codes"} & {*wanted} and cell.hasher is None:
        raise ValueError(f"{what} codes: key 'hasher' is missing")
    if "real_codes" in wanted and not hasattr(as_hasher(_built(cell, "hasher")), "encode_real"):
        assert cell.hasher is not None
        raise ValueError(f"{what} real codes, which hasher = {cell.hasher.name!r} does not offer (no encode_real)")


def _check_parts(cell: Cell, k: int) -> None:
    """ValueError where a part is missing, or one is there that means nothing beside the others."""
    if cell.index is None and (cell.hasher is None) == (cell.embedder is None):
        raise ValueError("without an index a cell ranks by a hasher or by an embedder: name exactly one of the two")
    if cell.hasher is None:
        for name in ("input", "model", "database_codes"):
            value = getattr(cell, name)
            if value is not None:
                raise ValueError(f"{name} = {getattr(value, 'name', value)!r} without a hasher")
    if cell.database_codes == "learned" and cell.protocol != "seen":
        raise ValueError(
            f"database_codes = 'learned' with protocol = {cell.protocol!r}: there are no learned codes of classes "
            "that were not trained on; 'encoded' is right"
        )
    _check_rerank(cell, k)


def _check_rerank(cell: Cell, k: int) -> None:
    if cell.rerank is None:
        if cell.candidates is not None:
            raise ValueError(f"candidates = {cell.candidates} without rerank, which puts them in order")
        return
    what = f"rerank = {cell.rerank.name!r}"
    if cell.index is None:
        raise ValueError(f"{what} without an index, whose candidates it puts in order")
    if cell.embedder is None:
        raise ValueError(f"{what} orders by features: key 'embedder' is missing")
    if cell.candidates is None:
        raise ValueError(f"{what}: key 'candidates' is missing, the number of neighbours that are re-ranked")
    if "candidates" in _built(cell, "index").query_parameters:
        raise ValueError(f"{what}: index = {cell.index.name!r} has a parameter 'candidates' of its own")
    if cell.candidates < k:
        raise ValueError(f"candidates = {cell.candidates} must be at least k = {k}")
