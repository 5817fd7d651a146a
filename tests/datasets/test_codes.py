"""Codes of the user's own: every form and file holds the same codes, by distances counted on unpacked bits."""

import pickle

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import savemat

from bench.interfaces import Context
from datasets.codes import OwnCodes
from datasets.hdf5 import HDF5

BITS = 20


@pytest.fixture
def bits():
    rng = np.random.default_rng(0)
    return {"query": rng.integers(0, 2, (7, BITS)), "database": rng.integers(0, 2, (90, BITS))}


@pytest.fixture
def more():
    rng = np.random.default_rng(1)
    return {
        "query_labels": np.arange(7) % 3,
        "database_labels": np.arange(90) % 3,
        "query_vectors": rng.standard_normal((7, 5)).astype(np.float32),
        "database_vectors": rng.standard_normal((90, 5)).astype(np.float32),
    }


def save(folder, arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def load(folder, arrays, **parameters):
    save(folder, arrays)
    return OwnCodes(data_dir=folder, **parameters).load(Context())


def distances(dataset):
    """Hamming distances of the data set's codes, from their bits as -1 and 1."""
    query, database = (dataset.split(name).codes.unpack().astype(np.int64) for name in ("query", "database"))
    return (query.shape[1] - query @ database.T) // 2


def expected(bits):
    return (bits["query"][:, None] != bits["database"][None]).sum(axis=2)


def words(bits):
    wide = np.zeros((len(bits), 64), dtype=bool)
    wide[:, : bits.shape[1]] = bits
    return np.packbits(wide, axis=1, bitorder="little").view("<u8")


FORMS = {
    "zero and one": lambda bits: bits,
    "bytes of 0 and 1": lambda bits: bits.astype(np.uint8),
    "truth values": lambda bits: bits > 0,
    "minus one and one": lambda bits: bits.astype(np.int8) * 2 - 1,
    "real values": lambda bits: (bits - 0.5) * np.random.default_rng(3).uniform(0.1, 9, bits.shape),
    "packed, highest bit first": lambda bits: np.packbits(bits, axis=1),
    "packed, lowest bit first": lambda bits: np.packbits(bits, axis=1, bitorder="little"),
    "packed words": words,
}


@pytest.mark.parametrize("form", FORMS)
def test_codes_of_every_form_have_the_distances_of_their_bits(tmp_path, bits, form):
    dataset = load(tmp_path, {name: FORMS[form](values) for name, values in bits.items()}, bits=BITS)
    assert dataset.split("database").codes.bits == dataset.split("query").codes.bits == BITS
    assert np.array_equal(distances(dataset), expected(bits))
    assert not dataset.labelled and dataset.classes == () and set(dataset.split("query").labels) == {-1}


@pytest.mark.parametrize("order", ["big", "little"])
def test_the_order_of_bits_is_found_in_both_files_together(tmp_path, bits, order):
    """The last bits of the queries are all 0, so that their file alone does not tell where its padding is."""
    bits["query"][:, 16:] = 0
    packed = {name: np.packbits(values, axis=1, bitorder=order) for name, values in bits.items()}
    assert np.array_equal(distances(load(tmp_path, packed, bits=BITS)), expected(bits))


@pytest.mark.parametrize("pack", [lambda bits: np.packbits(bits, axis=1), words])
def test_packed_codes_have_all_bits_that_there_is_room_for(tmp_path, bits, pack):
    packed = {name: pack(values) for name, values in bits.items()}
    dataset = load(tmp_path, packed)
    assert dataset.split("query").codes.bits == 8 * packed["query"].nbytes // 7
    assert np.array_equal(distances(dataset), expected(bits))
    assert OwnCodes(data_dir=tmp_path).fingerprint() != OwnCodes(data_dir=tmp_path, bits=BITS).fingerprint()


def write(folder, kind, arrays):
    path = folder / f"mine.{kind}"
    if kind == "npz":
        np.savez(path, **arrays)
    elif kind == "mat":
        savemat(path, arrays)
    elif kind == "pt":
        torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array


@pytest.mark.parametrize("kind", ["npz", "mat", "pt", "h5"])
def test_one_file_of_every_kind_holds_codes_labels_and_vectors(tmp_path, bits, more, kind):
    write(tmp_path, kind, {name: np.packbits(values, axis=1) for name, values in bits.items()} | more)
    dataset = OwnCodes(data_dir=tmp_path, bits=BITS).load(Context())
    assert np.array_equal(distances(dataset), expected(bits))
    assert dataset.labelled and dataset.classes == ("0", "1", "2")
    for name in ("query", "database"):
        assert np.array_equal(dataset.split(name).labels, more[f"{name}_labels"])
        assert np.array_equal(dataset.split(name).vectors, more[f"{name}_vectors"])
    assert dataset.split("train") is dataset.split("database")
    assert not np.intersect1d(dataset.split("query").ids, dataset.split("database").ids).size


def test_names_of_other_code_bases_are_known_in_one_file(tmp_path, bits, more):
    named = {"qB": bits["query"], "rB": bits["database"], "qL": more["query_labels"], "rL": more["database_labels"]}
    savemat(tmp_path / "out.mat", named)
    dataset = OwnCodes(data_dir=tmp_path).load(Context())
    assert np.array_equal(distances(dataset), expected(bits))
    assert np.array_equal(dataset.split("database").labels, more["database_labels"])


def test_equal_codes_are_no_twins_and_equal_vectors_are(tmp_path, bits, more):
    bits["query"][0] = bits["database"][4]
    assert load(tmp_path, bits, twins_allowed=0).remarks == ()
    more["query_vectors"][0] = more["database_vectors"][4]
    with pytest.raises(ValueError, match=r"1 of 7 queries .* query item 0 = database item 4"):
        load(tmp_path, bits | more, twins_allowed=0)


def test_vectors_beside_codes_that_only_rounding_makes_equal_are_not_said_to_be_so_to_the_byte(tmp_path, bits, more):
    more |= {name: more[name].astype(np.float64) for name in ("query_vectors", "database_vectors")}
    for change, how in ((1, "to the byte"), (1 + 1e-15, "but only as they are read (rounded to float32")):
        more["query_vectors"][0] = more["database_vectors"][4] * change
        (said,) = load(tmp_path, bits | more).remarks
        assert said.startswith(f"1 query items also stand in the database, {how}")


WRONG = [
    ("query", np.zeros((7, 19)), r"query\.npy: 19 columns, but .*database\.npy has 20"),
    ("query", np.zeros((0, BITS)), r"query\.npy: \[0, 20\], expected \[items, bits\] with at least one of each"),
    ("query", np.zeros(7), r"query\.npy: \[7\], expected \[items, bits\]"),
    (
        "query",
        np.where(np.arange(140).reshape(7, BITS) == 45, np.nan, 1),
        r"query\.npy: nan at row 2, column 5; .*finite",
    ),
    ("query", np.full((7, BITS), "a"), r"query\.npy: <U1, expected numbers|query\.npy: <U1"),
    (
        "database",
        np.full((90, BITS), 3, np.uint16),
        r"database\.npy: uint16 with values other than 0 and 1; packed codes are uint8 or uint64",
    ),
    (
        "database",
        np.where(np.arange(90 * BITS).reshape(90, BITS) == 45, -9, 1),
        r"database\.npy: -9 at row 2, column 5; codes of int64 are 0 and 1, or -1 and 1, and packed codes are uint8",
    ),
    ("query_labels", np.arange(6), r"query_labels\.npy: 6 labels for 7 items"),
    ("query_labels", np.full(7, 1.5), r"query_labels\.npy: 1\.5 at row 0; a label must be a whole number"),
    ("query_labels", np.full(7, np.nan), r"query_labels\.npy: nan at row 0; a label"),
    ("query_labels", np.full(7, -1), "query item 0 has label -1"),
    ("query_vectors", np.zeros((6, 5)), r"query_vectors\.npy: 6 vectors for 7 codes in .*query\.npy"),
    ("query_vectors", np.zeros((7, 4)), r"query_vectors\.npy: 4 columns, but .*database_vectors\.npy has 5"),
    ("query_vectors", np.full((7, 5), np.inf), r"query_vectors\.npy: inf at row 0, column 0; must be finite"),
]


@pytest.mark.parametrize(("name", "array", "message"), WRONG)
def test_a_wrong_array_is_named_with_its_place(tmp_path, bits, more, name, array, message):
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path, bits | more | {name: array})
    assert "\n" not in str(caught.value)


def test_bits_that_do_not_fit_are_named(tmp_path, bits):
    packed = {name: np.packbits(values, axis=1) for name, values in bits.items()}
    with pytest.raises(
        ValueError, match=r"database\.npy: 3 columns of uint8 do not hold 30 bits: expected 30 columns, 4 of"
    ):
        load(tmp_path, packed, bits=30)
    packed["database"][5, 2] = 0x18
    with pytest.raises(ValueError, match=r"database\.npy: 24 at row 5, column 2; codes of 20 bits hold more than that"):
        load(tmp_path, packed, bits=BITS)
    with pytest.raises(ValueError, match=r"bits is 0; allowed: 1 to 65,536"):
        OwnCodes(bits=0)


@pytest.mark.parametrize("name", ["query", "database_labels", "query_vectors"])
@pytest.mark.parametrize("content", ["truncated", "magic", "empty", "folder", "pickle"])
def test_a_file_that_is_no_array_is_named_before_any_is_hashed(tmp_path, bits, more, name, content, monkeypatch):
    save(tmp_path, bits | more)
    path = tmp_path / f"{name}.npy"
    whole = path.read_bytes()
    path.unlink()
    if content == "folder":
        path.mkdir()
    else:
        pickled = pickle.dumps({"codes": [0, 1]})
        path.write_bytes(
            {"truncated": whole[:-9], "magic": b"\x00" + whole[1:], "empty": b"", "pickle": pickled}[content]
        )
    monkeypatch.setattr("datasets.codes.file_hash", None)
    with pytest.raises(ValueError, match=rf"{name}\.npy (can't be read as \.npy|is a folder)") as caught:
        OwnCodes(data_dir=tmp_path).fingerprint()
    assert "\n" not in str(caught.value)


def test_a_folder_that_does_not_hold_one_set_of_codes_is_told_what_it_must_hold(tmp_path, bits, more):
    with pytest.raises(ValueError, match="--data-dir is needed: a folder holding query and database"):
        OwnCodes().fingerprint()
    with pytest.raises(ValueError, match=r"must hold query and database, .*; it holds none of these"):
        OwnCodes(data_dir=tmp_path).fingerprint()
    save(tmp_path, {"query": bits["query"]})
    with pytest.raises(ValueError, match=r"must hold query and database, .*; it holds query"):
        OwnCodes(data_dir=tmp_path).fingerprint()
    save(tmp_path, bits | {"query_labels": more["query_labels"]})
    with pytest.raises(ValueError, match="holds query_labels alone; both are right"):
        OwnCodes(data_dir=tmp_path).fingerprint()
    np.savez(tmp_path / "query.npz", a=bits["query"])
    with pytest.raises(ValueError, match=r"query\.npy and query\.npz are both query"):
        OwnCodes(data_dir=tmp_path).fingerprint()
    other = tmp_path / "other"
    other.mkdir()
    for name in ("a", "b"):
        np.savez(other / f"{name}.npz", **bits)
    with pytest.raises(ValueError, match=r"other holds a\.npz, b\.npz: one file with all arrays is right"):
        OwnCodes(data_dir=other).fingerprint()


@pytest.mark.parametrize("kind", ["?", "u1", "i8", "f4", "packed u1", "packed u8"])
def test_hdf5_by_hamming_distance_holds_codes(tmp_path, bits, kind):
    made = {"packed u1": lambda one: np.packbits(one, axis=1), "packed u8": words}.get(kind)
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file.attrs["distance"] = "hamming"
        for name, values in (("train", bits["database"]), ("test", bits["query"])):
            file[name] = made(values) if made else values.astype(kind)
    dataset = HDF5(data_dir=tmp_path).load(Context())
    assert dataset.content == "codes" and np.array_equal(distances(dataset), expected(bits))
    assert dataset.split("query").vectors is None


def test_hdf5_by_hamming_distance_refuses_what_is_neither_a_bit_nor_packed(tmp_path, bits):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file.attrs["distance"] = "hamming"
        file["train"], file["test"] = bits["database"].astype(np.float32), bits["query"] + 0.5
    with pytest.raises(
        ValueError, match=r"x\.hdf5: test: [01]\.5 at row 0, column 0; by distance = 'hamming' must be 0 or 1"
    ):
        HDF5(data_dir=tmp_path).load(Context())


def test_what_is_wrong_is_found_before_the_files_are_hashed(tmp_path, bits, monkeypatch):
    save(tmp_path, bits | {"query": np.full((7, BITS), np.nan)})
    monkeypatch.setattr("datasets.codes.file_hash", None)
    with pytest.raises(ValueError, match=r"query\.npy: nan at row 0, column 0"):
        OwnCodes(data_dir=tmp_path).load(Context())
    save(tmp_path, {"query": bits["query"][:, :9]})
    with pytest.raises(ValueError, match=r"query\.npy: 9 columns, but .*database\.npy has 20"):
        OwnCodes(data_dir=tmp_path).fingerprint()


def test_labels_may_be_sets_of_classes(tmp_path, bits):
    rng = np.random.default_rng(4)
    sets = {f"{name}_labels": rng.integers(0, 2, (len(values), 5)) for name, values in bits.items()}
    dataset = load(tmp_path, bits | sets)
    assert dataset.classes == tuple("01234")
    for name in bits:
        assert np.array_equal(dataset.split(name).labels, sets[f"{name}_labels"] > 0)


TEXTS = np.array(["auk", "Möwe", "tern"])
LABEL_FILES = {
    "csv": lambda path, texts: path.write_text("\n".join(texts)),
    "txt": lambda path, texts: path.write_text("# classes\n\n" + "\n".join(texts)),
    "csv with a name": lambda path, texts: pd.DataFrame({"label": texts}).to_csv(path, index=False),
    "npy": lambda path, texts: np.save(path, np.char.encode(texts, "utf-8")),
}


@pytest.mark.parametrize("form", LABEL_FILES)
def test_labels_of_a_file_may_be_texts(tmp_path, bits, more, form):
    save(tmp_path, bits)
    for name in ("query_labels", "database_labels"):
        LABEL_FILES[form](tmp_path / f"{name}.{form[:3]}", TEXTS[more[name]])
    dataset = OwnCodes(data_dir=tmp_path).load(Context())
    for name in bits:
        found = np.array(dataset.classes)[dataset.split(name).labels]
        assert np.array_equal(found, TEXTS[more[f"{name}_labels"]])


@pytest.mark.parametrize("head", ["", "label\n"])
def test_a_column_of_numbers_is_read_as_it_is(tmp_path, bits, more, head):
    save(tmp_path, bits)
    for name in ("query_labels", "database_labels"):
        (tmp_path / f"{name}.csv").write_text(head + "".join(f"{10 * label}\n" for label in more[name]))
    dataset = OwnCodes(data_dir=tmp_path).load(Context())
    assert dataset.classes == ("0", "10", "20")
    assert np.array_equal(dataset.split("database").labels, more["database_labels"])


@pytest.mark.parametrize("between", [",", ";", "\t", " ", "  "])
def test_codes_may_be_columns_of_text(tmp_path, bits, between):
    for name, values in bits.items():
        lines = [between.join(map(str, row)) for row in values]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    assert np.array_equal(distances(OwnCodes(data_dir=tmp_path).load(Context())), expected(bits))


@pytest.mark.parametrize("kind", [None, "S"])
def test_labels_in_one_hdf5_file_may_be_texts(tmp_path, bits, more, kind):
    with h5py.File(tmp_path / "codes.h5", "w") as file:
        for name, values in bits.items():
            texts = TEXTS[more[f"{name}_labels"]]
            file[name] = values
            file[f"{name}_labels"] = texts.astype(object) if kind is None else np.char.encode(texts, "utf-8")
    dataset = OwnCodes(data_dir=tmp_path).load(Context())
    assert dataset.labelled and set(dataset.classes) == {*TEXTS}
    found = np.array(dataset.classes)[dataset.split("database").labels]
    assert np.array_equal(found, TEXTS[more["database_labels"]])
