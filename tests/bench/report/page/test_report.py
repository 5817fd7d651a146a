"""The page that the command line writes: of a real, small run."""

import pandas as pd
import pytest

from bench.report.page.assemble import read_payload
from tests.conftest import bench

GRID = """
title = "A small grid"
dataset = "vectors"
recipe = "quick"
layout = "candidates"
[measure]
replicates = 2
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
[[cells]]
embedder = "identity"
index = "linear_scan"
[[cells]]
embedder = "identity"
hasher = "toy_signs"
bits = 16
index = "hash_tables"
key_bits = [8, 16]
rerank = "float32"
candidates = [20, 50]
[[cells]]
embedder = "identity"
index = "toy_wrong_ids"
[recipes.quick]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory, vectors_dir):
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.toml").write_text(GRID)
    where = ("--data-dir", vectors_dir, "--out", folder / "out", "--cache-dir", folder / "cache")
    done = bench("run", "--in-process", "--grid", folder / "small.toml", *where)
    (path,) = (folder / "out").rglob("report.html")
    return done, path


def test_a_run_writes_the_page_beside_its_tables_and_names_it(run):
    done, path = run
    assert "report.html" in done.stdout
    assert {"cells.csv", "table.csv", "table.tex"} <= {one.name for one in path.parent.iterdir()}


def test_the_page_holds_what_the_tables_hold(run):
    _, path = run
    cells = pd.read_csv(path.with_name("cells.csv")).set_index("key")
    (one,) = read_payload(path)["sets"]
    assert [row["keys"][0] for row in one["rows"]] == cells.index.tolist()
    for row in one["rows"]:
        cell = cells.loc[row["keys"][0]]
        assert row["status"] == cell["status"]
        for name in ("recall_at_10", "precision_at_10", "latency_ms_p50", "throughput_qps_low", "index_bytes", "ratio"):
            assert row.get(name) == pytest.approx(cell[name], rel=1e-12) or pd.isna(cell[name])


def test_the_page_knows_settings_machine_and_why_a_cell_failed(run):
    _, path = run
    data = read_payload(path)
    rows = data["sets"][0]["rows"]
    index = data["settings"][rows[1]["settings"]["index"]]
    assert index | {"plugin": "hash_tables", "key_bits": 8} == index
    assert data["environments"][rows[0]["environment"]]["cores"] > 0
    (failed,) = [row for row in rows if row["status"] != "ok"]
    assert failed["reason"] == "search returned ids from 400 to 400, expected -1 .. 399"
    names = {method["id"]: method["name"] for method in data["sets"][0]["methods"]}
    assert names[rows[1]["method"]] == "Hash tables (L = 8)"


@pytest.mark.long
def test_the_page_of_a_run_opens_without_an_error(run, browser):
    _, path = run
    page = browser.open(path)
    assert page.errors() == []
    assert page.text("#answer").startswith("At ")
