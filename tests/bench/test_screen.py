"""What stands on the terminal while a run goes on."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress

from bench.cli.screen import Reporter, Screen
from tests.conftest import CHECKOUT, bench


def test_a_bar_is_shown_while_a_stage_runs_and_a_line_where_it_took_long(monkeypatch):
    now = [10.0]
    monkeypatch.setattr("bench.cli.screen.time", SimpleNamespace(perf_counter=lambda: now[0]))
    written = io.StringIO()
    with Progress(console=Console(file=written, width=100), auto_refresh=False) as progress:
        reporter = Reporter(progress)
        reporter.show("fit", 0, None)
        reporter.show("fit", 3, 7)
        (bar,) = progress.tasks
        assert (bar.description, bar.completed, bar.total) == ("fit", 3, 7)
        reporter.show("encode", None, None)
        now[0] += 2.5
        reporter.show("fit", None, 7)
        assert not progress.tasks
    lines = written.getvalue()
    assert "fit: 2.5 s" in lines and "encode" not in lines


def test_the_bar_of_steps_goes_when_they_end_or_are_left():
    with Progress(console=Console(file=io.StringIO()), auto_refresh=False) as progress:
        reporter = Reporter(progress)
        for left_after in (6, 7):
            steps = reporter.track([5, 6, 7], "steps")
            for step in steps:
                assert (progress.tasks[0].completed, progress.tasks[0].total) == (step - 5, 3)
                if step == left_after:
                    break
            steps.close()
            assert not progress.tasks
        assert list(reporter.track([5, 6, 7], "steps")) == [5, 6, 7] and not progress.tasks


def shown(text):
    screen = Screen()
    screen.file = io.StringIO()
    screen.print(text)
    return screen.file.getvalue()


@given(st.text(max_size=300).filter(str.isprintable))
def test_printable_text_is_shown_as_it_is(text):
    assert shown(text) == text + "\n"


@pytest.mark.parametrize("text", ["[bold]x[/]", "x[/y]", "[link=a]", ":smile:", "\\[x]", "{k} %s $x^2$", "a" * 5000])
def test_no_text_is_read_as_markup_and_none_is_cut(text):
    assert shown(text) == text + "\n"


def test_what_a_terminal_would_obey_is_shown_as_an_escape():
    assert shown("a\x1b[31mb\udcffc\x07") == "a\\x1b[31mb\\udcffc\\x07\n"


@pytest.mark.parametrize(
    "settings", [{"COLUMNS": "40"}, {"TERM": "dumb"}, {"NO_COLOR": "1"}, {"PYTHONIOENCODING": "latin-1"}]
)
def test_through_a_pipe_a_table_is_whole(settings, tmp_path):
    command = [
        sys.executable,
        "-m",
        "bench",
        "show",
        "hashing_small",
        "--out",
        str(tmp_path),
        "--cache-dir",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **settings}, capture_output=True, check=True)
    rows = [line for line in done.stdout.decode("latin-1").splitlines() if "pending" in line]
    assert len(rows) > 100 and len({len(row) for row in rows}) == 1
    assert any("best_on_validation" in row for row in rows) and b"\xe2\x80\xa6" not in done.stdout


def test_a_reader_that_leaves_ends_it_in_silence():
    command = f"set -o pipefail; {sys.executable} -u -m bench list | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (
        done.stderr == "" and done.stdout.splitlines()[0] == "datasets" and done.stdout.splitlines()[-1] in ("0", "141")
    )


@pytest.mark.parametrize("name", ["run [final]", "x[/y]", "a\nb", "$x_1$ {k} %s <b>", "日本 ü", "~tilde", "n" * 200])
def test_a_folder_of_any_name_gets_a_report_and_its_path_is_printed_whole(name, tmp_path, small_grid, vectors_dir):
    data = tmp_path / name.replace("/", "|")[::-1]
    data.symlink_to(vectors_dir)
    out = tmp_path / name
    done = bench("table", "--grid", small_grid, "--data-dir", data, "--out", out, "--cache-dir", tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    printed = [
        line.removeprefix("wrote ").replace("\\n", "\n")
        for line in done.stdout.splitlines()
        if line.startswith("wrote")
    ]
    assert str(out / "records.parquet") in printed or "\n" in name
    assert len(list(out.glob("small/*/table.tex"))) == 1
