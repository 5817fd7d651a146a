import dataclasses

import numpy as np
import pandas as pd
import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records import book, keys
from bench.report.pareto import levels
from bench.report.tables import complete
from bench.report.words import GridInfo
from bench.runs import tuning
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.in_process import Local

pytestmark = pytest.mark.usefixtures("third_party")
GRID = """
title = "t"
dataset = "vectors"
recipe = "r"
layout = "pareto"
[measure]
replicates = 1
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
split = "tune/report"
[[cells]]
embedder = "identity"
index = "linear_scan"
[[cells]]
embedder = "identity"
index = "toy_scan"
reach = [100, 400, 401, 402, 403, 404, 405, 406]
[[cells]]
embedder = "identity"
index = "toy_scan"
needed_by = "build"
[recipes.r]
"""


@pytest.fixture
def make_run(tmp_path, vectors_dir):
    def make(*settings):
        (tmp_path / "split.toml").write_text(GRID)
        cache = tmp_path / "cache"
        cache.mkdir(exist_ok=True)
        plan = grid_file.load(str(tmp_path / "split.toml"), Options(data_dir=vectors_dir, settings=settings))
        pipeline = Pipeline(plan, Store(cache), Context(cache=cache), lambda _: None)
        return Run(pipeline, Store(tmp_path / "out"), said.append, start=Local)

    said = []
    make.said = said
    return make


def test_the_halves_are_drawn_by_seed_share_no_query_and_leave_none_out(make_run):
    pipeline = make_run().pipeline
    tune, report = tuning.halves(pipeline)
    cell = pipeline.grid.cells[0]
    halves = [one.query_rows(cell).tolist() for one in (tune, report)]
    assert sorted(halves[0] + halves[1]) == list(range(60)) and len(halves[0]) == 30
    assert halves != [one.query_rows(dataclasses.replace(cell, seed=1)).tolist() for one in (tune, report)]
    of_some = tuning.halves(make_run("measure.queries=20").pipeline)
    assert [len(one.query_rows(cell)) for one in of_some] == [10, 10]
    ranking = dataclasses.replace(cell, index=None)
    assert len(report.query_rows(ranking)) == 60
    assert tuning.halves(make_run('measure.split="all"').pipeline)[0].query_rows(cell).tolist() == list(range(60))


@pytest.mark.long
def test_what_is_dominated_on_one_half_is_pruned_with_its_reason_and_the_others_are_reported_on_the_other(make_run):
    run = make_run()
    assert tuning.Tuned(run).finish() == {}
    cells = tuning.frame(run.pipeline, run.results)
    status = cells["status"].tolist()
    # Seven settings see all items: at most four of them, the best by each time and quality, are not dominated.
    assert status[0] == "ok" and status[-1] == "skipped" and 3 <= status[2:-1].count("pruned") < 7
    assert sum(line.startswith("pruned: toy_scan(reach=") for line in make_run.said) == status.count("pruned")
    done = cells[cells["status"] == "ok"]
    assert (done["queries"] == 30).all()
    assert (done["recall_at_10"] == 1).any() and (done["tune_recall_at_10"] == 1).any()
    records = [keys.key(half, half.grid.cells[0]) for half in tuning.halves(run.pipeline)]
    assert records[0] != records[1]
    tuned, reported = (run.results.find(book.KIND, key).meta["row"] for key in records)
    exact = cells.iloc[0]
    assert exact["tune_latency_ms_p50"] == tuned["latency_ms_p50"] > 0
    assert exact["latency_ms_p50"] == reported["latency_ms_p50"]
    make_run.said.clear()
    assert tuning.Tuned(make_run()).finish() == {} and not [line for line in make_run.said if "fit" in line]


@pytest.mark.long
def test_what_failed_on_the_tune_half_is_not_tried_on_the_other(make_run, monkeypatch):
    calls = []

    def fails(self, queries, k):
        calls.append(k)
        raise RuntimeError("broken")

    monkeypatch.setattr("toy_plugins.Scan.search", fails)
    run = make_run()
    failed = tuning.Tuned(run).finish()
    assert len(failed) == 8 and all("on the tune half: RuntimeError: broken" in reason for reason in failed.values())
    assert len(calls) == 8


def test_the_search_that_a_level_names_is_chosen_on_the_tune_half():
    common = {"dataset": "d", "protocol": "seen", "embedder": "e", "dim": 8, "seed": 0, "k": 10, "status": "ok"}
    figures = ["recall_at_10", "precision_at_10", "latency_ms_p50", "throughput_qps"]
    rows = [
        common | {"index": name} | dict(zip(figures, report, strict=True))
        | {f"tune_{figure}": value for figure, value in zip(figures, tune, strict=True)}
        for name, report, tune in (
            ("linear_scan", (1.0, 0.8, 9.0, 100.0), (1.0, 0.7, 9.0, 100.0)),
            ("lucky", (0.99, 0.8, 1.0, 900.0), (0.80, 0.7, 1.0, 900.0)),
            ("steady", (0.93, 0.8, 2.0, 500.0), (0.95, 0.7, 2.0, 500.0)),
        )
    ]  # fmt: skip
    tidy = complete(pd.DataFrame(rows), GridInfo("g", "G", "pareto", None, "quick", ()))
    found = levels(tidy, 10).set_index(["quality", "level", "fastest_by"])
    row = found.loc[("recall_at_10", 0.95, "latency_ms_p50")]
    assert row["index"] == "steady" and row["reached"] == 0.93 and row["latency_ms_p50"] == 2.0
    assert found.loc[("recall_at_10", 0.8, "latency_ms_p50"), "index"] == "lucky"
    assert np.isclose(tidy["tune_share_of_exact"], 1.0).all()


def test_a_split_that_is_none_is_refused(make_run):
    with pytest.raises(ValueError, match="split"):
        make_run('measure.split="thirds"')
    with pytest.raises(ValueError, match="split"):
        make_run('measure.split="tune"')
