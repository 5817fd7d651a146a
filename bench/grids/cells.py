"""The form of a grid after reading: checked cells, and how much of them is measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter

from bench.grids.measure import Measure
from bench.grids.protocols import ClassSplit, ProtocolName
from bench.interfaces import Model
from bench.plugins.choices import ROLES, Choice, Role
from bench.store.identity import digest

Layout = Literal["candidates", "methods", "pareto", "systems", "codes", "models"]
RANKED: tuple[Layout, ...] = ("codes", "models")
"""The layouts that print rankings: cells without an index."""
DatabaseCodes = Literal["encoded", "learned"]


@dataclass(frozen=True)
class Cell:
    """One row of the results: the classes trained on, and the plugins that code and search the items.

    ``input``: the embedder whose features the hasher reads in place of the items' own. Without an ``index`` the whole
    database is ranked: by the hasher's codes, or by the embedder's features. ``model`` and ``database_codes`` are None
    where there is no hasher. With ``rerank`` the index is asked for ``candidates`` neighbours, and these are put in
    order by the embedder's features. ``written``: the expressions whose values stand among the parameters, by
    ``role.parameter`` or ``candidates`` (see `bench.grids.sizes`). They are only shown.
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
    written: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def choices(self) -> Iterator[tuple[Role, Choice]]:
        """The plugins of the cell, each with the role it plays."""
        for role in ROLES:
            choice = getattr(self, role)
            if choice is not None:
                yield role, choice

    def describe(self) -> str:
        """The subject of the cell in one short line: its index, or else the ranking."""
        choice = self.index or self.hasher or self.embedder
        assert choice is not None
        described = choice.describe()
        if self.rerank is not None:
            described += f" + {self.rerank.describe()} of {self.candidates} candidates"
        return f"{described} by {self.expressions()}" if self.written else described

    def expressions(self) -> str:
        """The expressions behind the values of the cell, in one line: "leaves = 4 * sqrt(n)"."""
        return ", ".join(f"{place.rpartition('.')[2]} = {text}" for place, text in self.written.items())


@dataclass(frozen=True, eq=False)
class KeyedCell:
    """A cell of a run, with the keys under which its record and its answers are stored. A cell has one such object."""

    cell: Cell
    record: str
    search: str


@dataclass(frozen=True)
class Grid:
    """A checked grid on one data set, expanded. ``dataset_name``: see `bench.grids.naming`.

    ``sizes_known``: whether the expressions of its cells have their values for these data (see `bench.grids.sizes`).
    """

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
    sizes_known: bool = True


def unique(cells: Iterable[Cell], sizes_known: bool) -> list[Cell]:
    """The cells, each once. Cells are the same whose expressions have the same values. Until the sizes of the data are
    known, the same expressions are needed too.
    """
    seen: dict[str, Cell] = {}
    for cell in cells:
        seen.setdefault(digest(asdict(replace(cell, written={}) if sizes_known else cell)), cell)
    return list(seen.values())


def to_json(grid: Grid) -> str:
    """The grid as text, for another process. Tuples among the plugins' parameters become lists."""
    return json.dumps(asdict(grid))


def from_json(text: str) -> Grid:
    """The grid that ``to_json`` wrote."""
    return TypeAdapter(Grid).validate_json(text)


def as_cell(fields: dict[str, Any]) -> Cell:
    """The cell that ``dataclasses.asdict`` wrote in another process."""
    return _cells().validate_python(fields)


@cache
def _cells() -> TypeAdapter[Cell]:
    return TypeAdapter(Cell)
