"""What an embedder must keep to."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.conformance import data, fitted
from bench.conformance.demands import Make, check_values, demand
from bench.interfaces import Float, Items

ROUNDING = 1e-4
"""What two ways to compute a feature may differ by, as a share of the largest: matrix products round by their shape."""


def features_are_finite_float32(make: Make) -> None:
    """``embed`` makes finite float32 [n, dim], and ``dim`` says so after ``fit``."""
    embedder = KIND.fit(make)
    demand(hasattr(embedder, "dim"), "it has no dim after fit; right is the dimension of its features")
    for some in (data.other_items(), data.train_items()):
        check_values(embedder.embed(some), [len(some), embedder.dim], f"embed of {len(some)} items")


def _rows(embedder: Any, some: Items) -> Any:
    return embedder.embed(some)


def _agree(embedder: Any, some: Items, first: Float, second: Float, asked: str) -> None:
    shapes = f"{list(first.shape)} and {list(second.shape)}"
    demand(first.shape == second.shape, f"{asked}: {shapes}; right is the same shape")
    apart = float(np.abs(first - second).max(initial=0))
    allowed = ROUNDING * float(np.abs(first).max(initial=0))
    demand(apart <= allowed, f"{asked}: features differ by up to {apart:.3g}; right is at most {allowed:.3g}")


KIND = fitted.Fitted(_rows, _agree)
