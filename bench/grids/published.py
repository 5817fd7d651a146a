"""The published figures of ``results/reference``, matched to cells and to their data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.system.places import CHECKOUT

if TYPE_CHECKING:
    import pandas as pd

FOLDER = CHECKOUT / "results" / "reference"
SEARCH_KEYS = ["index", "dim", "key_bits", "candidates"]
CODE_KEYS = ["dataset", "hasher", "bits"]
TEXTS = ["index", "dataset", "hasher", "protocol"]
CONDITIONS = ["protocol", "unseen_classes", "bits", "model", "database_codes"]
"""Columns that must agree: where one differs, the published figures are of another cell."""
DATA = ["dataset", "database_items", "queries", "protocol"]
"""The columns that name the data of published figures, which are compared with figures of the same data alone."""
FIGURES = ["map", "precision_at_10", "seconds", "ms", "speed_up", "bytes", "bytes_per_item"]


def names() -> list[str]:
    """The names of the published tables."""
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


def load_reference(name: str) -> pd.DataFrame:
    """The published table ``results/reference/NAME.csv``; its header gives its source and the meaning of its columns.

    The columns dataset, database_items, queries and protocol name its data. A table of searches has index, dim, bits,
    key_bits, candidates, precision_at_10, seconds for all queries, ``ms`` for one query, and where published speed_up,
    bytes and ``bytes_per_item`` (of the items that the bytes count). A table of rankings by codes has hasher, bits,
    model, database_codes and map, and where classes were held out of training ``unseen_classes``, which says which in
    the words of `bench.grids.protocols.ClassSplit.describe`. Quality is a fraction. A value is empty where the method
    or the source has none.

    Raises ValueError: there is no such table.
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
    """The cells with the published figures of the same cell in columns ``reference_...``, empty where there are none.

    A cell is matched by index, dim, key_bits and candidates, or by dataset, hasher and bits, whichever the table has,
    and by the protocol if the table has several; a missing value matches only a missing one. Figures of codes of
    another length, another model, other database codes, another protocol or other unseen classes are not set beside a
    cell.

    ``reference_compares`` (bool): whether the cell's data are those of the published figures, by name, numbers of items
    and queries, protocol, and unseen classes. The name of the data, or of the plugin that reads them, is the paper's.
    An unknown number contradicts nothing.

    Raises ValueError: there is no such table.
    """
    plain = cells.drop(columns=[name for name in cells.columns if name.startswith("reference_")])
    if reference_name is None:
        nothing = dict.fromkeys(("reference_precision_at_10", "reference_seconds"), float("nan"))
        return plain.assign(**nothing, reference_compares=False)
    reference = load_reference(reference_name)
    by_protocol = ["protocol"] if reference["protocol"].nunique() > 1 else []
    keys = [*(CODE_KEYS if "hasher" in reference else SEARCH_KEYS), *by_protocol]
    own = dict.fromkeys([*keys, *CONDITIONS, *DATA, "dataset_plugin"])
    ours = plain.reindex(columns=list(own)).reset_index(drop=True)
    known = ours["dataset"].isin(reference["dataset"])
    ours["dataset"] = ours["dataset"].where(known, ours["dataset_plugin"])
    published = reference.add_prefix("reference_")
    named, split = ["dataset", *by_protocol], [*DATA, "unseen_classes"]
    theirs = published[[f"reference_{name}" for name in split if name in reference]].drop_duplicates()
    beside = [f"reference_{name}" for name in named]
    data = _keys(ours, named).merge(theirs, how="left", left_on=named, right_on=beside, validate="many_to_one")
    same = data["reference_dataset"].notna() & ~_differ(ours, data, split)
    right = _keys(reference, keys).join(published)
    found = _keys(ours, keys).merge(right, on=keys, how="left", validate="many_to_one")
    shown = [f"reference_{name}" for name in [*FIGURES, *split] if name in reference]
    columns = found[shown].mask(_differ(ours, found, CONDITIONS))
    return plain.assign(**{name: columns[name].to_numpy() for name in shown}, reference_compares=same.to_numpy())


def _differ(ours: pd.DataFrame, found: pd.DataFrame, names: list[str]) -> pd.Series:
    """Whether a row differs in one of the columns, where both sides have a value."""
    known = [name for name in names if f"reference_{name}" in found]
    mine, theirs = ours[known], found[[f"reference_{name}" for name in known]].set_axis(known, axis=1)
    return (mine.notna() & theirs.notna() & (mine != theirs)).any(axis=1)


def _keys(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The key columns, each in one type, whatever its type in the frame."""
    import pandas as pd

    keys = frame.reindex(columns=names)
    for name in names:
        keys[name] = keys[name].astype(str) if name in TEXTS else pd.to_numeric(keys[name]).astype(float)
    return keys
