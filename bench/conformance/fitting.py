"""What embedders and hashers are asked alike: they are fitted on items, and make an array of any."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.conformance import data
from bench.conformance.demands import Nonconformity, NotAsked, demand, must_refuse, outcome, unchanged
from bench.interfaces import Context, Int, Items

SEED = 3

Fitted = Callable[[Items, Context], Any]
"""Makes the plugin anew and fits it."""

Rows = Callable[[Any, Items], Any]
"""What a fitted plugin makes of items, an array of a row each."""

Agree = Callable[[Any, Items, Any, Any, str], None]
"""Nonconformity: two arrays that a plugin made of the same items differ."""

SUBSET: Int = np.array([17, 3, 3, 20, 0, 11, 8])


def context(**lent: Any) -> Context:
    """A context of the same seed each time, with nothing lent but this."""
    return Context(seed=SEED, **lent)


def fit(plugin: Any, train: Items, lent: Context) -> Any:
    """The plugin, fitted. Nonconformity: it refuses the items, or returns something else."""
    try:
        fitted = plugin.fit(train, lent)
    except ValueError as fault:
        what = f"{len(train)} items with images {data.SIDE} x {data.SIDE} and vectors of {data.VECTOR_DIM} dimensions"
        raise Nonconformity(f"fit refused {what}: {fault}; give it parameters that fit them") from fault
    demand(fitted is plugin, f"fit returned {type(fitted).__name__}; right is the plugin itself")
    return plugin


def repeats(fitted: Fitted, rows: Rows, agree: Agree) -> tuple[Any, Any]:
    """Two plugins that were fitted alike. Nonconformity: they make different rows."""
    train, others = data.train_items(), data.other_items()
    first, second = (fitted(train, context()) for _ in range(2))
    agree(first, others, rows(first, others), rows(second, others), f"two fits of seed {SEED}")
    return first, second


def row_by_row(fitted: Fitted, rows: Rows, agree: Agree) -> None:
    """Nonconformity: some items, in another order, one of them twice, have other rows than among all."""
    plugin, others = fitted(data.train_items(), context()), data.other_items()
    some = others.take(SUBSET)
    agree(plugin, some, rows(plugin, others)[SUBSET], rows(plugin, some), "items in another order, and among all")


def one_at_a_time(fitted: Fitted, rows: Rows, agree: Agree) -> None:
    """Nonconformity: an item alone has another row than among all."""
    plugin, others = fitted(data.train_items(), context()), data.other_items()
    few = others.take(np.arange(4))
    single = np.concatenate([rows(plugin, few.take(np.array([row]))) for row in range(len(few))])
    agree(plugin, few, rows(plugin, few), single, "items one at a time, and together")


def nothing_kept(fitted: Fitted, rows: Rows, agree: Agree) -> None:
    """Nonconformity: with a folder and a cache, new or left by an earlier fit, the result is another than without."""
    train, others = data.train_items(), data.other_items()
    plugin = fitted(train, context())
    expected = rows(plugin, others)
    with tempfile.TemporaryDirectory() as place:
        for name in ("folder", "cache"):
            (Path(place) / name).mkdir()
        lent = context(folder=Path(place) / "folder", cache=Path(place) / "cache")
        for asked in ("with a folder and a cache", "with the folder and the cache of an earlier fit"):
            agree(plugin, others, expected, rows(fitted(train, lent), others), asked)


def leaves_items_alone(fitted: Fitted, rows: Rows) -> None:
    """Nonconformity: fitting, or making rows, writes to the items' arrays."""
    train, others = data.train_items(), data.other_items()
    with unchanged(
        {**data.arrays_of_items(train), **{f"other {k}": v for k, v in data.arrays_of_items(others).items()}}
    ):
        rows(fitted(train, context()), others)


def takes_read_only(fitted: Fitted, rows: Rows, agree: Agree) -> None:
    """Nonconformity: of arrays that must not be written to, as the store hands them out, it makes something else."""
    train, others = data.train_items(), data.other_items()
    plugin = fitted(train, context())
    expected = rows(plugin, others)
    locked, asked = (_locked(part) for part in (train, others))
    agree(plugin, others, expected, rows(fitted(locked, context()), asked), "read-only arrays")


def _locked(some: Items) -> Items:
    arrays = {name: data.read_only(array) for name, array in data.arrays_of_items(some).items()}
    return replace(some, **arrays)  # type: ignore[arg-type]


def refuses_what_it_cannot_read(make: Callable[[], Any], rows: Rows) -> None:
    """Nonconformity: items without images, or without vectors, are neither read nor a ValueError in words."""
    train = data.train_items()
    kinds = {
        "without images": replace(train, images=None, fingerprint="conformance-vectors"),
        "without vectors": replace(train, vectors=None, fingerprint="conformance-images"),
    }
    for kind, some in kinds.items():
        outcome(partial(_fit_and_read, make, some, rows), f"items {kind}")


def _fit_and_read(make: Callable[[], Any], some: Items, rows: Rows) -> Any:
    return rows(make().fit(some, context()), some)


def refuses_nan(make: Callable[[], Any], rows: Rows) -> None:
    """Nonconformity: vectors with NaN are fitted or read. NotAsked: vectors are not read."""
    train = data.train_items()
    vectors = np.array(train.vectors)
    vectors[5, 7] = np.nan
    bad = data.with_vectors(train, vectors)
    plugin = fit(make(), train, context())
    if not reads_vectors(plugin, train, rows):
        raise NotAsked("it reads no vectors")
    must_refuse(partial(_fit_and_read, make, bad, rows), "vectors with NaN")


def reads_vectors(plugin: Any, some: Items, rows: Rows) -> bool:
    """Whether other vectors make other rows, or are not accepted."""
    other = data.with_vectors(some, np.roll(np.array(some.vectors), 1, axis=0))
    try:
        return not np.array_equal(rows(plugin, some), rows(plugin, other))
    except ValueError:
        return True
