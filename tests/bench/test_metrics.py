from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from bench.interfaces import Codes
from bench.metrics import average_precisions, mean_average_precision, precision_at, recall_at


def ladder(bits: int) -> np.ndarray:
    """bits + 1 codes: the i-th lies at Hamming distance i from the first, so a ranking has no ties."""
    return np.arange(bits)[None, :] < np.arange(bits + 1)[:, None]


def average_precision_of(ranked: list[bool]) -> float:
    hits = np.cumsum(ranked)
    shares = [hits[i] / (i + 1) for i, relevant in enumerate(ranked) if relevant]
    return float(np.sum(shares) / sum(ranked)) if any(ranked) else 0.0


def expected_by_enumeration(distances: list[int], relevant: list[bool]) -> float:
    """The mean over every order of all items that respects the distances."""
    orders = [
        order
        for order in permutations(range(len(distances)))
        if all(distances[a] <= distances[b] for a, b in pairwise(order))
    ]
    return float(np.mean([average_precision_of([relevant[i] for i in order]) for order in orders]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
def test_average_precision_is_the_mean_over_every_order_inside_the_ties(items):
    distances, relevant = [d for d, _ in items], [r for _, r in items]
    steps = ladder(2)
    found = mean_average_precision(
        Codes.pack(steps[:1]), Codes.pack(steps[distances]), np.array([1]), np.array(relevant, dtype=np.int64)
    )
    assert found == pytest.approx(expected_by_enumeration(distances, relevant), abs=1e-12)


@pytest.mark.parametrize("bits", [12, 63, 64, 65, 130])
def test_average_precision_equals_scikit_learn_where_nothing_ties(bits):
    rng = np.random.default_rng(bits)
    steps, labels = ladder(bits), rng.integers(0, 3, bits + 1)
    found = average_precisions(Codes.pack(steps[:1]), Codes.pack(steps), labels[:1], labels)
    wanted = average_precision_score(labels == labels[0], -np.arange(bits + 1))
    assert found == pytest.approx([wanted])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 70))
def test_map_does_not_depend_on_the_order_of_database_or_queries(seed, bits):
    rng = np.random.default_rng(seed)
    queries, database = rng.random((5, bits)) < 0.5, rng.random((40, bits)) < 0.5
    query_labels, labels = rng.integers(0, 4, 5), rng.integers(0, 4, 40)
    rows, columns = rng.permutation(5), rng.permutation(40)
    found = mean_average_precision(Codes.pack(queries), Codes.pack(database), query_labels, labels)
    shuffled = mean_average_precision(
        Codes.pack(queries[rows]), Codes.pack(database[columns]), query_labels[rows], labels[columns]
    )
    assert shuffled == pytest.approx(found, abs=1e-12)
    assert 0 <= found <= 1 + 1e-12


def test_one_single_tie_group_of_many_items_matches_sampled_random_orders():
    rng = np.random.default_rng(0)
    labels = (np.arange(50) < 7).astype(np.int64)
    same = Codes.pack(np.ones((50, 12), dtype=bool))
    found = mean_average_precision(same, same, np.ones(50, dtype=np.int64), labels)
    sampled = [average_precision_of(list(rng.permutation(labels) == 1)) for _ in range(4000)]
    assert found == pytest.approx(np.mean(sampled), abs=4 * np.std(sampled) / np.sqrt(len(sampled)))


def test_a_query_without_any_relevant_item_counts_as_zero():
    codes = Codes.pack(ladder(3))
    labels = np.array([0, 0, 0, 0])
    assert average_precisions(codes, codes, np.array([0, 9, 0, 9]), labels) == pytest.approx([1, 0, 1, 0])
    assert mean_average_precision(codes, codes, np.array([0, 9, 0, 9]), labels) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("query", "database", "labels", "message"),
    [
        (Codes.pack(ladder(3)), Codes.pack(ladder(4)), 4, "3 bits"),
        (Codes.pack(ladder(3)), Codes.pack(ladder(3)), 5, "5 labels"),
        (Codes(np.full((4, 1), 8, dtype=np.uint64), 3), Codes.pack(ladder(3)), 4, "padding"),
        (Codes(np.zeros((4, 1), dtype=np.uint64), 70), Codes(np.zeros((4, 2), dtype=np.uint64), 70), 4, "70"),
    ],
)
def test_codes_that_do_not_fit_are_refused(query, database, labels, message):
    with pytest.raises(ValueError, match=message):
        mean_average_precision(query, database, np.zeros(labels, np.int64), np.zeros(len(database), np.int64))


def test_precision_divides_by_k_and_counts_missing_and_repeated_ids_as_wrong():
    labels = np.array([0, 0, 0, 1])
    neighbours = np.array([[0, 1, 2, 3], [0, 1, -1, -1], [1, 1, 1, 2], [3, 0, 1, 2]])
    query_labels = np.zeros(4, dtype=np.int64)
    for row, wanted in zip(neighbours, [3, 2, 2, 3], strict=True):
        assert precision_at(row[None], query_labels[:1], labels, 4) == wanted / 4
    assert precision_at(neighbours, query_labels, labels, 4) == 10 / 16
    assert precision_at(neighbours, query_labels, labels, 1) == 3 / 4


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_recall_equals_counting_by_hand_over_exact_tie_classes(seed, k):
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 3, (12, 2)).astype(np.float32)
    queries = rng.integers(0, 3, (6, 2)).astype(np.float32)
    squared = ((queries[:, None].astype(float) - features) ** 2).sum(axis=2)
    exact = np.argsort(squared, axis=1, kind="stable")[:, :k]
    found = rng.integers(-1, 12, (6, k))
    kth = np.sort(squared, axis=1)[:, k - 1]
    wanted = np.mean([len({i for i in row if i >= 0 and squared[q, i] <= kth[q]}) / k for q, row in enumerate(found)])
    assert recall_at(found, exact, features, queries, k) == pytest.approx(wanted)
    assert recall_at(exact[:, ::-1], exact, features, queries, k) == 1


def test_recall_has_no_epsilon_but_accepts_an_exact_tie():
    features = np.array([[0], [1], [-1], [np.nextafter(np.float32(1), np.float32(2))]], dtype=np.float32)
    query, exact = np.zeros((1, 1), dtype=np.float32), np.array([[0, 1]])
    assert recall_at(np.array([[0, 2]]), exact, features, query, 2) == 1
    assert recall_at(np.array([[0, 3]]), exact, features, query, 2) == 0.5


def test_recall_never_exceeds_one_where_ids_repeat_or_the_database_is_smaller_than_k():
    features = np.zeros((3, 2), dtype=np.float32)
    query = np.zeros((1, 2), dtype=np.float32)
    exact = np.array([[0, 1, 2, -1]])
    assert recall_at(np.array([[1, 1, 1, 1]]), exact, features, query, 4) == pytest.approx(1 / 3)
    assert recall_at(np.array([[2, 1, 0, -1]]), exact, features, query, 4) == 1


@pytest.mark.parametrize("neighbours", [[[4, 0]], [[-2, 0]], [[0]], [[0, 1], [0, 1]]])
def test_neighbours_that_do_not_fit_are_refused(neighbours):
    features = np.zeros((4, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="neighbours"):
        recall_at(np.array(neighbours), np.array([[0, 1]]), features, features[:1], 2)
    with pytest.raises(ValueError, match="neighbours"):
        precision_at(np.array(neighbours), np.array([0]), np.zeros(4, dtype=np.int64), 2)


def test_a_query_without_exact_neighbours_is_refused():
    features = np.zeros((4, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="exact"):
        recall_at(np.array([[0, 1]]), np.array([[-1, -1]]), features, features[:1], 2)
