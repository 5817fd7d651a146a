import h5py
import numpy as np
import pytest

from bench.interfaces import Context
from datasets import arrays as arrays_module
from datasets.vectors import Vectors


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "train": rng.standard_normal((20, 4), dtype=np.float32),
        "train_labels": np.arange(20) % 3,
        "test": rng.standard_normal((6, 4), dtype=np.float32),
        "test_labels": np.arange(6) % 3,
    }


def save(folder, arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def load(folder, arrays):
    save(folder, arrays)
    return Vectors(data_dir=folder).load(Context())


def test_vectors_and_labels_are_those_of_the_files(tmp_path, arrays):
    dataset = load(tmp_path, arrays)
    database, query = dataset.split("train"), dataset.split("query")
    assert np.array_equal(database.vectors, arrays["train"]) and database.vectors.dtype == np.float32
    assert np.array_equal(query.vectors, arrays["test"])
    assert np.array_equal(database.labels, arrays["train_labels"])
    assert np.array_equal(query.labels, arrays["test_labels"])
    assert dataset.classes == ("0", "1", "2")
    assert dataset.split("database") is database
    assert np.array_equal(np.concatenate([database.ids, query.ids]), np.arange(26))


def test_fortran_order_is_read_right(tmp_path, arrays):
    expected = arrays["train"]
    dataset = load(tmp_path, {**arrays, "train": np.asfortranarray(expected)})
    assert np.array_equal(dataset.split("train").vectors, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_value_that_is_not_finite_is_named_by_file_row_and_column(tmp_path, arrays, value):
    arrays["test"][4, 2] = arrays["test"][5, 0] = value
    with pytest.raises(ValueError, match=rf"test\.npy: {value} at row 4, column 2; must be finite"):
        load(tmp_path, arrays)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train", np.zeros((20, 4), complex), r"train\.npy: complex128 \[20, 4\], must be numbers \[n, d\]"),
        ("train", np.full((20, 4), "a"), r"train\.npy: <U1 \[20, 4\], must be numbers \[n, d\]"),
        ("train", np.zeros((20, 4), "M8[s]"), r"train\.npy: datetime64\[s\] \[20, 4\], must be numbers"),
        ("train", np.zeros(20, [("x", "f4")]), r"train\.npy: \[\('x', '<f4'\)\] \[20\], must be numbers"),
        ("train", np.zeros(20, np.float32), r"train\.npy: float32 \[20\], must be numbers \[n, d\]"),
        ("train", np.float32(1), r"train\.npy: float32 \[\], must be numbers \[n, d\]"),
        ("train", np.zeros((20, 0), np.float32), r"train\.npy: \[20, 0\], must hold at least one vector"),
        ("test", np.zeros((0, 4), np.float32), r"test\.npy: \[0, 4\], must hold at least one vector"),
        ("test", np.zeros((6, 5), np.float32), r"test\.npy: 5 columns, but .*train\.npy has 4"),
        ("train_labels", np.zeros(19, np.int64), r"train_labels\.npy: 19 labels for 20 items"),
        ("test_labels", np.zeros(6), r"test_labels\.npy: float64 \[6\], must be integers or texts \[n\]"),
        (
            "test_labels",
            np.zeros((6, 1), np.int64),
            r"test_labels\.npy: int64 \[6, 1\], must be integers or texts \[n\]",
        ),
        ("test_labels", np.full(6, -1), "query item 0 has label -1"),
        ("test_labels", np.array([0, "x"] * 3, dtype=object), r"test_labels\.npy: .*without pickles"),
    ],
)
def test_wrong_array_is_named(tmp_path, arrays, name, array, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, {**arrays, name: array})


def test_one_class_is_refused(tmp_path, arrays):
    one = {"train_labels": np.zeros(20, np.int64), "test_labels": np.zeros(6, np.int64)}
    with pytest.raises(ValueError, match="1 class: retrieval by label needs at least 2"):
        load(tmp_path, {**arrays, **one})


def test_query_vector_that_stands_in_the_database_is_said_and_refused_where_it_is_not_allowed(tmp_path, arrays):
    arrays["test"][2] = arrays["train"][11]
    (remark,) = load(tmp_path, arrays).remarks
    assert remark.startswith("1 query items also stand in the database, to the byte: 16.7%, first query item 2 = data")
    with pytest.raises(ValueError, match=r"1 of 6 queries .* query item 2 = database item 11"):
        Vectors(data_dir=tmp_path, twins_allowed=0.1).load(Context())


@pytest.mark.parametrize("name", ["train", "test", "train_labels", "test_labels"])
def test_missing_or_damaged_file_is_named(tmp_path, arrays, name):
    save(tmp_path, arrays)
    (tmp_path / f"{name}.npy").write_bytes(b"damaged")
    for read in (Vectors.fingerprint, lambda dataset: dataset.load(Context())):
        with pytest.raises(ValueError, match=rf"{name}\.npy: not a readable \.npy file without pickles: 7 bytes"):
            read(Vectors(data_dir=tmp_path))
    (tmp_path / f"{name}.npy").unlink()
    with pytest.raises(ValueError, match=rf"no {name}"):
        Vectors(data_dir=tmp_path).fingerprint()


def test_without_files_of_labels_every_label_is_minus_one_and_there_are_no_classes(tmp_path, arrays):
    bare = {name: arrays[name] for name in ("train", "test")}
    save(tmp_path, bare)
    assert Vectors(data_dir=tmp_path).labelled is False
    dataset = Vectors(data_dir=tmp_path).load(Context())
    assert dataset.classes == ()
    assert np.array_equal(dataset.split("train").vectors, arrays["train"])
    for split, count in (("train", 20), ("query", 6)):
        labels = dataset.split(split).labels
        assert labels.dtype == np.int64 and labels.tolist() == [-1] * count


def test_labels_are_part_of_the_fingerprint(tmp_path, arrays):
    save(tmp_path, {name: arrays[name] for name in ("train", "test")})
    before = Vectors(data_dir=tmp_path).fingerprint()
    save(tmp_path, arrays)
    assert Vectors(data_dir=tmp_path).fingerprint() != before and Vectors(data_dir=tmp_path).labelled


def test_without_labels_a_shared_vector_is_counted_too(tmp_path, arrays):
    arrays["test"][[0, 2]], arrays["test"][5] = arrays["train"][11], arrays["train"][3]
    dataset = load(tmp_path, {name: arrays[name] for name in ("train", "test")})
    assert dataset.shared_with_database == 3


def test_vectors_stay_in_their_file(tmp_path, arrays):
    train = load(tmp_path, arrays).split("train").vectors
    assert isinstance(train.base, np.memmap) and not train.flags.writeable


def test_bad_value_beyond_the_first_block_is_named_by_its_own_row(tmp_path, arrays, monkeypatch):
    monkeypatch.setattr(arrays_module, "BLOCK_BYTES", 3 * 4 * 4)
    arrays["train"][19, 1] = np.nan
    with pytest.raises(ValueError, match=r"train\.npy: nan at row 19, column 1"):
        load(tmp_path, arrays)


def test_data_dir_is_needed():
    with pytest.raises(ValueError, match=r"--data-dir is needed: a folder holding train\.npy"):
        Vectors().load(Context())


def test_labels_may_be_texts(tmp_path, arrays):
    names = np.array(["owl", "tern", "auk"])
    dataset = load(tmp_path, {**arrays, **{name: names[arrays[name]] for name in ("train_labels", "test_labels")}})
    assert dataset.classes == ("auk", "owl", "tern")
    assert [dataset.classes[label] for label in dataset.split("query").labels] == names[arrays["test_labels"]].tolist()


def test_a_file_longer_than_its_header_says_is_refused(tmp_path, arrays):
    save(tmp_path, arrays)
    with (tmp_path / "test.npy").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match=r"test\.npy: 228 bytes, must be 224, as its header says"):
        Vectors(data_dir=tmp_path).fingerprint()


def test_several_files_that_may_be_of_one_part_are_told_apart_by_name(tmp_path, arrays):
    save(tmp_path, {"sift_base": arrays["train"], "sift_query": arrays["test"]})
    save(tmp_path, {"gist_base": arrays["train"][::-1], "gist_query": arrays["test"], "ids": np.arange(20)})
    with pytest.raises(
        ValueError, match=r"train may be gist_base\.npy or sift_base\.npy; train = NAME says which, or name ="
    ):
        Vectors(data_dir=tmp_path).fingerprint()
    dataset = Vectors(data_dir=tmp_path, name="gist").load(Context())
    assert np.array_equal(dataset.split("train").vectors, arrays["train"][::-1])
    assert dataset.remarks == ("Vector files of the folder that are not used: 3, first ids.npy",)
    chosen = Vectors(data_dir=tmp_path, train="sift_base.npy", test="gist_query.npy").load(Context())
    assert np.array_equal(chosen.split("train").vectors, arrays["train"])
    with pytest.raises(ValueError, match=r"test = 'x' must be one of gist_base\.npy, "):
        Vectors(data_dir=tmp_path, train="sift_base.npy", test="x").fingerprint()


def test_vectors_to_learn_from_are_fitted_on_where_it_is_asked_for(tmp_path, arrays):
    bare = {"train": arrays["train"], "test": arrays["test"], "learn": arrays["train"][:7] + 1}
    save(tmp_path, bare)
    plain = Vectors(data_dir=tmp_path).load(Context())
    assert plain.train_in_database and plain.split("train") is plain.split("database")
    assert plain.remarks == ("learn.npy: vectors to learn from, not used",)
    dataset = Vectors(data_dir=tmp_path, learn=True).load(Context())
    assert not dataset.train_in_database and dataset.remarks == ()
    assert np.array_equal(dataset.split("train").vectors, bare["learn"])
    assert np.array_equal(dataset.split("database").vectors, bare["train"])
    assert len({id for name in ("train", "database", "query") for id in dataset.split(name).ids}) == 33
    assert dataset.fingerprint() != plain.fingerprint()
    save(tmp_path, arrays)
    with pytest.raises(ValueError, match="learn = true asks for vectors to learn from, and they have no labels"):
        Vectors(data_dir=tmp_path, learn=True).fingerprint()
    (tmp_path / "learn.npy").unlink()
    with pytest.raises(ValueError, match="learn = true asks for vectors to learn from, there are none"):
        Vectors(data_dir=tmp_path, learn=True).fingerprint()


def test_a_folder_without_vectors_says_what_there_is_and_what_would_be_right(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(ValueError, match=r"holds no vectors, but model\.pkl; it must hold train\.npy and test\.npy, "):
        Vectors(data_dir=tmp_path).load(Context())


def test_a_distance_that_is_not_served_is_refused():
    with pytest.raises(ValueError, match="distance = 'l1', must be 'euclidean', 'angular'"):
        Vectors(distance="l1")


def test_a_folder_of_other_things_is_not_searched_to_its_ground(tmp_path):
    deep = tmp_path.joinpath(*"abcd")
    deep.mkdir(parents=True)
    (deep / "train.parquet").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no vectors, but a; it must hold"):
        Vectors(data_dir=tmp_path).fingerprint()


def test_labels_may_be_sets_of_classes(tmp_path, arrays):
    sets = {name: np.arange(3) >= arrays[name][:, None] for name in ("train_labels", "test_labels")}
    dataset = load(tmp_path, arrays | {name: one.astype(np.uint8) for name, one in sets.items()})
    assert dataset.classes == ("0", "1", "2")
    assert np.array_equal(dataset.split("database").labels, sets["train_labels"])
    assert dataset.split("query").labels.dtype == np.bool_
    with pytest.raises(ValueError, match=r"test_labels\.npy: 2 at row 0, column 0; a set of classes is of 0 and 1"):
        load(tmp_path, arrays | {name: one * 2 for name, one in sets.items() if name == "test_labels"})


@pytest.mark.parametrize("kind", ["U", "S"])
def test_labels_may_be_texts_of_either_kind(tmp_path, arrays, kind):
    texts = {name: np.array(["auk", "owl", "tern"], kind)[arrays[name]] for name in ("train_labels", "test_labels")}
    dataset = load(tmp_path, arrays | texts)
    assert dataset.classes == ("auk", "owl", "tern")
    assert np.array_equal(dataset.split("database").labels, arrays["train_labels"])


def test_codes_in_hdf5_are_told_which_data_set_reads_them(tmp_path, arrays):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["train"], file["test"] = arrays["train"] > 0, arrays["test"] > 0
        file.attrs["distance"] = "hamming"
    with pytest.raises(ValueError, match=r"distance 'hamming', must be .*; codes are read by --dataset hdf5"):
        Vectors(data_dir=tmp_path).fingerprint()
