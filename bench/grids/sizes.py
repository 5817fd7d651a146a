"""Gives the expressions of a grid's cells their values, once the sizes of the data are known.

`bench.grids.expressions` says what an expression is. It stands for a whole number among the parameters of a hasher, an
index or a reranker, in braces in a text among those of an index or a reranker, or for ``candidates``. Until the data
are read, the cells have the values for data of a usual size, and only serve to check the grid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.grids import expressions
from bench.grids.cells import Cell, Grid, unique
from bench.grids.checks import check
from bench.grids.expressions import Values
from bench.plugins import registry
from bench.plugins.choices import ROLES, Choice, Role
from bench.system.wording import shown

RESOLVED: tuple[Role, ...] = ("hasher", "index", "rerank")
"""The roles of plugins whose parameters may be expressions, in the order in which they get their values."""

TEXTS: tuple[registry.Kind, ...] = ("index", "reranker")
"""The kinds of plugins whose texts may hold expressions in braces."""

USUAL_ITEMS = (10**6, 10**5, 10**4, 10**8)
USUAL_DIM, USUAL_BITS = 128, 64
"""The sizes that a grid is checked with before the data are read. Values must be right for one number of items."""

T = TypeVar("T")


@dataclass(frozen=True)
class Sizes:
    """The number of database items of each protocol, the dimension of the items' vectors (None: images), and the length
    of the codes that they hold (None: none).
    """

    items: Mapping[str, int]
    dim: int | None
    bits: int | None = None


def is_expression(kind: registry.Kind, name: str, key: str, value: Any) -> bool:
    """Whether the value of a plugin's parameter is an expression, or a text with expressions in braces."""
    if not isinstance(value, str) or kind not in [ROLES[role] for role in RESOLVED]:
        return False
    types = registry.types_of(registry.load(kind, name), key)
    if str in types:
        return kind in TEXTS and ("{" in value or "}" in value)
    return int in types and expressions.is_meant(value)


def check_value(kind: registry.Kind, name: str, key: str, value: Any) -> None:
    """Raises ValueError: the plugin does not take the value, or that of the expression."""
    if is_expression(kind, name, key, value):
        for_usual_sizes(
            lambda items: registry.check_values(kind, name, {key: _valued(kind, name, key, value, _usual(items))})
        )
    else:
        registry.check_values(kind, name, {key: value})


def check_expression(text: str) -> None:
    """Raises ValueError: the text is no expression, or has no value."""
    for_usual_sizes(lambda items: expressions.number(text, _usual(items)))


def _usual(items: int) -> Values:
    return {"n": items, "d": USUAL_DIM, "bits": USUAL_BITS}


def for_usual_sizes(work: Callable[[int], T]) -> T:
    """The result of ``work`` for the first usual number of items that it takes.

    Raises ValueError: it takes none; the message is that for the first.
    """
    faults = []
    for items in USUAL_ITEMS:
        try:
            return work(items)
        except ValueError as fault:
            faults.append(fault)
    raise faults[0]


def written(cell: Cell) -> dict[str, str]:
    """The expressions among the values of a cell, by ``role.parameter`` or ``candidates``."""
    found = {
        f"{role}.{key}": value
        for role, choice in cell.choices()
        for key, value in choice.parameters.items()
        if is_expression(ROLES[role], choice.name, key, value)
    }
    return found | ({"candidates": cell.candidates} if isinstance(cell.candidates, str) else {})


def resolved(cell: Cell, items: int, dim: int | None, code_bits: int | None) -> Cell:
    """The cell with the values of what it has ``written``.

    ``items``: the number of database items. ``dim``: the dimension of the items' vectors, None for images.
    ``code_bits``: the length of the codes that the items hold. A hasher's ``d`` is the dimension of its input, and an
    index's that of the features, or else of the hasher's input.

    Raises ValueError: an expression is wrong, or has no value.
    """
    if not cell.written:
        return cell
    values: Values = {"n": items, "d": _dim(cell.input, dim), "bits": None}
    cell = _with_values(cell, "hasher", values)
    bits = None
    if cell.hasher is not None:
        bits = getattr(registry.build("hasher", cell.hasher.name, cell.hasher.parameters), "bits", code_bits)
    values = {"n": items, "d": _dim(cell.embedder or cell.input, dim), "bits": bits}
    for role in RESOLVED[1:]:
        cell = _with_values(cell, role, values)
    text = cell.written.get("candidates")
    if text is None:
        return cell
    return dataclasses.replace(cell, candidates=_told(f"candidates = {shown(text)}", text, values, expressions.number))


def sized(grid: Grid, sizes: Sizes) -> Grid:
    """The grid with the values that its expressions have for data of these sizes.

    Raises ValueError: a cell is wrong with them.
    """
    data = registry.build("dataset", grid.dataset.name, grid.dataset.parameters)
    content, labelled = getattr(data, "content", "images"), getattr(data, "labelled", True)

    def of_size(cell: Cell) -> Cell:
        items = sizes.items[cell.protocol]
        try:
            one = resolved(cell, items, sizes.dim, sizes.bits)
            check(one, content, labelled, grid.k)
        except ValueError as fault:
            raise ValueError(f"{grid.name} on {items:,} items: {fault}") from fault
        return one

    cells = (of_size(cell) if cell.written else cell for cell in grid.cells)
    return dataclasses.replace(grid, cells=tuple(unique(cells, sizes_known=True)), sizes_known=True)


def _dim(choice: Choice | None, dim: int | None) -> int | None:
    """The dimension of an embedder's features: what the embedder states, or else that of the items' vectors."""
    if choice is None:
        return dim
    stated: int | None = getattr(registry.build("embedder", choice.name, choice.parameters), "dim", dim)
    return stated


def _with_values(cell: Cell, role: Role, values: Values) -> Cell:
    """The cell with the values of the expressions among the parameters of one plugin."""
    choice: Choice | None = getattr(cell, role)
    if choice is None:
        return cell
    texts = {key: cell.written[f"{role}.{key}"] for key in choice.parameters if f"{role}.{key}" in cell.written}
    found = {key: _valued(ROLES[role], choice.name, key, text, values) for key, text in texts.items()}
    changed: dict[str, Any] = {role: Choice(choice.name, choice.parameters | found)}
    return dataclasses.replace(cell, **changed)


def _valued(kind: registry.Kind, name: str, key: str, text: str, values: Values) -> int | str:
    """The value of an expression, or the text with its expressions' values, for a plugin's parameter."""
    is_text = str in registry.types_of(registry.load(kind, name), key)
    value: Callable[[str, Values], int | str] = expressions.filled if is_text else expressions.number
    return _told(f"{name}: {key} = {shown(text)}", text, values, value)


def _told(what: str, text: str, values: Values, value: Callable[[str, Values], T]) -> T:
    try:
        return value(text, values)
    except ValueError as fault:
        raise ValueError(f"{what}: {fault}") from fault
