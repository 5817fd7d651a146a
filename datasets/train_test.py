"""A split into train and test, the base of all data sets here: train items mostly are the database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from bench.interfaces import Context, Items, SplitName
from datasets.checks import check_items, pick
from datasets.twins import Hashes, twins


class TrainTest:
    """Train items as database, test items as queries; a subclass's ``load`` reads them and lets ``_keep`` check them.
    Some sets have train items of their own.

    ``twins_allowed``: the largest share of the queries, 0 to 1, whose content may stand in the database too. None
    allows any share. After ``load``, ``shared_with_database`` is their number, and ``remarks`` tell whatever a reader
    of the figures must know of the data.
    """

    train_in_database = True

    def __init__(self, data_dir: Path | None = None, twins_allowed: float | None = None) -> None:
        if twins_allowed is not None and not 0 <= twins_allowed <= 1:
            raise ValueError(f"twins_allowed is {twins_allowed}; allowed: 0 to 1, a share of the queries")
        self.data_dir = data_dir
        self.twins_allowed = twins_allowed
        self.classes: tuple[str, ...] = ()
        self.shared_with_database = 0
        self.remarks: tuple[str, ...] = ()
        self._items: dict[str, Items] = {}

    def split(self, name: SplitName) -> Items:
        return pick(self._items, name)

    def _keep(
        self,
        source: str,
        classes: Sequence[str] | None,
        database: Items,
        query: Items,
        hashes: Hashes,
        context: Context,
        remarks: Sequence[str] = (),
        train: Items | None = None,
        given: Hashes | None = None,
    ) -> Self:
        """Check the items of ``source`` and hold them, or refuse them. ``classes`` is None if there are no labels, and
        ``train`` if the train items are the database. ``given``: see ``twins``.
        """
        check_items(source, classes, database, query)
        if train is not None:
            check_items(source, classes, train, query, "train")
        found = twins(database, query, hashes, context, given)
        found.check(source, self.twins_allowed)
        self.classes = tuple(classes or ())
        self.shared_with_database = found.count
        self.remarks = (*remarks, *_strangers(self.classes, database, query), *found.remarks())
        self.train_in_database = train is None
        self._items = {"train": database if train is None else train, "database": database, "query": query}
        return self


def _strangers(classes: Sequence[str], database: Items, query: Items) -> list[str]:
    """A remark on queries of classes without an item in the database, if there are any."""
    if not classes:
        return []
    if query.labels.ndim == 2:
        lonely = int((~query.labels[:, database.labels.any(axis=0)].any(axis=1)).sum())
        return [f"Query items that share no class with the database: {lonely:,}; they find nothing"] if lonely else []
    rows = np.flatnonzero(~np.isin(query.labels, database.labels))
    if not len(rows):
        return []
    first = classes[query.labels[rows[0]]]
    return [f"Query items of classes that the database lacks: {len(rows):,}, the first of {first!r}; they find nothing"]
