"""One grid of plugins that die in every way, with some that do not, from the command line."""

import uuid

import pandas as pd
import pytest

from tests.conftest import TEST_MARK, bench, marked

pytestmark = pytest.mark.long

GRID = """
title = "Chaos"
dataset = "toy_clusters"
recipe = "r"
[measure]
replicates = 1
rounds = 2
queries_per_round = 5
batch_seconds = 0.01
[[cells]]
embedder = "identity"
index = "toy_chaos"
at_build = ["crash", "leave", "refuse", "hang", "eat", "chatter", "fork"]
[[cells]]
embedder = "identity"
index = "toy_chaos"
at_search = ["be_killed", "nothing"]
[[cells]]
embedder = "identity"
index = "toy_chaos"
spoil = ["nan", "double", "shape", "few", "range", "list"]
[[cells]]
embedder = "identity"
index = "toy_scan"
reach = [90, 180]
[[cells]]
embedder = "toy_chaos_embedder"
index = "toy_scan"
[[cells]]
hasher = "toy_chaos_hasher"
index = "toy_scan"
field = "codes"
[recipes.r]
"""
REASONS = {
    "crash": ("error", "ended by SIGSEGV"),
    "leave": ("error", "ended by itself, with exit code 0, before it had answered"),
    "refuse": ("error", "RuntimeError: chaos on purpose"),
    "hang": ("timeout", "not finished after the 12 s of --timeout"),
    "eat": ("memory", "GB, more than the 1 GB that it may"),
    "be_killed": ("error", "ended by SIGKILL"),
    "nan": ("error", "search returned float64 [36, 10], expected int64 [36, 10]"),
    "double": ("error", "search returned an id twice for one query"),
    "shape": ("error", "search returned int64 [10, 36], expected int64 [36, 10]"),
    "few": ("error", "search returned int64 [36, 9], expected int64 [36, 10]"),
    "range": ("error", "expected -1 .. 179"),
    "list": ("error", "ValueError: search returned list, expected an array int64 [q, k]"),
    "toy_chaos_embedder": ("error", "expected finite float32 [n, d]"),
    "toy_chaos_hasher": ("error", "90 encoded codes of 8 bits; expected 180, one an item, of bits = 8"),
}


def what(cell):
    """What sets a cell apart: how it misbehaves, or its index and setting."""
    for name in ("embedder", "hasher"):
        if str(cell[name]).startswith("toy_chaos"):
            return cell[name]
    names = [cell[name] for name in ("at_build", "at_search", "spoil") if cell[name] not in ("nothing", "")]
    known = [name for name in names if isinstance(name, str)]
    return known[0] if known else f"{cell['index']} {cell['reach']:.0f}" if cell["index"] == "toy_scan" else "nothing"


@pytest.fixture(scope="module")
def chaos(tmp_path_factory):
    """The finished run, its processes' mark, the cells by what they do, the table, and how to run it again."""
    folder, mark = tmp_path_factory.mktemp("chaos"), uuid.uuid4().hex
    grid = folder / "chaos.toml"
    grid.write_text(GRID)
    arguments = ("run", "--grid", grid, "--out", folder / "out", "--cache-dir", folder / "cache")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(TEST_MARK, mark)
        done = bench(*arguments, "--timeout", 12, "--memory-limit", 1)
    written = folder / "out" / "chaos" / "toy_clusters"
    cells = pd.read_csv(written / "cells.csv", keep_default_na=False, na_values={"reach": [""], "recall_at_10": [""]})
    cells.index = [what(cell) for cell in cells.to_dict("records")]
    return done, mark, cells, pd.read_csv(written / "table.csv"), arguments


def test_a_grid_of_chaos_finishes_and_leaves_no_process(chaos):
    done, mark, cells, _, _ = chaos
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr, done.stderr
    assert len(cells) == len(REASONS) + 5 and f"{len(REASONS)} of {len(cells)} cells failed" in done.stderr
    assert marked(mark) == []


@pytest.mark.parametrize("name", ["nothing", "toy_scan 180", "toy_scan 90", "chatter", "fork"])
def test_what_behaves_has_its_figures(chaos, name):
    cell = chaos[2].loc[name]
    assert cell["status"] == "ok" and float(cell["latency_ms_p50"]) > 0 and float(cell["ratio"]) > 0
    assert cell["recall_at_10"] == 1 or (name == "toy_scan 90" and 0 < cell["recall_at_10"] < 1)


@pytest.mark.parametrize("name", REASONS)
def test_what_fails_says_why(chaos, name):
    done, _, cells, _, _ = chaos
    status, reason = REASONS[name]
    assert cells.loc[name, "status"] == status and reason in cells.loc[name, "reason"]
    assert cells.loc[name, "due_to"] == (name if name.startswith("toy_chaos") else "toy_chaos")
    assert any(reason in line for line in done.stderr.splitlines())


def test_the_table_shows_how_each_ended(chaos):
    shown = set(chaos[3]["Recall@10, %"])
    assert {"timeout", "memory", "error", "100.00"} <= shown


def test_the_same_command_tries_nothing_again_and_says_the_same(chaos):
    done, _, _, _, arguments = chaos
    again = bench(*arguments)
    assert again.returncode == 1 and again.stderr == done.stderr
    assert "fit" not in again.stdout
