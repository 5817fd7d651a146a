"""Names the cells of records as the tables name them: "Hash tables (N = 1000, L = 16), 512-d features"."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from bench.grids.cells import Cell, as_cell
from bench.plugins.choices import settings
from bench.plugins.names import label
from bench.records.frame import settings_of, variants
from bench.store.entries import Entry

Row = dict[str, Any]
Key = TypeVar("Key", bound=Hashable)
CODED = ("k", "protocol", "unseen_classes", "embedder", "dim", "input", "hasher", "bits", "model", "database_codes")
"""The columns that are added to the name of a cell if other cells are named alike and differ in them."""
WORDS = {
    "k": "k = {}",
    "dim": "{}-d features",
    "bits": "{} bits",
    "database_codes": "{} database codes",
    "input": "of {}",
    "model": "{} model",
    "unseen_classes": "unseen classes: {}",
}


def labels(entries: Mapping[Key, Entry]) -> dict[Key, str]:
    """The name of each record's cell: its index or its codes, with what differs between cells of the same plugin.

    Cells that would be named alike are told apart by the columns of CODED in which they differ. A record whose plugins
    are not installed, or whose cell is written in another way, goes by its own short line.
    """
    known = {key: cell for key, entry in entries.items() if (cell := _cell(entry.meta["cell"])) is not None}
    named: dict[Key, str] = {}
    coded: dict[Key, str | None] = {}
    cells_alone = [*known.values()]
    for key, one, variant in zip(known, settings_of(cells_alone), variants(cells_alone), strict=True):
        named[key], coded[key] = _name(known[key], one["setting"], cells_alone), variant
    alike: dict[str, dict[Key, Row]] = {}
    for key, entry in entries.items():
        words: str = named.get(key) or entry.meta["described"]
        alike.setdefault(words, {})[key] = {**entry.meta["row"], "variant": coded.get(key)}
    return {key: name for words, rows in alike.items() for key, name in _told_apart(words, rows).items()}


def natural(name: str) -> list[tuple[int, str]]:
    """The key by which names are sorted so that "N = 1000" stands before "N = 10000", and "L = 8" before "L = 16"."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _cell(written: str) -> Cell | None:
    """The cell that ``repr`` wrote. None if this is no such text, or a plugin is not installed."""
    try:
        cell = as_cell({str(one.arg): _value(one.value) for one in _fields(ast.parse(written, mode="eval").body)})
        for role, choice in cell.choices():
            settings(role, choice)
    except (ValueError, SyntaxError, TypeError):
        return None
    return cell


def _fields(call: ast.AST) -> Sequence[ast.keyword]:
    if not isinstance(call, ast.Call) or call.args:
        raise ValueError(f"{ast.unparse(call)} is no cell and no choice of a plugin")
    return call.keywords


def _value(node: ast.expr) -> Any:
    """A field of a cell: a value of a grid, or the choice of a plugin as a table."""
    if isinstance(node, ast.Call):
        return {str(one.arg): ast.literal_eval(one.value) for one in _fields(node)}
    return ast.literal_eval(node)


def _name(cell: Cell, setting: str | None, cells: Collection[Cell]) -> str:
    """An index with its setting, and with its reranker if cells of that index differ in it; or the hasher or embedder
    of a ranking.
    """
    if cell.index is None:
        return label("hasher", cell.hasher.name) if cell.hasher else str(cell.embedder and cell.embedder.name)
    name = label("index", cell.index.name)
    name = f"{name} ({setting})" if setting else name
    rerankers = {one.rerank and one.rerank.name for one in cells if one.index and one.index.name == cell.index.name}
    return f"{name} + {cell.rerank.name} re-ranking" if cell.rerank and len(rerankers) > 1 else name


def _told_apart(words: str, rows: dict[Key, Row]) -> dict[Key, str]:
    """The names of cells that are named alike."""
    if len(rows) == 1:
        return dict.fromkeys(rows, words)
    differing = [name for name in (*CODED, "variant") if len({row.get(name) for row in rows.values()}) > 1] or CODED
    return {
        key: ", ".join([words, *(_said(name, row[name]) for name in differing if row.get(name) is not None)])
        for key, row in rows.items()
    }


def _said(column: str, value: Any) -> str:
    told = label("hasher", value) if column == "hasher" else str(value)
    return WORDS.get(column, "{}").format(told if column == "unseen_classes" else told.replace("_", " "))
