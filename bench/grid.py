"""What a grid is once it is read: cells, each checked on its own, and how much of them is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from bench import registry
from bench.interfaces import Model
from bench.protocols import ClassSplit, ProtocolName

Layout = Literal["candidates", "methods", "codes"]
DatabaseCodes = Literal["encoded", "learned"]
Role = Literal["embedder", "input", "hasher", "index"]
ROLES: dict[Role, registry.Kind] = {
    "embedder": "embedder",
    "input": "embedder",
    "hasher": "hasher",
    "index": "index",
}


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
    where there is no hasher.
    """

    protocol: ProtocolName
    embedder: Choice | None
    input: Choice | None
    hasher: Choice | None
    model: Model | None
    database_codes: DatabaseCodes | None
    index: Choice | None
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
        return choice.describe()


@dataclass(frozen=True)
class Measure:
    """How much is measured. ``queries``: how many queries are searched, drawn by seed (0: all of them)."""

    queries: int = 0
    rounds: int = 5
    queries_per_round: int = 100
    warm_up: int = 20

    def __post_init__(self) -> None:
        for name, least in (("queries", 0), ("rounds", 1), ("queries_per_round", 1), ("warm_up", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least {least}")


@dataclass(frozen=True)
class Grid:
    """A checked grid on one data set, expanded."""

    name: str
    title: str
    dataset: Choice
    recipe: str
    layout: Layout
    reference: str | None
    k: int
    class_split: ClassSplit
    measure: Measure
    cells: tuple[Cell, ...]


def check(cell: Cell, content: str) -> None:
    """ValueError where the parts of a cell do not fit each other, or data that hold ``content`` (images, vectors)."""
    _check_parts(cell)
    plugins = {role: registry.build(ROLES[role], choice.name, choice.parameters) for role, choice in cell.choices()}
    hasher = plugins.get("hasher")
    if cell.hasher is not None:
        models = getattr(hasher, "models", ("last",))
        if cell.model not in models:
            raise ValueError(f"model = {cell.model!r}: {cell.hasher.name} offers {', '.join(map(repr, models))}")
        if content == "images" and cell.input is None and not hasattr(hasher, "encode"):
            raise ValueError(
                f"hasher = {cell.hasher.name!r} reads vectors and the data set holds images; "
                "name the embedder whose features it reads, as in input = 'pretrained'"
            )
    if cell.index is not None:
        try:
            dim = getattr(plugins["embedder"], "dim", None)
            plugins["index"].check(dim=dim, bits=None if hasher is None else hasher.bits)
        except ValueError as fault:
            raise ValueError(f"{cell.index.name}: {fault}") from fault


def _check_parts(cell: Cell) -> None:
    """ValueError where a part is missing, or one is there that means nothing beside the others."""
    if cell.index is not None and cell.embedder is None:
        raise ValueError("key 'embedder' is missing: an index is built on an embedder's features")
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
