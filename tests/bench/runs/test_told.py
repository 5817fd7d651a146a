"""What plugins tell, in words and in numbers: a run takes what is right, and what is wrong costs its cell alone."""

import json

import pandas as pd
import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records import book
from bench.records.frame import frame_of
from bench.records.parquet import write_parquet
from bench.report.write import write_report
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.in_process import Local
from tests.quick import take_times_quickly

pytestmark = pytest.mark.usefixtures("third_party")
GRID = """
title = "Told"
dataset = "vectors"
recipe = "none"
layout = "pareto"
[measure]
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
replicates = 1
[[cells]]
embedder = "identity"
index = "linear_scan"
[[cells]]
embedder = "identity"
index = "toy_scan"
{more}
[recipes.none]
"""
UNWRITABLE = "bad \udcff path"


@pytest.fixture
def make_run(tmp_path, vectors_dir, monkeypatch):
    """Makes a run of a scan and of the toy scan, with more lines of the latter's cell."""
    take_times_quickly(monkeypatch.setattr)
    (tmp_path / "cache").mkdir()

    def make(more="", say=lambda _: None):
        (tmp_path / "told.toml").write_text(GRID.format(more=more))
        plan = grid_file.load(str(tmp_path / "told.toml"), Options(data_dir=vectors_dir))
        pipeline = Pipeline(plan, Store(tmp_path / "cache"), Context(cache=tmp_path / "cache"), say)
        return Run(pipeline, Store(tmp_path / "out"), say=say, start=Local)

    return make


def rows(run):
    return frame_of(run.pipeline, run.results).to_dict("records")


def raising(fault):
    def method(*_):
        raise fault

    return method


def test_a_message_that_has_no_bytes_in_utf_8_is_the_reason_of_its_cell_alone(make_run, monkeypatch, tmp_path):
    monkeypatch.setattr("toy_plugins.Scan.build", raising(RuntimeError(UNWRITABLE)))
    run = make_run()
    assert list(run.finish().values()) == [r"toy_scan(): RuntimeError: bad \udcff path"]
    scan, toy = rows(run)
    assert (scan["status"], toy["status"], toy["reason"]) == ("ok", "error", r"RuntimeError: bad \udcff path")
    write_report([run.pipeline], run.results, tmp_path / "report")
    write_parquet(run.results)
    assert pd.read_csv(tmp_path / "report" / "cells.csv")["reason"][1] == toy["reason"]


def test_a_remark_that_has_no_bytes_in_utf_8_is_shown_and_written_with_escapes(make_run, monkeypatch, tmp_path):
    from toy_plugins import Signs

    def fit(self, train, context, before=Signs.fit):
        context.say(UNWRITABLE)
        return before(self, train, context)

    monkeypatch.setattr(Signs, "fit", fit)
    said = []
    run = make_run('hasher = "toy_signs"\nbits = 16\nfield = "codes"', say=said.append)
    assert run.finish() == {}
    write_report([run.pipeline], run.results, tmp_path / "report")
    write_parquet(run.results)
    assert rows(run)[1]["remarks"] == r"toy_signs: bad \udcff path"
    assert pd.read_csv(tmp_path / "report" / "cells.csv")["remarks"][1] == r"toy_signs: bad \udcff path"


def test_records_that_an_earlier_version_wrote_with_such_a_message_are_read(make_run, monkeypatch, tmp_path):
    monkeypatch.setattr("toy_plugins.Scan.build", raising(RuntimeError("boom")))
    run = make_run()
    (key,) = run.finish()
    meta = run.results.meta(book.KIND, key)
    run.results.write(book.KIND, key, {**meta, "row": {**meta["row"], "reason": UNWRITABLE}}, {})
    assert (
        UNWRITABLE in json.loads((run.results.path(book.KIND, key) / "entry.json").read_text())["meta"]["row"].values()
    )
    write_report([run.pipeline], run.results, tmp_path / "report")
    assert rows(run)[1]["reason"] == r"bad \udcff path"


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("size_bytes", lambda self: 10**30, "toy_scan: size_bytes() is 1" + 30 * "0" + "; right is whole bytes from 0"),
        ("query_cost", lambda self: (-1, -1), "toy_scan: query_cost() is (-1, -1); right is (bytes, operations)"),
        ("load_seconds", lambda self: "soon", "toy_scan: load_seconds() is 'soon'; right is finite seconds"),
        ("server_bytes", lambda self: -1, "toy_scan: server_bytes() is -1; right is whole bytes from 0"),
        ("complete_share_", property(lambda self: "x", lambda self, share: None), "toy_scan: complete_share_ is 'x'; "),
    ],
)
def test_a_cost_that_can_not_be_is_the_reason_of_its_cell_alone(make_run, monkeypatch, member, value, reason):
    monkeypatch.setattr(f"toy_plugins.Scan.{member}", value, raising=False)
    run = make_run()
    assert len(run.finish()) == 1
    scan, toy = rows(run)
    assert (scan["status"], toy["status"], toy["due_to"]) == ("ok", "error", "toy_scan")
    assert toy["reason"].startswith(reason)


@pytest.mark.parametrize(("at", "asked"), [(1, "one query"), (32, "32 queries"), (7, "7 queries")])
def test_a_search_that_answers_some_timed_queries_with_nothing_is_an_error_though_all_were_found(
    make_run, monkeypatch, at, asked
):
    from toy_plugins import Scan

    def search(self, queries, k, before=Scan.search):
        found = before(self, queries, k)
        return found[:, :0] if len(queries) == at else found

    monkeypatch.setattr(Scan, "search", search)
    run = make_run()
    assert len(run.finish()) == 1
    reason = f"search of {asked} returned int64 [{at}, 0], expected int64 [{at}, 10]"
    assert [(row["status"], row["reason"]) for row in rows(run)][1] == ("error", reason)
