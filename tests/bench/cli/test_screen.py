"""What stands on the terminal."""

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli.screen import Screen
from tests.conftest import CHECKOUT, bench


def shown(text):
    screen = Screen()
    screen.file = io.StringIO()
    screen.print(text)
    return screen.file.getvalue()


@pytest.mark.long
@given(st.text(max_size=300).filter(str.isprintable))
def test_printable_text_is_shown_as_it_is(text):
    assert shown(text) == text + "\n"


@pytest.mark.parametrize("text", ["[bold]x[/]", "x[/y]", "[link=a]", ":smile:", "\\[x]", "{k} %s $x^2$", "a" * 5000])
def test_no_text_is_read_as_markup_and_none_is_cut(text):
    assert shown(text) == text + "\n"


def test_on_a_terminal_a_long_line_ends_between_words_and_a_path_stays_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    screen = Screen()
    screen.file, screen._force_terminal = io.StringIO(), True
    screen.print("bench: no space is left to write /a/path/that/is/longer/than/thirty/columns there")
    assert screen.file.getvalue().splitlines() == [
        "bench: no space is left to",
        "  write",
        "  /a/path/that/is/longer/than/thirty/columns",
        "  there",
    ]


def test_what_a_terminal_would_obey_is_shown_as_an_escape():
    assert shown("a\x1b[31mb\udcffc\x07") == "a\\x1b[31mb\\udcffc\\x07\n"


def test_a_reader_that_leaves_ends_it_in_silence():
    command = f"set -o pipefail; {sys.executable} -u -m bench list | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (
        done.stderr == "" and done.stdout.splitlines()[0] == "datasets" and done.stdout.splitlines()[-1] in ("0", "141")
    )


@pytest.mark.long
@pytest.mark.parametrize("name", ["run [final]", "x[/y]", "a\nb", "$x_1$ {k} %s <b>", "日本 ü", "~tilde", "n" * 200])
def test_a_folder_of_any_name_gets_a_report_and_its_path_is_printed_whole(name, tmp_path, small_grid, vectors_dir):
    data = tmp_path / name.replace("/", "|")[::-1]
    data.symlink_to(vectors_dir)
    out = tmp_path / name
    where = ("--data-dir", data, "--out", out, "--cache-dir", tmp_path / "cache")
    done = bench("run", "--in-process", "--grid", small_grid, *where)
    assert done.returncode == 0, done.stderr
    assert "records  " + str(out / "records.parquet").replace("\n", "\\n") in done.stdout
    assert len(list(out.glob("small/*/table.tex"))) == 1
