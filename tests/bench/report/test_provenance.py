"""Where and when results were made, in words that can be published."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.provenance import days_in_words, machine_in_words, without_paths


@pytest.mark.parametrize(("text", "kept"), [
    ("OSError: /home/ann/data/x.npy is missing", "OSError: …/x.npy is missing"),
    ("no file '/srv/my data/ann b/x y.npy' there", "no file '…/x y.npy' there"),
    ('"C:\\Users\\ann\\x.npy" and D:\\data\\ann\\y', '"…/x.npy" and …/y'),
    ("see /a/b, /c/d/ and (/e/f)", "see …/b, …/ and (…/f)"),
    ("file:///home/ann/x", "file://…/x"),
])  # fmt: skip
def test_of_an_absolute_path_the_last_name_stays(text, kept):
    assert without_paths(text) == kept


@pytest.mark.parametrize(
    "text",
    ["1,000 queries/s", "tune/report", "https://example.org/a/b", "a / b", "1/2/2026", "IVF300,PQ8", "…/x"],
)
def test_what_is_no_path_stays_as_it_is(text):
    assert without_paths(text) == text


def test_the_home_folder_of_this_user_is_gone_also_where_its_names_have_spaces(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ann b"))
    assert "ann b" not in without_paths("/home/ann b/data/x.npy is missing")


@given(st.lists(st.text("abc", min_size=1, max_size=5), min_size=2, max_size=5))
def test_no_folder_of_a_plain_path_is_left(names):
    assert without_paths(f"in /{'/'.join(names)} there") == f"in …/{names[-1]} there"


@pytest.mark.parametrize(("times", "words"), [
    ([], ""), ([None, "junk"], ""), (["2026-11-25T10:00:00.000+00:00"], "25 November 2026"),
    (["2026-11-26T01:00:00", "2026-11-25T23:00:00+00:00"], "25 to 26 November 2026"),
    (["2026-10-31", "2026-11-01"], "31 October to 1 November 2026"),
    (["2025-12-31", "2026-01-01"], "31 December 2025 to 1 January 2026"),
])  # fmt: skip
def test_days_are_said_once(times, words):
    assert days_in_words(times) == words


def test_of_a_machine_only_what_is_known_is_said():
    known = {"cpu": "Some processor", "cores": 1, "memory_bytes": 25 * 2**30, "gpu": "Some GPU, 570.1"}
    assert machine_in_words(known) == "Some processor, 1 core, 25 GiB, Some GPU, 570.1"
    assert machine_in_words({"cores": 4, "usable_cores": 1}) == "1 of 4 cores"
    assert machine_in_words({"cores": 2, "usable_cores": 2}) == "2 cores"
    assert machine_in_words({}) == "unknown machine"
