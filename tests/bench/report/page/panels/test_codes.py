import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.interfaces import Codes
from bench.report.page.panels import codes
from tests.finished import damage

CELLS = """
[[cells]]
hasher = "toy_signs"
bits = 12
index = "hamming_scan"
[[cells]]
hasher = "toy_signs"
bits = 12
index = "toy_scan"
field = "codes"
[[cells]]
hasher = "toy_signs"
bits = [12, 70]
database_codes = "learned"
index = "hamming_scan"
"""


@given(arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 130))))
def test_ones_are_counted_bit_by_bit_and_equal_codes_once(bits):
    found = codes.counted(Codes.pack(bits))
    np.testing.assert_allclose(found["ones"], bits.mean(axis=0), rtol=1e-3)
    assert found["distinct"] == len({tuple(row) for row in bits.tolist()})
    assert (found["bits"], found["counted"]) == (bits.shape[1], len(bits))


def test_bits_that_do_not_fit_into_one_block_are_counted_alike(monkeypatch):
    bits = np.random.default_rng(0).random((100, 20)) < 0.3
    whole = codes.counted(Codes.pack(bits))
    monkeypatch.setattr(codes, "BLOCK_VALUES", 64)
    assert codes.counted(Codes.pack(bits)) == whole


def test_distances_within_and_between_classes_are_those_of_every_pair():
    generator = np.random.default_rng(0)
    asked, stored = generator.random((8, 9)) < 0.5, generator.random((15, 9)) < 0.5
    of_queries, of_items = generator.integers(3, size=8), generator.integers(3, size=15)
    found = codes.distances(Codes.pack(asked), Codes.pack(stored), (of_items, of_queries))
    for name, alike in (("within", True), ("between", False)):
        apart = [
            int((one != other).sum())
            for one, label in zip(asked, of_queries, strict=True)
            for other, its in zip(stored, of_items, strict=True)
            if (label == its) == alike
        ]
        np.testing.assert_allclose(found[name], np.bincount(apart, minlength=10) / len(apart), rtol=1e-3)


def test_without_labels_there_is_one_distribution_and_of_one_class_none_between():
    bits = np.random.default_rng(0).random((6, 5)) < 0.5
    found = codes.distances(Codes.pack(bits), Codes.pack(bits), None)
    assert set(found) == {"all"} and sum(found["all"]) == pytest.approx(1, abs=1e-3)
    same = np.zeros(6, dtype=np.int64)
    assert set(codes.distances(Codes.pack(bits), Codes.pack(bits), (same, same))) == {"within"}


@pytest.mark.long
def test_cells_that_share_their_codes_share_one_named_entry(finish, vectors_dir):
    run = finish(CELLS, data_dir=vectors_dir)
    found = codes.panel(run.stored)
    keys = list(run.cells["key"])
    by_index = dict(zip(keys, zip(run.cells["bits"], run.cells["database_codes"], strict=True), strict=True))
    assert len(found["sets"]) == 3 and set(found["same"]) == set(keys)
    for key, first in found["same"].items():
        assert by_index[key] == by_index[first] and found["sets"][first]["bits"] == by_index[key][0]
    names = [one["name"] for one in found["sets"].values()]
    assert sorted(names) == [
        "toy signs, 12 bits, encoded database codes",
        "toy signs, 12 bits, learned database codes",
        "toy signs, 70 bits, learned database codes",
    ]
    for one in found["sets"].values():
        assert (one["items"], one["counted"], one["queries"], one["drawn"]) == (400, 400, 60, 60)
        assert len(one["ones"]) == one["bits"] and len(one["distances"]["within"]) == one["bits"] + 1


@pytest.mark.long
def test_of_several_seeds_the_codes_of_the_first_are_shown(finish, vectors_dir):
    cells = '[[cells]]\nhasher = "toy_signs"\nbits = 12\nindex = "hamming_scan"\n'
    run = finish(cells, data_dir=vectors_dir, top="k = 5\nseeds = [3, 1]")
    found = codes.panel(run.stored)
    first = run.cells["key"].iloc[0]
    assert list(found["sets"]) == [first] and set(found["same"].values()) == {first} and len(found["same"]) == 2
    assert found["sets"][first]["name"] == "toy signs, 12 bits"


@pytest.mark.long
def test_of_many_queries_and_items_some_are_drawn_by_the_seed(finish, vectors_dir, monkeypatch):
    monkeypatch.setattr(codes, "MOST_QUERIES", 10)
    monkeypatch.setattr(codes, "MOST_ITEMS", 100)
    run = finish(CELLS, data_dir=vectors_dir)
    found = codes.panel(run.stored)
    assert found == codes.panel(run.stored)
    for one in found["sets"].values():
        assert (one["items"], one["counted"], one["drawn"]) == (400, 100, 10)


@pytest.mark.long
def test_damaged_codes_are_named(finish, vectors_dir):
    run = finish(CELLS, data_dir=vectors_dir)
    damage(run.pipeline.store, "codes")
    found = codes.panel(run.stored)
    assert found["sets"] == {} and found["missing"] == [{"cells": 3, "reason": "an array that it needs is damaged"}]


def test_a_grid_without_codes_says_nothing_of_them(finish, vectors_dir):
    run = finish('[[cells]]\nembedder = "identity"\nindex = "linear_scan"\n', data_dir=vectors_dir)
    assert codes.panel(run.stored) is None


@pytest.mark.long
def test_codes_that_lack_what_is_read_are_named_and_not_made(finish, vectors_dir):
    run = finish(CELLS, data_dir=vectors_dir)
    store = run.pipeline.store
    for key in store.keys("codes"):
        store.write("codes", key, {**store.meta("codes", key), "made": []}, {})
    found = codes.panel(run.stored)
    assert found["sets"] == {}
    assert found["missing"] == [{"cells": 3, "reason": "some of the codes that it needs are not stored"}]
