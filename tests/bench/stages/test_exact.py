"""Exact neighbours against float64 differences of all pairs, and against fractions, which round nothing."""

import tracemalloc
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.quality.neighbours import recall_at
from bench.stages import exact
from bench.stages.exact import Screen, exact_neighbours, merged, nearest_with_distances
from tests.vectors import check_nearest, squared_distances, vectors

BLOCKS = {"one block": (1024, 4096, 2**22), "many": (3, 7, 2**22), "by values": (1024, 4096, 40)}
few = settings(max_examples=100)


def in_blocks(sizes, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        for name, size in zip(("BLOCK_QUERIES", "BLOCK_ROWS", "BLOCK_VALUES"), sizes, strict=True):
            patch.setattr(exact, name, size)
        return exact_neighbours(*arguments)


def by_differences(queries, database, k):
    """By (float64 distance, id), -1 padded."""
    order = np.argsort(squared_distances(queries, database), axis=1, kind="stable")[:, :k]
    return np.pad(order, ((0, 0), (0, k - order.shape[1])), constant_values=-1)


def check(queries, database, k):
    """As near as the k nearest, ordered by distance and equal rows by id, and the same however it is cut to blocks."""
    ids = exact_neighbours(queries, database, k)
    for sizes in BLOCKS.values():
        np.testing.assert_array_equal(ids, in_blocks(sizes, queries, database, k))
    check_nearest(ids, queries, database, k)
    return ids


@few
@given(vectors(), st.sampled_from([1, 3, 10, 70]))
def test_neighbours_are_those_of_float64_differences_whatever_the_values(pair, k):
    check(*pair, k)


@few
@given(st.integers(1, 60), st.integers(1, 15), st.integers(1, 6), st.integers(-100, 90), st.integers(0, 2**32 - 1))
def test_whole_numbers_far_from_the_origin_and_of_any_scale_tie_by_id(size, k, dim, power, seed):
    rng = np.random.default_rng(seed)
    rows = (rng.integers(0, 4, (size + 5, dim)) + rng.choice([0, 2**20, -(2**23)], dim)) * 2.0**power
    database, queries = rows[:size].astype(np.float32), rows[size:].astype(np.float32)
    np.testing.assert_array_equal(check(queries, database, k), by_differences(queries, database, k))


@few
@given(vectors(), st.sampled_from([1, 3, 70]), st.lists(st.integers(0, 40), max_size=3))
def test_the_neighbours_in_parts_of_a_database_merge_to_those_in_all_of_it(pair, k, cuts):
    queries, database = pair
    edges = sorted({0, len(database), *(cut % len(database) for cut in cuts)})
    found = [(start, *nearest_with_distances(queries, database[start:stop], k)) for start, stop in pairwise(edges)]
    np.testing.assert_array_equal(merged(found, k), exact_neighbours(queries, database, k))


@few
@given(vectors(most=12))
def test_the_order_is_that_of_fractions_up_to_the_rounding_of_float64(pair):
    queries, database = pair
    for query, ids in zip(queries, exact_neighbours(queries, database, 5), strict=True):
        whole = [Fraction(float(value)) for value in query]
        true = [sum((Fraction(float(x)) - y) ** 2 for x, y in zip(row, whole, strict=True)) for row in database]
        slack = 1 + Fraction(2 * (len(query) + 2), 2**53)
        for found, right in zip(ids, sorted(true), strict=False):
            assert right / slack <= true[found] <= right * slack


@few
@given(vectors(), st.sampled_from([np.float32, np.float64]))
def test_no_lower_bound_exceeds_the_distance(pair, dtype):
    queries, database = pair
    screen = Screen(*(getattr(Screen.of(database), name) for name in ("origin", "scale")), np.dtype(dtype))
    (rows, norms), (asked, of_queries) = (screen.shifted("", slice(0), part) for part in (database, queries))
    scores = norms.astype(dtype) - 2 * (asked @ rows.T)
    assert np.isfinite(rows).all() and np.isfinite(asked).all()
    bound = scores.astype(np.float64) + of_queries[:, None] - screen.slack
    assert (bound <= screen.unit * squared_distances(queries, database)).all()


def far_apart(rng, count, apart):
    """Two clusters: any middle is far from both."""
    return (rng.standard_normal((count, 64)) + apart * rng.integers(0, 2, (count, 1))).astype(np.float32)


@pytest.mark.parametrize("apart", [0, 3, 1e5, 1e12, 1e37])
def test_where_float32_excludes_too_little_float64_products_do(apart, monkeypatch):
    rng = np.random.default_rng(0)
    database, queries = far_apart(rng, 2000, apart), far_apart(rng, 70, apart)
    used, shifted = set(), Screen.shifted
    monkeypatch.setattr(Screen, "shifted", lambda self, *rest: (used.add(self.dtype.name), shifted(self, *rest))[1])
    np.testing.assert_array_equal(
        in_blocks((32, 500, 2**22), queries, database, 10), by_differences(queries, database, 10)
    )
    assert used == ({"float32"} if apart < 1e5 else {"float32", "float64"})


def test_few_rows_are_measured_far_from_the_origin_and_beside_far_rows(monkeypatch):
    rng = np.random.default_rng(1)
    database = (rng.standard_normal((4000, 64)) + 3e4 * rng.standard_normal(64)).astype(np.float32)
    queries = database[:50] + np.float32(0.25)
    database[7::500] *= np.float32(1e33)
    measured, offer = [], exact.kernels.offer_rows
    monkeypatch.setattr(exact.kernels, "offer_rows", lambda *rest: measured.append(offer(*rest)) or measured[-1])
    np.testing.assert_array_equal(exact_neighbours(queries, database, 10), by_differences(queries, database, 10))
    assert sum(measured) < 50 * 20


@pytest.mark.parametrize("queries", [1, 1024])
@pytest.mark.parametrize("offset", [2e4, 1e5])
def test_a_constant_added_to_a_column_changes_no_neighbour_and_no_recall(offset, queries):
    rng = np.random.default_rng(0)
    database, asked = (rng.standard_normal((count, 128)).astype(np.float32) for count in (2000, queries))
    database[:, 0] = asked[:, 0] = 0
    plain = by_differences(asked, database, 10)
    random = np.array([rng.permutation(2000)[:10] for _ in asked])
    database[:, 0] = asked[:, 0] = offset
    ids = exact_neighbours(asked, database, 10)
    np.testing.assert_array_equal(ids, plain)
    shared = np.mean([len(set(row) & set(right)) / 10 for row, right in zip(random, plain, strict=True)])
    assert recall_at(random, ids, database, asked, 10) == pytest.approx(shared)


def test_more_equal_rows_than_a_margin_tie_by_id():
    database = np.zeros((5000, 3), dtype=np.float32)
    database[::2] = 7
    ids = in_blocks((1, 64, 2**22), database[:2], database, 20)
    np.testing.assert_array_equal(ids, [np.arange(0, 40, 2), np.arange(1, 40, 2)])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_by_name(value):
    good, bad = np.ones((30, 3), dtype=np.float32), np.ones((30, 3), dtype=np.float32)
    bad[23, 1] = value
    for arguments, name in (((good, bad), "database"), ((bad, good), "queries")):
        with pytest.raises(ValueError, match=f"{name}: row 23 holds a value that is not finite"):
            in_blocks((4, 5, 2**22), *arguments, 2)


@pytest.mark.parametrize(("queries", "size"), [(0, 5), (3, 0), (0, 0)])
def test_no_queries_or_no_database_have_no_neighbours(queries, size):
    ids = exact_neighbours(np.ones((queries, 4), dtype=np.float32), np.ones((size, 4), dtype=np.float32), 6)
    assert ids.shape == (queries, 6)
    assert (ids[:, size:] == -1).all()


@pytest.mark.long
def test_more_dimensions_than_float32_products_bear_are_searched_too():
    rng = np.random.default_rng(2)
    database, queries = (rng.standard_normal((count, 2**21)).astype(np.float32) for count in (5, 2))
    assert Screen.of(database).dtype == np.float64
    np.testing.assert_array_equal(exact_neighbours(queries, database, 3), by_differences(queries, database, 3))


@pytest.mark.long
@pytest.mark.parametrize(("dim", "near"), [(64, 1.0), (1000, 1.0), (64, 0.0)], ids=["narrow", "wide", "in doubt"])
def test_a_mapped_database_takes_no_more_memory_than_is_said(dim, near, tmp_path, monkeypatch):
    """In doubt: all rows are alike far from the origin, so that products are in float64."""
    rng, values, k = np.random.default_rng(0), 2**14, 7
    for name, size in (("BLOCK_QUERIES", 64), ("BLOCK_ROWS", 256), ("BLOCK_VALUES", values)):
        monkeypatch.setattr(exact, name, size)
    rows = (1e4 * (1 - near) + rng.standard_normal((1_000_000 // dim, dim)) * (near or 1e-3)).astype(np.float32)
    np.save(tmp_path / "x.npy", rows)
    mapped, queries = np.load(tmp_path / "x.npy", mmap_mode="r"), rows[:100] + np.float32(0.5 * near)
    exact_neighbours(queries[:2], mapped[:600], k)  # compiled
    tracemalloc.start()
    exact_neighbours(queries, mapped, k)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < exact.VALUE_BYTES * values + 24 * len(queries) * k + 2**17 < rows.nbytes / 3
