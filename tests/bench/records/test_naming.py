import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.grids import grid_file
from bench.grids.naming import default_name, given_name
from bench.interfaces import Context
from bench.records.naming import settled
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.system.files import plain_name
from datasets.vectors import Vectors
from tests.conftest import bench

GRID = """
title = "Tiny"
dataset = "vectors"
recipe = "none"
layout = "pareto"
measure = {replicates = 1, rounds = 1, queries_per_round = 5}
[[cells]]
embedder = "identity"
index = ["linear_scan", "faiss"]
[recipes.none]
"""


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(GRID)
    return path


def write(folder, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    vectors = np.random.default_rng(seed).standard_normal((120, 8)).astype(np.float32)
    np.save(folder / "train.npy", vectors[:100])
    np.save(folder / "test.npy", vectors[100:])
    return folder


def pipeline(grid, folder, said=None, **options):
    options = grid_file.Options(data_dir=folder, **options)
    say = (lambda _: None) if said is None else said.append
    return Pipeline(grid_file.load(str(grid), options), Store(folder / "cache"), Context(), say)


def test_data_are_called_as_their_folder_was_typed(tmp_path, monkeypatch):
    (tmp_path / "sift" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "sift")
    monkeypatch.chdir(tmp_path / "sift")
    for typed, name in {
        ".": "sift",
        "inner/..": "sift",
        "inner/": "inner",
        f"{tmp_path}/link/": "link",
        "[bold]x[/bold] (1)": "bold] (1)",
        "größe 日本": "größe 日本",
        ".hidden": "hidden",
        "back\\slash\n": "back_slash_",
        os.fsdecode(b"latin-\xe9"): "latin-_",
        "/": "vectors",
        "x" * 255: "x" * 200,
        "日" * 85: "日" * 66,
    }.items():
        assert default_name("vectors", SimpleNamespace(data_dir=Path(typed))) == name
    assert default_name("synthetic", SimpleNamespace()) == "synthetic"
    assert default_name("hdf5", SimpleNamespace(data_dir=Path("x"), dataset_name="glove")) == "glove"
    assert default_name("hdf5", SimpleNamespace(data_dir=Path("x"), dataset_name=None)) == "x"


@given(st.text(st.characters(blacklist_characters="/\0"), min_size=1))
def test_every_default_name_is_one_that_could_be_given(name):
    found = default_name("plugin", SimpleNamespace(dataset_name=name))
    assert plain_name("name", given_name(found, "--name")) == found


@pytest.mark.parametrize("name", ["", " ", ".", "..", ".x", "a/b", "a\\b", "a\nb", " a", "x" * 201, "\udce9"])
def test_what_can_be_no_name_is_refused_in_a_line_that_says_where_it_was_given(grid, tmp_path, name):
    with pytest.raises(ValueError, match=r"^--name .*must be") as fault:
        pipeline(grid, tmp_path, dataset_name=name)
    assert "\n" not in str(fault.value)


def test_a_name_is_the_command_line_s_or_else_the_grid_s_or_else_the_folder_s(grid, tmp_path):
    folder = write(tmp_path / "sift")
    assert pipeline(grid, folder).grid.dataset_name == "sift"
    setting = ("dataset_name=SIFT1M",)
    assert pipeline(grid, folder, settings=setting).grid.dataset_name == "SIFT1M"
    assert pipeline(grid, folder, settings=setting, dataset_name="mine").grid.dataset_name == "mine"
    assert pipeline(grid, folder, settings=("dataset_name=2024-05-01",)).grid.dataset_name == "2024-05-01"
    with pytest.raises(ValueError, match=r"dataset_name = \[5\]"):
        pipeline(grid, folder, settings=("dataset_name=[5]",))


def test_one_name_for_several_data_sets_is_refused(grid):
    options = grid_file.Options(settings=('dataset=["vectors", "hdf5"]',), dataset_name="both")
    with pytest.raises(ValueError, match=r"'both' is one name for 2 data sets.*--dataset"):
        grid_file.dataset_names(str(grid), options)


def test_the_fingerprint_tells_contents_apart_and_nothing_else(grid, tmp_path):
    one, same, other = (write(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    found = [pipeline(grid, folder).dataset_fingerprint for folder in (one, same, other)]
    assert found[0] == found[1] != found[2]
    assert all(len(digits) == 12 and set(digits) <= set("0123456789abcdef") for digits in found)


def test_a_name_stays_with_the_content_that_took_it_first(grid, tmp_path):
    results, said = Store(tmp_path / "out"), []
    before = pipeline(grid, write(tmp_path / "data"))
    assert settled(before, results) is before and not results.root.exists()
    settled(before, results, take=True)
    changed = pipeline(grid, write(tmp_path / "data", seed=1), said)
    name = f"data-{changed.dataset_fingerprint}"
    for _ in range(2):
        assert settled(changed, results, take=True).grid.dataset_name == name
    assert "'data'" in said[0] and name in said[0] and "--name" in said[0]
    back = pipeline(grid, write(tmp_path / "data"), said := [])
    assert settled(back, results, take=True) is back and not said


@pytest.mark.long
def test_two_folders_of_one_name_keep_their_tables_and_records(grid, tmp_path):
    out = tmp_path / "out"
    where = ("--in-process", "--grid", grid, "--out", out, "--cache-dir", tmp_path / "cache")
    for number, seed in enumerate((0, 1)):
        folder = write(tmp_path / str(number) / "data", seed)
        done = bench("run", *where, "--data-dir", folder)
        assert done.returncode == 0, done.stderr
    records = pd.read_parquet(out / "records.parquet")
    assert (records["dataset_plugin"] == "vectors").all()
    digits = records["dataset_fingerprint"].unique().tolist()
    written = {path.name: pd.read_csv(path / "cells.csv") for path in (out / "tiny").iterdir()}
    assert len(digits) == 2 and len(written) == 2 and "data" in written
    for name, cells in written.items():
        [own] = cells["dataset_fingerprint"].unique()
        assert name in ("data", f"data-{own}") and (cells["dataset"] == name).all()
        assert set(records.loc[records["dataset"] == name, "dataset_fingerprint"]) == {own}
        assert name in (out / "tiny" / name / "table.tex").read_text()


@pytest.mark.long
def test_work_that_was_done_under_another_name_is_found_and_shown_under_the_one_that_is_asked_for(grid, tmp_path):
    out, folder = tmp_path / "out", write(tmp_path / "data")
    where = ("--grid", grid, "--out", out, "--cache-dir", tmp_path / "cache", "--data-dir", folder)
    assert bench("run", "--in-process", *where).returncode == 0
    kept = sorted((out / "records").iterdir())
    done = bench("run", "--in-process", *where, "--name", "SIFT")
    assert done.returncode == 0 and "SIFT" in done.stdout and sorted((out / "records").iterdir()) == kept
    assert (pd.read_csv(out / "tiny" / "SIFT" / "cells.csv")["dataset"] == "SIFT").all()
    assert (pd.read_csv(out / "tiny" / "data" / "cells.csv")["dataset"] == "data").all()
    shown = bench("show", *where[1:], "--name", "SIFT")
    assert "data set SIFT: vectors(" in shown.stdout and "2 cells: 2 done" in shown.stdout


@pytest.mark.long
def test_several_data_sets_in_one_folder_have_a_name_each(grid, tmp_path):
    import h5py

    folder = write(tmp_path / "data")
    with h5py.File(folder / "data.hdf5", "w") as file:
        file.attrs["distance"] = "euclidean"
        for name in ("train", "test"):
            file[name] = np.load(folder / f"{name}.npy")
    where = ("--grid", grid, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache", "--data-dir", folder)
    done = bench("run", "--in-process", *where, "--set", 'dataset=["vectors", "hdf5"]')
    assert done.returncode == 0, done.stderr
    cells = pd.read_csv(tmp_path / "out" / "tiny" / "cells.csv")
    assert cells["dataset"].unique().tolist() == ["data-vectors", "data-hdf5"]
    assert {"data-vectors", "data-hdf5"} <= {path.name for path in (tmp_path / "out" / "tiny").iterdir()}


def test_data_that_get_another_name_are_read_once(grid, tmp_path, monkeypatch):
    results, read = Store(tmp_path / "out"), []
    settled(pipeline(grid, write(tmp_path / "data")), results, take=True)
    whole = Vectors.fingerprint
    monkeypatch.setattr(Vectors, "fingerprint", lambda self: read.append(self) or whole(self))
    before = pipeline(grid, write(tmp_path / "data", seed=1))
    after = settled(before, results, take=True)
    assert after.grid.dataset_name != before.grid.dataset_name
    assert after.dataset_identity == before.dataset_identity and len(read) == 1


def test_the_pipeline_of_a_grid_on_other_data_knows_nothing_of_these(grid, tmp_path):
    one, other = (pipeline(grid, write(tmp_path / name, seed)) for name, seed in (("a", 0), ("b", 1)))
    assert one.dataset_fingerprint != one.on_grid(other.grid).dataset_fingerprint == other.dataset_fingerprint
