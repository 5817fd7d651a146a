"""Rankings by real-valued distance, and the law of what a cut inside a tie retrieves."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom
from sklearn.metrics import average_precision_score

from bench.quality import kernels
from bench.quality.ranking import average_precision_by_distance

DENOMINATORS = ["relevant", "min_k_relevant", "retrieved"]


@pytest.mark.parametrize(
    ("items", "relevant", "first"),
    [(1, 0, 1), (1, 1, 1), (10, 3, 4), (10, 8, 9), (50_000, 700, 5_000), (50_000, 49_000, 40_000), (20_000, 10_000, 3)],
)
def test_relevant_items_inside_a_cut_follow_the_hypergeometric_law(items, relevant, first):
    wanted = hypergeom(items, relevant, first).pmf(np.arange(first + 1))
    np.testing.assert_allclose(kernels.hypergeometric(items, relevant, first), wanted, rtol=1e-6, atol=1e-13)


def average_precision_of(relevant: np.ndarray, k: int, denominator: str) -> float:
    precisions = np.cumsum(relevant) / np.arange(1, len(relevant) + 1)
    divisor = {
        "relevant": relevant.sum(),
        "min_k_relevant": min(k, relevant.sum()),
        "retrieved": relevant[:k].sum(),
    }[denominator]
    return float(precisions[:k][relevant[:k]].sum() / divisor) if divisor else 0.0


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(-2, 2), st.booleans()), min_size=1, max_size=6),
    st.one_of(st.none(), st.integers(1, 8)),
    st.sampled_from(DENOMINATORS),
)
def test_average_precision_by_distance_is_the_mean_over_every_order_inside_the_ties(items, k, denominator):
    values = np.array([[value] for value, _ in items], dtype=np.float32)
    relevant = np.array([flag for _, flag in items])
    distances = np.abs(values[:, 0])
    orders = [
        list(order)
        for order in permutations(range(len(items)))
        if all(distances[a] <= distances[b] for a, b in pairwise(order))
    ]
    wanted = np.mean([average_precision_of(relevant[order], k or len(items), denominator) for order in orders])
    query = np.zeros((1, 1), dtype=np.float32)
    found = average_precision_by_distance(query, values, np.array([1]), relevant.astype(np.int64), k, denominator)
    assert found == pytest.approx([wanted], abs=1e-12)


@pytest.mark.parametrize("multi", [False, True])
def test_average_precision_by_distance_equals_scikit_learn_where_nothing_ties(multi):
    rng = np.random.default_rng(0)
    queries, features = (rng.standard_normal((rows, 33)).astype(np.float32) for rows in (19, 5000))
    if multi:
        query_labels, labels = rng.random((19, 70)) < 0.05, rng.random((5000, 70)) < 0.05
        query_labels[:, 0] |= ~query_labels.any(axis=1)
        relevant = query_labels.astype(int) @ labels.astype(int).T > 0
    else:
        query_labels, labels = rng.integers(0, 30, 19), rng.integers(0, 30, 5000)
        relevant = query_labels[:, None] == labels
    squared = ((queries[:, None].astype(float) - features) ** 2).sum(axis=2)
    wanted = [average_precision_score(relevant[q], -squared[q]) for q in range(19)]
    assert average_precision_by_distance(queries, features, query_labels, labels) == pytest.approx(wanted, abs=1e-12)


def test_equal_items_tie_exactly_whatever_their_values_and_places():
    rng = np.random.default_rng(1)
    query, row = rng.standard_normal((2, 1, 301)).astype(np.float32) * 1e3
    labels = rng.integers(0, 2, 200)
    found = average_precision_by_distance(query, np.repeat(row, 200, axis=0), np.array([1]), labels)
    sampled = [average_precision_of(rng.permutation(labels) == 1, 200, "relevant") for _ in range(2000)]
    assert found[0] == pytest.approx(np.mean(sampled), abs=4 * np.std(sampled) / np.sqrt(2000))
    assert average_precision_by_distance(
        query, np.repeat(row, 200, axis=0), np.array([1]), np.sort(labels)
    ) == pytest.approx(found, abs=1e-12)


def test_items_far_from_the_origin_keep_their_order():
    """Where |x|² - 2 x·q in float32 would lose every difference."""
    offsets = np.arange(1, 65)
    features = (2.0**16 + offsets[:, None] / 64 * [1, 0]).astype(np.float32)
    query = np.full((1, 2), 2.0**16, dtype=np.float32)
    labels = (offsets % 3 == 0).astype(np.int64)
    wanted = average_precision_score(labels, -offsets)
    assert average_precision_by_distance(query, features, np.array([1]), labels) == pytest.approx([wanted])


def test_a_query_without_any_relevant_item_scores_zero():
    features = np.arange(4, dtype=np.float32)[:, None]
    for denominator in DENOMINATORS:
        found = average_precision_by_distance(
            features, features, np.array([0, 9, 0, 9]), np.zeros(4, dtype=int), 2, denominator
        )
        assert found[[1, 3]] == pytest.approx([0, 0]) and (found[[0, 2]] > 0).all()


@pytest.mark.parametrize(
    ("queries", "features", "labels", "message"),
    [
        (np.zeros((2, 3)), np.zeros((4, 2)), 4, "3-d"),
        (np.zeros((2, 3)), np.zeros(4), 4, "shape"),
        (np.zeros((2, 3)), np.zeros((0, 3)), 0, "shape"),
        (np.zeros((2, 3)), np.zeros((4, 3)), 5, "5 labels"),
        (np.full((2, 3), np.nan), np.zeros((4, 3)), 4, "query: a feature"),
        (np.zeros((2, 3)), np.full((4, 3), -np.inf), 4, "database: a feature"),
    ],
)
def test_features_that_do_not_fit_are_refused(queries, features, labels, message):
    with pytest.raises(ValueError, match=message):
        average_precision_by_distance(
            queries.astype(np.float32), features.astype(np.float32), np.zeros(2, int), np.zeros(labels, int)
        )


@pytest.mark.parametrize(("k", "denominator", "message"), [(0, "relevant", "k = 0"), (1, "all", "denominator = 'all'")])
def test_a_choice_that_is_not_there_is_refused(k, denominator, message):
    features, labels = np.zeros((2, 1), dtype=np.float32), np.zeros(2, dtype=int)
    with pytest.raises(ValueError, match=message):
        average_precision_by_distance(features, features, labels, labels, k, denominator)
