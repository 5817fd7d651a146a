"""Makes a data frame of the cells of a grid, finished or not. Tables and figures are made from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from bench.grids.cells import Cell
from bench.plugins import registry
from bench.plugins.choices import Role, settings
from bench.records.book import KIND
from bench.records.keys import SEARCH_ROLES, key
from bench.records.rows import base_row, data_columns
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store

Place = tuple[Role, str, str]  # role, plugin, parameter


SYMBOLS = {"candidates": "N", "key_bits": "L", "nprobe": "nprobe"}
"""The parameters of a search that a setting always names, even if all cells share the value, with their symbols."""


def frame_of(pipeline: Pipeline, store: Store) -> pd.DataFrame:
    """One row for each cell of the grid, in its order. A cell that has not run yet has no status.

    The data have the grid's name, even if a record was made under another name.

    ``variant`` holds those parameters of the embedder, input and hasher, except dimension and bits, that differ between
    cells of the grid with the same plugin. ``build_setting`` and ``query_setting`` hold those of the index and the
    reranker: parameters that are fixed at the build, and query parameters. ``setting`` is both, with the number of
    candidates. ``expressions`` holds what the grid wrote in place of numbers. ``key`` is that of the record, even if
    there is none.
    """
    cells = pipeline.grid.cells
    rows = []
    for cell, variant, setting in zip(cells, variants(cells), settings_of(cells), strict=True):
        record_key = key(pipeline, cell)
        entry = store.find(KIND, record_key)
        row = {**base_row(pipeline, cell), "status": None} if entry is None else entry.meta["row"]
        written = {"expressions": cell.expressions() or None, "key": record_key}
        rows.append({**row, **data_columns(pipeline), "variant": variant, **setting, **written})
    return pd.DataFrame(rows)


def variants(cells: Sequence[Cell]) -> list[str | None]:
    """For each cell, the parameters of its embedder, input and hasher that differ between cells with the plugin."""
    coding = [{place: value for place, value in _values(cell) if place[0] not in SEARCH_ROLES} for cell in cells]
    differing = _differing(coding)
    return [_joined(f"{place[2]}={value}" for place, value in one.items() if place in differing) for one in coding]


def settings_of(cells: Sequence[Cell]) -> list[dict[str, str | None]]:
    """For each cell, the parameters of its index and reranker that differ between cells with the plugin."""
    searching = [{place: value for place, value in _values(cell) if place[0] in SEARCH_ROLES} for cell in cells]
    differing = _differing(searching)
    return [_setting(cell, one, differing) for cell, one in zip(cells, searching, strict=True)]


def _setting(cell: Cell, values: dict[Place, str], differing: set[Place]) -> dict[str, str | None]:
    index = cell.index
    queried = () if index is None else registry.build("index", index.name, index.parameters).query_parameters
    texts: dict[bool, list[str]] = {True: [], False: []}
    for place, value in values.items():
        role, _, name = place
        if value != "None" and (place in differing or name in SYMBOLS):
            texts[role == "index" and name in queried].append(f"{SYMBOLS.get(name, name)} = {value}")
    candidates = [] if cell.candidates is None else [f"{SYMBOLS['candidates']} = {cell.candidates}"]
    return {
        "setting": _joined([*candidates, *texts[False], *texts[True]]),
        "build_setting": _joined(texts[False]),
        "query_setting": _joined(texts[True]),
    }


def _values(cell: Cell) -> Iterator[tuple[Place, str]]:
    """The parameters of a cell's plugins that have no column of their own, as texts."""
    for role, choice in cell.choices():
        for name, value in settings(role, choice).items():
            if name not in (("seed",) if role in SEARCH_ROLES else ("dim", "bits")):
                yield (role, choice.name, name), str(value)


def _differing(cells: Sequence[dict[Place, str]]) -> set[Place]:
    values: dict[Place, set[str]] = {}
    for cell in cells:
        for place, value in cell.items():
            values.setdefault(place, set()).add(value)
    return {place for place, found in values.items() if len(found) > 1}


def _joined(texts: Iterable[str]) -> str | None:
    return ", ".join(texts) or None


FEATURES = ["dataset", "protocol", "embedder", "dim"]
"""The columns that name what is searched. Cells that share them answer the same queries over the same features."""


SECTION = [*FEATURES, "machine"]
"""The columns of a table's section: machines of one class have timed its cells, which share their features."""


VARIANT = ["hasher", "variant", "input", "bits", "model", "database_codes"]
"""The columns that name the codes of a cell."""


SEARCH = ["index", "rerank", "setting"]
"""The columns that name the search of a cell."""
