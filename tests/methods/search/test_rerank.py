"""The re-rankings against brute force in float64, and against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.search.features import products
from methods.search.features.rerank import Float16, Float32, Int8

few = settings(max_examples=60)
MAKE = {
    "float32": Float32,
    "float16": Float16,
    "float16 on disk": lambda: Float16(on_disk=True),
    "int8": Int8,
    "int8 of 3": lambda: Int8(dims=3),
}
each = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())


def whole(rng, count, dim):
    """Small whole numbers: float16 and the sums of float32 hold their distances exactly, and ties are many."""
    return rng.integers(-3, 4, (count, dim)).astype(np.float32)


def some_candidates(rng, queries, count, wanted):
    """Distinct ids, fewer for some queries, -1 behind them."""
    ids = np.full((queries, wanted), -1, dtype=np.int64)
    for row in ids:
        found = rng.integers(0, min(wanted, count) + 1)
        row[:found] = rng.permutation(count)[:found]
    return ids


def exact(features, queries, candidates, k):
    """By (float64 distance, id) among the candidates, -1 padded."""
    ids = np.full((len(queries), k), -1, dtype=np.int64)
    for i, query in enumerate(queries.astype(np.float64)):
        rows = np.sort(candidates[i][candidates[i] >= 0])
        distances = ((features[rows].astype(np.float64) - query) ** 2).sum(1)
        nearest = rows[np.argsort(distances, kind="stable")[:k]]
        ids[i, : len(nearest)] = nearest
    return ids


@each
@few
@given(
    count=st.integers(1, 120),
    dim=st.sampled_from([1, 4, 17, 70]),
    wanted=st.integers(1, 130),
    k=st.integers(1, 20),
    queries=st.sampled_from([1, 2, 21]),
    seed=st.integers(0, 99),
)
def test_the_nearest_candidates_are_those_of_brute_force_with_ties_by_id(make, count, dim, wanted, k, queries, seed):
    rng = np.random.default_rng(seed)
    features, asked = whole(rng, count, dim), whole(rng, queries, dim)
    candidates = some_candidates(rng, queries, count, wanted)
    ids = make().build(features).nearest(asked, candidates, k)
    np.testing.assert_array_equal(ids, exact(features, asked, candidates, k))


@few
@given(
    count=st.integers(2, 400),
    dim=st.sampled_from([2, 16, 65]),
    dims=st.sampled_from([None, 1, 5, 40]),
    decay=st.floats(0, 3),
    size=st.sampled_from([1e-4, 1.0, 1e4]),
    shift=st.sampled_from([0.0, 10.0]),
    k=st.integers(1, 12),
    seed=st.integers(0, 999),
)
def test_int8_gives_the_ids_of_float32_whatever_the_features(count, dim, dims, decay, size, shift, k, seed):
    rng = np.random.default_rng(seed)
    spread = size * np.arange(1, dim + 1) ** -decay
    features, asked = (((rng.standard_t(3, (m, dim)) + shift) * spread).astype(np.float32) for m in (count, 9))
    features[: count // 3] = features[count // 2]  # duplicates
    asked[:3] = features[: 3 if count > 2 else 1]  # and a distance of zero
    candidates = np.stack([rng.permutation(count) for _ in asked])
    reranker = Int8(dims=dims).build(features)
    ids = reranker.nearest(asked, candidates, k)
    single = [Float32().build(features).nearest(asked[i : i + 1], candidates[i : i + 1], k)[0] for i in range(9)]
    np.testing.assert_array_equal(ids, single)


def test_int8_reads_few_float32_rows_and_all_of_them_where_the_small_rows_say_nothing():
    rng = np.random.default_rng(3)
    features, asked = (
        rng.standard_normal((2000, 64)).astype(np.float32),
        rng.standard_normal((8, 64)).astype(np.float32),
    )
    candidates = np.tile(np.arange(2000), (8, 1))
    reranker = Int8().build(features)
    reranker.nearest(asked, candidates, 10)
    assert 10 / 2000 <= reranker.read_share_ < 0.03
    # One principal dimension of 64 that are equally long bounds nothing.
    reranker = Int8(dims=1).build(features)
    reranker.nearest(asked, candidates, 10)
    assert reranker.read_share_ > 0.9


@pytest.mark.parametrize(("shift", "kept"), [(0.0, 128), (0.3, 128), (20.0, 300)])
def test_int8_keeps_what_holds_nearly_all_of_the_variance_and_everything_far_from_the_origin(shift, kept):
    rng = np.random.default_rng(5)
    spread = np.where(np.arange(300) < 100, 1, 1e-3)
    rotation = np.linalg.qr(rng.standard_normal((300, 300)))[0]
    features, asked = (
        (rng.standard_normal((m, 300)) * spread @ rotation + shift).astype(np.float32) for m in (1500, 8)
    )
    candidates = np.tile(np.arange(1500), (8, 1))
    reranker = Int8().build(features)
    assert reranker.query_cost(1)[0] == kept + 12
    np.testing.assert_array_equal(
        reranker.nearest(asked, candidates, 10), Float32().build(features).nearest(asked, candidates, 10)
    )
    assert reranker.read_share_ < 0.2


def test_int8_keeps_all_dimensions_of_features_without_leading_ones():
    features = np.random.default_rng(6).standard_normal((1500, 300)).astype(np.float32)
    assert Int8().build(features).query_cost(1)[0] == 300 + 12


def test_a_batch_with_many_candidates_goes_by_products_and_answers_the_same(monkeypatch):
    rng = np.random.default_rng(4)
    features, asked = whole(rng, 300, 12), whole(rng, 40, 12)
    candidates = some_candidates(rng, 40, 300, 200)
    monkeypatch.setattr(products, "BLOCK_QUERIES", 7)
    calls = []
    monkeypatch.setattr(
        Float32, "_by_products", lambda self, *rest, of=Float32._by_products: calls.append(of(self, *rest))
    )
    ids = Float32().build(features).nearest(asked, candidates, 10)
    assert len(calls) == 1
    np.testing.assert_array_equal(ids, exact(features, asked, candidates, 10))


def test_products_lose_nothing_to_cancellation_far_from_the_origin():
    rng = np.random.default_rng(5)
    features, asked = whole(rng, 300, 16) + np.float32(2**13), whole(rng, 20, 16) + np.float32(2**13)
    candidates = np.tile(np.arange(300), (20, 1))
    ids = Float32().build(features).nearest(asked, candidates, 10)
    np.testing.assert_array_equal(ids, exact(features, asked, candidates, 10))


def test_float16_orders_by_the_rounded_features():
    rng = np.random.default_rng(6)
    features, asked = (rng.standard_normal((m, 40)).astype(np.float32) for m in (500, 10))
    candidates = np.tile(np.arange(500), (10, 1))
    rounded = features.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(
        Float16().build(features).nearest(asked, candidates, 10), exact(rounded, asked, candidates, 10)
    )


@each
def test_features_may_be_mapped_and_read_only_and_are_not_changed(make, tmp_path):
    rng = np.random.default_rng(7)
    features, asked = whole(rng, 200, 20), whole(rng, 5, 20)
    candidates = some_candidates(rng, 5, 200, 90)
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    for array in (asked, candidates):
        array.flags.writeable = False
    strided = np.repeat(candidates, 2, axis=1)[:, ::2]
    ids = make().build(mapped).nearest(asked, strided, 10)
    np.testing.assert_array_equal(ids, exact(features, asked, candidates, 10))
    np.testing.assert_array_equal(mapped, features)


def test_sizes_and_costs_are_of_what_is_read():
    features = np.ones((300, 64), dtype=np.float32)
    sizes = {name: make().build(features).size_bytes() for name, make in MAKE.items()}
    assert sizes == {
        "float32": 300 * 256,
        "float16": 300 * 128,
        "float16 on disk": 0,
        "int8": 300 * (256 + 64 + 12) + 64 * 4,
        "int8 of 3": 300 * (256 + 3 + 12) + 3 * 4 + 3 * 64 * 4,
    }
    assert [make().build(features).query_cost(100)[0] for make in MAKE.values()] == [25600, 12800, 12800, 7600, 1500]


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda f, c: Float32().build(f).nearest(f[:3], c[:2], 2), r"candidates are int64 \[3, n\]"),
        (lambda f, c: Float32().build(f).nearest(f[:2], c[:2].astype(np.int32), 2), "not int32"),
        (lambda f, c: Float16().build(f).nearest(f[:2, :4], c[:2], 2), "have 4 dimensions"),
        (lambda f, c: Int8().build(f).nearest(f[:2], c[:2], 0), "k = 0"),
        (lambda f, c: Int8(dims=0), "dims = 0"),
        (lambda f, c: Float16().build(f * np.float32(1e6)), "up to 65504, the features go up to"),
        (lambda f, c: Float32().build(f.astype(np.float64)), "float32 features"),
    ],
)
def test_misuse_is_a_value_error_in_words(misuse, message):
    rng = np.random.default_rng(8)
    with pytest.raises(ValueError, match=message):
        misuse(whole(rng, 50, 8) + 1, np.tile(np.arange(50), (50, 1)))
