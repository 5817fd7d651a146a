"""What a user sees when a run ends, and of show and table: on terminals of several kinds, and through a pipe."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pandas as pd
import pytest
from rich.cells import cell_len

from bench.cli.results import print_written
from tests import warm
from tests.conftest import CHECKOUT, PLUGINS, PROGRAM, bench

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|9[0-7]|4[0-8])(?:;\d+)*m")
STYLE = re.compile(r"\x1b\[[\d;]*m")


def on_terminal(*arguments, columns, variables=None):
    """What ``python -m bench ARGUMENTS`` shows on a terminal of so many columns, and its exit code."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS), "TERM": "xterm-256color", **(variables or {})}
    if "COLUMNS" not in (variables or {}):
        environment.pop("COLUMNS", None)
    process = warm.start(PROGRAM, *arguments, environment=environment, stdin=its, stdout=its, stderr=its)
    os.close(its)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return shown.decode().replace("\r\n", "\n"), process.wait(timeout=60)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, vectors_dir):
    """A grid with a scan, two lengths, two numbers of candidates and what is skipped, run once."""
    folder = tmp_path_factory.mktemp("end")
    grid = folder / "small.toml"
    grid.write_text(
        'title = "A small grid of which the title is longer than one line of a narrow terminal would hold"\n'
        'dataset = "vectors"\nrecipe = "r"\nlayout = "candidates"\n[measure]\nreplicates = 2\nrounds = 1\n'
        'queries_per_round = 5\nbatch_seconds = 0.01\n[[cells]]\nembedder = "identity"\nindex = "linear_scan"\n'
        '[[cells]]\nembedder = "identity"\nhasher = "toy_signs"\nindex = "hash_tables"\nkey_bits = [8, 16]\n'
        'rerank = "float32"\ncandidates = [20, 50]\n[[cells]]\nembedder = "identity"\nindex = "toy_scan"\n'
        'needed_by = ["check", "build"]\n[recipes.r]\n'
    )
    where = ("--data-dir", vectors_dir, "--out", folder / "out", "--cache-dir", folder / "cache")
    return grid, where, bench("run", "--in-process", "--grid", grid, *where)


def body(shown):
    """The lines from the counts on, to the reasons: the table, cells and sentences."""
    lines = STYLE.sub("", shown).splitlines()
    start = next(at for at, line in enumerate(lines) if re.match(r"\d+ cells?: ", line))
    ends = [at for at, line in enumerate(lines) if line.startswith("bench: ") and at > start]
    return lines[start : ends[0] if ends else None]


def test_a_run_ends_with_its_table_what_it_shows_and_where_that_is(finished):
    _, where, done = finished
    assert done.returncode == 0, done.stderr
    lines = body(done.stdout)
    assert lines[0] == "7 cells: 5 done, 2 skipped; 400 database items, 60 queries"
    for part in (
        "P@10, % at N =",
        "Time of a query, ms at N =",
        "  Hash tables (L = 16)",
        "This is about 5 of 7 cells",
    ):
        assert any(line.startswith(part) for line in lines), part
    assert re.search(r"reaches [\d.]+ % of exact search's P@10 in", " ".join(lines))
    assert "wrote" not in done.stdout and "cell  " not in done.stdout
    written = where[3] / "small" / "vectors"
    tables, end = done.stdout.splitlines().index(f"tables   {written / 'cells.csv'}"), done.stdout.splitlines()
    assert end[tables - 1 : tables + 3] == [
        f"page     {written / 'report.html'}",
        f"tables   {written / 'cells.csv'}",
        f"         {written / 'table.csv'}",
        f"         {written / 'table.tex'}",
    ]
    assert end[tables + 3].startswith(f"figures  {written}") and end[-2] == f"records  {where[3] / 'records.parquet'}"
    named = [Path(line[9:]) for line in end[tables - 1 :]]
    assert all(path.is_file() for path in named)


def test_what_stands_in_the_table_is_what_stands_in_the_files(finished):
    grid, where, _ = finished
    tidy = pd.read_csv(where[3] / "small" / "vectors" / "cells.csv")
    exact = tidy.loc[tidy["index"] == "linear_scan", "precision_at_10"].iloc[0]
    (line,) = [line for line in body(bench("show", grid, *where).stdout) if "Linear scan" in line][:1]
    assert line.rstrip().endswith("->")  # it has no N: the figure is for all columns
    shown = float(line.split()[-2])
    assert shown <= 100 * exact < shown + 0.1


@pytest.mark.long
@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("command", [("show",), ("table", "--grid")])
def test_every_line_fits_the_terminal(columns, command, finished):
    grid, where, _ = finished
    shown, code = on_terminal(*command, grid, *where, "--cells", columns=columns)
    assert code == 0 and "…" not in shown and "Traceback" not in shown
    assert all(cell_len(line) <= columns for line in body(shown))
    words = " ".join(STYLE.sub("", shown).split())
    assert "toy_library is not installed: pip install toy_library" in words


@pytest.mark.long
@pytest.mark.parametrize(
    ("variables", "width"),
    [({"COLUMNS": ""}, 100), ({"COLUMNS": "40"}, 40), ({"COLUMNS": "0"}, 100), ({"COLUMNS": "1"}, 20),
     ({"COLUMNS": "wide"}, 100), ({"COLUMNS": "", "TERM": "dumb"}, 100), ({"COLUMNS": "", "NO_COLOR": "1"}, 100)],
)  # fmt: skip
def test_through_a_pipe_it_is_plain_text_of_a_hundred_columns_or_of_what_is_asked(variables, width, finished):
    grid, where, _ = finished
    done = bench("show", grid, *where, "--cells", variables=variables)
    assert done.returncode == 0 and "\x1b" not in done.stdout and "…" not in done.stdout
    assert all(len(line) <= width for line in body(done.stdout))


@pytest.mark.long
def test_a_dumb_terminal_gets_no_escapes_and_without_colour_there_is_none(finished):
    grid, where, _ = finished
    dumb, code = on_terminal("show", grid, *where, columns=80, variables={"TERM": "dumb"})
    assert code == 0 and "\x1b" not in dumb
    grey, code = on_terminal("show", grid, *where, columns=80, variables={"NO_COLOR": "1"})
    assert code == 0 and not COLOUR.search(grey) and body(grey) == body(dumb)
    asked, code = on_terminal("show", grid, *where, columns=120, variables={"COLUMNS": "40"})
    assert code == 0 and all(cell_len(line) <= 40 for line in body(asked))


@pytest.mark.long
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_an_encoding_that_lacks_a_sign_gets_a_plainer_one(encoding, finished):
    grid, where, _ = finished
    pending = ("--set", "candidates=[20, 60]")
    done = bench("show", grid, *where, *pending, variables={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0 and "\\u" not in done.stdout and "- not run, or not measured" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize("command", ["show", "table --grid"])
def test_a_reader_that_leaves_early_ends_it_in_silence(command, finished):
    grid, where, _ = finished
    arguments = " ".join(f"'{one}'" for one in where)
    line = f"{sys.executable} -u -m bench {command} '{grid}' {arguments} --cells | head -2; echo ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS)}
    done = subprocess.run(
        ["bash", "-c", line], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == "" and done.stdout.splitlines()[-1] in ("0", "141") and len(done.stdout.splitlines()) == 3


@pytest.mark.long
def test_cells_stand_one_by_one_where_that_is_asked_for(finished):
    grid, where, _ = finished
    rows = [line for line in body(bench("show", grid, *where, "--cells").stdout) if re.match(r"\d+  +\w", line)]
    assert [line.split()[-1] for line in rows] == ["ok"] * 5 + ["skipped"] * 2
    narrow = bench("table", "--grid", grid, *where, "--cells", variables={"COLUMNS": "60"}).stdout
    assert [number for number in range(1, 8) if f"\n{number}. " in narrow] == list(range(1, 8))


@pytest.mark.long
def test_of_a_grid_that_is_not_run_the_command_that_makes_it_is_there(tmp_path):
    done = bench("show", "ann", "--cache-dir", tmp_path, "--out", tmp_path, variables={"COLUMNS": "80"})
    lines = body(done.stdout)
    assert re.match(r"\d+ cells: \d+ pending$", lines[0]) and lines[-1].startswith("  python -m bench run --grid ann")


def test_what_is_written_is_named_by_kind_in_a_few_lines(capsys):
    names = ("report.html", "cells.csv", "table.csv", "table.tex", "curve.png", "curve.pdf")
    print_written([*(Path("out/g/d") / name for name in names), Path("out/records.parquet")])
    assert capsys.readouterr().out.splitlines() == [
        "",
        "page     out/g/d/report.html",
        "tables   out/g/d/cells.csv",
        "         out/g/d/table.csv",
        "         out/g/d/table.tex",
        "figures  out/g/d/curve.pdf",
        "         out/g/d/curve.png",
        "records  out/records.parquet",
    ]
    print_written([Path("out/g") / dataset / name for dataset in ("a", "b", "") for name in names[1:3]])
    assert capsys.readouterr().out == "\ntables   cells.csv, table.csv in each of out/g/a, out/g/b, out/g\n"
