"""Several processes work on one store: together they make what one run makes, each thing once."""

import os
import signal
import subprocess
import sys
import time
import uuid
from itertools import pairwise

import pytest

from bench.records import book
from bench.store.entries import Store
from tests import warm
from tests.conftest import CHECKOUT, PLUGINS, PROGRAM, TEST_MARK, marked

pytestmark = pytest.mark.long

GRID = """
title = "Work for several"
dataset = "toy_clusters"
recipe = "r"
seeds = [0, 1]
[measure]
replicates = 2
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
[[cells]]
hasher = "toy_signs"
bits = [8, 16]
[[cells]]
hasher = "toy_medians"
input = "toy_pixels"
[[cells]]
embedder = "identity"
index = "toy_scan"
reach = [90, 180]
[recipes.r]
"""
ALONE = """
import sys
from pathlib import Path
from bench.grids import grid_file
from bench.interfaces import Context
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.in_process import Local
folder = Path(sys.argv[2])
cache = folder / "cache"
cache.mkdir()
pipeline = Pipeline(grid_file.load(sys.argv[1]), Store(cache), Context(cache=cache))
sys.exit("; ".join(Run(pipeline, Store(folder / "out"), start=Local).finish().values()) or None)
"""
CELLS = 2 * 5
FITS = ["fit"] * 4 + ["pixels of 180"] * 2


def start(command, grid, folder, *more):
    """The command on the grid and the two folders in ``folder``, in a process of its own, and the file of its words."""
    log = folder.parent / f"{uuid.uuid4().hex}.log"
    where = ("--grid", grid, "--out", folder / "out", "--cache-dir", folder / "cache")
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS), "COLUMNS": "200"}
    with log.open("w") as said:
        streams = {"stdout": said.fileno(), "stderr": said.fileno()}
        return warm.start(PROGRAM, command, *where, *more, environment=environment, **streams), log


def finish(process, log, code=0):
    """What a process said, which must end with this code."""
    ended = process.wait(timeout=300)
    assert ended == code, log.read_text()
    return log.read_text()


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    path = tmp_path_factory.mktemp("grid") / "shared.toml"
    path.write_text(GRID)
    return path


@pytest.fixture(scope="module")
def alone(grid, tmp_path_factory):
    """The folder of one undisturbed run, in one process."""
    folder = tmp_path_factory.mktemp("alone")
    done = warm.run(ALONE, grid, folder, environment={**os.environ, "PYTHONPATH": str(PLUGINS)})
    assert done.returncode == 0, done.stderr
    return folder


def figures(folder):
    """The qualities of all records to the last digit."""
    store = Store(folder / "out")
    metas = {key: store.meta(book.KIND, key) for key in store.keys(book.KIND)}
    return {key: {name: meta["row"].get(name) for name in ("status", *meta["quality"])} for key, meta in metas.items()}


def fits(folder):
    return sorted((folder / "cache" / "fits.txt").read_text().splitlines())


def timings(folder):
    """When each replicate of compared cells began and ended, in order."""
    store = Store(folder / "out")
    spans: dict[str, str] = {}
    for key in store.keys("replicates"):
        meta = store.meta("replicates", key)
        spans[meta["began"]] = max(meta["ended"], spans.get(meta["began"], ""))
    return sorted(spans.items())


def assert_as_alone(folder, alone):
    assert figures(folder) == figures(alone) and len(figures(folder)) == CELLS
    spans = timings(folder)
    assert len(spans) == 2 * 2 and all(ended <= began for (_, ended), (began, _) in pairwise(spans))
    assert not list((folder / "out" / "locks").iterdir()) and not list((folder / "cache" / "locks").iterdir())


def test_three_workers_make_what_one_run_makes_each_thing_once_and_time_in_turns(grid, alone, tmp_path):
    folder = tmp_path / "shared"
    said = [finish(*one) for one in [start("work", grid, folder, "--wait") for _ in range(3)]]
    assert_as_alone(folder, alone)
    assert fits(folder) == fits(alone) == FITS
    assert all("; nothing is left\n" in text for text in said)
    made = [text.split("bench: made ")[1].partition(";")[0] for text in said]
    counted = [int(words.split()[0]) for text in made for words in text.split(", ") if "stage" in words]
    assert sum(counted) == 4 + 2 * 3 and len(counted) > 1, made
    command = f"python -m bench table --grid {grid} --out {folder / 'out'} --cache-dir {folder / 'cache'}"
    assert said[0].splitlines()[-1] == f"bench: the tables are written by {command}"


def test_when_one_of_three_workers_is_killed_the_others_make_its_part(grid, alone, tmp_path):
    folder = tmp_path / "shared"
    first, *others = [start("work", grid, folder, "--wait") for _ in range(3)]
    while not (folder / "cache" / "fits.txt").exists() and first[0].poll() is None:
        time.sleep(0.01)
    first[0].send_signal(signal.SIGKILL)
    for one in others:
        assert "; nothing is left\n" in finish(*one)
    assert_as_alone(folder, alone)
    assert len(FITS) <= len(fits(folder)) <= len(FITS) + 1


def test_only_stages_then_only_times_and_after_its_time_nothing(grid, alone, tmp_path):
    folder = tmp_path / "parts"
    said = finish(*start("work", grid, folder, "--for", "0h"))
    assert f"bench: made nothing; {CELLS} cells are left, as the time of --for is over\n" in said
    assert not (folder / "cache" / "labels").exists()
    said = finish(*start("work", grid, folder, "--only", "train"))
    assert "bench: made 10 stages, 6 rankings; 4 cells are left, for a worker without --only train\n" in said
    assert not (folder / "out" / "replicates").exists() and fits(folder) == FITS
    said = finish(*start("work", grid, folder, "--only", "time"))
    assert "bench: made 2 groups of timed cells; nothing is left\n" in said
    assert_as_alone(folder, alone)


def test_stages_that_are_made_beside_each_other_are_the_same(grid, alone, tmp_path):
    folder = tmp_path / "beside"
    finish(*start("run", grid, folder, "--jobs", 2))
    assert_as_alone(folder, alone)
    assert fits(folder) == FITS


FAILING = """
title = "Some fail"
dataset = "toy_clusters"
recipe = "r"
[[cells]]
hasher = "toy_failing_hasher"
model = "last"
seeds = [0, 1]
[[cells]]
hasher = "toy_chaos_hasher"
at_step = "crash"
[[cells]]
hasher = "toy_signs"
[recipes.r]
"""


def test_a_child_that_fails_or_dies_costs_its_cells_and_is_not_tried_by_the_next_worker(tmp_path):
    (tmp_path / "failing.toml").write_text(FAILING)
    said = finish(*start("work", tmp_path / "failing.toml", tmp_path / "here", "--jobs", 2), code=1)
    assert "bench: 3 of 4 cells failed:" in said and "ended by SIGSEGV" in said and "fails on purpose" in said
    assert sorted(one["status"] for one in figures(tmp_path / "here").values()) == ["error"] * 3 + ["ok"]
    assert fits(tmp_path / "here") == ["failed", "failed", "fit"]
    again = finish(*start("work", tmp_path / "failing.toml", tmp_path / "here"), code=1)
    assert "made nothing; nothing is left" in again and fits(tmp_path / "here") == ["failed", "failed", "fit"]


HANGING = """
title = "Two hang"
dataset = "toy_clusters"
recipe = "r"
[[cells]]
hasher = "toy_chaos_hasher"
at_step = "hang"
bits = [8, 9]
[recipes.r]
"""


def test_ctrl_c_ends_all_children_and_leaves_no_record_and_no_process(tmp_path):
    (tmp_path / "hanging.toml").write_text(HANGING)
    mark = uuid.uuid4().hex
    arguments = ["run", "--jobs", 2, "--grid", tmp_path / "hanging.toml"]
    arguments += ["--out", tmp_path / "out", "--cache-dir", tmp_path / "cache"]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *map(str, arguments)], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(PLUGINS), TEST_MARK: mark}, stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 100
        while len(list(tmp_path.glob("cache/work/*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        message = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130 and "interrupted" in message and "Traceback" not in message
    assert not marked(mark) and not (tmp_path / "out" / "records").exists()
    assert not list((tmp_path / "cache" / "locks").glob("work-*"))
