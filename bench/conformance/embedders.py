"""What an embedder must keep to."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.conformance import data, fitting
from bench.conformance.demands import Make, demand
from bench.interfaces import Context, Float, Items

ROUNDING = 1e-4
"""What two ways to compute a feature may differ by, as a share of the largest: matrix products round by their shape."""


def features_are_finite_float32(make: Make) -> None:
    """``embed`` makes finite float32 [n, dim], and ``dim`` says so after ``fit``."""
    embedder = _fitted(make)(data.train_items(), fitting.context())
    demand(hasattr(embedder, "dim"), "it has no dim after fit; right is the dimension of its features")
    for some in (data.other_items(), data.train_items()):
        features = embedder.embed(some)
        right = isinstance(features, np.ndarray) and features.dtype == np.float32
        right = right and features.shape == (len(some), embedder.dim)
        got = f"{getattr(features, 'dtype', type(features).__name__)} {list(np.shape(features))}"
        demand(right, f"embed of {len(some)} items returned {got}; right is float32 {[len(some), embedder.dim]}")
        demand(np.isfinite(features).all(), "embed returned values that are not finite; right is finite ones")


def the_same_seed_gives_the_same_features(make: Make) -> None:
    """Two fits of the same items and seed make the same features."""
    fitting.repeats(_fitted(make), _rows, _agree)


def features_do_not_depend_on_the_other_items(make: Make) -> None:
    """Some items, in any order, have the features that they have among all."""
    fitting.row_by_row(_fitted(make), _rows, _agree)


def one_item_is_embedded(make: Make) -> None:
    """An item alone has the features that it has among others."""
    fitting.one_at_a_time(_fitted(make), _rows, _agree)


def a_folder_and_a_cache_change_nothing(make: Make) -> None:
    """With a folder and a cache, and again with what was left there, the features are those without."""
    fitting.nothing_kept(_fitted(make), _rows, _agree)


def items_are_not_changed(make: Make) -> None:
    """Neither ``fit`` nor ``embed`` writes to the items' arrays."""
    fitting.leaves_items_alone(_fitted(make), _rows)


def read_only_items_are_accepted(make: Make) -> None:
    """Items whose arrays must not be written to, as the store hands them out, have the same features."""
    fitting.takes_read_only(_fitted(make), _rows, _agree)


def items_that_it_cannot_read_are_refused(make: Make) -> None:
    """Items without images, or without vectors, are embedded or a ValueError in words."""
    fitting.refuses_what_it_cannot_read(make, _rows)


CHECKS = (
    features_are_finite_float32,
    the_same_seed_gives_the_same_features,
    features_do_not_depend_on_the_other_items,
    one_item_is_embedded,
    a_folder_and_a_cache_change_nothing,
    items_are_not_changed,
    read_only_items_are_accepted,
    items_that_it_cannot_read_are_refused,
)


def _fitted(make: Make) -> fitting.Fitted:
    def fitted(train: Items, lent: Context) -> Any:
        return fitting.fit(make(), train, lent)

    return fitted


def _rows(embedder: Any, some: Items) -> Any:
    return embedder.embed(some)


def _agree(embedder: Any, some: Items, first: Float, second: Float, asked: str) -> None:
    demand(
        first.shape == second.shape, f"{asked}: {list(first.shape)} and {list(second.shape)}; right is the same shape"
    )
    apart = float(np.abs(first - second).max(initial=0))
    allowed = ROUNDING * float(np.abs(first).max(initial=0))
    demand(apart <= allowed, f"{asked}: features differ by up to {apart:.3g}; right is at most {allowed:.3g}")
