"""Several hosts, one after the other, on one results folder: BENCH_HOST names them."""

import dataclasses

import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records import book
from bench.report.tables import complete
from bench.report.tidy import gathered
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.store.rooms import ROOMS
from bench.system import machines
from bench.timing.machine import Rates
from bench.workers.in_process import Local
from bench.workers.limits import Failure
from tests.bench.plans.test_schedule import Noted, times

pytestmark = pytest.mark.usefixtures("third_party")
GRID = """
title = "Two scans"
dataset = "vectors"
recipe = "quick"
layout = "methods"
seeds = [0]
[measure]
replicates = 2
rounds = 2
queries_per_round = 4
batch_seconds = 0.002
[[cells]]
embedder = "identity"
index = "linear_scan"
[[cells]]
embedder = "identity"
index = "toy_scan"
MORE
[recipes.quick]
"""
MORE = '[[cells]]\nembedder = "identity"\nindex = "naive_scan"\n'


@pytest.fixture
def run_on(tmp_path, vectors_dir, monkeypatch):
    monkeypatch.setattr("bench.runs.searches.machine_rates", lambda: Rates(1e10, 1e10))
    monkeypatch.setattr("bench.timing.replicates.LOADED", 1000)  # no round is taken again

    def make(host, text="", until=None, **options):
        """A run on a host, which is interrupted after ``until`` replicates of a group."""
        monkeypatch.setenv("BENCH_HOST", host)
        path = tmp_path / "scans.toml"
        path.write_text(GRID.replace("MORE", text))
        plan = grid_file.load(str(path), Options(data_dir=vectors_dir, dataset="vectors"))
        (tmp_path / "cache").mkdir(exist_ok=True)

        def track(steps, description, total=None):
            for number, step in enumerate(steps):
                if description == "timed replicates" and number == until:
                    raise KeyboardInterrupt
                yield step

        pipeline = Pipeline(plan, Store(tmp_path / "cache"), Context(tmp_path / "cache", track=track), lambda _: None)
        told = {"say": lambda _: None, "start": Local, "watch": Noted()} | options
        return Run(pipeline, Store(tmp_path / "out"), **told)

    return make


def hosts(run, kind):
    return {key: run.results.meta(kind, key).get("host") for key in run.results.keys(kind)}


def rows(run):
    """The finished rows by cell."""
    return {entry.meta["described"]: entry.meta["row"] for _, entry in book.finished(run.results)}


def unnamed(meta):
    """A description as it was stored before machines were."""
    return {name: value for name, value in meta.items() if name not in ("host", "machine", "training_machine")}


def test_the_replicates_of_another_host_are_taken_again_and_the_plan_knows(run_on):
    first = run_on("one", until=1)
    with pytest.raises(KeyboardInterrupt):
        first.finish()
    assert set(hosts(first, "replicates").values()) == {"one"} and len(hosts(first, "replicates")) == 2
    again = run_on("one").plan()
    second = run_on("two")
    plan = second.plan()
    rounds = {key: count for key, count in times(plan.units).items() if key.startswith("turn batch_ms")}
    turns = 4  # one a query: of two rounds in each of two replicates
    assert set(rounds.values()) == {2 * 2 * turns} and set(times(again.units).values()) >= {2}
    assert second.finish() == {}
    seldom = {key: 1 for key in second.watch.done if key.startswith(("exact", "map"))}
    assert times(plan.units) == {**second.watch.done, **seldom}
    for kind in ("replicates", "neighbours"):
        assert set(hosts(second, kind).values()) == {"two"}
    assert {(row["host"], row["machine"]) for row in rows(second).values()} == {("two", machines.machine_class())}


@pytest.mark.long
def test_finished_records_stay_and_what_is_added_is_compared_on_its_own_host_in_a_section_of_its_class(
    run_on, monkeypatch
):
    first = run_on("one")
    assert first.finish() == {}
    before = {key: entry.meta for key, entry in book.finished(first.results)}
    answers = hosts(first, "neighbours")
    monkeypatch.setattr(machines, "cores", lambda: 64)
    second = run_on("two", MORE)
    assert second.finish() == {}
    after = {key: entry.meta for key, entry in book.finished(second.results)}
    assert {key: after[key] for key in before} == before and len(after) == len(before) + 1
    assert hosts(second, "neighbours").items() >= answers.items()  # those of the finished scan stand
    tidy = complete(*gathered([second.pipeline], second.results)).set_index("index")
    added = tidy.loc["naive_scan"]
    assert added["host"] == "two" and ", 64 cores, " in added["machine"] and tidy["machine"].nunique() == 2
    assert added["ratio_to"] == "linear_scan()" and added["speed_up"] == pytest.approx(1 / added["ratio"])


@pytest.mark.long
def test_a_replicate_that_names_no_host_counts_for_none_and_a_record_that_names_none_reads(run_on):
    first = run_on("one", until=1)
    with pytest.raises(KeyboardInterrupt):
        first.finish()
    for key in first.results.keys("replicates"):
        entry = first.results.read("replicates", key)
        first.results.write("replicates", key, unnamed(entry.meta), entry.arrays)
    second = run_on("one")
    assert second.finish() == {}
    assert set(hosts(second, "replicates").values()) == {"one"}
    for key, entry in book.finished(second.results):  # records of an earlier version
        second.results.write("records", key, entry.meta | {"row": unnamed(entry.meta["row"])}, entry.arrays)
    tidy = complete(*gathered([second.pipeline], second.results))
    assert set(tidy["machine"]) == {machines.NOT_RECORDED} and tidy["host"].isna().all() and tidy["speed_up"].all()
    assert second.plan().units == ()  # what is finished stays


@pytest.mark.long
def test_judged_again_the_times_keep_their_host_and_mixed_replicates_make_no_record(run_on, monkeypatch):
    first = run_on("one")
    assert first.finish() == {}
    known = book.finished(first.results)
    times_of = {entry.meta["search"]: entry.meta["row"]["latency_ms_p50"] for _, entry in known}
    monkeypatch.setitem(ROOMS, "quality", dataclasses.replace(ROOMS["quality"], version=-1))
    second = run_on("two")
    assert second.recompute()[0] == []
    found = [entry.meta for _, entry in book.finished(second.results) if entry.meta["judged"] != entry.meta["finished"]]
    assert len(found) == 2 and {meta["row"]["host"] for meta in found} == {"one"}
    assert {meta["search"]: meta["row"]["latency_ms_p50"] for meta in found} == times_of
    cell = second.cells[0]
    entry = second.results.read("replicates", f"{cell.search}-1")
    second.results.write("replicates", f"{cell.search}-1", entry.meta | {"host": "two"}, entry.arrays)
    with pytest.raises(Failure, match=r"one \(.*\) and two \(.*\) timed it at once") as refused:
        second._searches.columns(cell)
    assert refused.value.status == "skipped"
