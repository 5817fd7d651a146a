"""Reads the tables of a results folder as data frames."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bench.records.columns import TEXTS


def read_records(results: str | Path) -> pd.DataFrame:
    """All finished records of a results folder (``run --out``), of all grids: a row each, sorted by key.

    The columns are those that `bench.records.parquet.write_parquet` names.

    Raises FileNotFoundError: the folder has no ``records.parquet``.
    """
    return pd.read_parquet(_file(results, "records.parquet", "the folder that a run wrote, such as results"))


def read_cells(report: str | Path) -> pd.DataFrame:
    """The cells of one report, such as ``results/ann/sift1m``: a row each, in the order of the grid.

    The columns are those of ``cells.csv``. Names and hashes are texts. Only an empty field is a missing value, so data
    may be called "NA".

    Raises FileNotFoundError: the folder has no ``cells.csv``.
    """
    path = _file(report, "cells.csv", "a folder GRID/DATASET in a results folder, such as results/ann/sift1m")
    return pd.read_csv(path, dtype=dict.fromkeys(TEXTS, "str"), keep_default_na=False, na_values=[""])


def _file(folder: str | Path, name: str, expected: str) -> Path:
    path = Path(folder) / name
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no {name}; expected {expected}")
    return path
