import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.metrics import average_precision_score
from sklearn.neighbors import NearestNeighbors

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records import book
from bench.records.frame import frame_of
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.timing import latency
from bench.workers.in_process import Local
from tests import warm
from tests.conftest import CHECKOUT, PLUGINS, PROGRAM, TEST_MARK, bench, marked
from tests.quick import take_times_quickly

pytestmark = pytest.mark.usefixtures("third_party")
QUALITY = ["index", "key_bits", "candidates", "precision_at_10", "recall_at_10", "status"]


@pytest.fixture
def make_run(tmp_path, vectors_dir, small_grid, monkeypatch):
    take_times_quickly(monkeypatch.setattr)

    def make(text="", track=None, settings=(), **options):
        path = small_grid
        if text:
            path.write_text(path.read_text().replace("[recipes.quick]", text + "\n[recipes.quick]"))
        plan = grid_file.load(str(path), Options(data_dir=vectors_dir, dataset="vectors", settings=settings))
        cache = tmp_path / "cache"
        cache.mkdir(exist_ok=True)
        context = Context(cache=cache) if track is None else Context(cache=cache, track=track)
        pipeline = Pipeline(plan, Store(cache), context, lambda _: None)
        return Run(pipeline, Store(tmp_path / "out"), **{"say": lambda _: None, "start": Local} | options)

    return make


RANKINGS = """
[[cells]]
hasher = "toy_signs"
bits = [12, 24]
database_codes = ["encoded", "learned"]
[[cells]]
embedder = "identity"
"""


def frame(run):
    return frame_of(run.pipeline, run.results)


def files(folder):
    """When each file below was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_run_finishes_every_cell_with_quality_and_time(make_run, vectors_dir):
    run = make_run()
    assert frame(run)["status"].isna().all()
    assert run.finish() == {}
    cells = frame(run)
    assert (cells["status"] == "ok").all() and len(cells) == 5
    exact = cells[cells["index"] == "linear_scan"].iloc[0]
    train, test = np.load(vectors_dir / "train.npy"), np.load(vectors_dir / "test.npy")
    labels, asked = np.load(vectors_dir / "train_labels.npy"), np.load(vectors_dir / "test_labels.npy")
    near = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(train).kneighbors(test, return_distance=False)
    assert exact["recall_at_10"] == 1
    assert exact["precision_at_10"] == pytest.approx((labels[near] == asked[:, None]).mean())
    tables = cells[cells["index"] == "hash_tables"]
    assert ((tables["recall_at_10"] > 0) & (tables["recall_at_10"] <= 1)).all() and (tables["map"] > 0.2).all()
    for column in ("latency_ms_p50", "throughput_qps", "build_seconds", "index_bytes", "encode_ms", "floor_percent"):
        assert (cells[column] > 0).all(), column
    assert (cells["throughput_one_thread_qps"] > 0).all() and (cells["overhead_ms"] < cells["latency_ms_p50"]).all()
    one_by_one = cells["seconds_all_queries"] / 60 * 1e3
    assert (one_by_one >= cells["latency_ms_p50"] * 0.2).all()
    assert (cells["build_peak_bytes"] >= cells["build_bytes"]).all()


def test_a_finished_grid_does_nothing_on_the_second_run(make_run, tmp_path):
    make_run().finish()
    before = files(tmp_path)
    assert make_run(start=None).finish() == {}
    assert before == files(tmp_path)


@pytest.mark.long
def test_grids_share_what_is_already_made(make_run, tmp_path):
    make_run().finish()
    make_run(settings=["candidates=30"]).finish()
    assert (tmp_path / "cache" / "fits.txt").read_text() == "fit\n"


@pytest.mark.long
def test_the_same_seed_gives_the_same_figures_and_another_seed_others(make_run, tmp_path):
    first = make_run()
    first.finish()
    other = make_run(settings=["seeds=[1]"])
    other.finish()
    assert not frame(first)["recall_at_10"].equals(frame(other)["recall_at_10"])
    (tmp_path / "out").rename(tmp_path / "moved")
    (tmp_path / "cache").rename(tmp_path / "moved_cache")
    again = make_run()
    again.finish()
    pd.testing.assert_frame_equal(frame(first_moved(first, tmp_path))[QUALITY], frame(again)[QUALITY])


def first_moved(run, tmp_path):
    return Run(run.pipeline, Store(tmp_path / "moved"), run.say)


FAILING = """
[[cells]]
embedder = "toy_failing"
index = "linear_scan"
[[cells]]
embedder = "identity"
index = "toy_wrong_ids"
crash = [false, true]
"""


@pytest.mark.long
def test_a_failing_cell_is_a_record_with_its_reason_and_the_others_go_on(make_run):
    run = make_run(FAILING)
    failed = run.finish()
    cells = frame(run).set_index(["embedder", "index"])
    assert len(failed) == 3 and (cells["status"] == "ok").sum() == 5
    reasons = dict(zip(cells.index, cells["reason"], strict=True))
    assert reasons["toy_failing", "linear_scan"] == "RuntimeError: the toy fails on purpose"
    wrong = cells.loc[("identity", "toy_wrong_ids")]
    assert wrong["reason"].iloc[0] == "search returned ids from 400 to 400, expected -1 .. 399"
    assert wrong["reason"].iloc[1] == "MemoryError: the toy is out of memory"
    assert wrong["status"].tolist() == ["error", "memory"]
    assert len(set(failed.values())) == 3
    assert cells["due_to"].dropna().tolist() == ["toy_failing", "toy_wrong_ids", "toy_wrong_ids"]


@pytest.mark.long
def test_the_record_of_a_failed_cell_holds_the_end_of_the_traceback(make_run):
    run = make_run(FAILING)
    (key,) = [key for key, described in run.finish().items() if "out of memory" in described]
    traceback = "".join(run.results.meta(book.KIND, key)["traceback"])
    assert "toy_plugins.py" in traceback and traceback.endswith("MemoryError: the toy is out of memory\n")


@pytest.mark.long
def test_a_failed_cell_keeps_its_reason_and_is_tried_again_only_where_that_is_asked_for(make_run, tmp_path):
    failed = make_run(FAILING).finish()
    before = files(tmp_path / "out")
    assert make_run(start=None).finish() == failed and files(tmp_path / "out") == before
    assert make_run(retry_failed=True).finish() == failed
    changed = {path for path, written in files(tmp_path / "out").items() if before.get(path) != written}
    assert {path.parent.name for path in changed if path.parent.parent.name == "records"} == set(failed)


@pytest.mark.long
def test_what_failed_once_may_succeed_when_it_is_tried_again(make_run, monkeypatch):
    from toy_plugins import WrongIds

    cells = '[[cells]]\nembedder = "identity"\nindex = "toy_wrong_ids"'
    assert len(make_run(cells).finish()) == 1
    answer = np.arange(10, dtype=np.int64)
    monkeypatch.setattr(WrongIds, "search", lambda self, queries, k: np.tile(answer, (len(queries), 1)))
    assert len(make_run().finish()) == 1
    run = make_run(retry_failed=True)
    assert run.finish() == {} and (frame(run)["status"] == "ok").all()


@pytest.mark.long
def test_a_search_on_more_than_one_thread_fails_and_is_measured_anew_when_it_is_tried_again(make_run, monkeypatch):
    one_by_one = latency.one_by_one

    def wide(index, *arguments):
        found = one_by_one(index, *arguments)
        threads = dataclasses.replace(found, cpu_ns=17 * 10**9, wall_ns=10**10)
        return threads if type(index).__name__ == "Scan" else found

    with monkeypatch.context() as patched:
        patched.setattr(latency, "one_by_one", wide)
        failed = make_run('[[cells]]\nembedder = "identity"\nindex = "toy_scan"').finish()
    assert list(failed.values()) == ["toy_scan(): a single query took 1.70 threads, and was to be answered on one"]
    assert make_run(retry_failed=True).finish() == {}


@pytest.mark.long
def test_an_interruption_in_the_timed_replicates_keeps_the_finished_ones(make_run, tmp_path):
    def interrupted(steps, description, total=None):
        for number, step in enumerate(steps):
            if description == "timed replicates" and number == 1:
                raise KeyboardInterrupt
            yield step

    with pytest.raises(KeyboardInterrupt):
        make_run(track=interrupted).finish()
    kept = files(tmp_path / "out" / "replicates")
    assert sum(path.name == "latency_ms.npy" for path in kept) == 5
    run = make_run()
    assert run.finish() == {} and (frame(run)["status"] == "ok").all()
    assert files(tmp_path / "out" / "replicates").items() >= kept.items()


@pytest.mark.long
def test_an_interruption_after_a_replicate_keeps_the_reasons_of_what_failed_in_it(make_run):
    def interrupted(steps, description, total=None):
        for number, step in enumerate(steps):
            if description == "timed replicates" and number == 1:
                raise KeyboardInterrupt
            yield step

    with pytest.raises(KeyboardInterrupt):
        make_run(FAILING, track=interrupted).finish()
    run = make_run()
    assert frame(run)["status"].fillna("").tolist() == [""] * 5 + ["error", "error", "memory"]
    asked = []
    assert len(make_run(say=asked.append).finish()) == 3
    assert not [line for line in asked if line.startswith(("error", "memory"))]


@pytest.mark.long
def test_an_interruption_inside_a_replicate_keeps_the_answers_and_ends_every_worker(make_run, tmp_path):
    workers = []

    def started(*arguments):
        workers.append(Local(*arguments))
        return workers[-1]

    def interrupted(steps, description, total=None):
        for number, step in enumerate(steps):
            if description == "timed rounds" and number == 1:
                raise KeyboardInterrupt
            yield step

    with pytest.raises(KeyboardInterrupt):
        make_run(track=interrupted, start=started).finish()
    assert workers and all(worker.gone for worker in workers)
    assert not (tmp_path / "out" / "replicates").exists() and not list((tmp_path / "out" / "work").iterdir())
    kept = files(tmp_path / "out" / "neighbours")
    assert make_run().finish() == {} and files(tmp_path / "out" / "neighbours") == kept


LIGHT = """
title = "No imports to wait for"
dataset = "vectors"
recipe = "r"
[measure]
replicates = 2
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
[[cells]]
embedder = "identity"
hasher = "toy_signs"
index = "toy_scan"
reach = [200, 400]
field = ["features", "codes"]
[recipes.r]
"""


@pytest.mark.long
def test_killed_at_five_moments_and_started_again_the_figures_are_those_of_an_undisturbed_run(tmp_path, vectors_dir):
    """The undisturbed run is in one process and the other is not: so these two have the same figures as well."""
    (tmp_path / "light.toml").write_text(LIGHT)

    def arguments(name):
        where = ("--data-dir", vectors_dir, "--out", tmp_path / name, "--cache-dir", tmp_path / f"{name}-cache")
        return ["run", "--grid", str(tmp_path / "light.toml"), *map(str, where)]

    assert bench(*arguments("undisturbed"), "--in-process").returncode == 0
    mark, moments = uuid.uuid4().hex, random.Random(0)
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS), TEST_MARK: mark}
    for kind in ("labels", "codes", "neighbours", "replicates", "records"):
        process = warm.start(PROGRAM, *arguments("killed"), environment=environment)
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(f"killed*/{kind}/*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not psutil.wait_procs(marked(mark), timeout=60)[1]
    done = bench(*arguments("killed"))
    assert done.returncode == 0, done.stderr
    left, right = (
        pd.read_csv(tmp_path / name / "light" / "vectors" / "cells.csv") for name in ("undisturbed", "killed")
    )
    columns = ["index", "setting", "precision_at_10", "recall_at_10", "map", "status"]
    pd.testing.assert_frame_equal(left[columns], right[columns])


def ranked(run):
    cells = frame(run)
    return cells[cells["index"].isna()].reset_index(drop=True)


@pytest.mark.long
def test_a_cell_without_an_index_ranks_the_whole_database_and_is_not_timed(make_run, vectors_dir):
    run = make_run(RANKINGS)
    assert run.finish() == {}
    cells = ranked(run)
    assert len(cells) == 5 and (cells["status"] == "ok").all() and cells["latency_ms_p50"].isna().all()
    codes, features = cells[cells["hasher"].notna()], cells.iloc[-1]
    assert codes["code_bytes"].tolist() == [400 * 2, 400 * 2, 400 * 3, 400 * 3]
    assert (codes["map_best"] > codes["map"]).all() and (codes["map"] > codes["map_worst"]).all()
    assert codes["map_by_index"].between(codes["map_worst"], codes["map_best"]).all()
    assert codes["precision_at_10"].between(0.2, 1).all() and codes["precision_within_2"].between(0, 1).all()
    assert (codes[["fit_seconds", "encode_ms"]] > 0).all(axis=None)
    database, queries, labels, asked = (
        np.load(vectors_dir / f"{name}.npy") for name in ("train", "test", "train_labels", "test_labels")
    )
    scores = [-np.linalg.norm(database - query, axis=1) for query in queries]
    expected = [average_precision_score(labels == a, s) for a, s in zip(asked, scores, strict=True)]
    assert features["map"] == pytest.approx(np.mean(expected)) and features["dim"] == 16


@pytest.mark.long
def test_the_figures_that_a_hasher_tells_of_its_fit_are_columns_of_rankings_and_searches(make_run):
    hasher = '[[cells]]\nhasher = "toy_guesses"\nbits = 16\n'
    run = make_run(f'{hasher}guesses = [3, 5]\n{hasher}guesses = 3\nindex = "hash_tables"\nkey_bits = 8')
    assert run.finish() == {}
    cells = frame(run)
    told = cells["hasher"] == "toy_guesses"
    assert cells.loc[told, "fit_guesses"].tolist() == [3, 5, 3] and cells.loc[told, "fit_mean"].notna().all()
    assert told.any() and not told.all() and cells.loc[~told, ["fit_guesses", "fit_mean"]].isna().all(axis=None)


@pytest.mark.long
def test_the_map_of_searched_codes_is_over_all_queries_however_few_are_searched(make_run):
    settings = ["measure.queries=7", "bits=12", "key_bits=4"]
    run = make_run('[[cells]]\nhasher = "toy_signs"\nbits = 12', settings=settings)
    run.finish()
    cells = frame(run)
    values = cells.loc[cells["hasher"].notna(), "map"]
    assert len(values) == 3 and values.nunique() == 1
    assert cells["queries"].tolist() == [7, 7, 7, 60]


@pytest.mark.long
def test_finished_rankings_are_not_ranked_again_and_killed_ones_are(make_run, tmp_path):
    def interrupted(steps, description, total=None):
        for number, step in enumerate(steps):
            if description == "train, encode, rank" and number == 6:  # stages and rankings
                raise KeyboardInterrupt
            yield step

    with pytest.raises(KeyboardInterrupt):
        make_run(RANKINGS, track=interrupted).finish()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "records").rglob("entry.json")}
    assert len(kept) == 3
    run = make_run(RANKINGS)
    assert run.finish() == {} and (frame(run)["status"] == "ok").all()
    assert all(path.stat().st_mtime_ns == changed for path, changed in kept.items())
    assert (tmp_path / "cache" / "fits.txt").read_text() == "fit\n" * 3


@pytest.mark.long
def test_unseen_queries_search_their_protocols_database(make_run):
    unseen = RANKINGS.replace("[[cells]]", '[[cells]]\nprotocol = ["unseen", "unseen_all"]')
    unseen = unseen.replace('["encoded", "learned"]', '"encoded"')
    search = '[[cells]]\nprotocol = "unseen"\nembedder = "identity"\nindex = "linear_scan"\n'
    run = make_run(unseen + search)
    assert run.finish() == {}
    cells = frame(run)
    labels = run.pipeline.labels().arrays
    held_out = run.pipeline.unseen()
    within = np.isin(labels["database"], held_out).sum()
    assert len(held_out) == 1
    rankings = ranked(run)
    among = rankings["protocol"] == "unseen"
    assert (rankings["database_items"] == np.where(among, within, 400)).all()
    assert (rankings["queries"] == np.isin(labels["query"], held_out).sum()).all()
    # One unseen class: everything in its database is relevant.
    assert rankings.loc[among, "map"].tolist() == pytest.approx([1, 1, 1])
    assert (rankings.loc[~among & rankings["hasher"].notna(), "map"] < 0.99).all()
    searched = cells[(cells["protocol"] == "unseen") & (cells["index"] == "linear_scan")].iloc[0]
    assert (searched["precision_at_10"], searched["recall_at_10"], searched["database_items"]) == (1, 1, within)


@pytest.mark.long
def test_a_hasher_that_fails_is_fitted_once_and_fails_only_its_own_cells(make_run, tmp_path):
    failing = '[[cells]]\nhasher = "toy_failing_hasher"\nprotocol = ["unseen", "unseen_all"]\n'
    run = make_run(failing + RANKINGS)
    failed = run.finish()
    cells = frame(run)
    assert len(failed) == 2 and (cells["status"] == "error").sum() == 2
    reasons = cells.loc[cells["status"] == "error", "reason"]
    assert (reasons == "RuntimeError: the toy hasher fails on purpose").all()
    assert (tmp_path / "cache" / "fits.txt").read_text().count("failed") == 1


@pytest.mark.long
def test_encoding_a_query_and_training_count_every_network_once(make_run):
    run = make_run(
        """
        [[cells]]
        hasher = "toy_medians"
        input = "toy_pixels"
        [[cells]]
        embedder = "toy_pixels"
        input = "toy_pixels"
        hasher = "toy_medians"
        index = "hash_tables"
        key_bits = 8
        rerank = "float32"
        candidates = 20
        """
    )
    run.finish()
    cells = run.pipeline.grid.cells[-2:]
    stages = {stage.kind: stage for stage in run.pipeline.stages(cells[0])}
    spent = [run.pipeline.store.meta(stage.kind, stage.key) for stage in stages.values()]
    for row in frame(run).iloc[-2:].to_dict("records"):
        assert row["fit_seconds"] == pytest.approx(sum(meta["fit_seconds"] for meta in spent))
        together = np.sum([meta["encoding"]["ms"] for meta in spent], axis=0)
        assert len(together) == 2 and row["encode_ms"] == pytest.approx(np.sqrt(together.prod()))
        assert row["encode_ms_low"] <= row["encode_ms"] <= row["encode_ms_high"]


class Busy:
    """As `OtherLoad`: others keep two cores busy."""

    def __init__(self, seconds):
        pass

    def cores(self):
        return 2.0


class Idle(Busy):
    """As `OtherLoad`: nobody else is there."""

    def cores(self):
        return 0.0


@pytest.mark.parametrize(("encoding", "searching"), [(Busy, Idle), (Idle, Busy)])
def test_what_disturbed_an_encoding_is_said_of_it_and_not_of_the_search(make_run, monkeypatch, encoding, searching):
    monkeypatch.setattr("bench.stages.encoding.OtherLoad", encoding)
    for module in ("bench.timing.replicates", "bench.runs.worker"):
        monkeypatch.setattr(f"{module}.OtherLoad", searching)
    run = make_run()
    run.finish()
    cells = frame(run)
    assert (cells["encode_loaded"] == (encoding is Busy)).all() and (cells["loaded"] == (searching is Busy)).all()


def test_the_parameters_in_which_cells_differ_are_their_variant(make_run):
    run = make_run(
        """
        [[cells]]
        hasher = "toy_guesses"
        guesses = [2, 3]
        validation = false
        bits = [8, 9]
        [[cells]]
        hasher = "toy_medians"
        """
    )
    variants = ranked(run)["variant"].fillna("").tolist()
    assert variants == ["guesses=2", "guesses=2", "guesses=3", "guesses=3", ""]


RERANKED = """
[[cells]]
embedder = "identity"
hasher = "toy_signs"
bits = 16
index = "toy_scan"
field = "codes"
rerank = "toy_reranker"
candidates = [10, 400]
"""


@pytest.mark.long
def test_a_re_ranked_cell_orders_the_candidates_by_features(make_run):
    run = make_run(RERANKED)
    assert run.finish() == {}
    some, every = (row for row in frame(run).to_dict("records") if row["index"] == "toy_scan")
    assert every["recall_at_10"] == 1 and some["recall_at_10"] < 1
    assert every["precision_at_10"] == frame(run)["precision_at_10"].iloc[0]
    assert every["rerank"] == "toy_reranker" and (some["candidates"], every["candidates"]) == (10, 400)
    assert every["index_bytes"] == 400 * 16 * 8 + 400 * 16 * 8 and every["complete_share"] == 1
    # What the index leaves open is left open: what a query must read, and the paper's memory.
    assert np.isnan([every["floor_ms"], every["paper_bytes"]]).all()


@pytest.mark.long
def test_a_parameter_of_the_reranker_and_the_number_of_candidates_are_part_of_the_record(make_run):
    make_run(RERANKED).finish()
    for change in ("toy_reranker.step=0.5", "candidates=20"):
        assert frame(make_run(RERANKED, settings=[change]))["status"].isna().iloc[-1]


ON_CODES = """
[[cells]]
hasher = "toy_signs"
bits = 16
index = "toy_scan"
field = ["codes", "real_codes"]
reach = [200, 400]
[[cells]]
embedder = "identity"
hasher = "toy_signs"
bits = 16
index = "toy_scan"
field = "codes"
reach = 400
"""


@pytest.mark.long
def test_a_search_on_codes_alone_has_recall_by_hamming_distance_and_one_with_features_by_these(make_run, vectors_dir):
    run = make_run(ON_CODES)
    assert run.finish() == {}
    cells = frame(run).iloc[5:]
    assert (cells["status"] == "ok").all() and cells["dim"].isna().tolist() == [True] * 4 + [False]
    half, exact, half_real, real, with_features = cells["recall_at_10"]
    assert half < exact == 1
    # The same search as the exact one by codes; against the features it misses some.
    assert with_features < 1 and with_features != half
    assert half_real < real < 1
    assert (cells[["latency_ms_p50", "map", "precision_at_10", "encode_ms"]] > 0).all(axis=None)


SKIPPED = """
[[cells]]
embedder = "identity"
hasher = "toy_signs"
bits = [20, 24]
index = "toy_scan"
needed_by = "check"
[[cells]]
embedder = "identity"
index = "toy_scan"
needed_by = "build"
"""


@pytest.mark.long
def test_a_cell_that_this_machine_cannot_run_is_skipped_with_its_reason_and_makes_no_stage(make_run, tmp_path):
    run = make_run(SKIPPED)
    assert run.finish() == {}
    cells = frame(run)
    assert cells["status"].tolist() == ["ok"] * 5 + ["skipped"] * 3
    assert set(cells["reason"].iloc[5:]) == {"toy_library is not installed: pip install toy_library"}
    assert (tmp_path / "cache" / "fits.txt").read_text() == "fit\n"


@pytest.mark.long
def test_a_skipped_cell_is_looked_at_again_by_the_next_run(make_run, monkeypatch):
    make_run(SKIPPED).finish()
    assert (frame(make_run(SKIPPED))["status"] == "skipped").sum() == 3
    monkeypatch.setattr("toy_plugins.Scan.installed", True)
    run = make_run(SKIPPED)
    assert run.finish() == {} and (frame(run)["status"] == "ok").all()


TOO_FEW = """
[[cells]]
embedder = "identity"
index = "toy_scan"
needed_by = "data"
reach = [200, 400]
"""


@pytest.mark.long
def test_a_cell_that_the_data_are_too_few_for_is_skipped_and_not_built_again(make_run, monkeypatch):
    said = []
    run = make_run(TOO_FEW, say=said.append)
    assert run.finish() == {}
    cells = frame(run).iloc[5:]
    assert cells["status"].tolist() == ["skipped"] * 2
    (reason,) = set(cells["reason"])
    assert reason.endswith("items are too few for a toy scan of more") and any(reason in line for line in said)
    builds: list[int] = []
    monkeypatch.setattr("toy_plugins.Scan.builds", builds)
    assert make_run(TOO_FEW).finish() == {} and builds == []
    assert make_run(TOO_FEW, retry_failed=True).finish() == {} and builds


@pytest.mark.long
def test_what_a_training_says_of_the_data_is_shown_and_stands_in_the_rows_of_all_that_use_it(make_run, monkeypatch):
    def fit(self, train, context):
        context.say(f"bits={self.bits}: a toy can tell")
        return before(self, train, context)

    from toy_plugins import Signs

    before = Signs.fit
    monkeypatch.setattr(Signs, "fit", fit)
    said = []
    run = make_run(ON_CODES, say=said.append)
    run.finish()
    remarks = frame(run)["remarks"]
    assert remarks.iloc[5:].tolist() == ["toy_signs: bits=16: a toy can tell"] * 5 and remarks.iloc[:1].isna().all()


@pytest.mark.long
def test_more_candidates_than_items_are_all_items_and_the_row_says_so(make_run):
    run = make_run(RERANKED, settings=["candidates=[400, 5000]"])
    run.finish()
    cells = frame(run)
    reranked = cells[cells["rerank"].notna()]
    items = int(cells["database_items"].iloc[0])
    over = reranked["candidates"] > items
    assert over.any() and set(reranked["remarks"][over]) == {f"candidates = 5000: all {items} items"}
    assert reranked["remarks"][~over].isna().all()
    assert (reranked["recall_at_10"][over] == 1).all()


@pytest.mark.long
def test_more_neighbours_than_items_are_a_remark_as_exact_search_lacks_them_too(make_run):
    run = make_run(RERANKED, settings=["k=500", "candidates=[500]"])
    run.finish()
    items = int(frame(run)["database_items"].iloc[0])
    assert items < 500
    words = f"k = 500: the database has {items} items, and missing neighbours count as wrong"
    assert frame(run)["remarks"].str.contains(words, regex=False).all()


def settings(run, *columns):
    cells = frame(run)
    return cells.loc[cells["index"] == "toy_scan", list(columns)].fillna("").to_numpy().tolist()


def test_the_setting_of_a_search_is_what_differs_among_the_cells_of_its_index(make_run):
    run = make_run(
        """
        [[cells]]
        embedder = "identity"
        index = "toy_scan"
        block = [1, 2]
        reach = [100, 400]
        [[cells]]
        embedder = "identity"
        index = "toy_scan"
        rerank = "toy_reranker"
        step = [0.0, 0.5]
        candidates = 30
        """
    )
    assert settings(run, "setting", "build_setting", "query_setting") == [
        ["block = 1, reach = 100", "block = 1", "reach = 100"],
        ["block = 1, reach = 400", "block = 1", "reach = 400"],
        ["block = 2, reach = 100", "block = 2", "reach = 100"],
        ["block = 2, reach = 400", "block = 2", "reach = 400"],
        ["N = 30, block = 1, step = 0.0, reach = 1000", "block = 1, step = 0.0", "reach = 1000"],
        ["N = 30, block = 1, step = 0.5, reach = 1000", "block = 1, step = 0.5", "reach = 1000"],
    ]
    tables = frame(run)[frame(run)["index"] == "hash_tables"]
    assert tables["setting"].tolist()[:2] == ["N = 20, L = 8", "N = 50, L = 8"]
    assert tables["build_setting"].tolist() == ["L = 8", "L = 8", "L = 16", "L = 16"]


def test_parameters_that_never_differ_are_no_setting(make_run):
    run = make_run('[[cells]]\nembedder = "identity"\nindex = "toy_scan"\nblock = 3\nreach = 100')
    assert settings(run, "setting") == [[""]]


@pytest.mark.long
def test_indexes_that_differ_only_in_what_is_set_afterwards_are_built_once(make_run, monkeypatch):
    from toy_plugins import Scan

    built, build = [], Scan.build

    def noted(self, database):
        built.append(len(database))
        return build(self, database)

    monkeypatch.setattr(Scan, "build", noted)
    cells = '[[cells]]\nembedder = "identity"\nindex = "toy_scan"\nreach = [100, 400]\nblock = [1, 2]\n'
    once = ["measure.batch_seconds=1e-9"]
    run = make_run(cells + 'rerank = "toy_reranker"\ncandidates = [10, 20]', settings=once)
    assert run.finish() == {}
    # In each of the two replicates, each of the two blocks once to warm up and once for all.
    assert built == [400] * 8


def ratios(run):
    cells = frame(run)
    return cells[["ratio", "ratio_low", "ratio_high"]].astype(float).set_index(cells["index"])


def test_every_time_is_compared_with_the_linear_scan_in_the_same_rounds(make_run, monkeypatch):
    one_by_one = latency.one_by_one

    def factor(index):
        return {"LinearScan": 1, "Scan": 3}.get(type(index).__name__, 2)

    def slower(index, queries, others, rows, k):
        times = [factor(index) * 0.1 * (1 + row % 10) for row in rows]
        return dataclasses.replace(one_by_one(index, queries, others, rows, k), latency_ms=times)

    monkeypatch.setattr(latency, "one_by_one", slower)
    monkeypatch.setattr(latency, "batch_ms", lambda index, *_, alone: factor(index) / (50 if alone else 100))
    run = make_run('[[cells]]\nembedder = "identity"\nindex = "toy_scan"')
    assert run.finish() == {}
    assert ratios(run)["ratio"].tolist() == pytest.approx([1, 2, 2, 2, 2, 3])
    assert ratios(run)["ratio_low"].tolist() == pytest.approx(ratios(run)["ratio_high"].tolist())
    cells = frame(run)
    for column in ("throughput_ratio", "throughput_one_thread_ratio"):
        assert cells[column].tolist() == pytest.approx([1, 1 / 2, 1 / 2, 1 / 2, 1 / 2, 1 / 3])
    assert cells["throughput_qps"].tolist() == pytest.approx([1e5, 5e4, 5e4, 5e4, 5e4, 1e5 / 3])
    assert cells["throughput_one_thread_qps"].tolist() == pytest.approx([5e4, 25e3, 25e3, 25e3, 25e3, 5e4 / 3])
    assert (cells["build_ratio_low"] <= cells["build_ratio"]).all() and cells["build_ratio"].iloc[0] == 1


@pytest.mark.parametrize("precision", ["3%", pytest.param(0, marks=pytest.mark.long)])
def test_a_search_that_is_precise_has_no_more_replicates_and_the_reference_as_many_as_the_last(
    make_run, monkeypatch, precision
):
    """The scan of the third party takes 1, 2, 3 … times as long as the linear scan in its replicates, the tables 2."""
    built = Counter()
    one_by_one, search_of = latency.one_by_one, {}

    def factor(index):
        name = type(index).__name__
        if id(index) not in search_of:
            built[name] += 1
            search_of[id(index)] = index, built[name]
        return {"LinearScan": 1, "Scan": search_of[id(index)][1]}.get(name, 2)

    def slower(index, queries, others, rows, k):
        times = [factor(index) * 0.1 * (1 + row % 10) for row in rows]
        return dataclasses.replace(one_by_one(index, queries, others, rows, k), latency_ms=times)

    monkeypatch.setattr(latency, "one_by_one", slower)
    monkeypatch.setattr(latency, "batch_ms", lambda index, *_, alone: factor(index) / 100)
    settings = ["measure.replicates=7", f"measure.precision={precision}"]
    run = make_run('[[cells]]\nembedder = "identity"\nindex = "toy_scan"', settings=settings)
    assert run.finish() == {}
    cells = frame(run).set_index("index")
    assert cells.loc[["linear_scan", "toy_scan"], "replicates"].tolist() == [7, 7]
    assert set(cells.loc["hash_tables", "replicates"]) == ({5} if precision else {7})
    assert cells.loc["hash_tables", "ratio"].tolist() == pytest.approx([2] * 4)


@pytest.mark.long
def test_cells_that_are_added_are_compared_with_the_finished_linear_scan_which_stays_as_it_is(make_run, monkeypatch):
    make_run().finish()
    before = files(make_run().results.root)
    one_by_one = latency.one_by_one

    def slower(index, queries, others, rows, k):
        factor = {"LinearScan": 1, "Scan": 3}[type(index).__name__]
        return dataclasses.replace(one_by_one(index, queries, others, rows, k), latency_ms=[factor] * len(rows))

    monkeypatch.setattr(latency, "one_by_one", slower)
    run = make_run('[[cells]]\nembedder = "identity"\nindex = "toy_scan"')
    assert run.finish() == {}
    assert ratios(run).loc["toy_scan", "ratio"] == pytest.approx(3)
    assert frame(run)["ratio_to"].iloc[-1] == "linear_scan()"
    assert files(run.results.root).items() >= before.items()


@pytest.mark.long
def test_without_the_linear_scan_the_first_that_lives_is_what_the_others_are_compared_with(make_run, monkeypatch):
    from methods.search.features.linear_scan import LinearScan

    def broken(self, queries, k):
        raise RuntimeError("no scan today")

    monkeypatch.setattr(LinearScan, "search", broken)
    run = make_run('[[cells]]\nembedder = "identity"\nindex = "toy_scan"')
    assert list(run.finish().values()) == ["linear_scan(): RuntimeError: no scan today"]
    assert frame(run)["status"].tolist() == ["error"] + ["ok"] * 5
    assert ratios(run)["ratio"].iloc[1] == 1 and (ratios(run)["ratio"].iloc[2:] > 0).all()
    assert set(frame(run)["ratio_to"].iloc[1:]) == {"hash_tables(key_bits=8) + float32() of 20 candidates"}


@pytest.mark.long
def test_a_check_that_fails_only_now_is_a_record(make_run, monkeypatch):
    from toy_plugins import Scan

    def refuse(self, dim, bits):
        raise ValueError("the device is gone")

    run = make_run('[[cells]]\nembedder = "identity"\nindex = "toy_scan"')
    monkeypatch.setattr(Scan, "check", refuse)
    assert list(run.finish().values()) == ["toy_scan(): ValueError: toy_scan: the device is gone"]
    assert frame(run)["status"].tolist() == ["ok"] * 5 + ["error"]


@pytest.mark.long
def test_learned_codes_that_a_hasher_does_not_have_fail_their_own_cell_alone(make_run):
    run = make_run(
        """
        [[cells]]
        hasher = "toy_guesses"
        database_codes = ["learned", "encoded"]
        index = "toy_scan"
        field = "codes"
        """
    )
    (described,) = run.finish().values()
    assert "database_codes = 'learned': toy_guesses learned no database codes" in described
    assert frame(run)["status"].tolist() == ["ok"] * 5 + ["error", "ok"]


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.long
def test_numbers_of_numpy_and_not_a_number_become_json(make_run, monkeypatch):
    from toy_plugins import Scan

    monkeypatch.setattr(Scan, "size_bytes", lambda self: np.int64(7))
    monkeypatch.setattr(Scan, "query_cost", lambda self: (np.float32("nan"), np.inf), raising=False)
    run = make_run('[[cells]]\nembedder = "identity"\nindex = "toy_scan"')
    assert run.finish() == {}
    row = frame(run).iloc[-1]
    assert row["index_bytes"] == 7 and np.isnan(row["floor_ms"])
    for path in run.results.root.rglob("entry.json"):
        json.loads(path.read_text(), parse_constant=no_constant)


@pytest.mark.long
def test_one_replicate_has_a_ratio_with_an_endless_interval(make_run):
    run = make_run(settings=["measure.replicates=1"])
    assert run.finish() == {}
    assert (ratios(run)["ratio"] > 0).all() and ratios(run)["ratio_high"].isna().all()


def test_data_that_cannot_be_read_end_the_run_with_the_reason(make_run, vectors_dir, tmp_path, monkeypatch):
    from datasets.vectors import Vectors

    def broken(self, context):
        raise ValueError("row 7 is not finite")

    monkeypatch.setattr(Vectors, "load", broken)
    with pytest.raises(ValueError, match="the data set can't be read: ValueError: row 7 is not finite"):
        make_run().finish()
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_a_record_names_the_machine_the_libraries_and_the_load_behind_its_numbers(make_run):
    run = make_run()
    run.finish()
    for key in run.results.keys("records"):
        meta = run.results.meta("records", key)
        machine = meta["environment"]
        assert machine["libraries"]["numpy"] == np.__version__ and machine["cores"] == os.cpu_count()
        assert machine["memory_bytes"] == psutil.virtual_memory().total and machine["revision"]
        assert {"caches", "governor", "gpu", "cpu", "system", "python", "dirty", "thread_pools"} <= machine.keys()
        assert all(len(load) == 3 for load in (machine["load_at_start"], machine["load"], meta["load_at_end"]))


@pytest.mark.long
def test_what_a_process_has_not_imported_is_not_said_to_have_taken_part(tmp_path):
    code = "from bench.system.environment import libraries; import h5py; print(*libraries())"
    said = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert "h5py" in said.stdout.split() and "torch" not in said.stdout.split()
