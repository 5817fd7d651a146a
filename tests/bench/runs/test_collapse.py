"""A training whose codes collapse: its record, the screen and the page say so."""

import numpy as np
import pytest

from bench.cli.results import print_grid
from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records.frame import frame_of
from bench.report.page.payload import payload
from bench.report.tables import complete
from bench.report.tidy import gathered
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.in_process import Local
from tests.quick import take_times_quickly

GRID = """
title = "Codes"
dataset = "vectors"
recipe = "none"
layout = "codes"
[measure]
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
replicates = 1
[[cells]]
hasher = "toy_collapsed"
bits = 12
constant = [12, 3, 0]
[[cells]]
hasher = "toy_collapsed"
bits = 12
constant = 12
index = "hamming_scan"
[[cells]]
embedder = "identity"
[recipes.none]
"""
SAID = [
    "2 cells of toy_collapsed: all database codes are equal",
    "1 cell of toy_collapsed: 3 of 12 bits are the same in all database codes",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory, vectors_dir):
    """The grid, finished."""
    folder = tmp_path_factory.mktemp("collapse")
    (folder / "codes.toml").write_text(GRID)
    (folder / "cache").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        take_times_quickly(patch.setattr)
        plan = grid_file.load(str(folder / "codes.toml"), Options(data_dir=vectors_dir))
        pipeline = Pipeline(plan, Store(folder / "cache"), Context(cache=folder / "cache"), lambda _: None)
        made = Run(pipeline, Store(folder / "out"), say=lambda _: None, start=Local)
        assert made.finish() == {}
        yield made


@pytest.fixture(scope="module", autouse=True)
def toys(request):
    from bench.plugins import registry
    from tests.conftest import PLUGINS

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGINS))
        registry._offered.cache_clear()
        yield
    registry._offered.cache_clear()


def test_records_of_rankings_and_of_searches_count_bits_codes_and_classes(run, vectors_dir):
    cells = frame_of(run.pipeline, run.results)
    assert cells["constant_bits"].iloc[:4].tolist() == [12, 3, 0, 12] and cells["constant_bits"].iloc[4:].isna().all()
    planes = np.random.default_rng(0).standard_normal((16, 12)).astype(np.float32)
    bits = np.load(vectors_dir / "train.npy") @ planes >= 0
    kept = [len(np.unique(bits[:, constant:], axis=0)) for constant in (3, 0)]
    assert cells["distinct_codes"].iloc[:4].tolist() == [1, *kept, 1]
    assert (cells["database_classes"].iloc[:4] == 5).all()


def test_the_screen_groups_collapses_by_what_is_wrong(run, capsys):
    print_grid([run.pipeline], run.results, cell_by_cell=False)
    shown = capsys.readouterr().out.splitlines()
    start = next(at for at, line in enumerate(shown) if line.startswith("bench: codes that collapsed"))
    assert [line.strip() for line in shown[start + 1 : start + 3]] == SAID


def test_the_page_says_it_in_its_notes_and_in_the_rows_details(run):
    cells, info = gathered([run.pipeline], run.results)
    (found,) = payload(info, complete(cells, info), {})["sets"]
    assert found["notes"] == SAID
    assert [row.get("collapse") for row in found["rows"]][:3] == [
        "all database codes are equal",
        "3 of 12 bits are the same in all database codes",
        None,
    ]
