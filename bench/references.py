"""Published figures, read from ``results/reference`` and set beside our own by the cell they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bench

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(bench.__file__).parents[1] / "results" / "reference"
SEARCH_KEYS = ["index", "dim", "key_bits", "candidates"]
CODE_KEYS = ["dataset", "hasher", "bits"]
TEXTS = ["index", "dataset", "hasher"]
CONDITIONS = ["bits", "model", "database_codes"]
FIGURES = ["map", "precision_at_10", "seconds", "speed_up", "bytes"]
QUERIES = 25_250  # the published times are for all queries of Food101


def names() -> list[str]:
    """The published tables that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


def load_reference(name: str) -> pd.DataFrame:
    """The published table ``results/reference/NAME.csv``; its header says where it is from and what it means.

    Of searches: index, dim, bits, key_bits, candidates, precision_at_10, seconds for all 25,250 queries, and where
    printed speed_up and bytes. Of rankings by codes: dataset, hasher, bits, model, database_codes, map. Quality is a
    fraction; a value is empty where a method has none or the source does not say. ValueError: no such table.
    """
    import pandas as pd

    if name not in names():
        known = ", ".join(names()) or "none"
        raise ValueError(f"reference {name!r}: no such table in {FOLDER}; there are: {known}")
    return pd.read_csv(FOLDER / f"{name}.csv", comment="#")


def attach(cells: pd.DataFrame, reference_name: str | None) -> pd.DataFrame:
    """The cells with the published figures of the same cell in columns ``reference_...``, empty where none.

    A cell is matched by index, dim, key_bits and candidates, or by dataset, hasher and bits, whichever the table has; a
    missing value matches only a missing one. A figure published for codes of another length, another choice of the
    model or other database codes is not set beside a cell, and none beside a protocol with unseen classes. ValueError:
    no such table.
    """
    plain = cells.drop(columns=[name for name in cells.columns if name.startswith("reference_")])
    names = {name: f"reference_{name}" for name in FIGURES}
    if reference_name is None:
        return plain.assign(reference_precision_at_10=float("nan"), reference_seconds=float("nan"))
    reference = load_reference(reference_name).rename(columns=names)
    keys = CODE_KEYS if "dataset" in reference else SEARCH_KEYS
    published = [name for name in names.values() if name in reference]
    conditions = [name for name in CONDITIONS if name in reference and name not in keys]
    right = _keys(reference, keys).join(reference[[*published, *conditions]])
    matched = _keys(plain, keys).merge(right, on=keys, how="left", validate="many_to_one")
    ours = plain.reindex(columns=["protocol", *conditions]).reset_index(drop=True)
    other = ours["protocol"].notna() & (ours["protocol"] != "seen")
    for name in conditions:
        other |= ours[name].notna() & matched[name].notna() & (ours[name] != matched[name])
    figures = matched[published].mask(other.astype(bool))
    return plain.assign(**{name: figures[name].to_numpy() for name in published})


def _keys(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The key columns in one type each, whatever the frame holds them as."""
    import pandas as pd

    keys = frame.reindex(columns=names)
    for name in names:
        keys[name] = keys[name].astype(str) if name in TEXTS else pd.to_numeric(keys[name]).astype(float)
    return keys
