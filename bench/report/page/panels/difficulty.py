"""The panel of difficulty: the recall of searches for queries of different difficulty.

A query's relative contrast is the mean distance of the database to it over the distance of its k-th nearest: He, Kumar
and Chang, "On the difficulty of nearest neighbor search" (ICML 2012), who define it for the nearest and for k of them.
Near 1 the k nearest are hardly nearer than any item, and the query is hard. VIBE (Jääsaari et al., 2025) compares the
hardest and the easiest queries by it. The distance is the one that the search is judged by: Euclidean distance of the
features, or Hamming distance for codes without features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.grids.cells import Cell
from bench.interfaces import Codes, Corpus, Float, Int
from bench.quality.neighbours import items_by_distance, recall_at, recall_at_by_codes
from bench.report.page.panels.stored import PRINTED_DIGITS, Finished, Stored, by_key, drawn, rounded
from bench.stages import nearest

PARTS = 10
MOST_QUERIES, MOST_ROWS = 2000, 300
"""The most queries that are judged again, and the rows that the mean distance is estimated from, drawn by seed."""
MOST_CODED = 1000
"""The most queries of a search by codes alone, since each passes over the whole database."""

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Queries that several searches answer over the same items.

    ``rows``: the drawn queries, as positions among all queries, int64, ascending. ``parts``: positions in ``rows``, the
    hardest tenth first. ``exact``: the exact neighbours of all queries, None if codes decide.
    """

    database: Corpus
    queries: Corpus
    exact: Int | None
    rows: Int
    parts: list[Int]
    contrast: Scores


def panel(stored: Stored) -> dict[str, Any] | None:
    """The panel: the recall of each finished search by tenths of its queries, hardest first. None without searches.

    ``groups`` has the number of drawn queries and their difficulty.
    """
    searches = stored.searches()
    first: dict[Any, Cell] = {}
    for one in searches:
        first.setdefault(_same_queries(stored, one.cell), one.cell)
    groups = {key: _tried(stored, cell) for key, cell in first.items()}
    known = {key: group for key, group in groups.items() if isinstance(group, Group)}
    numbers = {key: number for number, key in enumerate(known)}

    def recall(one: Finished) -> dict[str, Any] | None:
        key = _same_queries(stored, one.cell)
        group = groups[key]
        if isinstance(group, Exception):
            raise group
        if group is None:
            return None
        found = recall_of_parts(group, stored.neighbours(one.cell), stored.pipeline.grid.k)
        return {"group": numbers[key], "recall": rounded(found, PRINTED_DIGITS)}

    found, missing = by_key(searches, recall)
    if not found and not missing:
        return None
    return {"groups": [_summary(group) for group in known.values()], "searches": found, "missing": missing}


def relative_contrast(queries: Float, rows: Float, kth_nearest: Float) -> Scores:
    """The mean Euclidean distance to the ``rows`` over that to the k-th nearest, float64 [q].

    Queries and their k-th nearest are float32 [q, d], the rows float32 [n, d]. Infinite where the k-th nearest equals
    the query and a row does not; 1 where all rows equal it too.
    """
    from scipy.spatial.distance import cdist

    mean = cdist(queries, rows).mean(axis=1)
    return _ratio(mean, np.linalg.norm(queries.astype(np.float64) - kth_nearest, axis=1))


def contrast_by_codes(queries: Codes, database: Codes, k: int) -> Scores:
    """The mean Hamming distance to the database over that to the k-th nearest code, float64 [q]."""
    items = items_by_distance(queries, database)
    mean = items @ np.arange(items.shape[1], dtype=np.float64) / len(database)
    return _ratio(mean, (np.cumsum(items, axis=1) < min(k, len(database))).sum(axis=1).astype(np.float64))


def hardest_first(contrast: Scores) -> list[Int]:
    """The queries in PARTS parts of about equal size, the least contrast first, ties by position."""
    return np.array_split(np.argsort(contrast, kind="stable").astype(np.int64), PARTS)


def _ratio(mean: Scores, nearest: Scores) -> Scores:
    alike = np.where(mean > 0, np.inf, 1.0)
    return np.divide(mean, nearest, out=alike, where=nearest > 0)


def recall_of_parts(group: Group, neighbours: Int, k: int) -> list[float]:
    """The recall@k of the first k ``neighbours``, int64 [all queries, >= k], on each part of a group's queries."""
    found = []
    for part in (group.rows[part] for part in group.parts):
        asked, answered = group.queries.take(part), neighbours[part]
        if group.exact is not None and asked.features is not None and group.database.features is not None:
            found.append(recall_at(answered, group.exact[part], group.database.features, asked.features, k))
        else:
            assert asked.codes is not None and group.database.codes is not None
            found.append(recall_at_by_codes(answered, asked.codes, group.database.codes, k))
    return found


def _same_queries(stored: Stored, cell: Cell) -> tuple[Any, ...]:
    """A key that is equal for cells that answer the same queries over the same items."""
    if cell.embedder is not None:
        return cell.protocol, cell.seed, stored.pipeline.features_key(cell, cell.embedder)
    return cell.protocol, cell.seed, stored.pipeline.codes_key(cell), cell.model, cell.database_codes


def _tried(stored: Stored, cell: Cell) -> Group | OSError | ValueError | None:
    """The result of ``_group``, or its error."""
    try:
        return _group(stored, cell)
    except (OSError, ValueError) as fault:
        return fault


def _group(stored: Stored, cell: Cell) -> Group | None:
    """The queries of a cell by difficulty. None if too many have k neighbours at distance 0.

    Raises ValueError: there are fewer queries than parts.
    """
    by_features = cell.embedder is not None
    read = replace(cell, hasher=None, input=None, model=None, database_codes=None) if by_features else cell
    database, queries = stored.corpora.of(read)
    rows = drawn(len(queries), MOST_QUERIES if by_features else MOST_CODED, cell.seed)
    if len(rows) < PARTS:
        raise ValueError(f"tenths of {len(rows)} of the queries can't be made: it takes {PARTS}")
    exact = nearest.exact(stored.pipeline, cell) if by_features else None
    contrast = _contrast(stored, cell, database, queries.take(rows), None if exact is None else exact[rows])
    if np.isinf(contrast).sum() > len(contrast) // 2:
        return None
    return Group(database, queries, exact, rows, hardest_first(contrast), contrast)


def _contrast(stored: Stored, cell: Cell, database: Corpus, queries: Corpus, exact: Int | None) -> Scores:
    if exact is None or database.features is None or queries.features is None:
        assert database.codes is not None and queries.codes is not None
        return contrast_by_codes(queries.codes, database.codes, stored.pipeline.grid.k)
    sample = database.features[drawn(len(database), MOST_ROWS, cell.seed)]
    last = np.maximum((exact >= 0).sum(axis=1) - 1, 0)
    kth = np.take_along_axis(exact, last[:, None], axis=1)[:, 0]
    return relative_contrast(queries.features, sample, database.features[kth])


def _summary(group: Group) -> dict[str, Any]:
    """The difficulty of the queries: the largest contrast of the hardest part, the median, the least of the easiest."""
    ends = [group.contrast[group.parts[0]].max(), np.median(group.contrast), group.contrast[group.parts[-1]].min()]
    return {
        "by": "codes" if group.exact is None else "features",
        "queries": len(group.queries),
        "drawn": len(group.rows),
        "items": len(group.database),
        "rows": len(group.database) if group.exact is None else min(MOST_ROWS, len(group.database)),
        "contrast": rounded(ends),
    }
