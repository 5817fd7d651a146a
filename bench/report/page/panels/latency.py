"""The panel of latency: the distribution of each search's times over all timed queries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.report.page.panels.stored import PRINTED_DIGITS, Stored, by_key, rounded

SHARES = np.concatenate(
    [
        np.linspace(0, 0.9, 37),
        np.linspace(0.91, 0.99, 9),
        np.linspace(0.991, 0.999, 9),
        [0.9995, 1.0],
    ]
).round(4)
"""The shares of queries whose times are on the page, dense for the slow queries."""


def panel(stored: Stored) -> dict[str, Any] | None:
    """The panel: the distribution of each finished search by the key of its record. None if there is no such search."""
    searches = stored.searches()
    if not searches:
        return None
    found, missing = by_key(searches, lambda one: distribution(stored.times(one.key)))
    return {"shares": SHARES.tolist(), "searches": found, "missing": missing}


def distribution(latency_ms: NDArray[Any]) -> dict[str, Any]:
    """The distribution of times of any shape: ``ms`` at each of SHARES, percentiles, the slowest time, and the count.

    A quantile between two measured times is interpolated linearly.

    Raises ValueError: there is no time, or a time is not finite.
    """
    times = np.asarray(latency_ms, dtype=np.float64).reshape(-1)
    if not len(times) or not np.isfinite(times).all():
        raise ValueError("no times of single queries are stored" if not len(times) else "a stored time is no number")
    p50, p95, p99, slowest = rounded(np.quantile(times, [0.5, 0.95, 0.99, 1.0]), PRINTED_DIGITS)
    return {
        "ms": rounded(np.quantile(times, SHARES)),
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "slowest": slowest,
        "samples": len(times),
    }
