"""How the time varies from query to query: the distribution of each search's times, from all that were measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.report.page.panels.stored import Stored, by_key, rounded

SHARES = np.concatenate(
    [
        np.linspace(0, 0.9, 37),
        np.linspace(0.91, 0.99, 9),
        np.linspace(0.991, 0.999, 9),
        [0.9995, 1.0],
    ]
).round(4)
"""The shares of queries whose times stand on the page: dense where the slow ones are."""


def panel(stored: Stored) -> dict[str, Any] | None:
    """The distribution of each finished search by the key of its record; None where nothing was searched."""
    searches = stored.searches()
    if not searches:
        return None
    found, missing = by_key(searches, lambda one: distribution(stored.times(one.key)))
    return {"shares": SHARES.tolist(), "searches": found, "missing": missing}


def distribution(latency_ms: NDArray[Any]) -> dict[str, Any]:
    """The times of single queries, of any shape: ``ms`` at each of SHARES, percentiles, the slowest, how many they are.

    Between two measured times a quantile lies on the line between them.

    Raises ValueError: no time, or one that is not finite.
    """
    times = np.asarray(latency_ms, dtype=np.float64).reshape(-1)
    if not len(times) or not np.isfinite(times).all():
        raise ValueError("no times of single queries are stored" if not len(times) else "a stored time is no number")
    p50, p95, p99, slowest = rounded(np.quantile(times, [0.5, 0.95, 0.99, 1.0]))
    return {
        "ms": rounded(np.quantile(times, SHARES)),
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "slowest": slowest,
        "samples": len(times),
    }
