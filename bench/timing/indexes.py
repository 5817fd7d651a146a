"""Makes a cell's index from its plugins, builds it, and sets its query parameters."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from bench.grids.cells import Cell
from bench.interfaces import Corpus, Index
from bench.plugins import registry
from bench.plugins.choices import settings
from bench.store.identity import digest
from bench.timing.reranked import Reranked

WARM_UP_ITEMS = 1024


def searcher(cell: Cell) -> Index:
    """The cell's index, with its reranker if it has one, not built yet."""
    assert cell.index is not None
    index: Index = registry.build("index", cell.index.name, cell.index.parameters)
    if cell.rerank is None or cell.candidates is None:
        return index
    reranker = registry.build("reranker", cell.rerank.name, cell.rerank.parameters)
    return Reranked(index, reranker, cell.candidates, (cell.index.name, cell.rerank.name))


def build_key(cell: Cell, corpus_key: str) -> str:
    """The key of a built index. Cells that differ only in query parameters share it."""
    assert cell.index is not None
    names = searcher(cell).query_parameters
    fixed = {name: value for name, value in cell.index.parameters.items() if name not in names}
    rerank = cell.rerank and [cell.rerank.name, cell.rerank.parameters]
    return digest([corpus_key, cell.index.name, fixed, rerank])


def warm_up(cell: Cell, database: Corpus) -> None:
    """Build the index on a few items first, so that imports and compilation are not measured.

    A failure is ignored: the items may be too few for the index.
    """
    with suppress(Exception):
        searcher(cell).build(database.part(0, WARM_UP_ITEMS))


def built(cell: Cell, database: Corpus) -> tuple[Index, float]:
    """The cell's index, started and then built on a database, and the seconds that building took."""
    index: Any = searcher(cell)
    if hasattr(index, "start"):
        index.start()
    start = time.perf_counter()
    index.build(database)
    return index, time.perf_counter() - start


def set_query(cell: Cell, index: Index) -> None:
    """Set all query parameters of the index to the cell's values, also those that are defaults."""
    assert cell.index is not None
    every = {"candidates": cell.candidates, **settings("index", cell.index)}
    if index.query_parameters:
        optional: Any = index
        optional.set_query(**{name: every[name] for name in index.query_parameters})
