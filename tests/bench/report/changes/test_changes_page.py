"""``compare --html``: what stands in the file, whoever opens it."""

import errno
import hashlib
import json
import math
from base64 import b64encode
from pathlib import Path

import pandas as pd
import pytest

from bench.records import compare
from bench.report.changes import write as writing
from bench.report.changes.payload import payload, sides
from bench.report.changes.write import write_changes
from bench.store.entries import Store
from bench.system.files import DiskFull
from bench.system.places import check_file
from tests.bench.pages import read
from tests.bench.recorded import write
from tests.conftest import PLUGINS, bench

HOSTILE = "</script><img src=x onerror=alert(1)> @@DATA@@ ${x} {{ y }} &amp; \u2028"
MACHINE = {"cpu": "Some processor", "cores": 2, "memory_bytes": 25e9, "revision": "0123456789abcdef"}


@pytest.fixture
def folders(tmp_path):
    """Ten cells, of which one got slower, one better, one was lost and one failed."""
    before, after = tmp_path / "old results", tmp_path / "new results"
    for number in range(8):
        factor, quality = (1.4, 0.5) if number == 3 else (1.0, 0.6) if number == 5 else (1.0, 0.5)
        write(before, f"Cell({number}, seed=0)", seed=0, environment=MACHINE, map=0.5)
        write(after, f"Cell({number}, seed=0)", factor=factor, day=2, environment=MACHINE, map=quality)
    write(before, "Cell(lost, seed=0)")
    write(before, "Cell(fails, seed=0)")
    write(after, "Cell(fails, seed=0)", status="error", reason="no file '/home/jdoe42/data/x.npy'", timed=False)
    return before, after


def page_of(folders, path, share=0.0):
    stores = [Store(folder) for folder in folders]
    changes = compare.compare(*stores)
    return read(write_changes(path, changes, *stores, compare.losses(changes, share), "worse, failed or missing"))


def rows_of(page):
    """The page's changes as a frame, with the names in place of positions."""
    data = page.data
    rows = pd.DataFrame(data["changes"])
    rows["figure"] = [None if pd.isna(at) else data["figures"][int(at)]["id"] for at in rows["figure"]]
    rows["cell"] = [data["cells"][at]["name"] for at in rows["cell"]]
    return rows


def test_what_the_page_marks_as_moved_is_what_leaves_out_no_change(folders, tmp_path):
    page = page_of(folders, tmp_path / "x.html")
    rows = rows_of(page)
    changes = compare.frame(compare.compare(*map(Store, folders)))
    outside = changes[(changes["low"] > 1e-9) | (changes["high"] < -1e-9)]
    expected = set(zip(outside["cell"], outside["figure"], strict=True))
    moved = rows[rows["judged"] & (rows["verdict"] != "same")]
    assert set(zip(moved["cell"], moved["figure"], strict=True)) == expected
    assert expected == {("Cell(3, seed=0)", "latency_ms_p50"), ("Cell(5, seed=0)", "map")}


def test_figures_on_the_page_are_those_of_the_csv(folders, tmp_path):
    done = bench("compare", *folders, "--csv", tmp_path / "x.csv", "--html", tmp_path / "x.html")
    assert done.returncode == 0, done.stderr
    rows, table = rows_of(read(tmp_path / "x.html")), pd.read_csv(tmp_path / "x.csv")
    keys, values = ["cell", "figure", "verdict"], ["before", "after", "change", "low", "high"]
    ours = rows[[*keys, *values]].fillna({"figure": ""}).sort_values(keys, ignore_index=True)
    theirs = table[[*keys, *values]].fillna({"figure": ""}).sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)


def test_the_sentence_on_the_screen_stands_first_on_the_page(folders, tmp_path):
    done = bench("compare", *folders, "--html", tmp_path / "x.html", "--fail-over", "5%")
    sentence = next(line for line in done.stdout.splitlines() if "figures moved" in line)
    page = read(tmp_path / "x.html")
    assert sentence in page.shown and done.returncode == 1 and f"wrote {tmp_path / 'x.html'}" in done.stdout
    losses = int(done.stderr.split("bench: ")[1].split()[0])
    means = "worse by more than 5%, failed, missing, timed by another machine, or of other data"
    assert f"{losses} losses ({means})." in page.shown
    assert sum(row["lost"] for row in page.data["changes"]) == losses


def test_both_sides_are_named_with_their_day_machine_and_revision(folders, tmp_path):
    data = page_of(folders, tmp_path / "x.html").data
    assert data["before"]["name"] == "old results" and data["after"]["name"] == "new results"
    assert data["after"]["days"] == "1 to 2 January 2026"
    assert data["before"]["machines"] == ["Some processor, 2 cores, 23 GiB", "unknown machine"]
    assert data["before"]["revisions"] == ["0123456789"]


@pytest.mark.parametrize(("before", "after", "names"), [
    ("a/results", "b/results", ("a/results", "b/results")),
    ("a/x/results", "b/x/results", ("a/x/results", "b/x/results")),
    ("results", "results-2", ("results", "results-2")), ("results", "results", ("results", "results")),
    ("old/results", "results", ("old/results", "new/results")),
    ("../old", ".", ("old", "new")),
])  # fmt: skip
def test_folders_of_one_name_are_told_apart_by_those_that_hold_them(before, after, names, tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    assert tuple(one.name for one in sides(Store(Path(before)), Store(Path(after)))) == names


def test_a_side_whose_record_is_damaged_says_what_the_others_do(folders):
    [first, *_] = sorted((folders[0] / "records").iterdir())
    (first / "entry.json").write_text("{")
    assert sides(*map(Store, folders))[0].days == "1 January 2026"


def test_names_and_reasons_stay_text_whatever_is_in_them(tmp_path):
    before, after = tmp_path / "a<b>", tmp_path / "b"
    write(before, f"Cell({HOSTILE}, seed=0)", dataset=HOSTILE)
    write(after, f"Cell({HOSTILE}, seed=0)", dataset=HOSTILE, status="error", reason=HOSTILE, timed=False)
    write(before, "Cell(fine, seed=0)")
    write(after, "Cell(fine, seed=0)")
    page = page_of((before, after), tmp_path / "x.html")
    assert "img" not in page.names and not page.handlers and len(page.scripts) == 3
    assert HOSTILE in page.data["sets"] and page.data["changes"][0]["note"] == HOSTILE
    assert "What changed from a<b> to b" in page.shown


def test_no_folder_of_anybody_is_in_the_page(folders, tmp_path):
    page = page_of(folders, tmp_path / "x.html")
    own = page.text.replace(page.scripts[-1], "")
    assert (
        "jdoe42" not in own
        and str(tmp_path) not in own
        and "no file '…/x.npy'" in json.dumps(page.data, ensure_ascii=False)
    )


def test_the_page_runs_its_own_scripts_and_loads_nothing(folders, tmp_path):
    page = page_of(folders, tmp_path / "x.html")
    for script in page.scripts[1:]:
        assert b64encode(hashlib.sha256(script.encode()).digest()).decode() in page.policy
    assert page.policy.startswith("default-src 'none';") and "http" not in page.policy
    assert all(link.startswith("#") for link in page.links)


def test_numbers_that_are_none_or_endless_are_null(tmp_path):
    changes = [compare.Change("d", "c", "map", 0.0, 0.1, math.inf, -math.inf, math.inf, "better")]
    [row] = payload(changes, *sides(Store(tmp_path), Store(tmp_path)), [])["changes"]
    assert row["change"] is None and row["low"] is None and row["before"] == 0.0


def refused(done, *words):
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize("name", [".", "file/x", "n" * 256])
def test_a_file_that_can_not_be_written_is_found_and_nothing_is_left(name, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ValueError, match="--html"):
        check_file("--html", tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


@pytest.mark.parametrize("option", ["--csv", "--html"])
def test_files_are_tried_before_anything_is_compared(option, tmp_path):
    refused(bench("compare", tmp_path / "nothing", tmp_path / "nothing", option, tmp_path), option, "is a folder")


def test_one_file_for_both_is_refused(folders, tmp_path):
    refused(bench("compare", *folders, "--csv", tmp_path / "x", "--html", tmp_path / "x"), "--csv", "--html")


def test_without_plotly_a_line_says_what_brings_it(folders, tmp_path):
    (tmp_path / "stub" / "plotly").mkdir(parents=True)
    (tmp_path / "stub" / "plotly" / "__init__.py").write_text("raise ImportError('not here')")
    done = bench("compare", *folders, "--html", tmp_path / "x.html", path=(tmp_path / "stub", PLUGINS))
    refused(done, "pip install plotly")
    assert not (tmp_path / "x.html").exists()


def test_what_was_there_is_kept_when_the_page_does_not_fit(folders, tmp_path, monkeypatch):
    path = tmp_path / "x.html"
    path.write_text("earlier")

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(writing, "write_text", full)
    with pytest.raises(DiskFull):
        page_of(folders, path)
    assert path.read_text() == "earlier" and not list(tmp_path.glob(".tmp-*"))
