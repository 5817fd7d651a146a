"""The panel of the gallery: some queries of a data set of images, with the stored answers of searches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.interfaces import Int
from bench.quality.neighbours import right_by_label
from bench.report.page.panels import choices, pictures
from bench.report.page.panels.choices import Right
from bench.report.page.panels.pictures import SECONDS, Deadline, Split
from bench.report.page.panels.stored import Finished, Stored, by_key, reason
from bench.stages import nearest

MOST_SHOWN = 10
"""The most neighbours of a query and method that are shown."""


@dataclass(frozen=True)
class Answers:
    """The answers of some searches to the same queries.

    ``neighbours``: ids int64 [q, shown] of each search, nearest first, positions in ``database_rows``, -1 for none.
    ``right``: bool [q, shown] of each search. None if it is not known what is right.
    """

    searches: list[Finished]
    neighbours: list[Int]
    right: list[Right] | None
    judged_by: str | None
    query_rows: Int
    database_rows: Int


def panel(stored: Stored, count: int, seconds: float = SECONDS) -> dict[str, Any] | None:
    """The panel with ``count`` queries. None if it is 0, the items are no images, or no search is finished.

    If neighbours or pictures can't be read, it has only ``missing``, the reason.
    """
    if count == 0 or not stored.searches() or not pictures.hold_images(stored.pipeline):
        return None
    answers, missing = _answers(stored)
    if answers is None:
        return {"missing": missing}
    deadline = Deadline.after(seconds)
    try:
        images = pictures.images(stored.pipeline, deadline)
    except Exception as fault:  # a data set's loader may raise anything
        return {"missing": [*missing, {"cells": None, "reason": f"the data set could not be loaded: {reason(fault)}"}]}
    chosen = _chosen(answers, count)
    items = _Items()
    shown = {name: [_query(answers, at, items) for at in queries] for name, queries in chosen.items()}
    labels = _labels(stored, items)
    return {
        "keys": [one.key for one in answers.searches],
        "k": stored.pipeline.grid.k,
        "shown": answers.neighbours[0].shape[1],
        "judged_by": answers.judged_by,
        "choices": [{"id": name, "queries": queries} for name, queries in shown.items()],
        "items": [[split, row] for split, row in items.order],
        "labels": labels,
        "images": pictures.thumbnails(images, items.order, deadline),
        "missing": missing,
    }


class _Items:
    """The items of a gallery, each once, numbered in the order of their first use."""

    def __init__(self) -> None:
        self.order: list[tuple[Split, int]] = []
        self._numbers: dict[tuple[Split, int], int] = {}

    def number(self, split: Split, row: Any) -> int:
        """The number of an item, by its row in the data set's split."""
        item: tuple[Split, int] = (split, int(row))
        if item not in self._numbers:
            self._numbers[item] = len(self.order)
            self.order.append(item)
        return self._numbers[item]


def _answers(stored: Stored) -> tuple[Answers | None, list[dict[str, Any]]]:
    """The stored answers of the shown methods, None if there are none; and the reasons why some have none."""
    searches, k = stored.searches(), stored.pipeline.grid.k
    rows = stored.cells.iloc[[one.position for one in searches]]
    wanted = [searches[row] for row in choices.candidates(rows, k)]
    found, missing = by_key(wanted, lambda one: stored.neighbours(one.cell)[:, : min(k, MOST_SHOWN)])
    there = [one for one in wanted if one.key in found]
    kept = [there[at] for at in choices.different([found[one.key] for one in there])]
    if not kept:
        return None, missing
    try:
        return _judged(stored, kept, [found[one.key] for one in kept]), missing
    except (OSError, ValueError) as fault:
        return None, [*missing, {"cells": len(kept), "reason": reason(fault)}]


def _judged(stored: Stored, searches: list[Finished], neighbours: list[Int]) -> Answers:
    """The answers with judgements: an item of a class of the query is right, or without labels an exact neighbour."""
    cell, pipeline = searches[0].cell, stored.pipeline
    query_rows, database_rows = pipeline.query_rows(cell), pipeline.database_rows(cell)
    make = partial(Answers, searches, neighbours, query_rows=query_rows, database_rows=database_rows)
    labels = stored.corpora.labels(cell)
    if labels is not None:
        of_database, of_queries = labels
        right = [right_by_label(one, of_queries, of_database) for one in neighbours]
        return make(right, "label")
    if all(one.cell.embedder is not None for one in searches):
        exact = [nearest.exact(pipeline, one.cell) for one in searches]
        right = [choices.right_by_id(one, of_cell) for one, of_cell in zip(neighbours, exact, strict=True)]
        return make(right, "exact")
    return make(None, None)


def _chosen(answers: Answers, count: int) -> dict[str, list[int]]:
    """The positions of the queries by choice, see ``choices.queries``."""
    hits = None
    if answers.right is not None:
        hits = np.stack([one.sum(axis=1) for one in answers.right]).astype(np.int64)
    return choices.queries(hits, choices.differing(answers.neighbours), count, answers.searches[0].cell.seed)


def _query(answers: Answers, at: int, items: _Items) -> dict[str, Any]:
    """A query's item, and the answer of each search."""
    item = items.number("query", answers.query_rows[at])
    return {"item": item, "found": [_found(answers, number, at, items) for number in range(len(answers.searches))]}


def _found(answers: Answers, number: int, at: int, items: _Items) -> list[list[Any] | None]:
    """The item of each neighbour, and whether it is right (None: not known). None in place of a missing neighbour."""
    right: list[Any] = [None] * answers.neighbours[number].shape[1]
    if answers.right is not None:
        right = answers.right[number][at].tolist()
    return [
        None if neighbour < 0 else [items.number("database", answers.database_rows[neighbour]), is_right]
        for neighbour, is_right in zip(answers.neighbours[number][at].tolist(), right, strict=True)
    ]


def _labels(stored: Stored, items: _Items) -> list[str] | None:
    """The class of each item, or its classes between commas. None if the data set has no labels."""
    entry = stored.pipeline.labels()
    names = entry.meta["classes"]
    if not names:
        return None
    own = [entry.arrays[split][row] for split, row in items.order]
    return [", ".join(str(names[at]) for at in (np.flatnonzero(one) if one.ndim else [int(one)])) for one in own]
