"""Folders as people type them, tried before anything is done."""

import os
import subprocess
import sys

import pytest

from bench.system.places import check_writable, keep_caches_in, user_path
from tests.conftest import CHECKOUT, bench


def refused(done, *words):
    assert done.returncode == 2 and "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.fixture
def unusable(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "records_file").mkdir()
    (tmp_path / "records_file" / "records").write_text("")
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    ["file", "file/inside", "dangling", "n" * 256, "new/" + "n" * 256, "d/" * 2048, "/proc/bench", "records_file"],
)
@pytest.mark.parametrize("option", ["--out", "--cache-dir"])
def test_a_folder_that_cannot_be_written_is_found_before_anything_runs(name, option, unusable, small_grid, vectors_dir):
    if (name, option) == ("records_file", "--cache-dir"):
        pytest.skip("records are results")
    folders = {"--out": unusable / "out", "--cache-dir": unusable / "cache"} | {option: unusable / name}
    before = sorted(unusable.iterdir())
    arguments = [word for pair in folders.items() for word in pair]
    refused(bench("run", "--grid", small_grid, "--data-dir", vectors_dir, *arguments), option, "can't be used")
    assert sorted(unusable.iterdir()) == before


@pytest.mark.parametrize("command", ["show", "gc"])
def test_a_file_in_place_of_the_results_is_named_by_commands_that_only_read(command, unusable, small_grid, vectors_dir):
    name = [small_grid, "--data-dir", vectors_dir] if command == "show" else []
    refused(
        bench(command, *name, "--out", unusable / "file", "--cache-dir", unusable / "cache"), "--out", "it is a file"
    )


def test_trying_a_folder_leaves_nothing_and_makes_none(tmp_path):
    check_writable("--out", tmp_path / "new" / "folder")
    check_writable("--out", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_tilde_is_the_home_folder_wherever_a_path_is_typed(tmp_path, monkeypatch, small_grid, vectors_dir):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a b") == tmp_path / "a b" and str(user_path("~nobody_of_that_name/x")).startswith("~")
    (tmp_path / "data").symlink_to(vectors_dir)
    where = ("--out=~/out", "--cache-dir=~/cache", "--set", "vectors.data_dir=~/data")
    done = bench("run", "--in-process", f"--grid=~/{small_grid.relative_to(tmp_path)}", *where)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "records.parquet").is_file() and (tmp_path / "cache" / "labels").is_dir()


@pytest.mark.long
def test_one_folder_for_results_and_cache_inside_the_data_is_enough(tmp_path, small_grid, vectors_dir):
    for path in vectors_dir.iterdir():
        (tmp_path / path.name).symlink_to(path)
    where = ("--data-dir", tmp_path, "--out", tmp_path / "x", "--cache-dir", tmp_path / "x")
    first = bench("run", "--in-process", "--grid", small_grid, *where)
    assert first.returncode == 0, first.stderr
    again = bench("show", small_grid, *where)
    assert "5 cells: 5 done" in again.stdout


@pytest.mark.long
def test_without_a_home_folder_a_line_says_what_to_give(tmp_path):
    code = "import pwd, sys; pwd.getpwuid = lambda uid: {}[uid]; from bench.__main__ import main; main()"
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    command = [sys.executable, "-c", code, "show", "ann"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    refused(done, "no home folder", "--cache-dir")
    done = subprocess.run(
        [*command, "--cache-dir", tmp_path], cwd=CHECKOUT, env=environment, check=False, capture_output=True
    )
    assert done.returncode == 0


@pytest.mark.parametrize("writable", [True, False])
def test_libraries_keep_their_files_in_the_cache_only_where_they_have_no_place(writable, tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setattr("bench.system.places._writable", lambda folder: writable)
    keep_caches_in(tmp_path)
    expected = (None, None) if writable else (str(tmp_path / "numba"), str(tmp_path / "matplotlib"))
    assert (os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("MPLCONFIGDIR")) == expected
    os.environ.pop("NUMBA_CACHE_DIR", None), os.environ.pop("MPLCONFIGDIR", None)
