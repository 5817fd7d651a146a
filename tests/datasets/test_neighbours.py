"""The check of given neighbours, against scikit-learn and differences in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from bench.interfaces import Context
from datasets import arrays
from datasets.neighbours import compared, compared_once, nearest
from tests.vectors import squared_distances, vectors


@given(vectors(), st.integers(1, 12))
def test_the_nearest_are_those_of_all_distances(data, k):
    queries, database = data
    k = min(k, len(database))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "BLOCK_BYTES", 4 * 7 * database.shape[1])
        found = nearest(queries.astype(np.float64), database, k)
    distances = squared_distances(queries, database.astype(np.float64))
    near = np.sort(np.take_along_axis(distances, found, axis=1), axis=1)
    np.testing.assert_allclose(near, np.sort(distances, axis=1)[:, :k], rtol=1e-12, atol=0)
    assert all(len(set(row)) == k for row in found)


@pytest.fixture
def sets():
    rng = np.random.default_rng(0)
    queries, database = (rng.standard_normal((n, 8), dtype=np.float32) for n in (31, 200))
    exact = NearestNeighbors(n_neighbors=20, algorithm="brute").fit(database).kneighbors(queries, return_distance=False)
    return queries, database, exact


def test_right_neighbours_have_recall_1(sets):
    queries, database, exact = sets
    said = compared(exact, queries, database)
    assert said == "the given neighbours have recall@10 1.000 by exact search, on 10 queries"


def test_wrong_missing_and_repeated_neighbours_are_counted_and_the_first_query_is_named(sets):
    queries, database, exact = sets
    exact[30, 3], exact[10, 0], exact[20, 5] = exact[30, 4], -1, exact[20, 15]
    said = compared(exact, queries, database)
    assert said.startswith("the given neighbours have recall@10 0.970 by exact search, on 10 queries")
    assert said.endswith(", the first that differs 10")


def test_a_neighbour_as_far_as_the_last_exact_one_counts():
    database = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    said = compared(np.array([[4, 2, 3]]), database[:1], database)
    assert "recall@3 1.000" in said


def test_fewer_neighbours_than_ten_are_compared_as_they_are(sets):
    queries, database, exact = sets
    assert "recall@4 1.000 by exact search" in compared(exact[:, :4], queries, database)


def test_neighbours_of_another_database_are_said(sets):
    queries, database, exact = sets
    exact[7, 19] = 200
    said = compared(exact, queries, database)
    assert said.startswith("the given neighbours are of another database, with ids to 200, and the database has 200")


def test_what_was_found_is_kept_for_the_same_arrays(sets, tmp_path):
    queries, database, exact = sets
    context = Context(cache=tmp_path)
    first = compared_once(exact, queries, database, "a", context)
    assert first == compared(exact, queries, database) == compared_once(exact, queries[:0], database, "a", context)
    assert "0.000" in compared_once(exact[::-1] * 0 - 1, queries, database, "b", context)


def test_a_missing_neighbour_may_be_any_number_below_0(sets):
    queries, database, exact = sets
    exact[0, 3] = np.iinfo(np.int64).min
    assert "recall@10 0.990" in compared(exact, queries, database)
    exact[0, 3] = -201
    assert "recall@10 0.990" in compared(exact, queries, database)
