"""The panel of rankings by codes: mAP by code length, with published values, and precision against recall and N."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bench.grids.cells import RANKED
from bench.interfaces import Codes, Labels
from bench.quality.ranking import HammingRanking
from bench.report.code_tables import code_sections
from bench.report.page.panels.stored import PRINTED_DIGITS, Finished, Stored, by_key, drawn, rounded
from bench.report.words import papers_data

MOST_QUERIES = 500
"""The most queries that the curves are means over, drawn by seed."""
NUMBERS = 40
"""The most numbers of first items with a precision and a recall, evenly on a log scale."""
TOLD = (1, 10, 100, 1000)
"""The numbers that are always among these, if there are so many items."""


def panel(stored: Stored) -> dict[str, Any] | None:
    """The panel: ``sections`` with mAP by code length, and ``curves`` by record key, for the first seed of each point.

    None if the grid's layout is not that of rankings, or no ranking is finished.
    """
    rankings = stored.cells[stored.cells["index"].isna()]
    if stored.pipeline.grid.layout not in RANKED or not rankings["status"].eq("ok").any():
        return None
    sections = list(_sections(rankings))
    first = {point["key"] for section in sections for series in section["series"] for point in series["points"]}
    coded = [one for one in stored.rankings() if one.key in first and one.cell.hasher is not None]
    found, missing = by_key(coded, lambda one: _curves(stored, one))
    return {"sections": sections, "curves": found, "missing": missing}


def curves(queries: Codes, database: Codes, query_labels: Labels, database_labels: Labels) -> dict[str, Any]:
    """Precision and recall among the first n items by Hamming distance, means over the queries, for n in ``numbers``.

    Tied items are in random order, and the figures are expectations. A query without a relevant item has recall 0.
    """
    ranking = HammingRanking.of(queries, database, query_labels, database_labels)
    numbers = np.union1d(np.geomspace(1, len(database), NUMBERS).round().astype(np.int64), TOLD)
    numbers = numbers[numbers <= len(database)]
    precision, recall = ranking.precision_recall_curve(numbers)
    return {"numbers": numbers.tolist(), "precision": rounded(precision, PRINTED_DIGITS), "recall": rounded(recall)}


def _curves(stored: Stored, one: Finished) -> dict[str, Any]:
    (database, queries), labels = stored.corpora.of(one.cell), stored.corpora.labels(one.cell)
    if labels is None or database.codes is None or queries.codes is None:
        raise ValueError("a ranking is judged by labels and codes, which are not there")
    rows = drawn(len(queries), MOST_QUERIES, one.cell.seed)
    asked = queries.take(rows).codes
    assert asked is not None
    found = curves(asked, database.codes, labels[1][rows], labels[0])
    return {**found, "queries": len(queries), "drawn": len(rows)}


def _sections(rankings: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The sections of the printed table, each with its series. A section without a finished cell is left out."""
    for name, series in code_sections(rankings):
        shown = [found for label, group in series if (found := _series(label, group))["points"]]
        if shown:
            yield {"name": name, "series": shown}


def _series(label: str, group: pd.DataFrame) -> dict[str, Any]:
    """The series of one kind of codes, with a point for each length. Features have one point without a length."""
    points = [_point(bits, same) for bits, same in group.groupby("bits", dropna=False, sort=True)]
    return {
        "name": label,
        "paper": papers_data(group) if "reference_dataset" in group else None,
        "points": [point for point in points if point is not None],
    }


def _point(bits: Any, same: pd.DataFrame) -> dict[str, Any] | None:
    """The mean mAP over the seeds and its standard deviation. ``published`` is for ``same_data``, or the paper's data.

    None if no seed is finished.
    """
    done = same[same["status"].eq("ok").fillna(False)]
    values = pd.to_numeric(done["map"]).dropna().astype(float)
    if not len(values):
        return None
    published = same["reference_map"].dropna() if "reference_map" in same else pd.Series(dtype=float)
    compares = same.loc[published.index, "reference_compares"].astype(bool)
    mean, spread = float(values.mean()), float(values.std()) if len(values) > 1 else None
    return {
        "bits": None if pd.isna(bits) else int(bits),
        "key": str(done["key"].iloc[0]),
        "map": mean,
        "spread": spread,
        "seeds": len(values),
        "published": float(published.iloc[0]) if len(published) else None,
        "same_data": bool(compares.iloc[0]) if len(published) else None,
    }
