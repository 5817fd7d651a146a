import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from bench.records.parquet import write_parquet
from bench.store.entries import Store
from bench.system.files import TEMPORARY
from tests.conftest import bench


@pytest.fixture
def results(tmp_path):
    return Store(tmp_path / "out")


ENVIRONMENT = {"cpu": "a cpu", "cores": 2, "load": [0.1, 0.2, 0.3], "thread_pools": [{"version": "1"}], "dirty": False}


def record(results, key, grid="g", status="ok", about=None, **row):
    meta = {"row": {**row, "status": status}, "grid": grid, "cell": f"Cell({key})", "environment": ENVIRONMENT}
    times = {"finished": "2026-01-02T03:04:05.678+00:00", **(about or {})}
    results.write("records", key, {**meta, **times}, {"latency_ms": np.ones(3)})


def test_a_row_per_finished_record_of_every_grid_read_by_pandas_and_duckdb(results):
    record(results, "b", grid="one", map=0.5, bits=16, index=None)
    record(results, "a", grid="two", recall_at_10=1.0, bits=32, index="linear_scan", latency_ms_p50=0.25)
    record(results, "c", status="error", reason="failed")
    path, samples = write_parquet(results)
    assert (path, samples) == (results.root / "records.parquet", results.root / "samples.parquet")
    table = pd.read_parquet(path).set_index("key")
    assert table.index.tolist() == ["a", "b"] and table["grid"].tolist() == ["two", "one"]
    assert table.loc["b", "map"] == 0.5 and np.isnan(table.loc["a", "map"]) and table.loc["a", "latency_ms_p50"] == 0.25
    assert table["environment_cpu"].tolist() == ["a cpu"] * 2 and table["environment_cores"].tolist() == [2, 2]
    assert not {"environment_load", "environment_thread_pools", "reason"} & set(table.columns)
    assert table["finished"].iloc[0].startswith("2026-01-02") and table["cell"].tolist() == ["Cell(a)", "Cell(b)"]
    rows = duckdb.sql(f"SELECT grid, bits, map FROM '{path}' WHERE environment_cores = 2 ORDER BY bits").fetchall()
    assert rows == [("one", 16, 0.5), ("two", 32, None)]


def test_a_row_per_timed_query_with_its_replicate_and_round(results):
    times = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    meta = {"row": {"status": "ok"}, "environment": ENVIRONMENT}
    results.write("records", "a", meta, {"latency_ms": times, "queries": 100 + times.astype(np.int32)})
    record(results, "b")
    table = pd.read_parquet(write_parquet(results)[1])
    assert len(table) == 12 and set(table["key"]) == {"a"} and table["latency_ms"].dtype == np.float32
    row = table.loc[7]
    assert row["latency_ms"] == times[1, 0, 1] and row["query"] == 107 and (row["replicate"], row["round"]) == (1, 0)


def test_without_timed_records_the_samples_are_an_empty_table(results):
    record(results, "a")
    assert pd.read_parquet(write_parquet(results)[1]).shape == (0, 5)


def test_of_answers_that_were_judged_again_the_last_judgement_is_the_row(results):
    for key, day in (("a", 3), ("b", 1), ("c", 2)):
        record(results, key, about={"search": "s", "judged": f"2026-01-0{day}T00:00:00.000+00:00"})
    record(results, "d", about={"search": "other", "judged": "2026-01-01T00:00:00.000+00:00"})
    assert pd.read_parquet(write_parquet(results)[0])["key"].tolist() == ["a", "d"]


def test_a_parameter_that_is_a_number_here_and_a_text_there_is_a_text(results):
    record(results, "a", depth=3, mixed=1, flag=True)
    record(results, "b", depth="auto", mixed=2.5, flag="maybe")
    record(results, "c", depth=None, mixed=None, flag=None)
    table = pyarrow.parquet.read_table(write_parquet(results)[0]).to_pydict()
    assert table["depth"] == ["3", "auto", None] and table["flag"] == ["true", "maybe", None]
    assert table["mixed"] == [1, 2.5, None]


def test_it_is_made_anew_from_the_entries_and_damaged_ones_are_left_out(tmp_path):
    said = []
    results = Store(tmp_path / "out", said.append)
    record(results, "a", map=0.5)
    record(results, "b", map=0.6)
    before = write_parquet(results)[0].read_bytes()
    (results.root / "records.parquet").write_bytes(b"not Parquet")
    assert write_parquet(results)[0].read_bytes() == before
    (results.path("records", "b") / "entry.json").write_text("{")
    assert pd.read_parquet(write_parquet(results)[0])["key"].tolist() == ["a"] and len(said) == 1
    assert not list(results.root.glob(f"{TEMPORARY}*"))


def test_without_records_it_is_an_empty_table(results):
    assert len(pyarrow.parquet.read_table(write_parquet(results)[0])) == 0


@pytest.mark.long
@pytest.mark.usefixtures("third_party")
def test_a_run_writes_it_and_it_tells_what_the_tidy_cells_tell(tmp_path, small_grid, vectors_dir):
    where = ("--data-dir", vectors_dir, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    done = bench("run", "--grid", small_grid, *where)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "out" / "records.parquet")
    cells = pd.read_csv(tmp_path / "out" / "small" / "vectors" / "cells.csv")
    columns = ["index", "key_bits", "candidates", "recall_at_10", "latency_ms_p50", "throughput_qps", "status", "seed"]
    order = ["index", "key_bits", "candidates"]
    left, right = (one[columns].sort_values(order).reset_index(drop=True) for one in (table, cells))
    pd.testing.assert_frame_equal(left, right, check_dtype=False)
    assert (table["grid"] == "small").all() and table["environment_cpu"].notna().all() and table["key"].is_unique
