import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from bench.report.page.panels import choices

hits = st.integers(1, 4).flatmap(
    lambda methods: st.integers(1, 12).flatmap(
        lambda queries: st.lists(
            st.lists(st.integers(0, 5), min_size=queries, max_size=queries), min_size=methods, max_size=methods
        )
    )
)


def searches(rows):
    """Finished searches, each of (index, hasher, candidates, recall, ms, rerank)."""
    names = ["index", "hasher", "candidates", "recall_at_10", "latency_ms_p50", "rerank"]
    table = pd.DataFrame([dict(zip(names, row, strict=False)) for row in rows]).reindex(columns=names)
    rest = {"dataset": "d", "protocol": "seen", "embedder": "e", "dim": 8, "seed": 0, "machine": "m"}
    return table.assign(**rest, variant=None, input=None, bits=None, model=None, database_codes=None)


def test_of_each_method_the_fastest_setting_with_enough_recall_is_shown_exact_search_first_then_hashing():
    rows = searches(
        [
            ("hnswlib", None, None, 0.99, 0.2, None),
            ("hash_tables", "itq", 100, 0.5, 0.1, "float32"),
            ("hash_tables", "itq", 500, 0.92, 0.4, "float32"),
            ("hash_tables", "itq", 900, 0.97, 0.6, "float32"),
            ("linear_scan", None, None, 1.0, 5.0, None),
            ("hnswlib", None, None, 0.95, 0.3, None),
        ]
    )
    assert choices.candidates(rows, 10) == [4, 2, 0]


def test_a_method_that_never_reaches_enough_is_shown_at_its_best():
    rows = searches([("kd_tree", None, 1, 0.3, 1.0, None), ("kd_tree", None, 2, 0.6, 2.0, None)])
    assert choices.candidates(rows, 10) == [1]


def test_methods_of_another_seed_or_protocol_answer_other_queries_and_are_not_beside():
    rows = searches([("linear_scan", None, None, 1.0, 5.0, None)] * 3)
    rows["seed"] = [0, 1, 0]
    rows["protocol"] = ["seen", "seen", "unseen"]
    assert choices.candidates(rows, 10) == [0]


def test_methods_that_answer_alike_are_shown_once_and_at_most_four():
    answers = [np.full((2, 3), value) for value in (1, 2, 1, 3, 2, 4, 5)]
    assert choices.different(answers) == [0, 1, 3, 5]


def test_right_without_labels_is_one_of_the_exact_neighbours():
    found = choices.right_by_id(np.array([[4, 7, -1]]), np.array([[7, 5, -1]]))
    assert found.tolist() == [[False, True, False]]


def test_searches_differ_by_the_items_that_one_found_and_another_did_not():
    one, other = np.array([[1, 2, 3], [1, 2, 3]]), np.array([[3, 2, 1], [1, 4, -1]])
    assert choices.differing([one, other]).tolist() == [0, 3]
    assert choices.differing([one]).tolist() == [0, 0]


@given(hits, st.integers(0, 15), st.integers(0, 3))
def test_queries_are_chosen_once_each_as_many_as_were_asked_for_or_there_are(found, count, seed):
    counts = np.array(found)
    chosen = choices.queries(counts, counts.max(axis=0) - counts.min(axis=0), count, seed)
    every = [query for some in chosen.values() for query in some]
    assert len(every) == len(set(every)) == min(count, counts.shape[1])
    assert all(chosen.values())
    assert chosen == choices.queries(counts, counts.max(axis=0) - counts.min(axis=0), count, seed)


def test_the_choices_are_the_worst_the_best_those_that_differ_and_some_at_random():
    counts = np.array([[5, 0, 3, 5, 2, 1, 4], [0, 0, 3, 5, 2, 1, 4]])
    chosen = choices.queries(counts, counts[0] - counts[1], 4, 0)
    assert chosen["differ"] == [0] and chosen["worst"] == [1] and chosen["best"] == [3]
    assert len(chosen["random"]) == 1
    assert choices.queries(counts, counts[0] - counts[1], 0, 0) == {}


def test_where_nothing_differs_or_nothing_says_what_is_right_those_choices_are_left_out():
    counts = np.array([[1, 2, 3, 4, 5, 6]])
    assert set(choices.queries(counts, np.zeros(6, dtype=np.int64), 6, 0)) == {"worst", "best", "random"}
    assert set(choices.queries(None, np.arange(6), 6, 0)) == {"differ", "random"}
    assert set(choices.queries(np.full((2, 6), 5), np.zeros(6, dtype=np.int64), 6, 0)) == {"random"}


def test_a_query_with_as_many_hits_as_the_best_has_not_failed_most():
    counts = np.array([[5, 5, 5, 4, 5, 5]])
    chosen = choices.queries(counts, np.zeros(6, dtype=np.int64), 6, 0)
    assert chosen["worst"] == [3] and 3 not in chosen["best"]
