"""The front: the settings that no other setting beats in cost and quality at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bench.records import columns

LATENCY, THROUGHPUT = columns.LATENCY.name, columns.THROUGHPUT.name
TUNE = "tune_"
"""What stands before the name of a figure of the half of the queries that settings are chosen by."""


def front(cost: ArrayLike, quality: ArrayLike) -> NDArray[np.bool_]:
    """The points that no other point dominates, bool [n].

    A point dominates another if it costs as little, is as good, and is better in one of the two. Equal points stay.

    Raises ValueError: a value is not a number.
    """
    costs, values = np.asarray(cost, dtype=np.float64), np.asarray(quality, dtype=np.float64)
    if np.isnan(costs).any() or np.isnan(values).any():
        raise ValueError("a cost or a quality is not a number: leave such points out")
    steps, place = np.unique(costs, return_inverse=True)
    best = np.full(len(steps), -np.inf)
    np.maximum.at(best, place, values)
    cheaper = np.concatenate(([-np.inf], np.maximum.accumulate(best)[:-1])) if len(steps) else best
    found: NDArray[np.bool_] = (values == best[place]) & ((values > cheaper[place]) | (place == 0))
    return found


def cost_of(cells: pd.DataFrame, column: str, half: str = "") -> pd.Series:
    """Milliseconds a query: the latency, or a batch's time over its queries. ``half``: TUNE for the tune half."""
    return 1e3 / cells[half + THROUGHPUT] if column == THROUGHPUT else cells[half + LATENCY]
