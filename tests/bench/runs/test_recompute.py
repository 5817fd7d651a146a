import dataclasses

import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records import keys
from bench.records.frame import frame_of
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.store.rooms import ROOMS
from bench.workers.in_process import Local
from tests.conftest import bench

pytestmark = pytest.mark.usefixtures("third_party")
GRID = """
title = "t"
dataset = "toy_clusters"
recipe = "r"
[measure]
replicates = 2
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
[[cells]]
embedder = "identity"
hasher = "toy_signs"
bits = 16
index = "toy_scan"
field = "codes"
rerank = "toy_reranker"
candidates = [10, 20]
[[cells]]
hasher = "toy_signs"
bits = [8, 16]
[recipes.r]
"""


@pytest.fixture
def make_run(tmp_path):
    def make(*settings):
        path, cache = tmp_path / "small.toml", tmp_path / "cache"
        path.write_text(GRID)
        cache.mkdir(exist_ok=True)
        plan = grid_file.load(str(path), Options(settings=settings))
        pipeline = Pipeline(plan, Store(cache, print), Context(cache=cache), lambda _: None)
        return Run(pipeline, Store(tmp_path / "out", print), lambda _: None, start=Local)

    return make


@pytest.fixture
def other_metrics(monkeypatch):
    """From its call on, another version of the metrics: recall is called by another name, and mAP is 0.5."""

    def change():
        monkeypatch.setitem(ROOMS, "quality", dataclasses.replace(ROOMS["quality"], version=-1))
        monkeypatch.setattr("bench.quality.columns.of_neighbours", lambda *_: {"recall": 0.25})
        monkeypatch.setattr("bench.quality.columns.of_codes", lambda *_: {"map": 0.5})

    return change


@pytest.fixture
def only_judging(monkeypatch):
    """From its call on, nothing can be trained, built, searched or timed."""

    def forbid():
        for name in ("toy_plugins.Signs.fit", "toy_plugins.Scan.build", "toy_plugins.Scan.search"):
            monkeypatch.setattr(name, lambda *_: pytest.fail("not only judged"))

    return forbid


def rows(run):
    return frame_of(run.pipeline, run.results).to_dict("records")


@pytest.mark.long
@pytest.mark.parametrize("again", [lambda run: run.finish(), lambda run: run.recompute()[1]])
def test_after_a_change_of_the_metrics_what_is_stored_is_only_judged_again(
    make_run, other_metrics, only_judging, again
):
    run = make_run()
    assert run.finish() == {}
    before = rows(run)
    other_metrics()
    only_judging()
    assert all(row["status"] is None for row in rows(make_run()))
    run = make_run()
    assert again(run) == {}
    for old, new in zip(before, rows(run), strict=True):
        assert new["status"] == "ok" and "recall_at_10" not in new
        if new["index"] is None or new["index"] != new["index"]:
            assert new["map"] == 0.5 and old["map"] != 0.5
        else:
            assert new["recall"] == 0.25 and new["map"] == old["map"]
            for column in ("latency_ms_p50", "throughput_qps", "build_seconds", "index_bytes"):
                assert new[column] == old[column] > 0, column


@pytest.mark.long
def test_a_record_that_is_judged_again_tells_of_the_machine_and_the_samples_of_its_times(make_run, other_metrics):
    run = make_run()
    run.finish()
    searched = run.pipeline.grid.cells[0]
    old = run.results.read("records", keys.key(run.pipeline, searched))
    other_metrics()
    make_run().recompute()
    new = run.results.read("records", keys.key(run.pipeline, searched))
    for name in ("environment", "finished", "rates", "search"):
        assert new.meta[name] == old.meta[name]
    assert new.meta["judged"] > old.meta["judged"] == old.meta["finished"]
    assert (new.arrays["latency_ms"] == old.arrays["latency_ms"]).all()
    assert [one.meta["quality"][0] for one in (old, new)] == ["precision_at_10", "recall"]


def test_what_is_missing_is_left_to_a_run(make_run, only_judging):
    only_judging()
    left, failed = make_run().recompute()
    assert len(left) == 4 and not failed


@pytest.mark.long
@pytest.mark.parametrize("kind", ["neighbours", "records"])
def test_a_cell_whose_answers_or_times_are_gone_is_left_to_a_run(make_run, other_metrics, kind):
    run = make_run()
    run.finish()
    searched = run.pipeline.grid.cells[0]
    key = {"neighbours": keys.search_key, "records": keys.key}[kind](run.pipeline, searched)
    (run.results.path(kind, key) / "entry.json").write_text("")
    other_metrics()
    left, failed = make_run().recompute()
    assert [one.cell for one in left] == [searched] and not failed


@pytest.mark.long
def test_damaged_codes_are_not_trained_again_to_be_judged(make_run, other_metrics, only_judging):
    run = make_run()
    run.finish()
    codes = run.pipeline.codes_key(run.pipeline.grid.cells[0])
    (run.pipeline.store.path("codes", codes) / "last-query.npy").write_bytes(b"")
    other_metrics()
    only_judging()
    left, _ = make_run().recompute()
    # The codes of 16 bits: those that are searched, and the second ranking.
    cells = run.pipeline.grid.cells
    assert [one.cell for one in left] == [cells[0], cells[1], cells[3]]


def test_neighbours_are_found_whatever_the_metrics_and_not_whatever_the_search(make_run, other_metrics):
    run, longer = make_run(), make_run("measure.rounds=2")
    searched = run.pipeline.grid.cells[0]
    searches = [keys.search_key(one.pipeline, searched) for one in (run, longer)]
    record = keys.key(run.pipeline, searched)
    other_metrics()
    assert keys.search_key(run.pipeline, searched) == searches[0] != searches[1]
    assert keys.key(run.pipeline, searched) not in (record, searches[0])


@pytest.mark.long
def test_the_command_says_how_much_only_a_run_makes_and_writes_no_table_of_nothing(tmp_path):
    grid = tmp_path / "small.toml"
    grid.write_text(GRID)
    where = ("--grid", grid, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    done = bench("recompute", *where)
    assert done.returncode == 1 and "no record of grid" in done.stderr
    assert "4 of 4 cells lack something that only a run makes" in done.stdout and "fit" not in done.stdout
    assert not list((tmp_path / "out").rglob("cells.csv"))
