"""Vectors in the files of other libraries' writers, which all must read alike, and such files damaged."""

import pickle
import struct

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from faiss.contrib.vecs_io import fvecs_write, ivecs_write
from sklearn.neighbors import NearestNeighbors

from bench.interfaces import Context, Corpus
from datasets import arrays as arrays_module
from datasets import vector_set
from datasets.vectors import Vectors
from methods.search.features.linear_scan import LinearScan
from tests.conftest import bench


def made():
    """Whole numbers that int8 holds, so that every format holds them; of few, many are as far as each other."""
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 120, (n, 16)).astype(np.float32) for n in (300, 20))
    near = NearestNeighbors(n_neighbors=15, algorithm="brute").fit(train.astype(np.float64))
    return {"train": train, "test": test, "neighbors": near.kneighbors(test, return_distance=False).astype(np.int32)}


ARRAYS = made()
DISTANCES = np.zeros((20, 15), np.float32)
LABELS = {"train_labels": np.arange(300) % 3, "test_labels": np.arange(20) % 3}


def write_npy(folder, arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def write_fvecs(folder, arrays):
    fvecs_write(folder / "sift_base.fvecs", arrays["train"])
    fvecs_write(folder / "sift_query.fvecs", arrays["test"])
    ivecs_write(folder / "sift_groundtruth.ivecs", arrays["neighbors"])


def write_bvecs(folder, arrays):
    for part, name in (("train", "base"), ("test", "query")):
        rows = [struct.pack(f"<i{len(row)}B", len(row), *map(int, row)) for row in arrays[part]]
        (folder / f"bigann_{name}.bvecs").write_bytes(b"".join(rows))
    ivecs_write(folder / "idx_groundtruth.ivecs", arrays["neighbors"])


def write_bin(suffix, form):
    """A writer of the files of big-ann-benchmarks, number by number."""

    def write(folder, arrays):
        for part, name in (("train", "base.1B"), ("test", "query.public.10K")):
            head = struct.pack("<II", *arrays[part].shape)
            numbers = arrays[part].ravel().tolist()
            body = struct.pack(f"<{len(numbers)}{form}", *(numbers if form == "f" else map(int, numbers)))
            (folder / f"{name}{suffix}").write_bytes(head + body)
        ids = arrays["neighbors"]
        content = struct.pack("<II", *ids.shape) + ids.astype("<u4").tobytes() + DISTANCES.tobytes()
        (folder / "GT.public.1B.ibin").write_bytes(content)

    return write


def write_hdf5(kind, distance="euclidean"):
    def write(folder, arrays):
        with h5py.File(folder / "sift-16-euclidean.hdf5", "w") as file:
            file.attrs["distance"] = distance
            for name, array in arrays.items():
                file.create_dataset(name, data=array.astype(kind) if name in ("train", "test") else array)
            file["distances"] = DISTANCES

    return write


def write_parquet(kind):
    def write(folder, arrays):
        (folder / "data").mkdir()
        halves = {"train-00000-of-00002": arrays["train"][:170], "train-00001-of-00002": arrays["train"][170:]}
        for name, rows in (halves | {"test-00000-of-00001": arrays["test"]}).items():
            table = {"id": pa.array(range(len(rows))), "emb": pa.array(rows.tolist(), kind)}
            pq.write_table(pa.table(table), folder / "data" / f"{name}.parquet", row_group_size=64)

    return write


def write_pandas(folder, arrays):
    for name in ("train", "test"):
        frame = pd.DataFrame({"text": "x", "embedding": list(arrays[name]), "more": list(arrays[name][:, :2])})
        frame.to_parquet(folder / f"{name}.parquet")


def write_numpy_tensors(folder, arrays):
    safetensors.numpy.save_file(arrays, folder / "sift.safetensors", {"distance": "euclidean"})


def write_torch_tensors(folder, arrays):
    for name in ("train", "test"):
        tensors = {"embeddings": torch.from_numpy(arrays[name]).half()}
        safetensors.torch.save_file(tensors, folder / f"{name}.safetensors")


WRITERS = {
    "npy": write_npy,
    "fvecs": write_fvecs,
    "bvecs": write_bvecs,
    "fbin": write_bin(".fbin", "f"),
    "u8bin": write_bin(".u8bin", "B"),
    "i8bin": write_bin(".i8bin", "b"),
    "part of a u8bin": write_bin(".u8bin.crop_nb_300", "B"),
    **{f"hdf5 {kind}": write_hdf5(kind) for kind in ("float64", "float32", "float16", "uint8", "int8")},
    "parquet": write_parquet(pa.list_(pa.float32())),
    "parquet, fixed size": write_parquet(pa.list_(pa.float64(), 16)),
    "parquet, large list": write_parquet(pa.large_list(pa.float16())),
    "pandas": write_pandas,
    "safetensors": write_numpy_tensors,
    "torch": write_torch_tensors,
}
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


def with_value(name, row, column, value):
    arrays = {part: array.copy() for part, array in ARRAYS.items()}
    arrays[name][row, column] = value
    return arrays


FLOATS = ("npy", "fvecs", "fbin", "hdf5 float64", "hdf5 float16", "parquet", "parquet, fixed size", "safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", FLOATS)
def test_a_number_that_is_not_finite_is_named_in_every_format(tmp_path, form, value, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 50 * 16 * 4)
    WRITERS[form](tmp_path, with_value("train", 169, 3, value))
    for read in (Vectors.fingerprint, lambda dataset: dataset.load(Context())):
        with pytest.raises(ValueError, match=rf"(base|train|sift).*: {value} at row 169, column 3; must be finite"):
            read(Vectors(data_dir=tmp_path))


@pytest.mark.parametrize("form", FLOATS)
def test_nothing_is_read_twice_to_find_a_fault(tmp_path, form, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 50 * 16 * 4)
    WRITERS[form](tmp_path, with_value("train", 299, 15, np.nan))
    read = []

    def counted(source):
        for first_row, block in arrays_module.blocks(source):
            read.append(len(block))
            yield first_row, block

    monkeypatch.setattr(vector_set, "blocks", counted)
    monkeypatch.setattr(vector_set.Layout, "part", lambda *_: pytest.fail("read again"))
    with pytest.raises(ValueError, match=r"nan at row \d+, column 15"):
        load(tmp_path)
    assert sum(read) <= 300 + 20 + 20


PICKLE = pickle.dumps(ARRAYS["train"])
PATTERNS = {
    "npy": "train.npy",
    "fvecs": "*base.fvecs",
    "bvecs": "*base.bvecs",
    "fbin": "base*",
    "u8bin": "base*",
    "hdf5 float32": "*.hdf5",
    "parquet": "train*",
    "safetensors": "*.safetensors",
}


@pytest.mark.parametrize("content", [b"", b"\0", b"something else", PICKLE, "shorter", "longer", "folder"])
@pytest.mark.parametrize("form", PATTERNS)
def test_another_file_of_the_name_is_refused_in_one_line_that_names_it(tmp_path, form, content):
    WRITERS[form](tmp_path, ARRAYS)
    path = next(path for path in sorted(tmp_path.rglob(PATTERNS[form])) if path.is_file())
    whole = path.read_bytes()
    path.unlink()
    if content == "folder":
        path.mkdir()
    else:
        path.write_bytes({"shorter": whole[:-5], "longer": whole + b"\0" * 5}.get(content, content))
    for read in (Vectors.fingerprint, lambda dataset: dataset.load(Context())):
        if content == "longer" and form == "hdf5 float32":  # HDF5 says where it ends
            read(Vectors(data_dir=tmp_path))
            continue
        with pytest.raises(ValueError, match=path.name) as refused:
            read(Vectors(data_dir=tmp_path))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("form", "pattern", "change", "message"),
    [
        ("fvecs", "*base*", lambda old: old[:-5], r"20,395 bytes, must be a multiple of 68, .*: it ends in.* row 299"),
        ("fvecs", "*base*", lambda old: PICKLE, r"\d+ as dimension at row 0, must be 1 to .* in a file of"),
        ("fvecs", "*base*", lambda old: b"", "no dimension at row 0, must be 1 to 1 in a file of 0 bytes"),
        (
            "fvecs",
            "*base*",
            lambda old: old[: 68 * 40] + struct.pack("<i7f", 7, *range(7)) + old[68 * 40 :],
            "dimension 7 at row 40, must be 16, as at row 0",
        ),
        (
            "fvecs",
            "*base*",
            lambda old: old[: 68 * 299] + b"\0" * 68,
            "dimension 0 at row 299, must be 16, as at row 0",
        ),
        ("fvecs", "*truth*", lambda old: old[: 64 * 19], r"\[19, 15\], must be neighbours of 20 queries"),
        ("fbin", "base*", lambda old: old[:-4], "19,204 bytes, must be 19,208, as it says 300 vectors of 16 dim"),
        ("fbin", "base*", lambda old: b"123", "3 bytes, must begin with the numbers of vectors and of dimensions"),
        ("fbin", "base*", lambda old: b"\0" * 8, r"\[0, 0\], must hold at least one vector"),
        ("fbin", "GT*", lambda old: old[:-4], "2,404 bytes, must be 1,208 or 2,408, as it says 20 vectors of 15"),
        ("safetensors", "*", lambda old: old[:-4], r"not a readable safetensors file \("),
        ("parquet", "train*", lambda old: old[:-4], r"not a readable Parquet file \("),
        ("npy", "train.npy", lambda old: old[:-4], r"not a readable \.npy file without pickles: 19,324 bytes \("),
    ],
)
def test_a_fault_is_named_with_its_place_its_value_and_what_would_be_right(tmp_path, form, pattern, change, message):
    WRITERS[form](tmp_path, ARRAYS)
    path = next(path for path in sorted(tmp_path.rglob(pattern)) if path.is_file())
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as refused:
        Vectors(data_dir=tmp_path).fingerprint()
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


ROWS = ARRAYS["train"].tolist()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS[:70], ROWS[0][:9], *ROWS], "vector: 9 numbers at row 70, must be 16, as at row 0"),
        ([*ROWS[:70], None, *ROWS], "vector: no vector at row 70, must be 16, as at row 0"),
        ([None, *ROWS], "vector: no vector at row 0"),
        ([*ROWS[:70], [*ROWS[0][:3], None, *ROWS[0][4:]]], "vector: no number at row 70, column 3"),
        ([[], []], r"vector: \[2, 0\], must hold at least one vector"),
        (ROWS[:0], r"vector: \[0, 0\], must hold at least one vector"),
    ],
)
def test_rows_of_a_parquet_file_that_are_no_vectors_of_one_length_are_named(tmp_path, rows, message, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 50 * 16 * 4)
    write_parquet_rows(tmp_path, "train", rows)
    write_parquet_rows(tmp_path, "test", ROWS[:20])
    with pytest.raises(ValueError, match=rf"train\.parquet: {message}"):
        Vectors(data_dir=tmp_path).fingerprint()


def write_parquet_rows(folder, name, rows):
    table = pa.table({"vector": pa.array(rows, pa.list_(pa.float32()))})
    pq.write_table(table, folder / f"{name}.parquet", row_group_size=64)


@pytest.mark.parametrize(("kind", "name"), [(torch.bfloat16, "BF16"), (torch.complex64, "C64")])
def test_a_tensor_of_a_type_that_is_not_read_is_refused(tmp_path, kind, name):
    tensors = {name: torch.from_numpy(ARRAYS[name]).to(kind) for name in ("train", "test")}
    safetensors.torch.save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=rf"a\.safetensors: test: {name}, must be F64, F32, F16, BOOL"):
        load(tmp_path)


def test_tensors_of_one_name_in_two_files_are_told_apart_by_name(tmp_path):
    for name in ("a", "b"):
        safetensors.numpy.save_file(ARRAYS, tmp_path / f"{name}.safetensors")
    with pytest.raises(ValueError, match=r"b\.safetensors: .* is in another file too; name = NAME must begin"):
        load(tmp_path)
    dataset = load(tmp_path, name="b")
    assert len(dataset.split("query")) == 20 and dataset.dataset_name == "b"


GRID = """
title = "A scan"
dataset = "vectors"
recipe = "none"
[[cells]]
embedder = "identity"
index = "linear_scan"
[recipes.none]
"""


def test_bad_vectors_end_a_run_with_one_line_and_the_exit_code_2(tmp_path):
    write_fvecs(tmp_path, with_value("train", 7, 3, np.nan))
    (tmp_path / "grid.toml").write_text(GRID)
    out = tmp_path / "out"
    where = ("--grid", tmp_path / "grid.toml", "--data-dir", tmp_path, "--out", out, "--cache-dir", tmp_path / "cache")
    done = bench("run", *where)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert "sift_base.fvecs: nan at row 7, column 3; must be finite" in done.stderr
    assert not out.exists()
