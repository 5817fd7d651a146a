"""Vectors in the files of other libraries' writers, which all must read alike."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy

from bench.interfaces import Context, Corpus
from datasets import arrays as arrays_module
from datasets.vectors import Vectors
from methods.search.features.linear_scan import LinearScan
from tests.vector_files import ARRAYS, LABELS, WRITERS, write_fvecs, write_hdf5, write_npy, write_numpy_tensors

WITHOUT_NEIGHBOURS = {"parquet", "parquet, fixed size", "parquet, large list", "pandas", "torch"}


def load(folder, **parameters):
    return Vectors(data_dir=folder, **parameters).load(Context())


@pytest.mark.parametrize("form", WRITERS)
def test_all_formats_hold_the_same_items_and_the_linear_scan_finds_the_given_neighbours(tmp_path, form, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 50 * 16 * 4)
    WRITERS[form](tmp_path, ARRAYS)
    dataset = load(tmp_path)
    database, query = dataset.split("database").vectors, dataset.split("query").vectors
    assert database.dtype == np.float32 and np.array_equal(database, ARRAYS["train"])
    assert np.array_equal(query, ARRAYS["test"]) and dataset.labelled is False
    said = [] if form in WITHOUT_NEIGHBOURS else ["have recall@10 1.000 by exact search, on 10 queries"]
    assert len(dataset.remarks) == len(said) and all(one in dataset.remarks[0] for one in said)
    found = LinearScan().build(Corpus(features=database)).search(Corpus(features=query), 15)
    distances = [((database[ids] - query[:, None]) ** 2).sum(axis=2) for ids in (found, ARRAYS["neighbors"])]
    assert np.array_equal(*distances)


def test_the_same_float32_has_one_fingerprint_in_all_formats(tmp_path):
    found = set()
    for form in ("npy", "fvecs", "fbin", "hdf5 float32", "safetensors"):
        (tmp_path / form).mkdir()
        WRITERS[form](tmp_path / form, ARRAYS)
        found.add(Vectors(data_dir=tmp_path / form).fingerprint())
    assert len(found) == 1
    (tmp_path / "other").mkdir()
    write_npy(tmp_path / "other", ARRAYS | {"neighbors": ARRAYS["neighbors"][:, ::-1]})
    assert Vectors(data_dir=tmp_path / "other").fingerprint() not in found


@pytest.mark.parametrize("form", ["npy", "fbin"])
def test_float32_row_by_row_stays_in_its_file(tmp_path, form):
    WRITERS[form](tmp_path, ARRAYS)
    vectors = load(tmp_path).split("database").vectors
    assert isinstance(vectors.base, np.memmap) and not vectors.flags.writeable


def write_labelled_hdf5(folder, labels):
    write_hdf5("float32")(folder, ARRAYS | labels)


def write_labelled_tensors(folder, labels):
    write_numpy_tensors(folder, ARRAYS | labels)


def write_labelled_parquet(folder, labels):
    for name in ("train", "test"):
        table = {"vector": ARRAYS[name].tolist(), "label": labels[f"{name}_labels"]}
        pq.write_table(pa.table(table), folder / f"{name}.parquet")


@pytest.mark.parametrize("write", [write_labelled_hdf5, write_labelled_tensors, write_labelled_parquet])
def test_labels_are_read_from_files_of_all(tmp_path, write):
    write(tmp_path, LABELS)
    dataset = load(tmp_path)
    assert dataset.labelled and dataset.classes == ("0", "1", "2")
    for split, name in (("database", "train_labels"), ("query", "test_labels")):
        assert np.array_equal(dataset.split(split).labels, LABELS[name])


def write_shards(folder, *labels, classes=None):
    """Train shards of 20 vectors each with these labels, and the first once more as the test split."""
    parts = {f"train-{number}": shard for number, shard in enumerate(labels)} | {"test": labels[0]}
    for name, shard in parts.items():
        table = pa.table({"vector": ARRAYS["test"].tolist(), "label": shard})
        if classes is not None:
            features = {"label": {"names": classes, "_type": "ClassLabel"}}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        pq.write_table(table, folder / f"{name}.parquet")


def test_texts_by_number_are_texts_also_where_the_classes_have_names(tmp_path):
    texts = [["owl", "auk"][number % 2] for number in range(20)]
    write_shards(tmp_path, pa.array(texts).dictionary_encode(), classes=["owl", "auk"])
    dataset = Vectors(data_dir=tmp_path).load(Context())
    assert [dataset.classes[label] for label in dataset.split("query").labels] == texts


def test_texts_in_one_file_and_numbers_in_another_are_refused(tmp_path):
    write_shards(tmp_path, ["owl"] * 20, list(range(20)))
    with pytest.raises(ValueError, match=r"test\.parquet: label: texts, and .*train-1\.parquet: label: numbers"):
        Vectors(data_dir=tmp_path).fingerprint()


def test_labels_of_a_parquet_file_may_be_texts(tmp_path):
    names = np.array(["owl", "tern", "auk"], dtype=object)
    write_labelled_parquet(tmp_path, {name: names[labels] for name, labels in LABELS.items()})
    dataset = load(tmp_path)
    assert dataset.classes == ("auk", "owl", "tern")
    assert [dataset.classes[label] for label in dataset.split("query").labels] == names[LABELS["test_labels"]].tolist()


def test_the_column_of_vectors_is_chosen_by_name(tmp_path):
    for name in ("train", "test"):
        columns = {"title": ARRAYS[name].tolist(), "body": (ARRAYS[name] + 1).tolist()}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    with pytest.raises(ValueError, match=r"train\.parquet: column = NAME must name one of title, body; all are lists"):
        load(tmp_path)
    assert np.array_equal(load(tmp_path, column="body").split("database").vectors, ARRAYS["train"] + 1)
    with pytest.raises(ValueError, match=r"holds no vectors, whose names begin with 'x', but test\.parquet, train"):
        load(tmp_path, name="x")
    with pytest.raises(ValueError, match=r"train\.parquet: column head must be lists of numbers; columns: title: "):
        load(tmp_path, column="head")


@pytest.mark.parametrize("distance", ["angular", "cosine", "normalized"])
def test_a_distance_that_is_given_holds_for_files_that_name_none(tmp_path, distance):
    train = ARRAYS["train"].copy()
    train[[7, 9]] = 0
    write_fvecs(tmp_path, ARRAYS | {"train": train})
    dataset = load(tmp_path, distance=distance)
    lengths = np.linalg.norm(dataset.split("database").vectors, axis=1)
    assert np.abs(np.delete(lengths, [7, 9]) - 1).max() < 1e-6 and not lengths[[7, 9]].any()
    zeros, neighbours = dataset.remarks
    assert zeros.startswith("sift_base.fvecs: rows of zeros: 2 of 300, first row 7; they have no direction")
    share = float(neighbours.split("recall@10 ")[1].split()[0])
    assert 0 < share < 1 and "the first that differs" in neighbours


@pytest.mark.parametrize("form", ["fbin", "hdf5 float32"])
def test_the_order_of_the_inner_product_is_that_of_the_products(tmp_path, form):
    train = ARRAYS["train"] * np.geomspace(0.1, 10, 300, dtype=np.float32)[:, None]
    exact = np.argsort(-(ARRAYS["test"].astype(np.float64) @ train.astype(np.float64).T), axis=1)[:, :15]
    arrays = {"train": train, "test": ARRAYS["test"], "neighbors": exact.astype(np.int32)}
    (write_hdf5("float32", "ip") if form == "hdf5 float32" else WRITERS[form])(tmp_path, arrays)
    dataset = load(tmp_path, **({} if form == "hdf5 float32" else {"distance": "ip"}))
    database, query = (dataset.split(name).vectors for name in ("database", "query"))
    assert np.array_equal(database[:, :16], train) and not query[:, 16].any()
    found = LinearScan().build(Corpus(features=database)).search(Corpus(features=query), 10)
    assert np.array_equal(found, exact[:, :10])
    assert dataset.remarks[0].startswith("The inner product is searched as Euclidean distance in one more dimension")
    assert "recall@10 1.000" in dataset.remarks[1]


def test_tensors_of_one_name_in_two_files_are_told_apart_by_name(tmp_path):
    for name in ("a", "b"):
        safetensors.numpy.save_file(ARRAYS, tmp_path / f"{name}.safetensors")
    with pytest.raises(ValueError, match=r"b\.safetensors: .* is in another file too; name = NAME must begin"):
        load(tmp_path)
    dataset = load(tmp_path, name="b")
    assert len(dataset.split("query")) == 20 and dataset.dataset_name == "b"


@pytest.mark.parametrize("distance", ["euclidean", "angular", "ip"])
def test_many_vectors_that_cant_be_mapped_as_they_are_stand_in_a_file_without_a_name(tmp_path, distance, monkeypatch):
    rng = np.random.default_rng(0)
    for name, rows in (("train", 500), ("test", 9)):
        np.save(tmp_path / f"{name}.npy", rng.standard_normal((rows, 6)))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    held = Vectors(data_dir=tmp_path, distance=distance).load(Context()).split("database").vectors
    monkeypatch.setattr("datasets.arrays.HELD_BYTES", 4 * 9 * 7)
    dataset = Vectors(data_dir=tmp_path, distance=distance).load(Context())
    mapped = dataset.split("database").vectors
    assert isinstance(mapped, np.memmap) and not isinstance(dataset.split("query").vectors, np.memmap)
    assert not isinstance(held, np.memmap) and [*temporary.iterdir()] == []
    np.testing.assert_array_equal(mapped, held)
