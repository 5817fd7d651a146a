"""The panel of codes: the balance of their bits, the number of distinct codes, and the distances of classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bench.grids.cells import Cell
from bench.interfaces import Codes, Labels
from bench.quality.neighbours import items_by_distance
from bench.quality.ranking import HammingRanking
from bench.quality.variety import distinct_codes
from bench.report.page.panels.stored import Finished, Stored, by_key, drawn, rounded
from bench.report.words import PROTOCOL_NAMES, word

MOST_QUERIES = 200
"""The most queries whose distances to every item are counted, drawn by seed."""
MOST_ITEMS = 2**20
"""The most items whose bits and distinct codes are counted, drawn by seed."""
BLOCK_VALUES = 2**24
"""The most bits that are unpacked at a time."""
TOLD_APART_BY = ("protocol", "model", "database_codes", "input")
"""The columns that the name of a set of codes holds if they differ."""


def panel(stored: Stored) -> dict[str, Any] | None:
    """The panel: each set of database codes of the finished cells, named, by the key of the first record that uses it.

    Of several seeds the first is used. ``same``: that key for the record of every cell with such codes. None if no
    finished cell has codes.
    """
    coded = [one for one in [*stored.searches(), *stored.rankings()] if one.cell.hasher is not None]
    if not coded:
        return None
    coded.sort(key=lambda one: one.position)
    first: dict[str, str] = {}
    same = {one.key: first.setdefault(repr(_codes_alone(one.cell, seed=0)), one.key) for one in coded}
    sets = [one for one in coded if same[one.key] == one.key]
    names = _names(stored.cells.iloc[[one.position for one in sets]])
    found, missing = by_key(sets, lambda one: {"name": names[one.key], **_described(stored, one)})
    return {"sets": found, "same": same, "missing": missing}


def counted(codes: Codes) -> dict[str, Any]:
    """``ones``, the share of the codes in which each bit is 1, and ``distinct``, the number of distinct codes."""
    rows = max(1, BLOCK_VALUES // codes.bits)
    ones = np.zeros(codes.bits, dtype=np.int64)
    for start in range(0, len(codes), rows):
        ones += (Codes(codes.words[start : start + rows], codes.bits).unpack() > 0).sum(axis=0)
    differing = distinct_codes(codes)
    return {"bits": codes.bits, "ones": rounded(ones / len(codes)), "counted": len(codes), "distinct": differing}


def distances(queries: Codes, database: Codes, labels: tuple[Labels, Labels] | None) -> dict[str, list[float | None]]:
    """The share of the pairs of a query and an item at each Hamming distance, 0 to bits.

    ``labels``: those of the database and of the queries. ``within`` is over pairs that share a class, ``between`` over
    all others; without labels there is ``all``. A kind without a pair is left out.
    """
    if labels is None:
        kinds = {"all": items_by_distance(queries, database).sum(axis=0)}
    else:
        counts = HammingRanking.of(queries, database, labels[1], labels[0]).counts.sum(axis=0, dtype=np.int64)
        kinds = {"within": counts[:, 1:].sum(axis=1), "between": counts[:, 0]}
    return {name: rounded(pairs / pairs.sum()) for name, pairs in kinds.items() if pairs.sum()}


def _codes_alone(cell: Cell, seed: int) -> Cell:
    """A cell that ranks by the codes of another cell, trained with a seed."""
    return replace(cell, embedder=None, index=None, rerank=None, candidates=None, seed=seed)


def _described(stored: Stored, one: Finished) -> dict[str, Any]:
    """The counts of a set of codes, over the items and queries of the cell's protocol."""
    cell = _codes_alone(one.cell, one.cell.seed)
    database, queries = stored.corpora.of(cell)
    labels = stored.corpora.labels(cell)
    asked = drawn(len(queries), MOST_QUERIES, cell.seed)
    some, part = database.take(drawn(len(database), MOST_ITEMS, cell.seed)), queries.take(asked)
    assert database.codes is not None and part.codes is not None and some.codes is not None
    return {
        **counted(some.codes),
        "items": len(database),
        "queries": len(queries),
        "drawn": len(asked),
        "distances": distances(part.codes, database.codes, None if labels is None else (labels[0], labels[1][asked])),
    }


def _names(sets: pd.DataFrame) -> dict[str, str]:
    """The name of each set of codes by its key: the hasher, its length, and the other columns that differ."""
    return {str(row["key"]): _name(row, sets) for _, row in sets.iterrows()}


def _name(row: pd.Series, sets: pd.DataFrame) -> str:
    parts = [word("bits", int(row["bits"]))] if pd.notna(row["bits"]) else []
    parts += [str(row["variant"])] if pd.notna(row["variant"]) else []
    for column in TOLD_APART_BY:
        if column in sets and sets[column].nunique(dropna=False) > 1 and pd.notna(row[column]):
            parts.append(_told(column, row[column]))
    return ", ".join([word("hasher", row["hasher"]), *parts])


def _told(column: str, value: Any) -> str:
    if column == "protocol":
        return PROTOCOL_NAMES.get(value, str(value))
    form = {"database_codes": "{} database codes", "input": "of {}"}.get(column, "{}")
    return form.format(word(column, value))
