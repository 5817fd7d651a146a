"""Numbers of any type in .npy and HDF5 files, against numpy's own conversion."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from bench.interfaces import Context
from datasets import arrays
from datasets.arrays import read_vectors
from datasets.hdf5 import HDF5
from datasets.vectors import Vectors

REAL = [
    "?",
    "i1",
    "u1",
    "<i2",
    ">u2",
    "<i4",
    ">i4",
    "<u4",
    "<i8",
    ">i8",
    "<u8",
    "<f2",
    ">f2",
    "<f4",
    ">f4",
    "<f8",
    ">f8",
]
INTEGER = [kind for kind in REAL if np.dtype(kind).kind in "iu"]


def read_back(tmp_path, kind, values):
    """The data set that holds ``values`` by name in files of either kind."""
    if kind == "vectors":
        for name, array in values.items():
            np.save(tmp_path / f"{name}.npy", array)
        return Vectors(data_dir=tmp_path).load(Context())
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file.attrs["distance"] = "euclidean"
        for name, array in values.items():
            file[name] = array
    return HDF5(data_dir=tmp_path).load(Context())


def numbers(kind, shape, seed=0):
    rng = np.random.default_rng(seed)
    kept = np.dtype(kind)
    if kept.kind in "iu":
        return rng.integers(0 if kept.kind == "u" else -100, 100, shape).astype(kept)
    return (rng.standard_normal(shape) > 0 if kept.kind == "b" else rng.standard_normal(shape)).astype(kept)


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("files", ["vectors", "hdf5"])
def test_numbers_of_every_type_and_order_become_float32(tmp_path, files, kind, fortran, monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 4 * 5 * 4)
    order = np.asfortranarray if fortran else np.ascontiguousarray
    train, test = numbers(kind, (23, 5)), numbers(kind, (9, 5), 1)
    dataset = read_back(tmp_path, files, {"train": order(train), "test": order(test)})
    for split, expected in (("database", train), ("query", test)):
        vectors = dataset.split(split).vectors
        assert vectors.dtype == np.float32 and vectors.flags.c_contiguous
        assert np.array_equal(vectors, expected.astype(np.float32))


@pytest.mark.parametrize("kind", INTEGER)
@pytest.mark.parametrize("files", ["vectors", "hdf5"])
def test_labels_of_every_integer_type_name_the_classes_that_occur(tmp_path, files, kind):
    labels = {"train_labels": np.array([90, 7, 7, 0, 101]), "test_labels": np.array([101, 7])}
    vectors = {"train": numbers("f4", (5, 3)), "test": numbers("f4", (2, 3), 1)}
    dataset = read_back(tmp_path, files, vectors | {name: array.astype(kind) for name, array in labels.items()})
    assert dataset.classes == ("0", "7", "90", "101")
    assert dataset.split("train").labels.tolist() == [2, 1, 1, 0, 3]
    assert dataset.split("query").labels.tolist() == [3, 1] and dataset.split("query").labels.dtype == np.int64


@given(arrays_of.arrays(st.sampled_from(["i4", "u4", "i8", "u8"]), (6, 3)))
def test_whole_numbers_beyond_what_float32_holds_are_counted(values):
    vectors, remarks = read_vectors("X", values)
    assert np.array_equal(vectors, values.astype(np.float32))
    beyond = sum(abs(int(value)) > 2**24 for value in values.ravel())
    said = [remark for remark in remarks if "float32 rounds them" in remark]
    assert len(said) == (beyond > 0) and all(f"X: {beyond} values of {values.dtype}" in remark for remark in said)


@given(arrays_of.arrays("f8", (6, 3), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_float64_becomes_float32_or_the_first_value_that_cannot_is_named(values):
    with np.errstate(over="ignore"):
        expected = values.astype(np.float32)
    bad = np.argwhere(~np.isfinite(expected))
    if not len(bad):
        assert np.array_equal(read_vectors("X", values)[0], expected)
        return
    first = next((at for at in bad if not np.isfinite(values[tuple(at)])), bad[0])
    with pytest.raises(
        ValueError, match=rf"X: .* at row {first[0]}, column {first[1]}; (must be finite|beyond float32)"
    ):
        read_vectors("X", values)


@pytest.mark.parametrize(("offset", "said"), [(0, False), (100, False), (2e4, True), (1e9, True)])
def test_columns_whose_differences_float32_rounds_are_said(offset, said):
    values = np.random.default_rng(0).uniform(size=(50, 4))
    values[:, 2] += offset
    _, remarks = read_vectors("X", values)
    assert len(remarks) == said
    assert all(
        "X: 1 columns lie so far from 0 that float32 rounds" in remark and "column 2 " in remark for remark in remarks
    )


def test_a_constant_column_is_no_loss():
    values = np.full((9, 2), 1e9)
    values[:, 1] = np.arange(9)
    assert read_vectors("X", values)[1] == []
