"""Writes the records and samples of a results folder as two tables, for pandas, DuckDB and other readers of Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.records import book
from bench.store.entries import Entry, Store
from bench.system.files import replace_file

if TYPE_CHECKING:
    import pyarrow

SCALARS = (str, int, float, bool, type(None))


def write_parquet(results: Store) -> tuple[Path, Path]:
    """Write ``records.parquet`` and ``samples.parquet``, of the finished records of any grid. Returns their paths.

    Records: a row each, sorted by key. Columns: those of the record's row, its ``key``, the ``grid`` that made it, the
    whole ``cell`` as text, the times when it was ``finished`` and ``judged`` (UTC, ISO 8601), and the scalars of its
    environment as ``environment_NAME``. Of records that judge the same answers, only the last is a row. A record of
    changed methods is another row, which differs in key, time and revision. A missing value is null. A column with
    numbers in some rows and texts in others has all values as texts. Columns that are relative to a grid (``variant``,
    ``setting``) are in the grid's ``cells.csv``.

    Samples: a row per timed query of these records. Columns: the record's ``key``, ``replicate``, ``round`` and
    ``query`` (int32, a row of the queries that were searched), and ``latency_ms`` (float32).

    Both files are made anew each time, so they may be deleted.
    """
    import pyarrow

    with results.hold(book.KIND, "parquet"):  # the last of several runs writes the records of all
        entries = _last_judged(results)
        rows = [_row(key, entry) for key, entry in entries.items()]
        timed = [_samples(key, entry) for key, entry in entries.items() if "queries" in entry.arrays]
        samples = pyarrow.concat_tables(timed or [_samples("", None)])
        return _write(_table(rows), results.root / "records.parquet"), _write(samples, results.root / "samples.parquet")


def _write(table: pyarrow.Table, path: Path) -> Path:
    import pyarrow.parquet

    replace_file(path, lambda made: pyarrow.parquet.write_table(table, made))
    return path


def _samples(key: str, entry: Entry | None) -> pyarrow.Table:
    """The samples of one record. Without an entry, the table has its columns and no rows."""
    import pyarrow

    empty = np.empty((0, 0, 0))
    times, queries = (empty, empty) if entry is None else (entry.arrays["latency_ms"], entry.arrays["queries"])
    replicate, turn, _ = np.indices(times.shape, dtype=np.int32)
    columns = {
        "key": pyarrow.array([key] * times.size, pyarrow.string()).dictionary_encode(),
        "replicate": replicate.ravel(),
        "round": turn.ravel(),
        "query": queries.ravel().astype(np.int32),
        "latency_ms": times.ravel().astype(np.float32),
    }
    return pyarrow.table(columns)


def _last_judged(results: Store) -> dict[str, Entry]:
    """The finished records by key, without records whose answers were judged again later."""
    entries = dict(book.finished(results))
    by_time = sorted(entries, key=lambda key: entries[key].meta.get("judged", ""))
    last = {entries[key].meta.get("search", key): key for key in by_time}
    return {key: entries[key] for key in sorted(last.values())}


def _row(key: str, entry: Entry) -> dict[str, Any]:
    meta = entry.meta
    about = {"key": key, **{name: meta.get(name) for name in ("grid", "cell", "finished", "judged")}}
    machine = {f"environment_{name}": value for name, value in meta["environment"].items()}
    return {**about, **meta["row"], **{name: value for name, value in machine.items() if isinstance(value, SCALARS)}}


def _table(rows: list[dict[str, Any]]) -> pyarrow.Table:
    import pyarrow

    names = dict.fromkeys(name for row in rows for name in row)
    return pyarrow.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pyarrow.Array:
    import pyarrow

    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        return pyarrow.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values])
