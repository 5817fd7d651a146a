import dataclasses

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_distances
from sklearn.neighbors import NearestNeighbors

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records.frame import frame_of
from bench.report.write import write_report
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.in_process import Local
from datasets import arrays as arrays_module
from datasets import hdf5
from datasets.hdf5 import HDF5


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "train": rng.standard_normal((300, 16), dtype=np.float32),
        "test": rng.standard_normal((20, 16), dtype=np.float32),
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
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 7 * 16 * 4)
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


@given(st.integers(-300, 307), st.integers(0, 2**32 - 1))
def test_rows_of_any_length_become_unit_length(exponent, seed):
    rows = np.random.default_rng(seed).uniform(0.5, 1, size=(5, 3))
    found, zero = hdf5.unit_length(rows * 10.0**exponent)
    assert found.dtype == np.float32 and len(zero) == 0
    assert found == pytest.approx(rows / np.linalg.norm(rows, axis=1, keepdims=True), abs=1e-6)


@pytest.mark.parametrize("distance", ["angular", "cosine", "normalized"])
def test_rows_without_direction_are_kept_counted_and_said(tmp_path, arrays, monkeypatch, distance):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 7 * 16 * 4)
    arrays["train"][[30, 170]] = arrays["test"][17] = 0
    arrays["test"][17, 3] = 1
    assert load(tmp_path, arrays).remarks == ()
    arrays["test"][17] = 0
    dataset = load(tmp_path, arrays, distance)
    vectors = dataset.split("train").vectors
    rest = np.delete(arrays["train"], [30, 170], axis=0).astype(np.float64)
    assert not vectors[[30, 170]].any()
    expected = rest / np.linalg.norm(rest, axis=1, keepdims=True)
    assert np.delete(vectors, [30, 170], axis=0) == pytest.approx(expected, abs=1e-6)
    train, test, twins = dataset.remarks
    assert train.startswith("small.hdf5: train: rows of zeros: 2 of 300, first row 30; they have no direction")
    assert test.startswith("small.hdf5: test: rows of zeros: 1 of 20, first row 17") and twins.startswith(
        "1 query items also"
    )


def rounded(dataset):
    return [remark for remark in dataset.remarks if "float32 rounds" in remark]


def overlap(database, query, raw_database, raw_query):
    """The share of the ten nearest by angle, in float64, that stand among the ten nearest of what was read."""
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (raw_database, raw_query)]
    true, found = (
        NearestNeighbors(n_neighbors=10, algorithm="brute").fit(base).kneighbors(asked, return_distance=False)
        for base, asked in (units, [np.asarray(one, np.float64) for one in (database, query)])
    )
    return np.mean([len({*one} & {*other}) / 10 for one, other in zip(true, found, strict=True)])


@pytest.mark.parametrize(("kind", "offset"), [("float64", 1e8), ("float64", 1e6), ("float32", 1e6), ("float32", 1e5)])
@pytest.mark.parametrize("block", [2**24, 50 * 16 * 4])
def test_directions_whose_differences_float32_rounds_are_said(tmp_path, arrays, monkeypatch, kind, offset, block):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", block)
    raw = {name: (arrays[name].astype(np.float64) + offset).astype(kind) for name in ("train", "test")}
    raw["train"][[7, 8]] = 0
    raw["train"][9] = np.arange(16)  # one row apart hides nothing
    dataset = load(tmp_path, raw, "angular")
    train, test = rounded(dataset)
    assert train.startswith(
        "small.hdf5: train: directions lie so near each other that float32 rounds their differences"
    )
    assert test.startswith("small.hdf5: test: ") and "for 100% of the rows by more than a thousandth" in test
    raw = {name: raw[name][10:].astype(np.float64) for name in raw}
    found = dataset.split("database").vectors[10:], dataset.split("query").vectors[10:]
    assert offset < 1e6 or overlap(*found, raw["train"], raw["test"]) < 1


def ordinary(kind):
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((400, 16))
    return {
        "normal": rows,
        "far by 1,000": rows + 1000,
        "one column far away": np.column_stack([np.full(400, 1e5), rows]),
        "lengths of all orders": rows * np.geomspace(1e-30, 1e30, 400)[:, None],
        "clusters": np.repeat(rows[:20], 20, axis=0) + 1e-2 * rows,
        "each row thrice": np.tile(rows[:100], (4, 1)),
        "multiples of one row": rows[:1] * np.arange(1, 401)[:, None],
        "few of many columns": np.where(rng.random((400, 16)) < 0.1, abs(rows), 0),
        "two columns": rows[:, :2],
        "one column": rows[:, :1],
        "counts": rng.poisson(3, (400, 16)),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        *("normal", "far by 1,000", "one column far away", "lengths of all orders", "clusters", "each row thrice"),
        *("multiples of one row", "few of many columns", "two columns", "one column", "counts"),
    ],
)
def test_nothing_is_said_of_the_directions_of_ordinary_vectors(tmp_path, kind):
    rows = ordinary(kind)
    assert rounded(load(tmp_path, {"train": rows[:350], "test": rows[350:]}, "angular")) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_value_that_is_not_finite_is_named(tmp_path, arrays, value, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 7 * 16 * 4)
    arrays["train"][40, 2] = arrays["train"][41, 0] = value
    with pytest.raises(ValueError, match=rf"small\.hdf5: train: {value} at row 40, column 2; must be finite"):
        load(tmp_path, arrays)


@pytest.mark.parametrize(
    ("distance", "message"),
    [
        ("jaccard", "'jaccard' is a distance of sets"),
        ("l1", "'l1', must be 'euclidean', 'angular', 'cosine', 'normalized'"),
        (3, "3, must be 'eucl"),
        (np.array(["a", "b"], dtype="S1"), ".*, must be 'eucl"),
        (h5py.Empty("f4"), ".*, must be 'eucl"),
        (np.bytes_(b"\xff"), ".*, must be 'eucl"),
        (None, "None, must be 'eucl"),
    ],
)
def test_a_distance_that_is_not_served_is_refused(tmp_path, arrays, distance, message):
    with pytest.raises(ValueError, match=rf"small\.hdf5: attribute distance = {message}"):
        load(tmp_path, arrays, distance)


@pytest.mark.parametrize("distance", ["ip", "dot", "dot_product", "inner_product", "mips"])
def test_the_order_of_an_inner_product_is_that_of_the_products(tmp_path, arrays, distance):
    arrays["train"] *= np.geomspace(0.1, 10, 300, dtype=np.float32)[:, None]
    dataset = load(tmp_path, arrays, distance)
    near = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(dataset.split("database").vectors)
    found = near.kneighbors(dataset.split("query").vectors, return_distance=False)
    products = arrays["test"].astype(np.float64) @ arrays["train"].T.astype(np.float64)
    assert np.array_equal(found, np.argsort(-products, axis=1)[:, :10])
    (remark,) = dataset.remarks
    assert remark.startswith("The inner product is searched as Euclidean distance in one more dimension: it is sqrt(M")


def test_given_neighbours_are_compared_and_vectors_to_learn_from_are_not_used(tmp_path, arrays):
    near = NearestNeighbors(n_neighbors=12, algorithm="brute").fit(arrays["train"])
    arrays |= {"neighbors": near.kneighbors(arrays["test"], return_distance=False), "learn": arrays["train"][:5]}
    assert load(tmp_path, arrays).remarks == (
        "small.hdf5: neighbors: the given neighbours have recall@10 1.000 by exact search, on 10 queries",
        "small.hdf5: learn: vectors to learn from, not used",
    )
    with pytest.raises(ValueError, match=r"small\.hdf5: neighbors: \[19, 12\], must be neighbours of 20 queries"):
        load(tmp_path, arrays | {"neighbors": arrays["neighbors"][:19]})


@pytest.mark.parametrize("kind", [object, "S"])
@pytest.mark.parametrize("distance", ["euclidean", "hamming"])
def test_labels_may_be_texts(tmp_path, arrays, kind, distance):
    names = np.array(["Auk", "Möwe", "Owl"], dtype=object)
    texts = {name: names[numbers] for name, numbers in LABELS.items()}
    if kind == "S":
        texts = {name: np.char.encode(found.astype(str), "utf-8") for name, found in texts.items()}
    arrays |= {name: arrays[name] > 0 for name in ("train", "test")} if distance == "hamming" else {}
    dataset = load(tmp_path, arrays | texts, distance)
    assert dataset.classes == tuple(names)
    for name, split in (("train_labels", "database"), ("test_labels", "query")):
        assert np.array_equal(dataset.split(split).labels, LABELS[name])


def test_remarks_on_the_file_of_codes_are_kept(tmp_path, arrays):
    codes = {name: arrays[name] > 0 for name in ("train", "test")}
    told = load(tmp_path, codes | {"learn": codes["train"][:5]}, "hamming").remarks
    assert told == ("small.hdf5: learn: vectors to learn from, not used",)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (
            "train",
            np.zeros((300, 16), complex),
            r"small\.hdf5: train: complex128 \[300, 16\], must be numbers \[n, d\]",
        ),
        ("train", np.full((300, 16), b"a"), r"train: \|S1 \[300, 16\], must be numbers \[n, d\]"),
        ("train", np.array([["x"] * 16] * 300, dtype=object), r"train: object \[300, 16\], must be numbers \[n, d\]"),
        ("train", np.zeros(300, np.float32), r"train: float32 \[300\], must be numbers \[n, d\]"),
        ("train", np.float32(3), r"train: float32 \[\], must be numbers \[n, d\]"),
        ("train", h5py.Empty("f4"), r"small\.hdf5: no data set train; there are: "),
        ("train", np.zeros((300, 0), np.float32), r"train: \[300, 0\], must hold at least one vector"),
        ("test", np.zeros((0, 16), np.float32), r"test: \[0, 16\], must hold at least one vector"),
        ("test", np.zeros((20, 5), np.float32), r"small\.hdf5: test: 5 columns, but .*small\.hdf5: train has 16"),
        ("train_labels", np.zeros(19, np.int64), r"small\.hdf5: train_labels: 19 labels for 300 items"),
        ("test_labels", np.zeros(20), r"small\.hdf5: test_labels: float64 \[20\], must be integers or texts \[n\]"),
        ("test_labels", np.full(20, -1), "query item 0 has label -1"),
        ("test_labels", np.array(["x"] * 20, dtype=object), "labels of one split are texts, and of the other numbers"),
        ("test_labels", np.array([b"\xff"] * 20), r"test_labels: texts must be UTF-8"),
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


def test_lists_are_refused_by_their_type_since_damaged_ones_end_the_process(tmp_path, arrays, monkeypatch):
    path, lists = tmp_path / "small.hdf5", np.empty(1, dtype=object)
    lists[0] = np.arange(2, dtype=np.int32)
    save(path, arrays)
    monkeypatch.setattr(h5py.AttributeManager, "__getitem__", lambda *name: pytest.fail("it is read"))
    with h5py.File(path, "r+") as file:
        file.attrs.create("distance", lists, dtype=h5py.vlen_dtype(np.int32))
    with pytest.raises(ValueError, match=r"small\.hdf5: attribute distance is neither a text nor a number"):
        HDF5(data_dir=tmp_path).fingerprint()


def test_a_group_is_no_data_set(tmp_path, arrays):
    save(tmp_path / "small.hdf5", {"test": arrays["test"], "train/vectors": arrays["train"]})
    with pytest.raises(ValueError, match=r"small\.hdf5: no data set train; there are: test, train"):
        HDF5(data_dir=tmp_path).load(Context())


def test_links_that_lead_nowhere_are_no_data_sets(tmp_path, arrays):
    for link in (h5py.SoftLink("/gone"), h5py.ExternalLink("gone.hdf5", "/train"), h5py.SoftLink("/train")):
        save(tmp_path / "small.hdf5", {"test": arrays["test"]})
        with h5py.File(tmp_path / "small.hdf5", "a") as file:
            file["train"] = link
        with pytest.raises(ValueError, match=r"small\.hdf5: no.* (data set train|readable HDF5 file)"):
            HDF5(data_dir=tmp_path).load(Context())


def test_a_filter_that_is_not_there_is_named(tmp_path, arrays):
    save(tmp_path / "small.hdf5", {"test": arrays["test"]})
    with h5py.File(tmp_path / "small.hdf5", "a") as file:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_chunk((10, 16))
        layout.set_filter(32999, h5py.h5z.FLAG_OPTIONAL, ())
        kept = h5py.h5d.create(file.id, b"train", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((20, 16)), layout)
        kept.write_direct_chunk((0, 0), b"unreadable")
    with pytest.raises(ValueError, match=r"small\.hdf5: not a readable HDF5 file \("):
        HDF5(data_dir=tmp_path).load(Context())


def test_damaged_file_is_named(tmp_path, arrays):
    path = tmp_path / "small.hdf5"
    save(path, arrays)
    for content in (b"damaged", path.read_bytes()[:5000]):
        path.write_bytes(content)
        for read in (HDF5.fingerprint, lambda dataset: dataset.load(Context())):
            with pytest.raises(ValueError, match=r"small\.hdf5: not a readable HDF5 file"):
                read(HDF5(data_dir=tmp_path))


def test_a_folder_needs_one_file_or_a_name(tmp_path, arrays):
    with pytest.raises(ValueError, match=r"no \.hdf5 file is in it: expected one"):
        HDF5(data_dir=tmp_path).fingerprint()
    save(tmp_path / "a-16.hdf5", arrays)
    only = HDF5(data_dir=tmp_path).fingerprint()
    save(tmp_path / "b.hdf5", arrays | LABELS)
    with pytest.raises(ValueError, match=r"several \.hdf5 files are in it: expected name = one of a-16, b"):
        HDF5(data_dir=tmp_path).load(Context())
    with pytest.raises(ValueError, match=r"name = 'c' is none of its \.hdf5 files: expected name = one of a-16, b"):
        HDF5(data_dir=tmp_path, name="c").load(Context())
    assert HDF5(data_dir=tmp_path, name="a-16").fingerprint() == only
    assert HDF5(data_dir=tmp_path, name="b").load(Context()).classes == ("0", "1", "2")


def test_whether_there_are_labels_stays_open_where_the_file_cannot_be_read(tmp_path):
    assert HDF5().labelled and HDF5(data_dir=tmp_path).labelled
    (tmp_path / "small.hdf5").write_bytes(b"damaged")
    assert HDF5(data_dir=tmp_path).labelled
    with pytest.raises(ValueError, match=r"--data-dir is needed: a folder holding NAME\.hdf5"):
        HDF5().load(Context())


def test_a_shared_vector_is_counted_with_labels_and_without(tmp_path, arrays):
    arrays["test"][2] = arrays["train"][11]
    for every in (arrays, arrays | LABELS):
        assert load(tmp_path, every).shared_with_database == 1
        with pytest.raises(ValueError, match=r"1 of 20 queries .* query item 2 = database item 11"):
            HDF5(data_dir=tmp_path, twins_allowed=0).load(Context())


ROUNDED = "only as they are read (rounded to float32, by angle at unit length)"


@pytest.mark.parametrize(
    ("distance", "kind", "change", "how"),
    [
        ("euclidean", "float64", lambda row: row, "to the byte"),
        ("euclidean", "float64", lambda row: row * (1 + 1e-15), f"but {ROUNDED}"),
        ("euclidean", "int32", lambda row: row + 1, f"but {ROUNDED}"),
        ("ip", "float64", lambda row: row * (1 + 1e-15), f"but {ROUNDED}"),
        ("angular", "float32", lambda row: row, "to the byte"),
        ("angular", "float32", lambda row: row * 2, f"but {ROUNDED}"),
        ("angular", "float64", lambda row: row * 3, f"but {ROUNDED}"),
    ],
)
def test_queries_that_only_rounding_makes_equal_are_not_said_to_be_so_to_the_byte(
    tmp_path, arrays, distance, kind, change, how
):
    arrays = {name: np.trunc(arrays[name] * 2**10) for name in ("train", "test")}
    arrays = {name: (rows + (2**28 if kind == "int32" else 0)).astype(kind) for name, rows in arrays.items()}
    arrays["train"][11] = arrays["train"][11] // 64 * 64
    arrays["test"][2] = change(arrays["train"][11])
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        save(tmp_path / "small.hdf5", arrays, distance)
        dataset = HDF5(data_dir=tmp_path).load(Context(cache=cache))
        assert dataset.shared_with_database == 1
        assert f"1 query items also stand in the database, {how}: 5.0%" in dataset.remarks[-1]


def test_of_equal_queries_those_to_the_byte_are_counted_apart(tmp_path, arrays):
    arrays["test"][[2, 5]] = arrays["train"][11]
    arrays["test"][7] = arrays["train"][12] * 2
    said = load(tmp_path, arrays, "angular").remarks[-1]
    assert said.startswith(f"3 query items also stand in the database, 2 to the byte and 1 {ROUNDED}: 15.0%, first")


GRID = """
title = "A search without labels"
dataset = "hdf5"
recipe = "none"
[measure]
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
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


@pytest.mark.long
def test_a_search_without_labels_has_recall_and_time_but_no_precision(tmp_path, arrays):
    (tmp_path / "data").mkdir()
    save(tmp_path / "data" / "small.hdf5", arrays)
    plan = grid_file.load(write_grid(tmp_path, GRID), Options(data_dir=tmp_path / "data"))
    pipeline = Pipeline(plan, Store(tmp_path / "cache"), Context(cache=tmp_path / "cache"), lambda _: None)
    run = Run(pipeline, Store(tmp_path / "out"), lambda _: None, start=Local)
    assert run.finish() == {}
    cells = frame_of(pipeline, run.results)
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


@pytest.mark.long
def test_what_the_data_set_remarks_is_on_the_screen_and_under_the_table(tmp_path, arrays):
    (tmp_path / "data").mkdir()
    arrays["train"][5] = 0
    arrays["test"][3] = arrays["train"][7]
    save(tmp_path / "data" / "small.hdf5", arrays, "angular")
    plan = grid_file.load(write_grid(tmp_path, GRID), Options(data_dir=tmp_path / "data"))
    pipeline = Pipeline(plan, Store(tmp_path / "cache"), Context(cache=tmp_path / "cache"), lambda _: None)
    said: list[str] = []
    run = Run(pipeline, Store(tmp_path / "out"), said.append, start=Local)
    run.finish()
    write_report([pipeline], run.results, tmp_path / "report")
    table = (tmp_path / "report" / "table.tex").read_text()
    for remark in (
        "rows of zeros: 1 of 300, first row 5",
        "1 query items also stand in the database, to the byte: 5.0",
    ):
        assert any(remark in line for line in said) and remark in table


def test_twins_are_refused_where_they_are_not_allowed_also_after_a_run_that_allowed_them(tmp_path, arrays):
    arrays["test"][3] = arrays["train"][7]
    save(tmp_path / "small.hdf5", arrays)
    for settings in ((), ("hdf5.twins_allowed=0.01",)):
        plan = grid_file.load(write_grid(tmp_path, GRID), Options(data_dir=tmp_path, settings=settings))
        pipeline = Pipeline(plan, Store(tmp_path / "cache"), Context(cache=tmp_path / "cache"), lambda _: None)
        if not settings:
            assert len(pipeline.labels().meta["remarks"]) == 1
    with pytest.raises(ValueError, match=r"1 of 20 queries stand in the database too"):
        pipeline.labels()


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
