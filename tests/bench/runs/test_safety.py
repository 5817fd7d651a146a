"""What is read is never executed, what is named never leaves its folder, and a full disk loses nothing."""

import ast
import errno
import inspect
import json
import os
import pickle
import shutil

import numpy as np
import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records.frame import frame_of
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.system.files import TEMPORARY, DiskFull
from tests.conftest import CHECKOUT, bench

EXECUTING_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "yaml"}
EXECUTING_CALLS = {"eval", "exec", "read_pickle", "to_pickle"}
UNPACKING_CALLS = {"extractall", "extract_archive", "download_and_extract_archive", "unpack_archive"}


def sources():
    return [path for name in ("bench", "methods", "datasets") for path in sorted((CHECKOUT / name).rglob("*.py"))]


def what_executes(tree):
    """The lines of a module that could run code out of data, or write where an archive says, and why."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            tops = {name.name.partition(".")[0] for name in node.names}
            tops |= {(getattr(node, "module", None) or "").partition(".")[0]}
            yield from ((node.lineno, f"import {name}") for name in tops & EXECUTING_MODULES)
        if isinstance(node, ast.Call):
            yield from ((node.lineno, reason) for reason in _faults_of_call(node))


def _faults_of_call(call):
    # A method named eval (a network's) executes nothing: only the built-in ones count.
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    keywords = {keyword.arg: getattr(keyword.value, "value", "not a constant") for keyword in call.keywords}
    builtin = isinstance(call.func, ast.Name) or name not in ("eval", "exec")
    if name in EXECUTING_CALLS and builtin:
        yield name
    if ast.unparse(call.func) == "torch.load" and keywords.get("weights_only") is not True:
        yield "torch.load without weights_only=True"
    if keywords.get("allow_pickle", False) is not False:
        yield "allow_pickle"
    if name in UNPACKING_CALLS and keywords.get("filter") != "data":
        yield f"{name} without filter='data'"


def test_nothing_in_the_source_executes_what_it_reads():
    found = [(str(path), *fault) for path in sources() for fault in what_executes(ast.parse(path.read_text()))]
    assert len(sources()) > 50 and found == []
    # numpy's own default, on which a plain np.load relies.
    assert inspect.signature(np.load).parameters["allow_pickle"].default is False


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import yaml.loader",
        "eval(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=trusted)",
        "pd.read_pickle(path)",
        "tar.extractall(folder)",
    ],
)
def test_the_search_of_the_source_finds(line):
    assert list(what_executes(ast.parse(line)))


@pytest.mark.parametrize("line", ["network.eval()", "np.load(path)", "torch.load(path, weights_only=True)"])
def test_the_search_of_the_source_passes(line):
    assert not list(what_executes(ast.parse(line)))


class Malicious:
    def __reduce__(self):
        return os.system, ("touch executed",)


@pytest.mark.long
def test_a_pickle_among_the_users_vectors_is_refused_in_one_line(tmp_path, vectors_dir, small_grid):
    folder = tmp_path / "vectors"
    shutil.copytree(vectors_dir, folder)
    (folder / "train.npy").write_bytes(pickle.dumps(Malicious()))
    where = ("--data-dir", folder, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    done = bench("run", "--grid", small_grid, *where)
    assert done.returncode == 2 and "train.npy" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("executed")) and not (CHECKOUT / "executed").exists()


def inside_and_outside(tmp_path):
    """A folder for a run's files, three levels down, and the names of all that stands above it."""
    inside = tmp_path / "a" / "b" / "c"
    inside.mkdir(parents=True)
    return inside, lambda: sorted(str(path) for path in tmp_path.rglob("*") if inside not in (path, *path.parents))


@pytest.mark.long
def test_a_grid_name_never_leads_out_of_the_results(tmp_path, small_grid, vectors_dir):
    inside, outside = inside_and_outside(tmp_path)
    dots = tmp_path / "...toml"  # its stem is ".."
    shutil.copy(small_grid, dots)
    before = outside()
    where = ("--data-dir", vectors_dir, "--out", inside / "out", "--cache-dir", inside / "cache")
    for name, words in (("../../x", "unknown grid '../../x'"), (dots, "grid '..' must be a plain name")):
        done = bench("run", "--grid", name, *where)
        assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1
    assert outside() == before and not list(inside.iterdir())


@pytest.mark.long
def test_a_grid_file_from_elsewhere_has_its_report_in_the_results(tmp_path, small_grid, vectors_dir):
    inside, outside = inside_and_outside(tmp_path)
    before = outside()
    where = ("--data-dir", vectors_dir, "--out", inside / "out", "--cache-dir", inside / "cache")
    done = bench("run", "--in-process", "--grid", f"{inside}/../../../{small_grid.name}", *where)
    assert done.returncode == 0, done.stderr
    assert outside() == before and (inside / "out" / "small" / "vectors" / "table.csv").is_file()


@pytest.mark.long
def test_a_full_disk_ends_a_run_with_one_line_and_loses_nothing(tmp_path, small_grid, vectors_dir, small_disk):
    disk = small_disk(24)
    out = Store(disk / "out")
    where = ("--grid", small_grid, "--data-dir", vectors_dir, "--out", out.root, "--cache-dir", tmp_path / "cache")
    assert bench("run", *where, "--set", "candidates=20", "--set", "key_bits=8").returncode == 0
    finished = out.keys("records")
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - 60_000))
    done = bench("run", *where)
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1 and f"no space is left to write {disk}" in done.stderr
    assert "bytes are free" in done.stderr and not list(disk.rglob(f"{TEMPORARY}*"))
    assert len(finished) == 2 and set(finished) <= set(out.keys("records"))
    assert all(out.is_sound(kind, key) for kind in out.kinds() for key in out.keys(kind))
    filler.unlink()
    assert bench("run", *where).returncode == 0 and len(out.keys("records")) == 5


@pytest.fixture
def make_run(tmp_path, vectors_dir, small_grid, third_party):
    """A run of the small grid; what is said is appended to a list."""

    def make(said):
        plan = grid_file.load(str(small_grid), Options(data_dir=vectors_dir))
        cache = tmp_path / "cache"
        cache.mkdir(exist_ok=True)
        pipeline = Pipeline(plan, Store(cache, said.append), Context(cache=cache), lambda _: None)
        return Run(pipeline, Store(tmp_path / "out", said.append), said.append)

    return make


def frame(run):
    return frame_of(run.pipeline, run.results)


@pytest.mark.long
@pytest.mark.parametrize("written", [0, 20, 60])
def test_a_disk_that_is_full_at_some_moment_fails_no_cell(make_run, tmp_path, monkeypatch, written):
    calls, fsync = [], os.fsync

    def full_after_some(descriptor):
        calls.append(descriptor)
        if len(calls) > written:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patched, pytest.raises(DiskFull):
        patched.setattr(os, "fsync", full_after_some)
        make_run([]).finish()
    run = make_run([])
    assert not list(tmp_path.rglob(f"{TEMPORARY}*"))
    assert set(frame(run)["status"].dropna()) <= {"ok"}
    assert run.finish() == {} and (frame(run)["status"] == "ok").all()


@pytest.mark.long
def test_whatever_is_damaged_is_named_and_made_again(make_run):
    run, said = make_run([]), []
    run.finish()
    before = frame(run)
    stores = (run.pipeline.store, run.results)
    entries = [(store, kind, key) for store in stores for kind in store.kinds() for key in store.keys(kind)]
    for store, kind, key in entries:
        largest = max(store.path(kind, key).iterdir(), key=lambda path: path.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:-9])
    assert not any(store.is_sound(kind, key) for store, kind, key in entries)
    again = make_run(said)
    assert again.finish() == {}
    assert all(store.is_sound(kind, key) for store, kind, key in entries)
    for store, kind, key in entries:
        assert any(str(store.path(kind, key)) in line and "made again" in line for line in said), kind
    columns = ["status", "precision_at_10", "recall_at_10", "map"]
    assert frame(again)[columns].equals(before[columns]) and (before["status"] == "ok").all()
    assert {kind for _, kind, _ in entries} == {
        *["labels", "features", "codes", "exact", "neighbours", "replicates", "records"]
    }


def test_a_record_of_a_newer_version_is_refused_in_one_line_with_what_to_do(tmp_path, small_grid, vectors_dir):
    where = ("--data-dir", vectors_dir, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache")
    assert bench("run", "--in-process", "--grid", small_grid, *where).returncode == 0
    labels = Store(tmp_path / "cache")
    path = labels.path("labels", labels.keys("labels")[0]) / "entry.json"
    path.write_text(json.dumps({"format": 2}))
    done = bench("run", "--grid", small_grid, *where)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr and "--cache-dir" in done.stderr
