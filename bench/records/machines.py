"""Finds the machine class that each cell stands with, so that times of two classes are never compared."""

from __future__ import annotations

import pandas as pd

from bench.records.columns import TRAINER
from bench.records.frame import FEATURES
from bench.system.machines import NOT_RECORDED

TRAINED_ON = ["dataset", "protocol"]
"""The columns that name what is trained on."""


def with_machines(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with texts in ``machine`` and ``training_machine``, without a missing one.

    A finished cell whose record names no machine is NOT_RECORDED. A cell without figures that names none, such as one
    not yet run, stands with most of the searches over its features (for training: of the cells trained on its data).
    """
    return cells.assign(
        machine=_filled(cells, "machine", FEATURES, cells["index"].notna()),
        training_machine=_filled(cells, TRAINER.name, TRAINED_ON, cells["status"].notna()),
    )


def as_recorded(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of `with_machines`, but without a machine where no record names one and there are no figures."""
    done = cells["status"] == "ok"
    return cells.assign(
        machine=cells["machine"].where(done | cells["host"].notna()),
        training_machine=cells[TRAINER.name].where(done),
    )


def _filled(cells: pd.DataFrame, column: str, alike: list[str], voting: pd.Series) -> pd.Series:
    """A column of machine classes, filled. ``voting``: the cells whose class the others of their group may take."""
    told = cells[column] if column in cells else pd.Series(index=cells.index, dtype=object)
    told = told.astype(object).mask(told.isna() & (cells["status"] == "ok"), NOT_RECORDED)
    votes = told.where(voting)
    group = cells.groupby(alike, dropna=False, sort=False).ngroup()
    most = group.map(votes.groupby(group).agg(_most))
    return told.fillna(most).fillna(_most(votes) or NOT_RECORDED).astype(object)


def _most(classes: pd.Series) -> str | None:
    """The most frequent class, the first by name of several. None if there is none."""
    found = classes.mode()
    return str(found.iloc[0]) if len(found) else None
