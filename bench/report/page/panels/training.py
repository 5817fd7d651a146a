"""The panel of trainings: mAP over the steps of each training that had an oracle, for the queries of each protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from bench.records import book
from bench.report.code_tables import CODES_ROW, label
from bench.report.page.panels.stored import PRINTED_DIGITS, Finished, Stored, by_key, rounded

SAME = ["protocol", *CODES_ROW, "bits", "database_codes"]
"""The columns of one curve: the models of a training share it, and of several seeds the first is shown."""


def panel(stored: Stored) -> dict[str, Any] | None:
    """The panel: ``series``, each with its name, length of the code and record key, and ``curves`` by that key.

    A curve has ``steps`` and ``map``. None if no finished ranking has one.
    """
    rankings = stored.cells[stored.cells["index"].isna() & stored.cells["hasher"].notna()]
    done = rankings[rankings["status"].eq("ok").fillna(False)]
    first = set(done.loc[done["map_peak"].notna()].drop_duplicates(SAME)["key"])
    asked = [one for one in stored.rankings() if one.key in first]
    found, missing = by_key(asked, lambda one: _curve(stored, one))
    if not found and not missing:
        return None
    return {"series": list(_series(done[done["key"].isin(found)], rankings)), "curves": found, "missing": missing}


def _curve(stored: Stored, one: Finished) -> dict[str, Any]:
    arrays = stored.results.read(book.KIND, one.key).arrays
    if "curve_steps" not in arrays:
        raise ValueError("no curve of the training is stored")
    return {"steps": arrays["curve_steps"].tolist(), "map": rounded(arrays["curve_map"], PRINTED_DIGITS)}


def _series(shown: pd.DataFrame, rankings: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The series, named by their method, and by the codes of the database if these differ."""
    several = rankings["database_codes"].nunique() > 1
    for _, cell in shown.iterrows():
        name = label(cell, rankings)
        told = f"{name}, {cell['database_codes']} database codes" if several else name
        yield {"name": told, "bits": int(cell["bits"]), "key": str(cell["key"])}
