"""The exact neighbours of a cell's queries, made once. In a large database they are found part by part, which any
processes may do beside each other, on any machines.
"""

from __future__ import annotations

from functools import partial

from bench.grids import protocols
from bench.grids.cells import Cell
from bench.interfaces import Float, Int
from bench.stages.pipeline import Pipeline, Stage
from bench.store.entries import Made
from bench.store.identity import digest, room_identity

PART_ROWS = 2**20
"""The most items of a part. A part takes a minute or so, so that a process that dies costs no more."""


def exact(pipeline: Pipeline, cell: Cell) -> Int:
    """The exact nearest neighbours of the cell's queries in its database, by its features.

    They are positions in ``database_rows``, int64 [q, k], ties by position.
    """
    return pipeline.store.once("exact", exact_key(pipeline, cell), partial(_find, pipeline, cell)).arrays["ids"]


def exact_key(pipeline: Pipeline, cell: Cell) -> str:
    """The key of the exact neighbours that a cell's answers are judged by."""
    assert cell.embedder is not None
    measure = pipeline.grid.measure
    rows = [cell.protocol, measure.queries, measure.split, cell.seed]
    rooms = room_identity("exact", "protocols", "metrics")
    return digest([pipeline.features_key(cell, cell.embedder), pipeline.grid.k, rows, rooms])


def exact_parts(pipeline: Pipeline, cell: Cell) -> list[Stage]:
    """The parts of a cell's exact neighbours. There are none if it has none, or if the database is small.

    Raises ValueError: the labels are not stored, and the data set can't be read.
    """
    if cell.index is None or cell.embedder is None:
        return []
    items = len(pipeline.database_rows(cell))
    if items <= PART_ROWS:
        return []
    key = exact_key(pipeline, cell)
    rows = [slice(start, min(start + PART_ROWS, items)) for start in range(0, items, PART_ROWS)]
    return [_part(pipeline, cell, key, some) for some in rows]


def stages(pipeline: Pipeline, cell: Cell) -> list[Stage]:
    """All stages of a cell, each after the stages that it needs."""
    return [*pipeline.stages(cell), *exact_parts(pipeline, cell)]


def _part(pipeline: Pipeline, cell: Cell, key: str, rows: slice) -> Stage:
    part_key = digest([key, rows.start, rows.stop])
    find = partial(_find_in, pipeline, cell, rows)
    return Stage("exact", part_key, partial(pipeline.store.once, "exact", part_key, find), whole=key)


def _find(pipeline: Pipeline, cell: Cell) -> Made:
    """Find the neighbours in the whole database, or merge those in its parts."""
    from bench.stages.exact import exact_neighbours, merged

    if parts := exact_parts(pipeline, cell):
        entries = (part.make() for part in parts)
        found = ((one.meta["first"], one.arrays["ids"], one.arrays["distances"]) for one in entries)
        return {}, {"ids": merged(found, pipeline.grid.k)}
    return {}, {"ids": exact_neighbours(*_vectors(pipeline, cell), pipeline.grid.k, pipeline.context.track)}


def _find_in(pipeline: Pipeline, cell: Cell, rows: slice) -> Made:
    """Find the neighbours in some of the database's rows. Ids count from the first of these."""
    from bench.stages.exact import nearest_with_distances

    queries, database = _vectors(pipeline, cell)
    ids, distances = nearest_with_distances(queries, database[rows], pipeline.grid.k, pipeline.context.track)
    return {"first": rows.start}, {"ids": ids, "distances": distances}


def _vectors(pipeline: Pipeline, cell: Cell) -> tuple[Float, Float]:
    """The features of the cell's queries and of its database."""
    assert cell.embedder is not None
    arrays = pipeline.features(cell, cell.embedder).arrays
    queries = arrays["query"][pipeline.query_rows(cell)]
    return queries, protocols.select(arrays["database"], pipeline.database_rows(cell))
