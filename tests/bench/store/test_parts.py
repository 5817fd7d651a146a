"""Arrays that are written part by part: the bytes of whole ones, or a fault that leaves the earlier entry as it was."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.store.entries import Store
from bench.store.parts import Part, whole


def as_numpy_saves(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@settings(max_examples=40)
@given(
    st.sampled_from(["float32", "uint64", "int8", "bool"]),
    st.lists(st.integers(0, 5), min_size=1, max_size=5),
    st.lists(st.integers(0, 3), max_size=2),
)
def test_parts_make_the_file_that_numpy_saves(tmp_path_factory, dtype, lengths, inner):
    store = Store(tmp_path_factory.mktemp("parts"))
    array = np.random.default_rng(0).integers(0, 2, (sum(lengths), *inner)).astype(dtype)
    ends = np.cumsum(lengths)
    parts = [Part("x", len(array), array[end - length : end]) for length, end in zip(lengths, ends, strict=True)]
    store.write("k", "a", {}, iter([parts[0], whole("y", array[::-1]), *parts[1:]]))
    for name, expected in (("x", array), ("y", array[::-1])):
        assert (store.path("k", "a") / f"{name}.npy").read_bytes() == as_numpy_saves(np.ascontiguousarray(expected))
    np.testing.assert_array_equal(store.read("k", "a").arrays["y"], array[::-1])


def test_an_array_that_only_looks_large_is_written_without_being_made(tmp_path):
    store, many = Store(tmp_path), np.broadcast_to(np.int64(-1), 1000)
    store.write("k", "a", {}, {"x": many, "f": np.asfortranarray(np.eye(3))})
    assert (store.path("k", "a") / "x.npy").read_bytes() == as_numpy_saves(np.full(1000, -1))
    assert (store.path("k", "a") / "f.npy").read_bytes() == as_numpy_saves(np.eye(3))


ONES = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([Part("x", 5, ONES), Part("x", 5, ONES)], r"x\.npy: 4 rows were made; expected 5"),
        ([Part("x", 3, ONES), Part("x", 3, ONES)], r"x\.npy: a part float32 \[2, 3\] up to row 4; .*\[3, 3\] in all"),
        ([Part("x", 4, ONES), Part("x", 4, ONES.astype("f8"))], "a part float64 .*expected float32"),
        ([Part("x", 4, ONES), Part("x", 4, ONES[:, :1])], r"a part float32 \[2, 1\]"),
        ([Part("x", 1, np.array([{}], dtype=object))], "allow_pickle"),
        ([Part("../x", 2, ONES)], "plain name"),
    ],
)
def test_parts_that_do_not_fit_are_refused_and_the_earlier_entry_stays(tmp_path, parts, words):
    store = Store(tmp_path)
    store.write("k", "a", {}, {"x": np.arange(3)})
    with pytest.raises(ValueError, match=words):
        store.write("k", "a", {}, iter(parts))
    assert store.read("k", "a").arrays["x"].tolist() == [0, 1, 2]
    assert [path.name for path in (tmp_path / "k").iterdir()] == ["a"]


def test_a_maker_that_fails_half_way_leaves_nothing(tmp_path):
    store = Store(tmp_path)

    def made():
        yield Part("x", 4, ONES)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        store.once("k", "a", lambda: ({}, made()))
    assert not store.has("k", "a") and [*(tmp_path / "k").iterdir()] == []
