import json
import os
import subprocess
import sys
import time
from uuid import uuid4

import numpy as np
import pytest

from bench.store.entries import Store
from bench.store.garbage import garbage, seconds
from bench.system.files import TEMPORARY, maker, processes, temporary_folder
from tests.conftest import bench

DAY = 86400


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    for kind, key in (("codes", "new"), ("codes", "old"), ("records", "old")):
        store.write(kind, key, {"grid": "g"}, {"x": np.zeros(100)})
    long_ago = time.time() - 10 * DAY
    for kind in ("codes", "records"):
        os.utime(store.path(kind, "old"), (long_ago, long_ago))
    return store


def found(store, older_than=None):
    """What is found, by its path within the store: whether it can be removed, and why it is named."""
    return {str(one.path.relative_to(store.root)): (one.removable, one.reason) for one in garbage(store, older_than)}


def a_process_that_is_gone():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_sound_entries_are_kept_unless_an_age_is_given_and_then_those_in_use(store):
    assert found(store) == found(store, 11 * DAY) == {}
    old = found(store, 9 * DAY)
    assert set(old) == {"codes/old", "records/old"}
    assert all(removable and "of grid g, last used 20" in reason for removable, reason in old.values())
    store.touch("codes", "old")
    assert set(found(store, 9 * DAY)) == {"records/old"}


def temporary(folder, process):
    """The name of what a process of this host, or of another, was writing."""
    return folder / f"{TEMPORARY}{processes()}-{process}-{uuid4().hex}"


def quiet(path, seconds):
    """Let a folder and what is in it have changed so many seconds ago."""
    for one in (*path.rglob("*"), path):
        os.utime(one, (time.time() - seconds,) * 2)


def test_what_processes_that_are_gone_were_writing_is_found_and_what_a_living_one_writes_is_not(store):
    for process in (a_process_that_is_gone(), os.getpid()):
        for folder in (store.root / "codes", store.root):
            temporary(folder, process).mkdir()
    gone = found(store)
    assert len(gone) == 2 and all(removable and "gone" in reason for removable, reason in gone.values())
    assert not any(f"-{os.getpid()}-" in path for path in gone)


def test_the_name_of_what_is_being_written_tells_the_host_and_the_process(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_HOST", "node-7.example/\u00fc" + "x" * 300)
    with temporary_folder(tmp_path / "a") as folder:
        made_by = maker(folder.name)
        assert made_by == (processes(), os.getpid()) and made_by[0].startswith("node-7.example__x")
        assert len(folder.name) < 200
    assert maker(f"{TEMPORARY}{os.getpid()}-{uuid4().hex}") is None


def test_what_another_host_writes_is_found_only_once_nothing_in_it_has_changed_for_a_day(store, monkeypatch):
    with monkeypatch.context() as there:
        there.setenv("BENCH_HOST", "elsewhere")
        path = temporary(store.root / "codes", a_process_that_is_gone())
    path.mkdir()
    (path / "x.npy").write_bytes(b"12345")
    assert found(store) == {}
    quiet(path, 0.9 * DAY)
    assert found(store) == {}
    quiet(path, 1.1 * DAY)
    assert found(store) == {
        f"codes/{path.name}": (True, "was being written, perhaps on another host, and has not changed for a day")
    }
    (path / "x.npy").write_bytes(b"123456")
    assert found(store) == {}


def test_a_name_of_an_earlier_version_is_treated_as_that_of_another_host(store):
    path = store.root / "codes" / f"{TEMPORARY}{a_process_that_is_gone()}-{uuid4().hex}"
    path.mkdir()
    assert found(store) == {}
    quiet(path, 1.1 * DAY)
    assert set(found(store)) == {f"codes/{path.name}"}


def test_a_process_that_has_the_id_of_one_that_is_gone_is_told_by_when_it_started(store):
    path = temporary(store.root / "codes", os.getpid())
    path.mkdir()
    os.utime(path, (1, 1))
    assert set(found(store)) == {f"codes/{path.name}"}


def test_a_clock_of_the_folder_that_is_an_hour_behind_takes_nothing_from_a_living_process(store):
    path = temporary(store.root / "codes", os.getpid())
    path.mkdir()
    quiet(path, 3600)
    assert found(store) == {}


def test_a_lease_that_nobody_has_held_for_a_day_is_found(store):
    with store.hold("codes", "new"):
        lease = store.root / "locks" / "codes-new"
        (store.root / "locks" / "pixels-1").touch()
        assert found(store) == {}
        for path in lease.parent.iterdir():
            quiet(path, 1.1 * DAY)
        assert found(store) == {"locks/codes-new": (True, "is a lease that nobody has held for a day")}


def test_a_kind_of_which_there_is_nothing_but_what_was_being_written_is_looked_into(store):
    path = temporary(store.root / "replicates", a_process_that_is_gone())
    path.mkdir(parents=True)
    assert set(found(store)) == {f"replicates/{path.name}"}


def test_damaged_entries_are_found_with_what_is_wrong(store):
    (store.path("codes", "new") / "x.npy").write_bytes(b"")
    (store.path("codes", "old") / "entry.json").write_text("{")
    assert {path: removable for path, (removable, _) in found(store).items()} == {"codes/new": True, "codes/old": True}
    assert "x.npy is damaged" in found(store)["codes/new"][1]


def test_what_is_not_the_stores_is_named_and_never_removable(store):
    (store.root / "codes" / "notes.txt").write_text("mine")
    (store.root / "codes" / "folder").mkdir()
    (store.path("codes", "new") / "plot.png").write_bytes(b"mine")
    (store.root / "trunk.npy").write_bytes(b"a plugin's")
    others = found(store)
    assert set(others) == {"codes/notes.txt", "codes/folder", "codes/new/plot.png"}
    assert not any(removable for removable, _ in others.values())


def test_an_entry_of_a_newer_format_is_left_alone(store):
    path = store.path("codes", "new") / "entry.json"
    path.write_text(json.dumps({"format": 99}))
    removable, reason = found(store, 0)["codes/new"]
    assert not removable and "format 99" in reason


def test_checkpoints_of_finished_trainings_are_found_and_of_others_only_old_ones(store):
    for key in ("new", "unfinished", "forgotten"):
        store.work(key).mkdir(parents=True)
        (store.work(key) / "checkpoint").write_bytes(b"12345")
    for path in (store.work("forgotten") / "checkpoint", store.work("forgotten")):
        os.utime(path, (1e9, 1e9))
    assert set(found(store)) == {"work/new"}
    assert {path for path in found(store, 20 * DAY) if path.startswith("work")} == {"work/new", "work/forgotten"}
    (store.work("new") / "checkpoint").unlink()
    assert found(store) == {}  # an empty folder is nothing to free
    (store.work("new") / "checkpoint").write_bytes(b"12345")
    (store.path("codes", "new") / "x.npy").write_bytes(b"")
    assert "work/new" not in found(store)  # it is needed to make the damaged codes again


@pytest.mark.parametrize(("age", "expected"), [("12h", 43200), ("30d", 30 * DAY), ("2w", 14 * DAY)])
def test_ages(age, expected):
    assert seconds("--older-than", age) == expected


@pytest.mark.parametrize("age", ["", "30", "d", "-1d", "1.5d", "30 days"])
def test_other_ages_are_refused(age):
    with pytest.raises(ValueError, match="30d"):
        seconds("--older-than", age)


@pytest.mark.long
def test_the_command_names_everything_and_removes_only_when_asked(store, tmp_path):
    (store.path("codes", "new") / "x.npy").write_bytes(b"")
    (store.root / "codes" / "notes.txt").write_text("mine")
    where = ("--cache-dir", store.root, "--out", tmp_path / "out")
    size = sum(file.stat().st_size for file in store.path("codes", "new").iterdir())
    named = bench("gc", *where)
    assert named.returncode == 0, named.stderr
    assert "x.npy is damaged" in named.stdout and "notes.txt" in named.stdout
    assert f"{size:,} bytes can be freed with --delete" in named.stdout and store.has("codes", "new")
    removed = bench("gc", *where, "--delete")
    assert f"{size:,} bytes freed" in removed.stdout and not store.path("codes", "new").exists()
    assert store.keys("codes") == ["old"] and (store.root / "codes" / "notes.txt").exists()
    assert not list(store.root.glob(f"*/{TEMPORARY}*"))
    bench("gc", *where, "--delete", "--older-than", "9d")
    assert store.keys("codes") == store.keys("records") == []
    wrong = bench("gc", *where, "--older-than", "soon")
    assert wrong.returncode == 2 and "'soon'" in wrong.stderr


@pytest.mark.long
def test_what_a_grid_refers_to_is_in_use_whenever_it_is_run_or_shown(tmp_path):
    grid = tmp_path / "g.toml"
    grid.write_text(
        'title = "t"\ndataset = "toy_clusters"\nrecipe = "r"\n'
        "[measure]\nreplicates = 1\nrounds = 1\nqueries_per_round = 2\nbatch_seconds = 0.01\n"
        '[[cells]]\nembedder = "identity"\nindex = "toy_scan"\n[[cells]]\nhasher = "toy_signs"\n[recipes.r]\n'
    )
    where = ("--cache-dir", tmp_path / "cache", "--out", tmp_path / "out")
    assert bench("run", "--grid", grid, *where).returncode == 0
    stores = [Store(tmp_path / "cache"), Store(tmp_path / "out")]
    entries = [(store, kind, key) for store in stores for kind in store.kinds() for key in store.keys(kind)]
    for store, kind, key in entries:
        os.utime(store.path(kind, key), (1e9, 1e9))
    assert bench("show", grid, *where).returncode == 0
    unused = [kind for store, kind, key in entries if store.path(kind, key).stat().st_mtime == 1e9]
    assert len(entries) == 9 and unused == []
