"""Runs that are killed at any moment, and runs that share a store, end with what one undisturbed run ends with.

BENCH_KILLS: how many runs are killed (2; 50 takes some minutes).
"""

import json
import os
import random
import signal
import subprocess
import time
import uuid

import pytest

from bench.store.entries import ENTRY, Store
from bench.store.garbage import garbage
from bench.system.files import remove
from tests import warm

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("BENCH_KILLS", "2"))
GRID = """
title = "To be killed"
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
bits = [8, 16]
index = "toy_scan"
field = "codes"
rerank = "toy_reranker"
candidates = [10, 20]
[[cells]]
embedder = "toy_pixels"
index = "toy_scan"
[[cells]]
hasher = "toy_guesses"
model = ["last", "oracle"]
[[cells]]
hasher = "toy_medians"
input = "toy_pixels"
bits = [8, 9]
[recipes.r]
"""
RUN = """
import sys
from pathlib import Path
from bench.grids import grid_file
from bench.quality import columns
from bench.interfaces import Context
from bench.records.parquet import write_parquet
from bench.stages.pipeline import Pipeline
from bench.runs.run import Run
from bench.store.entries import Store
folder = Path(sys.argv[2])
cache = folder / "cache"
cache.mkdir(parents=True, exist_ok=True)
pipeline = Pipeline(grid_file.load(sys.argv[1]), Store(cache), Context(cache=cache))
failed = Run(pipeline, Store(folder / "out")).finish()
write_parquet(Store(folder / "out"))
sys.exit("; ".join(failed.values()) or None)
"""


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    path = tmp_path_factory.mktemp("grid") / "killed.toml"
    path.write_text(GRID)
    return path


def start(grid, folder):
    """A run in a process of its own, and the file of what it says."""
    log = folder.parent / f"{uuid.uuid4().hex}.log"
    with log.open("w") as said:
        return warm.start(RUN, grid, folder, stdout=said.fileno(), stderr=said.fileno()), log


def finish(process, log):
    """What the process said. It must end well."""
    code, said = process.wait(timeout=600), log.read_text()
    assert code == 0, said
    return said


@pytest.fixture(scope="module")
def undisturbed(grid, tmp_path_factory):
    """The folder of an undisturbed run, and the seconds it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    began = time.monotonic()
    finish(*start(grid, folder))
    return folder, time.monotonic() - began


def stored(folder):
    """All entries, each verified: of what is timed their keys, of the others their arrays' checksums too."""
    entries = {}
    for store in (Store(folder / "cache"), Store(folder / "out")):
        for kind in store.kinds():
            for key in store.keys(kind):
                store.verify(kind, key)
                sums = json.loads((store.path(kind, key) / ENTRY).read_text())["checksums"]
                entries[kind, key] = None if kind in ("replicates", "records") else sums
    return entries


def figures(folder):
    """The records, times aside."""
    store = Store(folder / "out")
    metas = {key: store.meta("records", key) for key in store.keys("records")}
    columns = ("status", "index_bytes", "queries", "database_items")
    return {key: {name: meta["row"].get(name) for name in (*columns, *meta["quality"])} for key, meta in metas.items()}


def assert_as_undisturbed(folder, undisturbed):
    assert stored(folder) == stored(undisturbed) and figures(folder) == figures(undisturbed)
    assert (folder / "out" / "records.parquet").is_file()


def fits(folder):
    return sorted((folder / "cache" / "fits.txt").read_text().splitlines())


def test_the_undisturbed_run_is_whole(undisturbed):
    folder, _ = undisturbed
    assert {kind for kind, _ in stored(folder)} >= {"labels", "features", "codes", "exact", "neighbours", "records"}
    found = figures(folder).values()
    assert len(found) == 9 and all(one["status"] == "ok" for one in found)
    assert all(max(one.get("map") or 0, one.get("recall_at_10") or 0) > 0.2 for one in found)


def test_killed_again_and_again_the_records_are_those_of_an_undisturbed_run(grid, undisturbed, tmp_path):
    whole, duration = undisturbed
    moments, kills, folder = random.Random(0), 0, tmp_path / "0"
    while kills < KILLS:
        process, log = start(grid, folder)
        try:
            process.wait(timeout=moments.uniform(0, 0.5 * duration))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        else:
            finish(process, log)
            assert_as_undisturbed(folder, whole)
            folder = tmp_path / str(kills)
    finish(*start(grid, folder))
    assert_as_undisturbed(folder, whole)
    for store in (Store(folder / "cache"), Store(folder / "out")):
        for left in garbage(store, None):
            assert "process that is gone" in left.reason or "finished training" in left.reason
            remove(left.path)
        assert not list(garbage(store, None))
    assert_as_undisturbed(folder, whole)


def test_three_runs_at_once_on_one_store_make_everything_once(grid, undisturbed, tmp_path):
    folder = tmp_path / "shared"
    processes = [start(grid, folder) for _ in range(3)]
    for process, log in processes:
        assert "damaged" not in finish(process, log)
    assert_as_undisturbed(folder, undisturbed[0])
    assert fits(folder) == fits(undisturbed[0])
    assert not [
        left for root in ("cache", "out") for left in garbage(Store(folder / root), None) if "gone" in left.reason
    ]
