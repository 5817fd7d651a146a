from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.interfaces import Codes
from bench.report.page.panels import difficulty
from tests.finished import damage

SEARCHES = """
[[cells]]
embedder = "identity"
index = "linear_scan"
[[cells]]
embedder = "identity"
index = "toy_scan"
reach = 150
"""
CODED = """
[[cells]]
hasher = "toy_signs"
bits = 16
index = "hamming_scan"
[[cells]]
hasher = "toy_signs"
bits = 16
index = "toy_scan"
field = "codes"
[[cells]]
hasher = "toy_signs"
bits = 2
index = "hamming_scan"
"""


def distance(one, other):
    return sum((float(a) - float(b)) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5


def test_relative_contrast_is_the_mean_distance_over_that_of_the_kth_nearest():
    generator = np.random.default_rng(0)
    queries, rows, nearest = (generator.standard_normal((n, 5)).astype(np.float32) for n in (4, 7, 4))
    expected = [
        np.mean([distance(query, row) for row in rows]) / distance(query, near)
        for query, near in zip(queries, nearest, strict=True)
    ]
    np.testing.assert_allclose(difficulty.relative_contrast(queries, rows, nearest), expected)


@given(st.integers(0, 2**31), st.floats(0.1, 100), st.floats(-10, 10))
def test_relative_contrast_does_not_depend_on_unit_and_origin(seed, unit, origin):
    queries, rows, nearest = np.random.default_rng(seed).standard_normal((3, 6, 4))
    before = difficulty.relative_contrast(queries, rows, nearest)
    after = difficulty.relative_contrast(*(unit * array + origin for array in (queries, rows, nearest)))
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_a_query_that_its_kth_nearest_equals_stands_out_endlessly_unless_every_item_does():
    query, other = np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32)
    assert difficulty.relative_contrast(query, np.concatenate([query, other]), query).tolist() == [np.inf]
    assert difficulty.relative_contrast(query, query, query).tolist() == [1]


@pytest.mark.parametrize("k", [1, 3, 50])
def test_contrast_by_codes_counts_differing_bits(k):
    generator = np.random.default_rng(k)
    asked, stored = generator.random((5, 70)) < 0.5, generator.random((20, 70)) < 0.5
    apart = [sorted(int((one != other).sum()) for other in stored) for one in asked]
    expected = [np.mean(one) / one[min(k, 20) - 1] for one in apart]
    found = difficulty.contrast_by_codes(Codes.pack(asked), Codes.pack(stored), k)
    np.testing.assert_allclose(found, expected)


@given(st.lists(st.floats(1, 10) | st.just(np.inf), min_size=10, max_size=60))
def test_tenths_hold_every_query_once_and_the_hardest_come_first(contrast):
    parts = difficulty.hardest_first(np.array(contrast))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(contrast)))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for harder, easier in pairwise(parts):
        assert max(contrast[query] for query in harder) <= min(contrast[query] for query in easier)


@pytest.mark.long
def test_recall_of_a_tenth_is_the_share_of_its_exact_neighbours_that_were_found(finish, vectors_dir):
    run = finish(SEARCHES, data_dir=vectors_dir)
    found = difficulty.panel(run.stored)
    train, test = np.load(vectors_dir / "train.npy"), np.load(vectors_dir / "test.npy")
    apart = np.linalg.norm(test[:, None].astype(float) - train[None], axis=2)
    near = np.argsort(apart, axis=1, kind="stable")[:, :5]
    sample = np.sort(np.random.default_rng(0).choice(len(train), difficulty.MOST_ROWS, replace=False))
    contrast = apart[:, sample].mean(axis=1) / np.sort(apart, axis=1)[:, 4]
    tenths = np.array_split(np.argsort(contrast, kind="stable"), 10)
    half = np.argsort(apart[:, :150], axis=1, kind="stable")[:, :5]
    shares = np.array([len({*one} & {*other}) / 5 for one, other in zip(near.tolist(), half.tolist(), strict=True)])
    exact, scan = (found["searches"][key]["recall"] for key in run.cells["key"])
    assert exact == [1.0] * 10
    np.testing.assert_allclose(scan, [shares[part].mean() for part in tenths], rtol=1e-3)
    (group,) = found["groups"]
    assert (group["by"], group["queries"], group["drawn"], group["items"], group["rows"]) == (
        "features",
        60,
        60,
        400,
        300,
    )
    np.testing.assert_allclose(group["contrast"][1], np.median(contrast), rtol=1e-3)


@pytest.mark.long
def test_of_many_queries_some_are_drawn_by_the_seed_and_the_rest_is_not_judged(finish, vectors_dir, monkeypatch):
    monkeypatch.setattr(difficulty, "MOST_QUERIES", 20)
    run = finish(SEARCHES, data_dir=vectors_dir)
    found, again = difficulty.panel(run.stored), difficulty.panel(run.stored)
    assert found == again and found["groups"][0]["drawn"] == 20 and found["groups"][0]["queries"] == 60


@pytest.mark.long
def test_codes_alone_are_judged_by_hamming_distance_and_left_out_where_that_says_nothing(finish):
    run = finish(CODED, dataset="toy_clusters")
    found = difficulty.panel(run.stored)
    keys = run.cells.loc[run.cells["bits"] == 16, "key"]
    assert set(found["searches"]) == set(keys) and found["missing"] == []
    assert [group["by"] for group in found["groups"]] == ["codes"]
    scans = run.cells.loc[(run.cells["bits"] == 16) & (run.cells["index"] == "hamming_scan"), "key"]
    assert found["searches"][scans.iloc[0]]["recall"] == [1.0] * 10


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "cells"), [("features", 2), ("exact", 2)], ids=["damaged features", "damaged exact neighbours"]
)
def test_what_can_no_longer_be_read_is_named_and_nothing_is_made_again(finish, vectors_dir, kind, cells):
    run = finish(SEARCHES, data_dir=vectors_dir)
    damage(run.pipeline.store, kind)
    found = difficulty.panel(run.stored)
    assert found["searches"] == {} and found["groups"] == []
    assert found["missing"] == [{"cells": cells, "reason": "an array that it needs is damaged"}]


@pytest.mark.long
def test_a_cache_that_is_gone_is_named_in_words(finish, vectors_dir):
    run = finish(SEARCHES, data_dir=vectors_dir)
    (run.root / "cache" / "exact").rename(run.root / "away")
    found = difficulty.panel(run.stored)
    assert found["missing"] == [{"cells": 2, "reason": "an array that it needs is no longer stored"}]
    assert not (run.root / "cache" / "exact").exists()


@pytest.mark.long
def test_fewer_queries_than_tenths_are_said_to_be_too_few(finish, vectors_dir):
    run = finish(SEARCHES, data_dir=vectors_dir, measure="queries = 7")
    found = difficulty.panel(run.stored)
    assert found["missing"] == [{"cells": 2, "reason": "tenths of 7 of the queries can't be made: it takes 10"}]
