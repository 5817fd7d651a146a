"""The panels of the page, beside its table and charts of cells, computed from the stored results of a run."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.report.page.panels import codes, difficulty, gallery, latency, rankings, training
from bench.report.page.panels.stored import Stored
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store


def parts(pipeline: Pipeline, results: Store, cells: pd.DataFrame, pictured: int) -> dict[str, Any]:
    """The panels of a grid on one data set that have something to show, by name, in JSON's types.

    ``cells``: a row for each cell of the grid, in its order, with the columns of ``cells.csv``, and with the key of its
    record, ``key``. ``pictured``: the number of queries in the gallery, 0 for none. Nothing is trained, searched or
    timed. A panel names the entries that can't be read. The same records and seeds give the same panels.
    """
    stored = Stored(pipeline, results, cells)
    found = {
        "ecdf": latency.panel(stored),
        "difficulty": difficulty.panel(stored),
        "rankings": rankings.panel(stored),
        "training": training.panel(stored),
        "codes": codes.panel(stored),
        "gallery": gallery.panel(stored, pictured),
    }
    return {name: part for name, part in found.items() if part is not None}
