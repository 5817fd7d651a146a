"""A run of a grid with expressions: their values come from the data, and stand in keys, records and tables."""

import shutil
from dataclasses import replace

import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records.frame import frame_of
from bench.runs.run import Run
from bench.runs.sizing import with_sizes
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.store.rooms import ROOMS
from bench.workers.in_process import Local
from tests.quick import take_times_quickly

pytestmark = pytest.mark.long

GRID = """
title = "Sizes"
dataset = "vectors"
recipe = "none"
[measure]
replicates = 1
rounds = 1
queries_per_round = 4
batch_seconds = 0.01
[[cells]]
embedder = "identity"
index = "faiss"
factory = "IVF{sqrt(n)},PQ{d / 4}"
nprobe = ["n ** 0.25", 20]
[recipes.none]
"""


@pytest.fixture
def make_run(tmp_path, vectors_dir, monkeypatch):
    take_times_quickly(monkeypatch.setattr)

    def make(*changes, start=Local):
        text = GRID
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "g.toml").write_text(text)
        grid = grid_file.load(str(tmp_path / "g.toml"), Options(data_dir=vectors_dir))
        (tmp_path / "cache").mkdir(exist_ok=True)
        pipeline = Pipeline(grid, Store(tmp_path / "cache"), Context(cache=tmp_path / "cache"), lambda _: None)
        return Run(pipeline, Store(tmp_path / "out"), say=lambda _: None, start=start)

    return make


def test_records_and_tables_hold_the_values_for_400_items_of_16_dimensions(make_run):
    run = make_run().sized()
    assert run.finish() == {}
    cells = frame_of(run.pipeline, run.results)
    assert cells["status"].tolist() == ["ok"] * 2
    assert cells["factory"].tolist() == ["IVF20,PQ4"] * 2 and cells["nprobe"].tolist() == [4, 20]
    assert cells["setting"].tolist() == ["nprobe = 4", "nprobe = 20"]
    assert cells["expressions"].tolist() == [
        "factory = IVF{sqrt(n)},PQ{d / 4}, nprobe = n ** 0.25",
        "factory = IVF{sqrt(n)},PQ{d / 4}",
    ]


def test_a_run_that_was_not_sized_is_sized_by_itself_and_does_nothing_twice(make_run, tmp_path):
    assert make_run().finish() == {}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert make_run(start=None).finish() == {}
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}


def test_a_number_and_an_expression_of_that_value_share_a_record(make_run):
    make_run().finish()
    literal = make_run(("IVF{sqrt(n)},PQ{d / 4}", "IVF20,PQ4"), ('"n ** 0.25"', "4"), start=None)
    assert literal.finish() == {}
    assert frame_of(literal.pipeline, literal.results)["status"].tolist() == ["ok"] * 2


def test_tables_need_the_results_alone(make_run, tmp_path):
    make_run().finish()
    shutil.rmtree(tmp_path / "cache")
    run = make_run()
    pipeline = with_sizes(run.pipeline, run.results)
    assert frame_of(pipeline, run.results)["status"].tolist() == ["ok"] * 2


@pytest.mark.parametrize("room", ["contracts", "protocols"])
def test_sizes_are_read_again_where_the_rules_that_decide_them_changed(make_run, monkeypatch, room):
    run = make_run()
    with_sizes(run.pipeline, run.results, lambda: {"items": {"seen": 100}, "dim": 16})
    monkeypatch.setitem(ROOMS, room, replace(ROOMS[room], version=99))
    assert with_sizes(run.pipeline, run.results) is run.pipeline


def test_without_a_run_the_sizes_are_not_known(make_run):
    run = make_run()
    assert with_sizes(run.pipeline, run.results) is run.pipeline and not run.pipeline.grid.sizes_known


def test_data_that_cant_be_read_end_the_run_in_words(make_run, vectors_dir, monkeypatch):
    run = make_run()
    _ = run.pipeline.dataset_identity
    monkeypatch.setattr(
        "datasets.vectors.Vectors.load", lambda self, context: (_ for _ in ()).throw(ValueError("torn"))
    )
    with pytest.raises(ValueError, match=r"the data set can't be read: .*torn"):
        run.finish()
