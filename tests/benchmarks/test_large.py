"""The data and the grids for databases larger than memory, in small."""

import sys
from pathlib import Path

import numpy as np
import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.plugins import registry
from tests.benchmarks import large


@pytest.mark.parametrize(("what", "names"), [("vectors", ("train", "test")), ("codes", ("database", "query"))])
def test_the_data_are_those_that_the_grid_reads_and_do_not_depend_on_how_often_they_are_made(
    what, names, tmp_path, monkeypatch
):
    monkeypatch.setattr(large, "BLOCK_VALUES", 2**11)
    monkeypatch.setattr(large, "CENTRES", 10)
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        arguments = [what, str(folder), "--rows", "500", "--queries", "20", "--dim", "16"]
        monkeypatch.setattr(sys, "argv", ["large", *arguments])
        large.main()
        made.append([np.load(folder / f"{name}.npy") for name in names])
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one, other)
        assert len(np.unique(one, axis=0)) == len(one)
    grid = Path(large.__file__).with_name(f"large_{what}.toml")
    plan = grid_file.load(str(grid), Options(dataset=what, data_dir=tmp_path / "a"))
    assert len(plan.cells) > 3
    dataset = registry.build("dataset", what, {"data_dir": str(tmp_path / "a")})
    database = dataset.load(Context()).split("database")
    np.testing.assert_array_equal(database.codes.words if what == "codes" else database.vectors, made[0][0])
