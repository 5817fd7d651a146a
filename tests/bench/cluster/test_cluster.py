"""A run on Dask workers, each of which stands for a machine, makes what one run makes, whatever happens to them."""

import os
import signal
import time
import uuid
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("distributed")

from bench.records import book
from bench.stages.nearest import PART_ROWS
from bench.store.entries import Store
from tests import warm
from tests.bench.runs.test_work import ALONE, CELLS, FITS, GRID, figures, finish, fits, start
from tests.conftest import PLUGINS, marked
from tests.workers import cluster

pytestmark = pytest.mark.long


def written(folder, text):
    path = folder / "shared.toml"
    path.write_text(text)
    return path


def assert_times_never_overlap_on_a_host(folder):
    """Each replicate of compared cells has one host, on which it begins after the one before has ended."""
    store, spans = Store(folder / "out"), defaultdict(dict)
    for key in store.keys("replicates"):
        meta = store.meta("replicates", key)
        begun = spans[meta["host"]]
        begun[meta["began"]] = max(meta["ended"], begun.get(meta["began"], ""))
    for begun in spans.values():
        assert all(ended <= began for (_, ended), (began, _) in pairwise(sorted(begun.items())))
    return set(spans)


def test_a_grid_on_three_machines_of_which_one_dies_is_that_of_one_run(tmp_path):
    grid, mark, alone, folder = written(tmp_path, GRID), uuid.uuid4().hex, tmp_path / "alone", tmp_path / "shared"
    alone.mkdir()
    done = warm.run(ALONE, grid, alone, environment={**os.environ, "PYTHONPATH": str(PLUGINS)})
    assert done.returncode == 0, done.stderr
    hosts = [f"machine-{number}-{os.getpid()}" for number in range(3)]
    with cluster(tmp_path, hosts, mark) as (address, workers):
        process, log = start("run", grid, folder, "--cluster", address)
        deadline = time.monotonic() + 100
        while ": fit " not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        lost = next(host for host in hosts if f"{host}: fit " in log.read_text())
        workers[hosts.index(lost)].send_signal(signal.SIGKILL)
        said = finish(process, log)
        assert not marked(mark), "the run's processes on workers end with it"
    assert figures(folder) == figures(alone) and len(figures(folder)) == CELLS
    assert len(FITS) <= len(fits(folder)) <= len(FITS) + 1
    timed_on = assert_times_never_overlap_on_a_host(folder)
    others = {*hosts} - {lost}
    assert timed_on <= others and {meta["row"]["host"] for meta in metas(folder)} <= others
    assert f"{lost}: its worker is gone" in said and all(f"{host}: fit " in said for host in others)
    assert (folder / "out" / "shared" / "toy_clusters" / "report.html").is_file()
    assert not list((folder / "out").glob(".cluster-*"))


def metas(folder):
    store = Store(folder / "out")
    return [store.meta(book.KIND, key) for key in store.keys(book.KIND)]


LARGE = """
title = "Exact neighbours in parts"
dataset = "vectors"
recipe = "r"
[measure]
replicates = 1
rounds = 1
queries_per_round = 2
batch_seconds = 0.01
[[cells]]
embedder = "identity"
index = "linear_scan"
[recipes.r]
"""


def test_exact_neighbours_in_a_large_database_are_found_in_parts_by_the_workers(tmp_path):
    rng, data, folder = np.random.default_rng(0), tmp_path / "data", tmp_path / "shared"
    data.mkdir()
    for name, rows in {"database": PART_ROWS + 999, "query": 5}.items():
        np.save(data / f"{name}.npy", rng.standard_normal((rows, 2), dtype=np.float32))
    hosts = [f"part-{number}-{os.getpid()}" for number in range(2)]
    with cluster(tmp_path, hosts) as (address, _):
        said = finish(*start("run", written(tmp_path, LARGE), folder, "--data-dir", data, "--cluster", address))
    assert [meta["row"]["recall_at_10"] for meta in metas(folder)] == [1.0]
    for number in (1, 2):
        assert any(f"{host}: find exact neighbours by identity, part {number} of 2" in said for host in hosts), said
    assert said.count(": find ") == 2


SHARDED = """
title = "Shards on workers"
dataset = "toy_clusters"
recipe = "r"
[measure]
replicates = 2
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
[[cells]]
embedder = "identity"
index = "sharded"
shards = [2, 3]
scheduler = "ADDRESS"
[recipes.r]
"""


def test_a_run_times_an_index_whose_shards_are_on_workers(tmp_path):
    folder = tmp_path / "shared"
    with cluster(tmp_path, [f"shard-{number}-{os.getpid()}" for number in range(2)]) as (address, workers):
        said = finish(*start("run", written(tmp_path, SHARDED.replace("ADDRESS", address)), folder))
        rows = [meta["row"] for meta in metas(folder)]
        assert [row["recall_at_10"] for row in rows] == [1.0, 1.0], said
        assert all(row["latency_ms_p50"] > 0 and row["build_seconds"] > 0 for row in rows)
        for one in workers:
            one.send_signal(signal.SIGKILL)
        again = tmp_path / "again"
        finish(*start("run", written(tmp_path, SHARDED.replace("ADDRESS", address)), again), code=1)
    reasons = {meta["row"]["reason"] for meta in metas(again)}
    assert all("scheduler = 'tcp://" in reason or "lost" in reason for reason in reasons), reasons


POISON = """
title = "One kills"
dataset = "toy_clusters"
recipe = "r"
[[cells]]
hasher = "toy_chaos_hasher"
at_step = ["kill_maker", "be_killed"]
[[cells]]
hasher = "toy_signs"
[recipes.r]
"""


def test_what_kills_its_process_is_a_failed_cell_with_the_reason_and_the_others_are_made(tmp_path):
    folder = tmp_path / "shared"
    with cluster(tmp_path, [f"poisoned-{os.getpid()}"]) as (address, _):
        said = finish(*start("run", written(tmp_path, POISON), folder, "--cluster", address), code=1)
        reasons = sorted(meta["row"]["reason"] for meta in metas(folder) if meta["row"]["status"] == "error")
        assert len(reasons) == 2 and len(metas(folder)) == 3, reasons
        assert any("ended by SIGKILL on poisoned-" in one and "as 3 times" in one for one in reasons), reasons
        assert said.count("; it is made again") == 2
