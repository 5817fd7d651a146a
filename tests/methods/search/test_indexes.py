"""The search plugins against brute force, scikit-learn and faiss themselves."""

import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from bench.interfaces import Codes, Corpus
from bench.timing.reranked import Reranked
from methods.search.codes.cells import CodeCells
from methods.search.codes.hash_tables import HashTables
from methods.search.codes.layout import as_they_are
from methods.search.codes.lookup import build_tables, candidates
from methods.search.codes.scans import AsymmetricScan, HammingScan
from methods.search.faiss.ivfadc import IVFADC
from methods.search.features import products
from methods.search.features.linear_scan import LinearScan
from methods.search.features.naive_scan import NaiveScan
from methods.search.features.real_scan import RealScan
from methods.search.features.rerank import Float16, Float32, Int8
from methods.search.libraries.sklearn_trees import BallTree, KDTree
from methods.search.libraries.torch_scan import TorchScan
from tests.vectors import check_nearest, vectors

few = settings(max_examples=40)


def corpus(rng, count, dim, bits=32, whole=False):
    """Random features, a random projection of them and its codes.

    ``whole``: small integers, whose distances float32 holds exactly, with many ties.
    """
    features = rng.integers(-2, 3, (count, dim)) if whole else rng.standard_normal((count, dim))
    real = (features @ np.random.default_rng(7).standard_normal((dim, bits))).astype(np.float32)
    return Corpus(features.astype(np.float32), Codes.pack(real), real)


def part(whole, rows):
    return Corpus(whole.features[rows], Codes(whole.codes.words[rows], whole.codes.bits), whole.real_codes[rows])


def reranked(candidates, reranker=Float32, **parameters):
    """Hash tables and a re-ranking of what they find."""
    return Reranked(HashTables(**parameters), reranker(), candidates)


def hamming_distances(queries, database):
    return np.bitwise_count(queries.codes.words[:, None] ^ database.codes.words[None]).sum(2, dtype=np.int64)


def recall(ids, nearest):
    return np.mean([len(set(a) & set(b)) / nearest.shape[1] for a, b in zip(ids, nearest, strict=True)])


def exact(database, queries, k):
    """By (float64 distance, id), -1 padded."""
    differences = queries.features[:, None].astype(np.float64) - database.features[None]
    distances = (differences**2).sum(2)
    ids = np.lexsort((np.broadcast_to(np.arange(len(database)), distances.shape), distances))[:, :k]
    return np.pad(ids, ((0, 0), (0, k - ids.shape[1])), constant_values=-1)


ALL = {
    "linear_scan": LinearScan,
    "hash_tables": lambda: HashTables(key_bits=8, mode="tables"),
    "hash_tables by arrival": lambda: HashTables(key_bits=8, mode="tables", cut="arrival"),
    "hash_tables asymmetric": lambda: HashTables(key_bits=8, mode="tables", cut="asymmetric"),
    "hash_tables or scan": lambda: HashTables(key_bits=8),
    "hash_tables, float32": lambda: reranked(100, key_bits=8),
    "hash_tables, float16": lambda: reranked(100, Float16, key_bits=8),
    "hash_tables, int8": lambda: reranked(100, Int8, key_bits=8),
    "hamming_scan": HammingScan,
    "asymmetric_scan": AsymmetricScan,
    "real_scan": RealScan,
    "code_cells": lambda: CodeCells(cells=10, nprobe=4),
    "code_cells, int8": lambda: Reranked(CodeCells(cells=10, nprobe=4), Int8(), 50),
    "ball_tree": lambda: BallTree(pca_dim=8),
    "kd_tree": lambda: KDTree(pca_dim=8),
    "ivfadc": lambda: IVFADC(centroids=10, code_bytes=4, nprobe=4),
}
each = pytest.mark.parametrize("make", ALL.values(), ids=ALL.keys())


@few
@given(
    count=st.integers(1, 150),
    dim=st.sampled_from([1, 3, 8, 17]),
    k=st.integers(1, 40),
    queries=st.sampled_from([1, 2, 33]),
    seed=st.integers(0, 99),
)
def test_linear_scan_is_exact_with_ties_by_id(count, dim, k, queries, seed):
    rng = np.random.default_rng(seed)
    database, query = corpus(rng, count, dim, whole=True), corpus(rng, queries, dim, whole=True)
    np.testing.assert_array_equal(LinearScan().build(database).search(query, k), exact(database, query, k))


@pytest.mark.parametrize("queries", [1, 40])
def test_linear_scan_loses_nothing_to_cancellation_far_from_the_origin(queries):
    rng = np.random.default_rng(3)
    database, query = corpus(rng, 500, 16, whole=True), corpus(rng, queries, 16, whole=True)
    # Whole numbers near 2**13: the differences are exact in float32, the squared norms are rounded to multiples of 64.
    far = [Corpus(part.features + np.float32(2**13)) for part in (database, query)]
    np.testing.assert_array_equal(LinearScan().build(far[0]).search(far[1], 10), exact(database, query, 10))


EXACT = {
    "linear_scan": lambda rows: LinearScan().build(Corpus(rows)).search,
    "torch_scan": lambda rows: TorchScan(device="cpu").build(Corpus(rows)).search,
    "float32": lambda rows: all_reranked(Float32().build(rows), len(rows)),
    "int8": lambda rows: all_reranked(Int8().build(rows), len(rows)),
    "int8 of 3": lambda rows: all_reranked(Int8(dims=3).build(rows), len(rows)),
}


def all_reranked(reranker, size):
    return lambda queries, k: reranker.nearest(queries.features, np.tile(np.arange(size), (len(queries), 1)), k)


@pytest.mark.parametrize("make", EXACT.values(), ids=EXACT.keys())
@few
@given(pair=vectors(), k=st.sampled_from([1, 3, 10, 70]))
def test_what_is_exact_is_so_for_any_values_in_batches_and_one_by_one(make, pair, k):
    queries, database = pair
    search = make(database)
    ids = search(Corpus(queries), k)
    check_nearest(ids, queries, database, k)
    for row, query in enumerate(queries):
        np.testing.assert_array_equal(search(Corpus(query[None]), k)[0], ids[row])


@pytest.mark.parametrize("size", [1e-10, 1e-19, 1e-20, 1e-22, 1e-30])
@pytest.mark.parametrize("make", EXACT.values(), ids=EXACT.keys())
def test_an_equal_row_is_the_nearest_however_small_its_values_are(make, size):
    query = np.full((1, 150), size, dtype=np.float32)
    rows = np.repeat(query, 3, axis=0)
    rows[:2, ::7] = np.nextafter(rows[:2, ::7], np.float32(1))
    assert make(rows)(Corpus(query), 1).tolist() == [[2]]


def test_linear_scan_in_several_blocks_equals_scikit_learn(monkeypatch):
    monkeypatch.setattr(products, "BLOCK_QUERIES", 7)
    rng = np.random.default_rng(4)
    database, query = corpus(rng, 1000, 32), corpus(rng, 40, 32)
    expected = NearestNeighbors(algorithm="brute").fit(database.features.astype(np.float64))
    expected = expected.kneighbors(query.features.astype(np.float64), 10, return_distance=False)
    np.testing.assert_array_equal(LinearScan().build(database).search(query, 10), expected)


@few
@given(count=st.integers(1, 150), k=st.integers(1, 12), key_bits=st.sampled_from([1, 8, 16]), seed=st.integers(0, 99))
def test_hash_tables_with_all_candidates_and_re_ranking_are_the_linear_scan(count, k, key_bits, seed):
    rng = np.random.default_rng(seed)
    database, query = corpus(rng, count, 5, whole=True), corpus(rng, 3, 5, whole=True)
    tables = reranked(max(count, k), key_bits=key_bits).build(database)
    np.testing.assert_array_equal(tables.search(query, k), exact(database, query, k))
    assert tables.complete_share_ == 1


def test_hash_tables_answer_with_what_the_look_up_finds():
    rng = np.random.default_rng(5)
    database, query = corpus(rng, 2000, 4, bits=48), corpus(rng, 50, 4, bits=48)
    found = candidates(query.codes, build_tables(as_they_are(database.codes), 12), 20)
    tables = HashTables(key_bits=12, mode="tables").build(database)
    np.testing.assert_array_equal(tables.search(query, 20), found.ids)
    assert (tables.complete_share_, tables.scan_share_) == (found.complete / 50, 0)
    assert 0 < found.complete < 50
    again = reranked(20, key_bits=12, mode="tables").build(database)
    ids = again.search(query, 10)
    for i in range(50):
        rows = np.sort(found.ids[i])
        assert ids[i].tolist() == rows[exact(part(database, rows), part(query, [i]), 10)[0]].tolist()
    assert again.complete_share_ == tables.complete_share_


def test_more_candidates_find_more_of_the_neighbours_without_a_rebuild():
    rng = np.random.default_rng(6)
    database, query = corpus(rng, 3000, 24), corpus(rng, 60, 24)
    tables = reranked(20, key_bits=16).build(database)
    recalls = []
    for n in (20, 200, 3000):
        tables.set_query(candidates=n)
        ids = tables.search(query, 10)
        np.testing.assert_array_equal(ids, reranked(n, key_bits=16).build(database).search(query, 10))
        recalls.append(recall(ids, exact(database, query, 10)))
    assert recalls[0] < recalls[1] < recalls[2] == 1


def test_asymmetric_order_finds_more_of_the_neighbours_than_hamming_order():
    rng = np.random.default_rng(20)
    database, query = corpus(rng, 3000, 24), corpus(rng, 60, 24)
    nearest = exact(database, query, 10)
    by_hamming, by_weight, by_real = (
        recall(index.build(database).search(query, 50), nearest)
        for index in (HammingScan(), AsymmetricScan(), RealScan())
    )
    assert by_hamming < by_weight < by_real


@pytest.mark.parametrize("bits", [12, 64, 100])
def test_all_cells_of_codes_together_are_a_scan_and_more_cells_find_more(bits):
    rng = np.random.default_rng(22)
    database, query = corpus(rng, 3000, 24, bits), corpus(rng, 40, 24, bits)
    index, scan = CodeCells(cells=20, nprobe=20).build(database), HammingScan().build(database)
    expected = np.take_along_axis(hamming_distances(query, database), scan.search(query, 50), 1)
    shares = []
    for nprobe in (1, 5, 20):
        index.set_query(nprobe=nprobe)
        ids = index.search(query, 50)
        assert all(len(set(row)) == 50 for row in ids.tolist()) or nprobe == 1
        shares.append((np.take_along_axis(hamming_distances(query, database), ids, 1) == expected).mean())
        assert (np.diff(np.take_along_axis(hamming_distances(query, database), ids, 1)) >= 0).all() or nprobe == 1
    assert shares[0] < shares[1] < shares[2] == 1


def test_real_codes_are_searched_by_their_cosine():
    rng = np.random.default_rng(21)
    database, query = corpus(rng, 300, 24), corpus(rng, 20, 24)
    unit = [c.real_codes / np.linalg.norm(c.real_codes, axis=1, keepdims=True) for c in (query, database)]
    expected = np.argsort(-unit[0] @ unit[1].T, axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(RealScan().build(database).search(query, 10), expected)


@pytest.mark.parametrize("dim", [8, 40], ids=["without PCA", "with PCA"])
@pytest.mark.parametrize("make", [BallTree, KDTree])
def test_trees_are_exact_on_the_pca_features(make, dim):
    rng = np.random.default_rng(8)
    database, query = corpus(rng, 600, dim), corpus(rng, 30, dim)
    rows, asked = database.features.astype(np.float64), query.features.astype(np.float64)
    if dim > 10:
        pca = PCA(10, svd_solver="full").fit(rows)
        rows, asked = pca.transform(rows), pca.transform(asked)
    expected = NearestNeighbors(algorithm="brute").fit(rows).kneighbors(asked, 5, return_distance=False)
    index = make(pca_dim=10, leaf_size=20).build(database)
    np.testing.assert_array_equal(index.search(query, 5), expected)


def test_ivfadc_is_faiss_and_finds_more_with_more_probes():
    rng = np.random.default_rng(9)
    database, query = corpus(rng, 3000, 16), corpus(rng, 100, 16)
    index = IVFADC(centroids=40, code_bytes=8, nprobe=1, seed=3).build(database)
    raw = faiss.IndexIVFPQ(faiss.IndexFlatL2(16), 16, 40, 8, 8)
    raw.cp.seed = raw.pq.cp.seed = 3
    raw.train(database.features)
    raw.add(database.features)
    recalls = []
    for raw.nprobe in (1, 4, 40):
        index.set_query(nprobe=raw.nprobe)
        ids = index.search(query, 10)
        np.testing.assert_array_equal(ids, raw.search(query.features, 10)[1])
        recalls.append(recall(ids, exact(database, query, 10)))
    assert recalls[0] < recalls[1] < recalls[2]


@each
def test_one_query_at_a_time_gives_what_the_batch_gives(make):
    rng = np.random.default_rng(10)
    database, query = corpus(rng, 700, 24), corpus(rng, 40, 24)
    index = make().build(database)
    single = np.concatenate([index.search(part(query, [i]), 10) for i in range(40)])
    np.testing.assert_array_equal(index.search(query, 10), single)


@pytest.mark.parametrize("name", ["linear_scan", "hash_tables", "ball_tree", "kd_tree"])
def test_a_permuted_database_gives_permuted_ids(name):
    rng = np.random.default_rng(11)
    database, query = corpus(rng, 500, 24), corpus(rng, 40, 24)
    order = rng.permutation(500)
    # 500 candidates leave no tie of Hamming distances that the order could decide.
    make = (lambda: reranked(500, key_bits=8)) if name == "hash_tables" else ALL[name]
    ids = make().build(database).search(query, 10)
    np.testing.assert_array_equal(order[make().build(part(database, order)).search(query, 10)], ids)


@each
def test_inputs_may_be_read_only_or_strided_and_are_not_changed(make, tmp_path):
    rng = np.random.default_rng(12)
    database, query = corpus(rng, 600, 24), corpus(rng, 20, 24)
    before = [array.copy() for whole in (database, query) for array in (whole.features, whole.codes.words)]
    expected = make().build(database).search(query, 10)
    after = [array for whole in (database, query) for array in (whole.features, whole.codes.words)]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    np.save(tmp_path / "features.npy", database.features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    strided, real = (np.repeat(array, 2, axis=1)[:, ::2] for array in (query.features, query.real_codes))
    words = np.repeat(query.codes.words, 2, axis=0)[::2]
    strided.flags.writeable = words.flags.writeable = real.flags.writeable = False
    index = make().build(Corpus(mapped, database.codes, database.real_codes))
    np.testing.assert_array_equal(index.search(Corpus(strided, Codes(words, 32), real), 10), expected)


def test_the_feature_matrix_is_shared_and_not_copied():
    features = corpus(np.random.default_rng(13), 300, 24).features
    for built in (LinearScan().build(Corpus(features)), Float32().build(features), Int8().build(features)):
        assert np.shares_memory(built._features, features)


@pytest.mark.parametrize("name", [name for name in ALL if name != "ivfadc" and "cells" not in name])
def test_more_neighbours_than_items_are_padded(name):
    rng = np.random.default_rng(14)
    ids = ALL[name]().build(corpus(rng, 6, 24)).search(corpus(rng, 3, 24), 9)
    assert np.sort(ids, axis=1).tolist() == [[-1, -1, -1, 0, 1, 2, 3, 4, 5]] * 3
    assert (ids[:, 6:] == -1).all()


@each
def test_no_queries_give_no_neighbours(make):
    database = corpus(np.random.default_rng(15), 300, 24)
    assert make().build(database).search(part(database, slice(0, 0)), 10).shape == (0, 10)


def test_sizes_are_what_has_to_stay_in_memory_and_what_the_paper_counts():
    n, dim = 800, 64
    database = corpus(np.random.default_rng(16), n, dim)
    linear, tables = LinearScan().build(database), HashTables(key_bits=8).build(database)
    assert (linear.size_bytes(), linear.paper_bytes()) == (n * dim * 4 + n * 4, n * dim * 4)
    assert tables.size_bytes() == n * 8 + 4 * (257 * 4 + n * 4)
    assert reranked(100, key_bits=8).build(database).size_bytes() == tables.size_bytes() + n * dim * 4
    assert HammingScan().build(database).size_bytes() == n * 8
    assert RealScan().build(database).size_bytes() == n * 32 * 4 + n * 4
    assert tables.paper_bytes() == n * 4
    twice = Corpus(codes=Codes(np.tile(database.codes.words[:10], (80, 1)), 32))
    assert HammingScan().build(twice).size_bytes() == 10 * 8 + 11 * 8 + n * 4
    kd = KDTree(pca_dim=32).build(database)
    assert kd.size_bytes() - kd.paper_bytes() == 8 * (dim * 32 + 32)
    assert kd.paper_bytes() > n * 32 * 8
    ivfadc = IVFADC(centroids=20).build(database)
    assert ivfadc.paper_bytes() == 256 * dim * 4
    assert ivfadc.size_bytes() > n * (8 + 8) + 20 * dim * 4 + 256 * dim * 4 + 20 * 8 * 256 * 4


@each
def test_costs_are_floors_or_unknown(make):
    index = make().build(corpus(np.random.default_rng(17), 600, 24))
    read, operations = index.query_cost() if hasattr(index, "query_cost") else (np.nan, np.nan)
    assert np.isnan(read) or 0 < read <= index.size_bytes()
    assert np.isnan(operations) or 0 <= operations <= 3 * 600 * 24


MISUSE = [
    (lambda c: HashTables(key_bits=25), "key_bits = 25 must be an integer of at least 1 and at most 24"),
    (lambda c: HashTables(mode="quick"), "mode = 'quick' must be one of tables, scan, auto"),
    (lambda c: HashTables(cut="best"), "cut = 'best' must be one of hamming, arrival, asymmetric"),
    (lambda c: HashTables(key_bits=8).check(64, 12), "bits = 12 is not a multiple of key_bits = 8"),
    (lambda c: HashTables().build(Corpus(c.features)), "searches codes, and the corpus has none"),
    (lambda c: HashTables().build(part(c, slice(0, 0))), "empty database"),
    (lambda c: HashTables().build(c).search(c, 0), "n = 0 must be at least 1"),
    (
        lambda c: HashTables(cut="asymmetric").build(c).search(Corpus(c.features, c.codes), 6),
        "queries' real codes, and there are none",
    ),
    (
        lambda c: AsymmetricScan().build(c).search(Corpus(c.features, c.codes), 6),
        "queries' real codes, and there are none",
    ),
    (lambda c: AsymmetricScan().build(c).search(Corpus(None, c.codes, c.real_codes[:, :9]), 6), "must be float32"),
    (lambda c: RealScan().build(Corpus(c.features, c.codes)), "reads real codes"),
    (lambda c: CodeCells(cells=0), "cells = 0 must be an integer of at least 1"),
    (lambda c: CodeCells(cells=601).build(c), "600 items are too few for cells = 601"),
    (lambda c: CodeCells(cells=9).build(c).search(Corpus(c.features[:3], c.codes), 6), "do not fit 600 codes"),
    (lambda c: HashTables().build(c).search(Corpus(c.features, Codes.pack(c.features)), 6), "have 24 bits"),
    (lambda c: LinearScan().build(c).search(Corpus(c.features[:, :9]), 6), "have 9 dimensions"),
    (lambda c: LinearScan().build(Corpus(codes=c.codes)), "searches features, and the corpus has none"),
    (lambda c: LinearScan().build(Corpus(c.features.astype(np.float64))), "float32 features .* not float64"),
    (lambda c: LinearScan().build(Corpus(c.features * np.float32("nan"))), "item 0 are not finite"),
    (lambda c: LinearScan().build(c).search(c, 0), "k = 0"),
    (lambda c: BallTree(leaf_size=0), "leaf_size = 0"),
    (lambda c: IVFADC(nprobe=301), "nprobe = 301 .* from 1 to centroids = 300"),
    (lambda c: IVFADC(code_bytes=7).check(24, None), "code_bytes = 7 must divide the features' dimension, 24"),
    (lambda c: IVFADC().build(part(c, slice(0, 299))), "299 items are too few to train 300 centroids"),
    (lambda c: IVFADC(centroids=9).build(part(c, slice(0, 255))), "at least 256"),
]


@pytest.mark.parametrize(("misuse", "message"), MISUSE)
def test_misuse_is_a_value_error_in_words(misuse, message):
    with pytest.raises(ValueError, match=message):
        misuse(corpus(np.random.default_rng(18), 600, 24))


def test_training_on_few_items_is_silent(capfd):
    IVFADC(centroids=10, code_bytes=4).build(corpus(np.random.default_rng(19), 300, 24))
    assert capfd.readouterr() == ("", "")


def test_importing_the_plugins_imports_nothing_heavy():
    program = (
        "import sys; import methods.search.features.linear_scan, methods.search.codes.hash_tables; "
        "import methods.search.libraries.sklearn_trees, "
        "methods.search.codes.scans, methods.search.features.real_scan, methods.search.features.rerank, "
        "methods.search.faiss.ivfadc, methods.embedding.identity; "
        "print({'numba', 'faiss', 'sklearn', 'torch'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    answer = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


@few
@given(st.integers(0, 40), st.integers(1, 9), st.integers(0, 5), st.integers(1, 50), st.integers(0, 2**32))
def test_the_naive_scan_finds_the_nearest_and_ties_by_id(n, dim, count, k, seed):
    rng = np.random.default_rng(seed)
    database, queries = corpus(rng, n, dim, whole=True), corpus(rng, count, dim, whole=True)
    ids = NaiveScan().build(database).search(queries, k)
    distances = ((queries.features[:, None].astype(int) - database.features[None].astype(int)) ** 2).sum(2)
    wanted = [sorted(range(n), key=lambda item: (row[item], item))[:k] for row in distances]
    assert ids.shape == (count, k) and ids.dtype == np.int64
    assert [[one for one in row if one >= 0] for row in ids.tolist()] == wanted
