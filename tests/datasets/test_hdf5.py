import dataclasses

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_distances
from sklearn.neighbors import NearestNeighbors

from bench import grid_file, records
from bench.child import Local
from bench.grid_file import Options
from bench.interfaces import Context
from bench.pipeline import Pipeline
from bench.report import write_report
from bench.runner import Run
from bench.store import Store
from datasets import hdf5, vectors
from datasets.hdf5 import HDF5


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "train": rng.standard_normal((300, 16), dtype=np.float32),
        "test": rng.standard_normal((20, 16), dtype=np.float32),
        "neighbors": np.zeros((20, 100), np.int32),
        "distances": np.full((20, 100), np.nan, np.float32),
    }


LABELS = {"train_labels": np.arange(300) % 3, "test_labels": np.arange(20) % 3}


def save(path, arrays, distance="euclidean"):
    with h5py.File(path, "w") as file:
        if distance is not None:
            file.attrs["distance"] = distance
        for name, array in arrays.items():
            file[name] = array


def load(folder, arrays, distance="euclidean"):
    save(folder / "small.hdf5", arrays, distance)
    return HDF5(data_dir=folder).load(Context())


def test_vectors_are_those_of_the_file_and_have_no_labels(tmp_path, arrays):
    dataset = load(tmp_path, arrays)
    database, query = dataset.split("train"), dataset.split("query")
    assert np.array_equal(database.vectors, arrays["train"]) and database.vectors.dtype == np.float32
    assert np.array_equal(query.vectors, arrays["test"])
    assert dataset.labelled is False and dataset.classes == ()
    assert set(database.labels) == set(query.labels) == {-1}
    assert dataset.split("database") is database
    assert np.array_equal(np.concatenate([database.ids, query.ids]), np.arange(320))


def test_labels_are_read_where_they_stand(tmp_path, arrays):
    dataset = load(tmp_path, arrays | LABELS)
    assert dataset.labelled and dataset.classes == ("0", "1", "2")
    assert np.array_equal(dataset.split("train").labels, LABELS["train_labels"])
    assert np.array_equal(dataset.split("query").labels, LABELS["test_labels"])


@pytest.mark.parametrize("distance", ["euclidean", "angular"])
def test_blocks_make_no_difference(tmp_path, arrays, distance, monkeypatch):
    whole = load(tmp_path, arrays, distance).split("train").vectors
    monkeypatch.setattr(vectors, "BLOCK_BYTES", 7 * 16 * 4)
    assert np.array_equal(load(tmp_path, arrays, distance).split("train").vectors, whole)


def test_compressed_chunks_are_read_whole(tmp_path, arrays):
    save(tmp_path / "small.hdf5", {"test": arrays["test"]})
    with h5py.File(tmp_path / "small.hdf5", "a") as file:
        file.create_dataset("train", data=arrays["train"], chunks=(7, 3), compression="gzip")
    assert np.array_equal(HDF5(data_dir=tmp_path).load(Context()).split("train").vectors, arrays["train"])


def test_the_distance_may_be_an_attribute_of_bytes(tmp_path, arrays):
    assert len(load(tmp_path, arrays, np.bytes_("euclidean")).split("query")) == 20


def test_angular_order_is_that_of_cosine_distance(tmp_path, arrays):
    arrays["train"] *= np.geomspace(1e-3, 1e3, 300, dtype=np.float32)[:, None]
    dataset = load(tmp_path, arrays, "angular")
    database, query = dataset.split("database").vectors, dataset.split("query").vectors
    expected = np.argsort(cosine_distances(arrays["test"], arrays["train"]), axis=1)[:, :10]
    near = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(database).kneighbors(query, return_distance=False)
    plain = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(arrays["train"]).kneighbors(arrays["test"])[1]
    assert np.array_equal(near, expected) and not np.array_equal(plain, expected)


@given(st.integers(-40, 37), st.integers(0, 2**32 - 1))
def test_rows_of_any_length_become_unit_length(exponent, seed):
    rows = np.random.default_rng(seed).uniform(0.5, 1, size=(5, 3)) * 10.0**exponent
    found = rows.astype(np.float32)
    hdf5._to_unit_length("rows", found, 0)
    assert np.linalg.norm(found.astype(np.float64), axis=1) == pytest.approx(np.ones(5), abs=1e-6)


def test_a_row_without_direction_is_named(tmp_path, arrays, monkeypatch):
    monkeypatch.setattr(vectors, "BLOCK_BYTES", 7 * 16 * 4)
    arrays["test"][17] = 0
    assert len(load(tmp_path, arrays).split("query")) == 20
    with pytest.raises(ValueError, match=r"small\.hdf5: test: row 17 is zero; .*'angular'"):
        load(tmp_path, arrays, "angular")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_value_that_is_not_finite_is_named(tmp_path, arrays, value, monkeypatch):
    monkeypatch.setattr(vectors, "BLOCK_BYTES", 7 * 16 * 4)
    arrays["train"][40, 2] = arrays["train"][41, 0] = value
    with pytest.raises(ValueError, match=rf"small\.hdf5: train: {value} at row 40, column 2; must be finite"):
        load(tmp_path, arrays)


@pytest.mark.parametrize("distance", ["hamming", "jaccard", "dot", None])
def test_a_distance_that_is_not_served_is_refused(tmp_path, arrays, distance):
    with pytest.raises(ValueError, match=rf"small\.hdf5: attribute distance = {distance!r}, must be 'eucl"):
        load(tmp_path, arrays, distance)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train", np.zeros((300, 16)), r"small\.hdf5: train: float64 \[300, 16\], must be float32 \[n, d\]"),
        ("train", np.zeros(300, np.float32), r"train: float32 \[300\], must be float32 \[n, d\]"),
        ("train", np.zeros((300, 0), np.float32), r"train: \[300, 0\], must hold at least one vector"),
        ("test", np.zeros((0, 16), np.float32), r"test: \[0, 16\], must hold at least one vector"),
        ("test", np.zeros((20, 5), np.float32), r"small\.hdf5: test: 5 columns, but .*small\.hdf5: train has 16"),
        ("train_labels", np.zeros(19, np.int64), r"small\.hdf5: train_labels: 19 labels for 300 vectors"),
        ("test_labels", np.zeros(20, np.int32), r"small\.hdf5: test_labels: int32 \[20\], must be int64 \[n\]"),
        ("test_labels", np.full(20, -1), "query item 0 has label -1"),
        ("test_labels", np.array(["x"] * 20, dtype=object), r"test_labels: object \[20\], must be int64"),
    ],
)
def test_wrong_array_is_named(tmp_path, arrays, name, array, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, arrays | LABELS | {name: array})


@pytest.mark.parametrize("name", ["train", "test", "train_labels", "test_labels"])
def test_missing_array_is_named_with_those_there_are(tmp_path, arrays, name):
    every = {"train": arrays["train"], "test": arrays["test"], **LABELS}
    with pytest.raises(ValueError, match=rf"small\.hdf5: no data set {name}; there are: "):
        load(tmp_path, {other: array for other, array in every.items() if other != name})


def test_a_group_is_no_data_set(tmp_path, arrays):
    save(tmp_path / "small.hdf5", {"test": arrays["test"], "train/vectors": arrays["train"]})
    with pytest.raises(ValueError, match=r"small\.hdf5: no data set train; there are: test, train"):
        HDF5(data_dir=tmp_path).load(Context())


def test_damaged_file_is_named(tmp_path, arrays):
    path = tmp_path / "small.hdf5"
    save(path, arrays)
    before = HDF5(data_dir=tmp_path).fingerprint()
    for content in (b"damaged", path.read_bytes()[:5000]):
        path.write_bytes(content)
        assert HDF5(data_dir=tmp_path).fingerprint() != before
        with pytest.raises(ValueError, match=r"small\.hdf5: not a readable HDF5 file"):
            HDF5(data_dir=tmp_path).load(Context())


def test_a_folder_needs_one_file_or_a_name(tmp_path, arrays):
    with pytest.raises(ValueError, match=r"name = None must be that of one \.hdf5 file; there are: none"):
        HDF5(data_dir=tmp_path).fingerprint()
    save(tmp_path / "a-16.hdf5", arrays)
    only = HDF5(data_dir=tmp_path).fingerprint()
    save(tmp_path / "b.hdf5", arrays | LABELS)
    with pytest.raises(ValueError, match=r"name = None must be .* there are: a-16, b"):
        HDF5(data_dir=tmp_path).load(Context())
    with pytest.raises(ValueError, match=r"name = 'c' must be .* there are: a-16, b"):
        HDF5(data_dir=tmp_path, name="c").load(Context())
    assert HDF5(data_dir=tmp_path, name="a-16").fingerprint() == only
    assert HDF5(data_dir=tmp_path, name="b").load(Context()).classes == ("0", "1", "2")


def test_whether_there_are_labels_stays_open_where_the_file_cannot_be_read(tmp_path):
    assert HDF5().labelled and HDF5(data_dir=tmp_path).labelled
    (tmp_path / "small.hdf5").write_bytes(b"damaged")
    assert HDF5(data_dir=tmp_path).labelled
    with pytest.raises(ValueError, match=r"--data-dir is needed: a folder holding NAME\.hdf5"):
        HDF5().load(Context())


def test_a_shared_vector_is_a_leak_with_labels_and_counted_without(tmp_path, arrays):
    arrays["test"][2] = arrays["train"][11]
    assert load(tmp_path, arrays).shared_with_database == 1
    with pytest.raises(ValueError, match=r"1 of 20 queries .* query item 2 = database item 11"):
        load(tmp_path, arrays | LABELS)


GRID = """
title = "A search without labels"
dataset = "hdf5"
recipe = "none"
[measure]
rounds = 1
queries_per_round = 5
replicates = 1
[[cells]]
embedder = "identity"
index = "linear_scan"
[[cells]]
embedder = "identity"
hasher = ["lsh", "itq"]
bits = 16
index = "hash_tables"
key_bits = 8
rerank = "float32"
candidates = [20, 300]
[recipes.none]
"""


def write_grid(folder, text):
    path = folder / "search.toml"
    path.write_text(text)
    return str(path)


def test_a_search_without_labels_has_recall_and_time_but_no_precision(tmp_path, arrays):
    (tmp_path / "data").mkdir()
    save(tmp_path / "data" / "small.hdf5", arrays)
    plan = grid_file.load(write_grid(tmp_path, GRID), Options(data_dir=tmp_path / "data"))
    pipeline = Pipeline(plan, Store(tmp_path / "cache"), Context(cache=tmp_path / "cache"), lambda _: None)
    run = Run(pipeline, Store(tmp_path / "out"), lambda _: None, start=Local)
    assert run() == {}
    cells = records.frame(pipeline, run.results)
    assert (cells["status"] == "ok").all() and len(cells) == 5
    scan, few, every = cells["recall_at_10"].iloc[:3]
    assert scan == every == 1 and 0 < few < 1
    assert (cells["latency_ms_p50"] > 0).all()
    assert "precision_at_10" not in cells and cells["map"].isna().all()
    for layout in ("candidates", "methods", "pareto"):
        shown = dataclasses.replace(pipeline, grid=dataclasses.replace(plan, layout=layout))
        write_report([shown], run.results, tmp_path / layout)
        tidy = pd.read_csv(tmp_path / layout / "cells.csv")
        assert tidy["recall_at_10"].notna().all() and tidy["precision_at_10"].isna().all()


def cell(text):
    return GRID.replace("[recipes.none]", f"[[cells]]\n{text}\n[recipes.none]")


SEARCHED = 'index = "hash_tables"\nkey_bits = 8\nbits = 16'


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'embedder = "identity"',
            r"number 3: a ranking \(a cell without an index\) needs labels, and the data set has no",
        ),
        ('hasher = "itq"', r"a ranking \(a cell without an index\) needs labels"),
        (f'hasher = "itq_cca"\n{SEARCHED}', r"hasher = 'itq_cca' .* needs labels"),
        (f'hasher = "exchnet"\ninput = "identity"\n{SEARCHED}', r"hasher = 'exchnet' .* needs labels"),
        (f'hasher = "toy_signs"\n{SEARCHED}', r"hasher = 'toy_signs' \(which does not say supervised = False\) needs"),
        (f'hasher = "toy_guesses"\nmodel = "oracle"\n{SEARCHED}', r"model = 'oracle' needs labels"),
        (f'hasher = "itq"\nprotocol = "unseen"\n{SEARCHED}', r"protocol = 'unseen' needs labels"),
        (
            'embedder = "identity"\nindex = "linear_scan"\nprotocol = "unseen_all"',
            r"protocol = 'unseen_all' needs labels",
        ),
    ],
)
def test_a_cell_that_needs_labels_is_refused_before_anything_runs(tmp_path, arrays, text, message):
    save(tmp_path / "bare.hdf5", arrays)
    grid = write_grid(tmp_path, cell(text))
    with pytest.raises(ValueError, match=message):
        grid_file.load(grid, Options(data_dir=tmp_path))
    save(tmp_path / "bare.hdf5", arrays | LABELS)
    assert len(grid_file.load(grid, Options(data_dir=tmp_path)).cells) == 6
