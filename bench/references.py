"""Published figures, read from ``results/reference`` and set beside our own by the cell they belong to."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import bench

FOLDER = Path(bench.__file__).parents[1] / "results" / "reference"
KEYS = ["index", "dim", "key_bits", "candidates"]
FIGURES = ["precision_at_10", "seconds", "speed_up", "bytes"]
QUERIES = 25_250  # the published times are for all queries of Food101


def load_reference(name: str) -> pd.DataFrame:
    """The published table ``results/reference/NAME.csv``; its header says where it is from and what it means.

    Columns: index, dim, bits, key_bits, candidates (empty where a method has none), precision_at_10 as a
    fraction, seconds for all 25,250 queries, and where printed speed_up and bytes. ValueError: no such table.
    """
    path = FOLDER / f"{name}.csv"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.csv"))) or "none"
        raise ValueError(f"reference {name!r}: no such table in {FOLDER}; there are: {known}")
    return pd.read_csv(path, comment="#")


def attach(cells: pd.DataFrame, reference_name: str | None) -> pd.DataFrame:
    """The cells with the published figures of the same cell in columns ``reference_...``, empty where none.

    A cell is matched by index, dim, key_bits and candidates, a missing value matching only a missing one; a
    figure published for codes of one length is not set beside codes of another. ValueError: no such table.
    """
    plain = cells.drop(columns=[name for name in cells.columns if name.startswith("reference_")])
    names = {name: f"reference_{name}" for name in FIGURES}
    if reference_name is None:
        return plain.assign(reference_precision_at_10=float("nan"), reference_seconds=float("nan"))
    reference = load_reference(reference_name).rename(columns=names)
    published = [name for name in names.values() if name in reference]
    matched = _keys(plain).merge(
        _keys(reference).join(reference[[*published, "bits"]]), on=KEYS, how="left", validate="many_to_one"
    )
    bits = pd.to_numeric(plain["bits"]) if "bits" in plain else pd.Series(index=plain.index, dtype=float)
    other_length = (bits.to_numpy() != matched["bits"]) & matched["bits"].notna() & bits.notna().to_numpy()
    figures = matched[published].mask(other_length)
    return plain.assign(**{name: figures[name].to_numpy() for name in published})


def _keys(frame: pd.DataFrame) -> pd.DataFrame:
    """The key columns in one type each, whatever the frame holds them as."""
    keys = frame.reindex(columns=KEYS)
    for name in KEYS[1:]:
        keys[name] = pd.to_numeric(keys[name]).astype(float)
    return keys.astype({"index": str})
