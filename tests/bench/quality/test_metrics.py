import tracemalloc
from dataclasses import dataclass
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from bench.interfaces import Codes
from bench.quality.neighbours import precision_at, radius_of, recall_at, recall_at_by_codes, right_by_label
from bench.quality.ranking import PRESETS, HammingRanking, average_precision, mean_average_precision

CLASSES = 3


def ladder(bits: int) -> np.ndarray:
    """bits + 1 codes: the i-th lies at Hamming distance i from the first, so a ranking has no ties."""
    return np.arange(bits)[None, :] < np.arange(bits + 1)[:, None]


def ranking_of(distances: list[int], query_labels: np.ndarray, labels: np.ndarray) -> HammingRanking:
    """One query's ranking of items at the given distances 0..2."""
    steps = ladder(2)
    return HammingRanking.of(Codes.pack(steps[:1]), Codes.pack(steps[distances]), query_labels, labels)


@dataclass
class Case:
    """One query and up to six items: their distances, how many labels they share, and every order that is allowed."""

    distances: list[int]
    query_labels: np.ndarray
    labels: np.ndarray

    @property
    def shared(self) -> np.ndarray:
        if self.labels.ndim == 1:
            return (self.labels == self.query_labels).astype(int)
        return (self.labels & self.query_labels).sum(axis=1)

    def ranking(self) -> HammingRanking:
        return ranking_of(self.distances, self.query_labels, self.labels)

    def orders(self) -> list[np.ndarray]:
        positions = permutations(range(len(self.distances)))
        ascending = (o for o in positions if all(self.distances[a] <= self.distances[b] for a, b in pairwise(o)))
        return [self.shared[list(order)] for order in ascending]

    def stable(self) -> np.ndarray:
        return self.shared[np.argsort(self.distances, kind="stable")]

    def by_gain(self, sign: int) -> np.ndarray:
        """The order with the items that share most labels first (1) or last (-1) inside each tie."""
        return self.shared[np.lexsort((-sign * self.shared, self.distances))]


@st.composite
def cases(draw) -> Case:
    size = draw(st.integers(1, 6))
    distances = draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    single = draw(st.booleans())
    label = st.integers(0, 1) if single else st.lists(st.booleans(), min_size=CLASSES, max_size=CLASSES)
    values = draw(st.lists(label, min_size=size + 1, max_size=size + 1))
    array = np.array(values, dtype=np.int64 if single else np.bool_)
    return Case(distances, array[:1], array[1:])


def average_precision_of(shared: np.ndarray, k: int, denominator: str = "relevant") -> float:
    relevant = np.asarray(shared) > 0
    precisions = np.cumsum(relevant) / np.arange(1, len(relevant) + 1)
    total = float(precisions[:k][relevant[:k]].sum())
    divisor = {
        "relevant": relevant.sum(),
        "min_k_relevant": min(k, relevant.sum()),
        "retrieved": relevant[:k].sum(),
    }[denominator]
    return total / divisor if divisor else 0.0


def dcg_of(shared: np.ndarray, n: int) -> float:
    return sum((2 ** int(g) - 1) / np.log2(1 + place) for place, g in enumerate(shared[:n], start=1))


def ndcg_of(shared: np.ndarray, n: int) -> float:
    ideal = dcg_of(np.sort(shared)[::-1], n)
    return dcg_of(shared, n) / ideal if ideal else 0.0


DENOMINATORS = ["relevant", "min_k_relevant", "retrieved"]


@settings(max_examples=80)
@given(cases(), st.integers(1, 8), st.sampled_from(DENOMINATORS))
def test_average_precision_is_the_mean_over_every_order_inside_the_ties(case, k, denominator):
    found = case.ranking().average_precision(k, "expected", denominator)
    wanted = np.mean([average_precision_of(order, k, denominator) for order in case.orders()])
    assert found == pytest.approx([wanted], abs=1e-12)


@settings(max_examples=40)
@given(cases(), st.sampled_from(DENOMINATORS))
def test_without_k_average_precision_is_over_the_whole_ranking_and_the_denominators_agree(case, denominator):
    wanted = np.mean([average_precision_of(order, len(order)) for order in case.orders()])
    assert case.ranking().average_precision(denominator=denominator) == pytest.approx([wanted], abs=1e-12)


@settings(max_examples=60)
@given(cases(), st.integers(1, 8), st.sampled_from(DENOMINATORS))
def test_best_and_worst_average_precision_have_the_relevant_items_of_a_tie_first_and_last(case, k, denominator):
    scores = [average_precision_of(order, k, denominator) for order in case.orders()]
    best, worst = (case.ranking().average_precision(k, ties, denominator)[0] for ties in ("best", "worst"))
    assert best == pytest.approx(average_precision_of(case.by_gain(1), k, denominator), abs=1e-12)
    assert worst == pytest.approx(average_precision_of(case.by_gain(-1), k, denominator), abs=1e-12)
    if denominator != "retrieved":
        assert best == pytest.approx(max(scores), abs=1e-12)
        assert worst == pytest.approx(min(scores), abs=1e-12)


@settings(max_examples=60)
@given(cases(), st.integers(1, 8))
def test_precision_among_the_first_n_is_the_mean_over_every_order_and_its_extremes(case, n):
    scores = [(order[:n] > 0).sum() / n for order in case.orders()]
    ranking = case.ranking()
    assert ranking.precision_at(n) == pytest.approx([np.mean(scores)], abs=1e-12)
    assert ranking.precision_at(n, "best") == pytest.approx([max(scores)], abs=1e-12)
    assert ranking.precision_at(n, "worst") == pytest.approx([min(scores)], abs=1e-12)
    assert ranking.precision_at(n, "index") == pytest.approx([(case.stable()[:n] > 0).sum() / n], abs=1e-12)


@settings(max_examples=60)
@given(cases(), st.integers(1, 8))
def test_ndcg_is_the_mean_over_every_order_and_its_extremes(case, n):
    scores = [ndcg_of(order, n) for order in case.orders()]
    ranking = case.ranking()
    assert ranking.ndcg_at(n) == pytest.approx([np.mean(scores)], abs=1e-12)
    assert ranking.ndcg_at(n, "best") == pytest.approx([max(scores)], abs=1e-12)
    assert ranking.ndcg_at(n, "worst") == pytest.approx([min(scores)], abs=1e-12)
    assert ranking.ndcg_at(n, "index") == pytest.approx([ndcg_of(case.stable(), n)], abs=1e-12)


@settings(max_examples=40)
@given(cases())
def test_precision_and_recall_within_a_radius_count_what_lies_there(case):
    ranking, distances, relevant = case.ranking(), np.array(case.distances), case.shared > 0
    precisions, recalls = ranking.precision_recall_curve()
    for radius in range(3):
        within = distances <= radius
        precision = relevant[within].mean() if within.any() else 0.0
        recall = relevant[within].sum() / relevant.sum() if relevant.any() else 0.0
        assert ranking.precision_within(radius) == pytest.approx([precision]) == precisions[radius : radius + 1]
        assert ranking.recall_within(radius) == pytest.approx([recall]) == recalls[radius : radius + 1]


def random_data(seed: int, bits: int = 12, queries: int = 7, size: int = 300, classes: int = 5, multi: bool = False):
    """Codes that follow the labels loosely; with several labels, some items have none."""
    rng = np.random.default_rng(seed)
    if multi:
        labels = rng.random((queries + size, classes)) < 0.3
        centres = rng.standard_normal((classes, bits))
        codes = Codes.pack(labels @ centres + rng.standard_normal((queries + size, bits)))
    else:
        labels = rng.integers(0, classes, queries + size)
        codes = Codes.pack(rng.standard_normal((classes, bits))[labels] + rng.standard_normal((queries + size, bits)))
    query_codes, database_codes = Codes(codes.words[:queries], bits), Codes(codes.words[queries:], bits)
    return query_codes, database_codes, labels[:queries], labels[queries:]


def distances_of(query_codes: Codes, database_codes: Codes) -> np.ndarray:
    return (query_codes.unpack()[:, None] != database_codes.unpack()[None]).sum(axis=2)


def shared_of(query_labels: np.ndarray, database_labels: np.ndarray) -> np.ndarray:
    if query_labels.ndim == 1:
        return (query_labels[:, None] == database_labels).astype(int)
    return query_labels.astype(int) @ database_labels.astype(int).T


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize(("bits", "size"), [(12, 5000), (64, 300), (65, 300), (130, 2048)])
def test_counts_are_the_items_at_each_distance_and_number_of_shared_labels(bits, size, multi):
    data = random_data(bits, bits=bits, size=size, multi=multi, classes=70 if multi else 5)
    counts = HammingRanking.of(*data).counts
    distances, shared = distances_of(*data[:2]), shared_of(*data[2:])
    wanted = np.zeros_like(counts)
    for q in range(len(counts)):
        np.add.at(wanted[q], (distances[q], shared[q]), 1)
    np.testing.assert_array_equal(counts, wanted)


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("k", [1, 100, 2500, None])
def test_ties_by_index_are_a_stable_argsort(k, multi):
    data = random_data(3, size=5000, multi=multi)
    order = np.argsort(distances_of(*data[:2]), axis=1, kind="stable")
    ranked = np.take_along_axis(shared_of(*data[2:]), order, axis=1)
    ranking = HammingRanking.of(*data)
    for denominator in DENOMINATORS:
        wanted = [average_precision_of(row, k or 5000, denominator) for row in ranked]
        assert ranking.average_precision(k, "index", denominator) == pytest.approx(wanted)
    assert ranking.ndcg_at(k or 5000, "index") == pytest.approx([ndcg_of(row, k or 5000) for row in ranked])


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("n", [1, 50, 1000])
def test_ndcg_equals_scikit_learn_which_averages_over_ties_too(n, multi):
    data = random_data(4, multi=multi)
    gains = 2.0 ** shared_of(*data[2:]) - 1
    wanted = [ndcg_score(gains[q : q + 1], -distances_of(*data[:2])[q : q + 1], k=n) for q in range(len(gains))]
    assert HammingRanking.of(*data).ndcg_at(n) == pytest.approx(wanted)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 400))
def test_worst_expected_and_best_are_in_order(seed, multi, k):
    ranking = HammingRanking.of(*random_data(seed, multi=multi))
    for denominator in ("relevant", "min_k_relevant"):
        worst, expected, best = (ranking.average_precision(k, t, denominator) for t in ("worst", "expected", "best"))
        assert (worst <= expected + 1e-12).all() and (expected <= best + 1e-12).all()
    for figure in (ranking.precision_at, ranking.ndcg_at):
        worst, expected, best = (figure(k, ties) for ties in ("worst", "expected", "best"))
        assert (worst <= expected + 1e-12).all() and (expected <= best + 1e-12).all()


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.booleans())
def test_no_figure_depends_on_the_order_of_the_database_and_queries_keep_their_own(seed, bits, multi):
    queries, database, query_labels, labels = random_data(seed, bits, size=40, multi=multi)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(queries)), rng.permutation(len(database))
    ranking = HammingRanking.of(queries, database, query_labels, labels)
    shuffled = HammingRanking.of(
        Codes(queries.words[rows], bits), Codes(database.words[columns], bits), query_labels[rows], labels[columns]
    )
    for denominator in DENOMINATORS:
        found, moved = (r.average_precision(10, "expected", denominator) for r in (ranking, shuffled))
        assert moved == pytest.approx(found[rows], abs=1e-12)
        assert (found >= 0).all() and (found <= 1 + 1e-12).all()
    assert shuffled.precision_at(7) == pytest.approx(ranking.precision_at(7)[rows], abs=1e-12)
    assert shuffled.precision_within(2) == pytest.approx(ranking.precision_within(2)[rows], abs=1e-12)
    assert shuffled.ndcg_at(7) == pytest.approx(ranking.ndcg_at(7)[rows], abs=1e-12)


@pytest.mark.parametrize("bits", [12, 63, 64, 65, 130])
def test_average_precision_equals_scikit_learn_where_nothing_ties(bits):
    rng = np.random.default_rng(bits)
    steps, labels = ladder(bits), rng.integers(0, 3, bits + 1)
    wanted = average_precision_score(labels == labels[0], -np.arange(bits + 1))
    for ties in ("expected", "best", "worst", "index"):
        found = average_precision(Codes.pack(steps[:1]), Codes.pack(steps), labels[:1], labels, ties=ties)
        assert found == pytest.approx([wanted])


@pytest.mark.parametrize(("k", "denominator"), [(None, "relevant"), (20, "min_k_relevant"), (20, "retrieved")])
def test_one_single_tie_group_of_many_items_matches_sampled_random_orders(k, denominator):
    rng = np.random.default_rng(0)
    labels = (np.arange(50) < 7).astype(np.int64)
    same = Codes.pack(np.ones((50, 12), dtype=bool))
    found = average_precision(same, same, np.ones(50, dtype=np.int64), labels, k, "expected", denominator)
    sampled = [average_precision_of(rng.permutation(labels), k or 50, denominator) for _ in range(4000)]
    assert found[0] == pytest.approx(np.mean(sampled), abs=4 * np.std(sampled) / np.sqrt(len(sampled)))


def test_average_precision_by_items_retrieved_falls_when_a_relevant_item_joins():
    codes = Codes.pack(ladder(2))
    for labels, wanted in (([1, 0, 1], 5 / 6), ([1, 0, 0], 1)):
        found = average_precision(
            Codes(codes.words[:1], 2), codes, np.array([1]), np.array(labels), 3, "index", "retrieved"
        )
        assert found == pytest.approx([wanted])


def test_a_query_without_any_relevant_item_counts_as_zero():
    codes = Codes.pack(ladder(3))
    labels = np.array([0, 0, 0, 0])
    assert average_precision(codes, codes, np.array([0, 9, 0, 9]), labels) == pytest.approx([1, 0, 1, 0])
    assert mean_average_precision(codes, codes, np.array([0, 9, 0, 9]), labels) == pytest.approx(0.5)
    assert HammingRanking.of(codes, codes, np.full(4, 9), labels).ndcg_at(2) == pytest.approx([0, 0, 0, 0])


def test_an_empty_radius_has_the_precision_that_is_asked_for():
    far = Codes.pack(ladder(3)[3:])
    ranking = HammingRanking.of(Codes.pack(ladder(3)[:1]), far, np.array([0]), np.array([0]))
    assert ranking.precision_within(2) == [0]
    assert np.isnan(ranking.precision_within(2, empty=np.nan)) == [True]
    assert ranking.precision_recall_curve(empty=1.0)[0] == pytest.approx([1, 1, 1, 1])


def test_the_curve_by_number_is_the_mean_precision_and_recall_among_the_first_n():
    data = random_data(5)
    ranking, numbers = HammingRanking.of(*data), [1, 10, 200]
    precisions, recalls = ranking.precision_recall_curve(numbers)
    relevant = shared_of(*data[2:]).sum(axis=1)
    for i, n in enumerate(numbers):
        assert precisions[i] == pytest.approx(ranking.precision_at(n).mean())
        assert recalls[i] == pytest.approx((ranking.precision_at(n) * n / relevant).mean())


def test_labels_as_sets_of_one_class_give_what_class_numbers_give():
    queries, database, query_labels, labels = random_data(6)
    sets = np.eye(5, dtype=np.uint8)
    numbers = HammingRanking.of(queries, database, query_labels, labels)
    np.testing.assert_array_equal(
        HammingRanking.of(queries, database, sets[query_labels], sets[labels]).counts, numbers.counts
    )


def deephash_pytorch(ranked, k):
    scores = []
    for row in ranked[:, : -1 if k is None else k]:
        places = np.flatnonzero(row) + 1
        scores.append(np.mean(np.arange(1, len(places) + 1) / places) if len(places) else 0)
    return np.mean(scores)


def adsh(ranked, k):
    scores = np.zeros(len(ranked))
    for j, row in enumerate(ranked if k is None else ranked[:, :k]):
        if row.any():
            scores[j] = np.mean(np.arange(1, row.sum() + 1) / (np.flatnonzero(row) + 1))
    return scores.mean()


def sdh_demo(ranked, k):
    assert k is None
    total = 0
    for row in ranked:
        hits, precisions = 0, 0
        for place, relevant in enumerate(row, start=1):
            if relevant:
                hits += 1
                precisions += hits / place
        total += precisions / hits if hits else 0
    return total / len(ranked)


def hashnet(ranked, k):
    matches = ranked[:, :k]
    precisions = np.cumsum(matches, axis=1) / np.arange(1, matches.shape[1] + 1)
    found = matches.any(axis=1)
    return ((precisions * matches).sum(axis=1)[found] / matches.sum(axis=1)[found]).mean()


CODE_OF_PRESETS = {
    "deephash_pytorch": deephash_pytorch,
    "semicon": deephash_pytorch,
    "adsh": adsh,
    "sdh_demo": sdh_demo,
    "hashnet": hashnet,
}


@pytest.mark.parametrize(
    ("preset", "k"), [(name, k) for name in CODE_OF_PRESETS for k in (None, 4, 60) if name != "sdh_demo" or k is None]
)
def test_a_preset_reproduces_the_published_code_with_a_stable_sort(preset, k):
    queries, database, query_labels, labels = random_data(7, bits=6, queries=40, size=60, classes=25)
    # The last-ranked item of the first query is its only relevant one: what [:-1] drops.
    query_labels[0] = 99
    order = np.argsort(distances_of(queries, database), axis=1, kind="stable")
    labels[order[0, -1]] = 99
    ranked = np.take_along_axis(query_labels[:, None] == labels, order, axis=1)
    found = mean_average_precision(queries, database, query_labels, labels, k, preset)
    assert found == pytest.approx(CODE_OF_PRESETS[preset](ranked, k))


def test_every_preset_has_its_test_and_its_own_figure_where_its_convention_differs():
    assert set(PRESETS) == {"tie_expected", *CODE_OF_PRESETS}
    data = random_data(8, bits=6, queries=40, size=60, classes=25)
    figures = {name: mean_average_precision(*data, k=4, preset=name) for name in PRESETS}
    assert figures["hashnet"] > figures["adsh"] > figures["tie_expected"]


def test_no_query_with_a_hit_leaves_a_mean_of_zero():
    codes = Codes.pack(ladder(3))
    assert mean_average_precision(codes, codes, np.full(4, 9), np.zeros(4, dtype=int), preset="hashnet") == 0


@pytest.mark.parametrize(
    ("query", "database", "labels", "message"),
    [
        (Codes.pack(ladder(3)), Codes.pack(ladder(4)), 4, "3 bits"),
        (Codes.pack(ladder(3)), Codes.pack(ladder(3)), 5, "5 labels"),
        (Codes.pack(ladder(3)[:0]), Codes.pack(ladder(3)), 0, "0 items"),
        (Codes(np.full((4, 1), 8, dtype=np.uint64), 3), Codes.pack(ladder(3)), 4, "padding"),
        (Codes(np.zeros((4, 1), dtype=np.uint64), 70), Codes(np.zeros((4, 2), dtype=np.uint64), 70), 4, "70"),
    ],
)
def test_codes_that_do_not_fit_are_refused(query, database, labels, message):
    with pytest.raises(ValueError, match=message):
        mean_average_precision(query, database, np.zeros(labels, np.int64), np.zeros(len(database), np.int64))


@pytest.mark.parametrize(
    ("query_labels", "labels", "message"),
    [
        (np.zeros(4, dtype=int), np.zeros((4, 2), dtype=bool), "both"),
        (np.zeros((4, 3), dtype=bool), np.zeros((4, 2), dtype=bool), "both"),
        (np.zeros(4), np.zeros(4), "float64"),
        (np.full((4, 2), 2), np.zeros((4, 2), dtype=int), "0 and 1"),
        (np.zeros((4, 0), dtype=bool), np.zeros((4, 0), dtype=bool), "classes"),
    ],
)
def test_labels_that_do_not_fit_are_refused(query_labels, labels, message):
    codes = Codes.pack(ladder(3))
    with pytest.raises(ValueError, match=message):
        HammingRanking.of(codes, codes, query_labels, labels)


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        (lambda ranking: ranking.average_precision(0), "k = 0"),
        (lambda ranking: ranking.average_precision(ties="random"), "ties = 'random'"),
        (lambda ranking: ranking.average_precision(denominator="all"), "denominator = 'all'"),
        (lambda ranking: ranking.mean_average_precision(preset="paper"), "preset = 'paper'"),
        (lambda ranking: ranking.precision_at(0), "n = 0"),
        (lambda ranking: ranking.precision_at(1, "first"), "ties = 'first'"),
        (lambda ranking: ranking.precision_within(-1), "radius = -1"),
        (lambda ranking: ranking.recall_within(-1), "radius = -1"),
        (lambda ranking: ranking.precision_recall_curve([0]), "n = 0"),
        (lambda ranking: ranking.ndcg_at(0), "n = 0"),
        (lambda ranking: ranking.ndcg_at(1, "first"), "ties = 'first'"),
    ],
)
def test_a_choice_that_is_not_there_is_refused(figure, message):
    ranking = ranking_of([0, 1, 2], np.array([0]), np.array([0, 1, 0]))
    with pytest.raises(ValueError, match=message):
        figure(ranking)


def test_precision_divides_by_k_and_counts_missing_and_repeated_ids_as_wrong():
    labels = np.array([0, 0, 0, 1])
    neighbours = np.array([[0, 1, 2, 3], [0, 1, -1, -1], [1, 1, 1, 2], [3, 0, 1, 2]])
    query_labels = np.zeros(4, dtype=np.int64)
    for row, wanted in zip(neighbours, [3, 2, 2, 3], strict=True):
        assert precision_at(row[None], query_labels[:1], labels, 4) == wanted / 4
    assert precision_at(neighbours, query_labels, labels, 4) == 10 / 16
    assert precision_at(neighbours, query_labels, labels, 1) == 3 / 4


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8])
def test_a_neighbour_that_shares_one_of_several_labels_is_right(dtype):
    labels = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=dtype)
    query_labels = np.array([[1, 1, 0], [0, 0, 0]], dtype=dtype)
    assert precision_at(np.array([[0, 1, 2, 3]] * 2), query_labels, labels, 4) == 2 / 8
    with pytest.raises(ValueError, match="both"):
        precision_at(np.array([[0]]), np.array([0]), labels, 1)


@settings(max_examples=40)
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


@settings(max_examples=60)
@given(st.integers(1, 30), st.integers(1, 70), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_recall_by_codes_counts_whatever_ties_with_the_kth_nearest_code(size, bits, k, seed):
    rng = np.random.default_rng(seed)
    signs, asked = rng.choice([-1, 1], (size, bits)), rng.choice([-1, 1], (3, bits))
    neighbours = np.full((3, k), -1, dtype=np.int64)
    for row in neighbours:
        found = rng.permutation(size)[: rng.integers(0, min(k, size) + 1)]
        row[: len(found)] = found
    shares = []
    for row, query in zip(neighbours, asked, strict=True):
        distances = (signs != query).sum(axis=1)
        farthest = np.sort(distances)[:k][-1]
        shares.append(sum(distances[i] <= farthest for i in row if i >= 0) / min(k, size))
    codes = Codes.pack(asked), Codes.pack(signs)
    found = recall_at_by_codes(neighbours, *codes, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.quality.neighbours.BLOCK_CODES", 4)
        assert found == recall_at_by_codes(neighbours, *codes, k)
    assert found == pytest.approx(np.mean(shares)) == recall_at_by_codes(neighbours, *codes, k, radius_of(*codes, k))


def test_any_order_inside_the_last_tie_is_exact_by_codes():
    database, query = Codes.pack(ladder(4)[[0, 1, 2, 2, 2, 3]]), Codes.pack(ladder(4)[:1])
    for last in (2, 3, 4):
        assert recall_at_by_codes(np.array([[0, 1, last]]), query, database, 3) == 1
    assert recall_at_by_codes(np.array([[0, 1, 5]]), query, database, 3) == pytest.approx(2 / 3)
    assert recall_at_by_codes(np.array([[0, 0, 1]]), query, database, 3) == pytest.approx(2 / 3)


def test_right_is_an_item_of_the_querys_class_and_a_missing_one_never():
    labels, asked = np.array([0, 1, 0]), np.array([0, 1])
    found = right_by_label(np.array([[0, 1, -1], [1, 2, -1]]), asked, labels)
    assert found.tolist() == [[True, False, False], [True, False, False]]
    labels[:] = 0
    assert not right_by_label(np.array([[-1]]), np.array([0]), labels).any()


@pytest.mark.parametrize("classes", [2, 64, 65, 130])
def test_right_is_an_item_that_shares_a_class_with_the_query(classes):
    rng = np.random.default_rng(classes)
    labels, asked = rng.random((30, classes)) < 2 / classes, rng.random((7, classes)) < 2 / classes
    ids = rng.integers(-1, 30, (7, 12))
    expected = [[at >= 0 and bool(set(np.flatnonzero(labels[at])) & set(np.flatnonzero(asked[row]))) for at in ids[row]]
                for row in range(7)]  # fmt: skip
    assert right_by_label(ids, asked, labels).tolist() == expected


def test_the_sets_of_the_neighbours_alone_are_looked_at():
    rng = np.random.default_rng(0)
    of_queries, of_database = rng.random((3, 40)) < 0.1, rng.random((50_000, 40)) < 0.1
    ids = np.array([[7, 49_999, -1, 7], [0, 3, 9, 11], [-1, -1, -1, 4]])
    tracemalloc.start()
    found = right_by_label(ids, of_queries, of_database)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    expected = [
        [i >= 0 and bool((of_database[i] & one).any()) for i in row] for row, one in zip(ids, of_queries, strict=True)
    ]
    assert found.tolist() == expected and most < of_database.nbytes / 10
