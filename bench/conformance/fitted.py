"""What embedders and hashers are asked alike: they are fitted on items, and make a row of each item."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench.conformance import data
from bench.conformance.arrays import left_alone
from bench.conformance.demands import Check, Make, Nonconformity, NotAsked, demand, outcome
from bench.interfaces import Context, Int, Items

SEED = 3
SUBSET: Int = np.array([17, 3, 3, 20, 0, 11, 8])
CUTS = (0, 9, 10, data.OTHERS)
"""The first rows of parts, and the end of the last."""


@dataclass(frozen=True)
class Fitted:
    """A kind of plugin that is fitted, and its checks, as methods that take what makes the plugin.

    ``rows``: what a plugin makes of items, an array of a row each. ``agree``: Nonconformity where two arrays that it
    made of the same items differ. ``ready``: the plugin as a run uses it, of what is made.
    """

    rows: Callable[[Any, Items], Any]
    agree: Callable[[Any, Items, Any, Any, str], None]
    ready: Callable[[Any], Any] = lambda plugin: plugin

    @property
    def checks(self) -> tuple[Check, ...]:
        """All of them."""
        return (
            self.two_fits_of_a_seed_agree,
            self.a_row_does_not_depend_on_the_other_items,
            self.parts_make_what_the_whole_makes,
            self.items_are_left_as_they_are,
            self.items_that_it_cannot_read_are_refused,
        )

    def fit(self, make: Make, train: Items | None = None, **lent: Any) -> Any:
        """The plugin, fitted on these items or the usual ones. Nonconformity: it refuses them, or returns another."""
        plugin, train = self.ready(make()), data.train_items() if train is None else train
        try:
            fitted = plugin.fit(train, Context(seed=SEED, **lent))
        except ValueError as fault:
            what = f"{len(train)} items of images {data.SIDE} x {data.SIDE} and vectors of {data.VECTOR_DIM} dimensions"
            raise Nonconformity(f"fit refused {what}: {fault}; give it parameters that fit them") from fault
        demand(fitted is plugin, f"fit returned {type(fitted).__name__}; right is the plugin itself")
        return plugin

    def read(self, make: Make, train: Items, some: Items) -> Any:
        """The rows of some items after a fit; whatever is raised comes through."""
        return self.rows(self.ready(make()).fit(train, Context(seed=SEED)), some)

    def two_fits_of_a_seed_agree(self, make: Make) -> None:
        """Two fits of the same items and seed make the same, with a folder and a cache too, new ones or used ones."""
        others = data.other_items()
        plugin = self.fit(make)
        expected, learned = self.rows(plugin, others), getattr(plugin, "database_codes_", None)
        with tempfile.TemporaryDirectory() as place:
            lent: dict[str, Any] = {name: Path(place) / name for name in ("folder", "cache")}
            for folder in lent.values():
                folder.mkdir()
            for how in ("", ", with a folder and a cache", ", with those of an earlier fit"):
                again, asked = self.fit(make, **lent if how else {}), f"two fits of seed {SEED}{how}"
                self.agree(plugin, others, expected, self.rows(again, others), asked)
                same = learned is None or np.array_equal(learned.words, again.database_codes_.words)
                demand(same, f"{asked}: database_codes_ differ; right is the same")

    def a_row_does_not_depend_on_the_other_items(self, make: Make) -> None:
        """Some items, in any order, and an item alone, have the rows that they have among all."""
        plugin, others = self.fit(make), data.other_items()
        among_all, some = self.rows(plugin, others)[SUBSET], others.take(SUBSET)
        self.agree(plugin, some, among_all, self.rows(plugin, some), "items in another order, and among all")
        single = np.concatenate([self.rows(plugin, others.take(SUBSET[i : i + 1])) for i in range(len(SUBSET))])
        self.agree(plugin, some, among_all, single, "items one at a time, and among all")

    def parts_make_what_the_whole_makes(self, make: Make) -> None:
        """``by_rows`` is True or False. With it, parts of the items, one after another, have the rows of the whole, and
        nothing is kept of them in the folders that a fit was lent.
        """
        others, by_rows = data.other_items(), getattr(self.ready(make()), "by_rows", False)
        demand(isinstance(by_rows, bool), f"by_rows is {by_rows!r}; right is True or False")
        if not by_rows:
            raise NotAsked("it does not work by_rows")
        with tempfile.TemporaryDirectory() as place:
            lent: dict[str, Any] = {name: Path(place) / name for name in ("folder", "cache")}
            for folder in lent.values():
                folder.mkdir()
            plugin = self.fit(make, **lent)
            before = sorted(Path(place).rglob("*"))
            parts = [self.rows(plugin, others.part(start, stop)) for start, stop in pairwise(CUTS)]
            kept = [path.name for path in Path(place).rglob("*") if path not in before]
            demand(not kept, f"by_rows is True, and of the parts it keeps {', '.join(kept)}; right is nothing")
            expected, asked = self.rows(plugin, others), "by_rows is True, the whole, and its parts"
            self.agree(plugin, others, expected, np.concatenate(parts), asked)

    def items_are_left_as_they_are(self, make: Make) -> None:
        """Neither fitting nor reading writes to an array; those that must not be written to make the same."""
        given = {"train items": data.train_items(), "other items": data.other_items()}
        left_alone(partial(self.read, make), given, partial(self.agree, self.fit(make), data.other_items()))

    def items_that_it_cannot_read_are_refused(self, make: Make) -> None:
        """Items without images, or without vectors, or with sets of classes, are read or a ValueError in words."""
        for lacking in ("images", "vectors"):
            some = data.changed(data.train_items(), **{lacking: None})
            outcome(partial(self.read, make, some, some), f"items without {lacking}")
        train = data.train_items()
        sets = np.eye(data.CLASSES, dtype=np.bool_)[train.labels] | (np.arange(data.CLASSES) == 0)
        some = data.changed(train, labels=sets)
        outcome(partial(self.read, make, some, some), "items with sets of classes")
