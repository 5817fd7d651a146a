"""Records that another version made: what show, table and recompute say of them, and that they keep the report."""

import json
import os
import shutil

import pytest

from bench.cli.results import most_finished, print_earlier
from bench.records.origin import Earlier
from bench.store.entries import Store
from tests import warm
from tests.conftest import PLUGINS, PROGRAM, bench

KIND = "records"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, vectors_dir):
    """The options of a grid of two cells that was run."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "g.toml").write_text(
        'title = "t"\ndataset = "vectors"\nrecipe = "r"\nlayout = "pareto"\n[measure]\nreplicates = 2\nrounds = 1\n'
        'queries_per_round = 5\nbatch_seconds = 0.01\n[[cells]]\nembedder = "identity"\n'
        'index = ["linear_scan", "toy_scan"]\n[recipes.r]\n'
    )
    where = ("--data-dir", vectors_dir, "--out", folder / "out", "--cache-dir", folder / "cache")
    done = bench("run", "--in-process", "--grid", folder / "g.toml", *where)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def moved(finished, tmp_path, vectors_dir):
    """Moves so many records of a copy to other keys, as if other versions had made them. Returns the options."""

    def move(number=2):
        out = tmp_path / "out"
        shutil.copytree(finished / "out", out)
        store = Store(out)
        for at, key in enumerate(store.keys(KIND)[:number]):
            entry = store.read(KIND, key)
            origin = json.loads(json.dumps(entry.meta["origin"]))
            origin["rooms"]["searching"] = 0
            origin["libraries"]["numba"] = "0.1"
            meta = {**entry.meta, "search": f"search{at}", "origin": origin}
            store.write(KIND, f"other{at}", meta, entry.arrays)
            shutil.rmtree(store.path(KIND, key))
        return finished / "g.toml", "--data-dir", vectors_dir, "--out", out, "--cache-dir", finished / "cache"

    return move


def contents(out):
    return {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.parent.parent.name == "g"}


@pytest.mark.parametrize(("command", "number"), [("show", 2), ("table", 2), ("table", 1), ("recompute", 2)])
def test_the_report_of_records_under_other_keys_is_kept_and_said_with_what_differs(command, number, moved):
    grid, *where = moved(number)
    out, name = where[3], () if command == "show" else ("--grid",)
    before = contents(out)
    done = bench(command, *name, grid, *where)
    assert done.returncode == 1 and contents(out) == before and len(before) > 4
    said = " ".join(done.stdout.split())
    assert f"{out} holds records of {number} of 2 cells under other keys, made with numba 0.1 (now " in said
    assert "version 0 of searching (now " in said
    assert done.stdout.splitlines()[-1].startswith(f"  python -m bench run --grid {grid}")
    assert ("stay as they were" in done.stderr) == (command != "show")


def test_of_records_that_tell_nothing_of_their_origin_that_is_said(capsys, tmp_path):
    print_earlier(Earlier(3), 4, tmp_path, "make it")
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(f"bench: {tmp_path} holds records of 3 of 4 cells under other keys; what differs is not")


@pytest.mark.parametrize("number", [1, 2])
def test_where_no_report_is_there_to_keep_one_is_written_of_what_has_records_and_none_of_nothing(number, moved):
    grid, *where = moved(number)
    shutil.rmtree(where[3] / "g")
    done = bench("table", "--grid", grid, *where)
    assert done.returncode == 1 and "under other keys" in done.stdout
    assert (where[3] / "g" / "vectors" / "report.html").is_file() == (number < 2)


@pytest.mark.parametrize("command", ["table", "recompute"])
def test_of_a_folder_without_a_record_of_the_grid_no_report_is_written(command, finished, vectors_dir, tmp_path):
    out = tmp_path / "mistyped"
    where = ("--data-dir", vectors_dir, "--out", out, "--cache-dir", finished / "cache")
    done = bench(command, "--grid", finished / "g.toml", *where)
    assert done.returncode == 1 and "report.html" not in done.stdout and not list(out.rglob("*.html"))
    assert done.stderr.splitlines()[-1] == (
        f"bench: --out {out} has no record of grid {finished / 'g.toml'}, so no report is written"
    )


def test_of_what_is_done_show_names_the_page_the_tables_and_the_figures(finished, vectors_dir):
    where = ("--data-dir", vectors_dir, "--out", finished / "out", "--cache-dir", finished / "cache")
    done = bench("show", finished / "g.toml", *where)
    report = finished / "out" / "g" / "vectors"
    assert done.returncode == 0 and "other keys" not in done.stdout
    for line in (f"page     {report / 'report.html'}", f"         {report / 'table.tex'}", "figures  "):
        assert line in done.stdout


def test_where_nothing_is_done_the_command_that_makes_it_stands_in_place_of_a_table(finished, vectors_dir, tmp_path):
    where = ("--data-dir", vectors_dir, "--out", tmp_path / "out", "--cache-dir", finished / "cache")
    done = bench("show", finished / "g.toml", *where)
    assert (
        done.returncode == 0
        and "\n\nNothing of it is done. This command makes it:\n  python -m bench run" in done.stdout
    )
    assert "–" not in done.stdout and "page " not in done.stdout


def test_a_report_whose_cells_cannot_be_read_shows_no_results(tmp_path):
    (tmp_path / "cells.csv").touch()
    assert most_finished([tmp_path / "cells.csv"]) == 0


def test_show_names_no_files_of_other_cells(finished, vectors_dir):
    where = ("--data-dir", vectors_dir, "--out", finished / "out", "--cache-dir", finished / "cache")
    done = bench("show", finished / "g.toml", *where, "--seed", 1)
    assert done.returncode == 0 and "Nothing of it is done." in done.stdout
    assert "report.html" not in done.stdout and "records  " not in done.stdout


def test_a_report_is_kept_where_other_settings_have_fewer_finished_cells(finished, vectors_dir, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    before = contents(out)
    where = ("--data-dir", vectors_dir, "--out", out, "--cache-dir", finished / "cache")
    done = bench("table", "--grid", finished / "g.toml", *where, "--set", "seeds=[0, 1]")
    assert done.returncode == 0 and "stay as they were" not in done.stderr and contents(out) != before
    before = contents(out)
    done = bench("table", "--grid", finished / "g.toml", *where, "--set", "k=5")
    assert "stay as they were" in done.stderr and contents(out) == before


def test_what_the_page_lacks_without_the_cache_is_said(finished, vectors_dir, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    shutil.rmtree(out / "neighbours")
    done = bench(
        "table", "--grid", finished / "g.toml", "--data-dir", vectors_dir, "--out", out, "--cache-dir", tmp_path
    )
    said = " ".join(done.stdout.split())
    assert "the page of vectors lacks the difficulty of 2 cells: an array that it needs is no longer stored" in said


COUNTED = f"""
from bench.records import origin
look = origin.earlier
def counted(*given):
    print("looked")
    return look(*given)
origin.earlier = counted
{PROGRAM}
"""


def test_table_looks_once_for_records_under_other_keys(moved):
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS), "COLUMNS": "200"}
    done = warm.run(COUNTED, "table", "--grid", *moved(1), environment=environment)
    assert done.returncode == 1 and done.stdout.splitlines().count("looked") == 1
