"""Published figures, read from ``results/reference``: found for a cell, and whether they are of its own data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.system.places import CHECKOUT

if TYPE_CHECKING:
    import pandas as pd

FOLDER = CHECKOUT / "results" / "reference"
SEARCH_KEYS = ["index", "dim", "key_bits", "candidates"]
CODE_KEYS = ["dataset", "hasher", "bits"]
TEXTS = ["index", "dataset", "hasher"]
CONDITIONS = ["protocol", "bits", "model", "database_codes"]
"""Where one of these differs, what was published is of another cell."""
DATA = ["dataset", "database_items", "queries", "protocol"]
"""What published figures are of: they are compared with figures of the same data alone."""
FIGURES = ["map", "precision_at_10", "seconds", "ms", "speed_up", "bytes", "bytes_per_item"]


def names() -> list[str]:
    """The published tables that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


def load_reference(name: str) -> pd.DataFrame:
    """The published table ``results/reference/NAME.csv``; its header says where it is from and what it means.

    Of which data it is: dataset, database_items, queries, protocol. Of searches: index, dim, bits, key_bits,
    candidates, precision_at_10, seconds for all queries, ``ms`` for one, and where printed speed_up, bytes and
    ``bytes_per_item`` (of the items that are counted in them). Of rankings by codes: hasher, bits, model,
    database_codes, map. Quality is a fraction; a value is empty where a method has none or the source does not say.

    Raises ValueError: no such table.
    """
    import pandas as pd

    if name not in names():
        raise ValueError(f"reference {name!r}: no such table in {FOLDER}; there are: {', '.join(names()) or 'none'}")
    table = pd.read_csv(FOLDER / f"{name}.csv", comment="#")
    if "seconds" in table:
        table["ms"] = 1e3 * table["seconds"] / table["queries"]
    if "bytes" in table:
        table["bytes_per_item"] = table["bytes"] / table["counted_items"]
    return table


def attach(cells: pd.DataFrame, reference_name: str | None) -> pd.DataFrame:
    """The cells with what was published of the same cell in columns ``reference_...``, empty where nothing was.

    A cell is matched by index, dim, key_bits and candidates, or by dataset, hasher and bits, whichever the table has; a
    missing value matches only a missing one. Nothing published for codes of another length, another choice of the
    model, other database codes or another protocol is set beside a cell.

    ``reference_compares`` (bool): whether the cell's data are those of the published figures, by name, numbers of items
    and queries, and protocol. They are called as the paper's are or read by the plugin of that name; a number that is
    not known yet contradicts nothing.

    Raises ValueError: no such table.
    """
    plain = cells.drop(columns=[name for name in cells.columns if name.startswith("reference_")])
    if reference_name is None:
        nothing = dict.fromkeys(("reference_precision_at_10", "reference_seconds"), float("nan"))
        return plain.assign(**nothing, reference_compares=False)
    reference = load_reference(reference_name)
    keys = CODE_KEYS if "hasher" in reference else SEARCH_KEYS
    own = dict.fromkeys([*keys, *CONDITIONS, *DATA, "dataset_plugin"])
    ours = plain.reindex(columns=list(own)).reset_index(drop=True)
    known = ours["dataset"].isin(reference["dataset"])
    ours["dataset"] = ours["dataset"].where(known, ours["dataset_plugin"])
    published = reference.add_prefix("reference_")
    theirs = published[[f"reference_{name}" for name in DATA]].drop_duplicates()
    data = _keys(ours, ["dataset"]).merge(theirs, how="left", left_on="dataset", right_on="reference_dataset")
    same = data["reference_dataset"].notna() & ~_differ(ours, data, DATA)
    right = _keys(reference, keys).join(published)
    found = _keys(ours, keys).merge(right, on=keys, how="left", validate="many_to_one")
    shown = [f"reference_{name}" for name in [*FIGURES, *DATA] if name in reference]
    columns = found[shown].mask(_differ(ours, found, CONDITIONS))
    return plain.assign(**{name: columns[name].to_numpy() for name in shown}, reference_compares=same.to_numpy())


def _differ(ours: pd.DataFrame, found: pd.DataFrame, names: list[str]) -> pd.Series:
    """Whether one of the columns is known on both sides, and differs."""
    known = [name for name in names if f"reference_{name}" in found]
    mine, theirs = ours[known], found[[f"reference_{name}" for name in known]].set_axis(known, axis=1)
    return (mine.notna() & theirs.notna() & (mine != theirs)).any(axis=1)


def _keys(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The key columns in one type each, whatever the frame holds them as."""
    import pandas as pd

    keys = frame.reindex(columns=names)
    for name in names:
        keys[name] = keys[name].astype(str) if name in TEXTS else pd.to_numeric(keys[name]).astype(float)
    return keys
