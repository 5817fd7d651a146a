import numpy as np
import pytest

from bench.interfaces import Codes, Corpus
from bench.plugins import registry
from bench.timing import reranked
from bench.timing.reranked import Reranked

pytestmark = pytest.mark.usefixtures("third_party")
N, DIM, BITS = 60, 5, 12


def corpus(seed, count):
    generator = np.random.default_rng(seed)
    features = generator.integers(-3, 4, (count, DIM)).astype(np.float32)
    return Corpus(features, Codes.pack(generator.standard_normal((count, BITS))))


DATABASE, QUERIES = corpus(0, N), corpus(1, 9)


def by_codes(**values):
    return registry.build("index", "toy_scan", {"field": "codes", **values})


def search(index, candidates, **values):
    return Reranked(index, registry.build("reranker", "toy_reranker", values), candidates)


def nearest(candidates, query, k):
    """By (distance, id) among some candidates, -1 padded."""
    rows = np.sort(candidates[candidates >= 0])
    distances = ((DATABASE.features[rows] - QUERIES.features[query]) ** 2).sum(axis=1)
    found = rows[np.argsort(distances, kind="stable")[:k]]
    return [*found, *[-1] * (k - len(found))]


@pytest.mark.parametrize("candidates", [4, 20, N, 1000])
@pytest.mark.parametrize("reach", [3, N])
def test_the_nearest_by_features_of_the_candidates_are_returned(candidates, reach):
    index = search(by_codes(reach=reach), candidates).build(DATABASE)
    of_index = by_codes(reach=reach).build(DATABASE).search(QUERIES, min(candidates, N))
    expected = [nearest(of_index[query], query, 4) for query in range(len(QUERIES))]
    assert index.search(QUERIES, 4).tolist() == expected


def test_all_candidates_are_exact_search(monkeypatch):
    ids = search(by_codes(), N).build(DATABASE).search(QUERIES, 5)
    assert ids.tolist() == [nearest(np.arange(N), query, 5) for query in range(len(QUERIES))]
    assert search(by_codes(), 10).build(DATABASE).search(QUERIES, 5).tolist() != ids.tolist()


def test_a_batch_is_done_in_blocks_that_hold_few_candidate_ids(monkeypatch):
    whole = search(by_codes(), 20).build(DATABASE).search(QUERIES, 3)
    monkeypatch.setattr(reranked, "BLOCK_BYTES", 8 * 20 * 4)
    index = search(by_codes(), 20).build(DATABASE)
    sizes = []

    def noted(queries, k, inner=index.index.search):
        sizes.append(len(queries))
        found = inner(queries, k)
        index.index.complete_share_ = len(queries) / 8
        return found

    monkeypatch.setattr(index.index, "search", noted)
    assert np.array_equal(index.search(QUERIES, 3), whole)
    assert sizes == [4, 4, 1]
    assert index.complete_share_ == pytest.approx((4 * 4 / 8 + 4 * 4 / 8 + 1 / 8) / 9)


def test_candidates_and_the_indexs_own_parameters_are_set_together():
    index = search(by_codes(), 5).build(DATABASE)
    assert index.query_parameters == ("reach", "candidates")
    index.set_query(reach=7, candidates=6)
    assert (index.index.reach, index.candidates) == (7, 6)
    assert index.search(QUERIES, 6).max() < 7


def test_an_index_without_query_parameters_need_not_have_set_query():
    index = search(registry.build("index", "linear_scan", {}), 5)
    assert not hasattr(index.index, "set_query")
    index.set_query(candidates=6)
    assert index.candidates == 6


def test_memory_is_that_of_both_parts_and_what_is_optional_is_the_indexs():
    index = search(by_codes(), 10).build(DATABASE)
    assert index.size_bytes() == N * BITS * 8 + N * DIM * 8
    assert not hasattr(index, "query_cost") and not hasattr(index, "paper_bytes")
    scan = search(registry.build("index", "linear_scan", {}), 1000).build(DATABASE)
    assert scan.paper_bytes() == DATABASE.features.nbytes
    rows = np.array(scan.index.query_cost()) + np.array(scan.reranker.query_cost(N))
    assert scan.query_cost() == tuple(rows)


def test_it_reads_what_the_index_reads_and_features():
    assert search(by_codes(), 5).reads == ("codes", "features")
    assert search(registry.build("index", "linear_scan", {}), 5).reads == ("features",)
    with pytest.raises(ValueError, match="orders by features, and the database has none"):
        search(by_codes(), 5).build(Corpus(codes=DATABASE.codes))
    with pytest.raises(ValueError, match="orders by features, and the queries have none"):
        search(by_codes(), 5).build(DATABASE).search(Corpus(codes=QUERIES.codes), 2)
