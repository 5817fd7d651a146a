"""Exact neighbours that are found part by part are those of the whole database, and no part is found twice."""

import numpy as np
import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.stages import nearest
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store

GRID = """
title = "t"
dataset = "toy_clusters"
recipe = "r"
k = 3
[[cells]]
protocol = ["seen", "unseen"]
embedder = "identity"
index = "linear_scan"
[[cells]]
embedder = "identity"
[recipes.r]
"""


@pytest.fixture
def make(tmp_path, third_party):
    def pipeline(name):
        (tmp_path / "g.toml").write_text(GRID)
        cache = tmp_path / name
        return Pipeline(grid_file.load(str(tmp_path / "g.toml"), Options()), Store(cache), Context(cache=cache))

    return pipeline


def test_a_small_database_has_no_parts_and_neither_has_a_ranking(make):
    pipeline = make("whole")
    assert [nearest.exact_parts(pipeline, cell) for cell in pipeline.grid.cells] == [[], [], []]


@pytest.mark.long
def test_the_neighbours_of_all_parts_are_those_of_the_whole_database(make, monkeypatch):
    whole, pipeline = make("whole"), make("parts")
    expected = [nearest.exact(whole, cell) for cell in whole.grid.cells[:2]]
    monkeypatch.setattr(nearest, "PART_ROWS", 50)
    for cell, ids in zip(pipeline.grid.cells, expected, strict=False):
        parts = nearest.exact_parts(pipeline, cell)
        assert len(parts) == -(-len(pipeline.database_rows(cell)) // 50) > 1
        assert len({part.key for part in parts}) == len(parts)
        assert {part.whole for part in parts} == {nearest.exact_key(whole, cell)}
        np.testing.assert_array_equal(nearest.exact(pipeline, cell), ids)


def test_a_part_that_another_process_has_found_is_read_and_not_found_again(make, monkeypatch):
    monkeypatch.setattr(nearest, "PART_ROWS", 50)
    cell = make("parts").grid.cells[0]
    parts = nearest.exact_parts(make("parts"), cell)
    for part in parts[1:]:
        part.make()
    find, rows = nearest._find_in, []
    monkeypatch.setattr(nearest, "_find_in", lambda *given: rows.append(given[2]) or find(*given))
    nearest.exact(make("parts"), cell)
    assert rows == [slice(0, 50)]
    rows.clear()
    nearest.exact(make("parts"), cell)
    assert not rows
