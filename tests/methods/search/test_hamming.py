"""The compiled scans and the multi-table look-up against brute force and a slow oracle of the same rule."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.interfaces import Codes, Corpus
from methods.search.codes.layout import as_they_are, distinct
from methods.search.codes.lookup import (
    build_tables,
    candidates,
    check_key_bits,
    substrings,
    weighted_candidates,
)
from methods.search.codes.scans import AsymmetricScan, HammingScan, top_n

few = settings(max_examples=60)
STORED = {"each code": as_they_are, "equal codes once": distinct}
stored = pytest.mark.parametrize("store", STORED.values(), ids=STORED.keys())


def random_codes(rng, count, bits, repertoire):
    """Codes drawn from ``repertoire`` values, so that a small number means many duplicates."""
    return Codes.pack(rng.integers(0, 2, (repertoire, bits)).astype(bool)[rng.integers(0, repertoire, count)])


def hamming_distances(query, database):
    return np.bitwise_count(query.words[:, None] ^ database.words[None]).sum(2, dtype=np.int64)


def first(distances, n):
    """By (distance, id), -1 padded."""
    order = np.lexsort((np.broadcast_to(np.arange(distances.shape[1]), distances.shape), distances))[:, :n]
    missing = ((0, 0), (0, n - order.shape[1]))
    nearest = np.take_along_axis(distances, order, 1)
    return np.pad(order, missing, constant_values=-1), np.pad(nearest, missing, constant_values=-1)


def brute_force(query, database, n):
    return first(hamming_distances(query, database), n)


def slow_look_up(query_bits, database_bits, key_bits, n):
    """The rule as its text reads, on lists of bits: the candidates in order, and whether they are complete."""
    tables = range(len(query_bits) // key_bits)
    seen, ring = set(), 0
    while True:
        for table in tables:
            part = slice(table * key_bits, (table + 1) * key_bits)
            for flips in combinations(range(key_bits), ring):
                bucket = list(query_bits[part])
                for flip in flips:
                    bucket[flip] = not bucket[flip]
                seen |= {i for i, code in enumerate(database_bits) if list(code[part]) == bucket}
        if len(seen) >= min(n, len(database_bits)):
            break
        ring += 1

    def distance(i):
        return sum(a != b for a, b in zip(query_bits, database_bits[i], strict=True))

    ranked = sorted(seen, key=lambda i: (distance(i), i))[:n]
    complete = len(seen) == len(database_bits) or distance(ranked[-1]) <= len(tables) * (ring + 1) - 1
    return ranked, complete


@few
@given(
    bits=st.integers(1, 300),
    count=st.integers(0, 300),
    n=st.integers(1, 320),
    repertoire=st.sampled_from([1, 3, 1000]),
    queries=st.sampled_from([1, 2, 5]),
    collapse=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_scan_is_brute_force_with_ties_by_id(bits, count, n, repertoire, queries, collapse, seed):
    rng = np.random.default_rng(seed)
    database, query = random_codes(rng, count, bits, repertoire), random_codes(rng, queries, bits, repertoire)
    expected = brute_force(query, database, n)
    ids = HammingScan(collapse=collapse).build(Corpus(codes=database)).search(Corpus(codes=query), n)
    np.testing.assert_array_equal(ids, expected[0])
    ids, distances = top_n(query, as_they_are(database), n)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(distances, expected[1])


@pytest.mark.parametrize("farthest_first", [True, False])
@pytest.mark.parametrize("bits", [64, 128])
@pytest.mark.parametrize("n", [10, 3000])
def test_the_scan_survives_orders_of_the_database_that_a_sample_misjudges(bits, farthest_first, n):
    rng = np.random.default_rng(1)
    database, query = random_codes(rng, 20_000, bits, 20_000), random_codes(rng, 2, bits, 2)
    order = np.argsort(hamming_distances(Codes(query.words[:1], bits), database)[0])
    database = Codes(database.words[order[::-1] if farthest_first else order], bits)
    # Near codes where the sample does not look, and nowhere else.
    words = database.words.copy()
    words[1:40:2] = query.words[0]
    for codes in (database, Codes(words, bits)):
        np.testing.assert_array_equal(top_n(query, as_they_are(codes), n)[0], brute_force(query, codes, n)[0])


def test_distances_of_whole_words_are_right():
    database = Codes.pack(np.array([[True] * 128, [False] * 128]))
    ids, distances = top_n(Codes.pack(np.zeros((1, 128), dtype=bool)), as_they_are(database), 2)
    assert (ids.tolist(), distances.tolist()) == ([[1, 0]], [[0, 128]])


@pytest.mark.parametrize(
    ("query_bits", "n", "message"), [(8, 3, "query codes have 8 bits, database codes 16"), (16, 0, "n = 0")]
)
def test_top_n_refuses_codes_of_two_lengths_and_no_neighbours(query_bits, n, message):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message):
        top_n(random_codes(rng, 2, query_bits, 2), as_they_are(random_codes(rng, 9, 16, 9)), n)


@few
@given(
    shape=st.sampled_from([(8, 4), (8, 8), (12, 3), (12, 4), (16, 8), (20, 10)]),
    count=st.integers(1, 60),
    n=st.integers(1, 40),
    repertoire=st.sampled_from([2, 12, 1000]),
    near=st.booleans(),
    once=st.booleans(),
    seed=st.integers(0, 99),
)
def test_look_up_is_the_rule_as_written(shape, count, n, repertoire, near, once, seed):
    bits, key_bits = shape
    rng = np.random.default_rng(seed)
    database = random_codes(rng, count, bits, repertoire)
    query = Codes(database.words[:3], bits) if near else random_codes(rng, 3, bits, 3)
    tables = build_tables(STORED["equal codes once" if once else "each code"](database), key_bits)
    as_bits = [(codes.unpack() > 0).tolist() for codes in (query, database)]
    slow = [slow_look_up(code, as_bits[1], key_bits, n) for code in as_bits[0]]
    found = candidates(query, tables, n)
    for i, (ranked, _) in enumerate(slow):
        assert found.ids[i].tolist() == ranked + [-1] * (n - len(ranked))
        expected = hamming_distances(Codes(query.words[i : i + 1], bits), database)[0][ranked]
        assert found.distances[i].tolist() == expected.tolist() + [-1] * (n - len(ranked))
    assert (found.complete, found.scans) == (sum(complete for _, complete in slow), 0)


@stored
def test_complete_look_ups_and_incomplete_ones_both_occur(store):
    rng = np.random.default_rng(5)
    database, query = random_codes(rng, 400, 16, 300), random_codes(rng, 60, 16, 60)
    tables = build_tables(store(database), 8)
    complete = [candidates(Codes(query.words[i : i + 1], 16), tables, 5) for i in range(60)]
    assert 0 < sum(found.complete for found in complete) < 60
    for i, found in enumerate(complete):
        if found.complete:
            np.testing.assert_array_equal(
                found.ids[0], brute_force(Codes(query.words[i : i + 1], 16), database, 5)[0][0]
            )


@few
@given(
    bits=st.sampled_from([8, 24, 64, 96]),
    count=st.integers(1, 200),
    n=st.integers(1, 220),
    repertoire=st.sampled_from([3, 40, 1000]),
    once=st.booleans(),
    mode=st.sampled_from(["scan", "auto"]),
    seed=st.integers(0, 99),
)
def test_a_scan_is_exact_and_auto_is_the_tables_or_a_scan(bits, count, n, repertoire, once, mode, seed):
    rng = np.random.default_rng(seed)
    database, query = random_codes(rng, count, bits, repertoire), random_codes(rng, 4, bits, repertoire)
    tables = build_tables((distinct if once else as_they_are)(database), 8)
    found, exact = candidates(query, tables, n, mode), brute_force(query, database, n)
    looked_up = candidates(query, tables, n, "tables")
    if mode == "scan":
        assert (found.complete, found.scans) == (4, 4)
        np.testing.assert_array_equal(found.ids, exact[0])
        np.testing.assert_array_equal(found.distances, exact[1])
    for i in range(4):
        assert found.ids[i].tolist() in (looked_up.ids[i].tolist(), exact[0][i].tolist())


def test_auto_scans_few_codes_and_full_buckets_and_looks_the_others_up():
    rng = np.random.default_rng(6)
    query = random_codes(rng, 2, 32, 5)
    few_codes = build_tables(as_they_are(random_codes(rng, 300, 32, 300)), 16)
    assert candidates(query, few_codes, 100, "auto").scans == 2
    many = random_codes(rng, 200_000, 32, 200_000)
    many.words[:50], many.words[50:20_000] = query.words[0], query.words[1]
    found = candidates(query, build_tables(as_they_are(many), 16), 10, "auto")
    assert found.scans == 1
    np.testing.assert_array_equal(found.ids, [np.arange(10), np.arange(50, 60)])


@few
@given(
    count=st.integers(1, 80),
    n=st.integers(1, 60),
    repertoire=st.sampled_from([3, 1000]),
    once=st.booleans(),
    seed=st.integers(0, 99),
)
def test_by_arrival_the_candidates_are_the_first_that_are_seen(count, n, repertoire, once, seed):
    rng = np.random.default_rng(seed)
    database, query = random_codes(rng, count, 16, repertoire), random_codes(rng, 3, 16, repertoire)
    tables = build_tables((distinct if once else as_they_are)(database), 8)
    found = candidates(query, tables, n, cut="arrival")
    parts = np.stack([substrings(np.ascontiguousarray(database.words.T), t, 8) for t in range(2)])
    asked = np.stack([substrings(np.ascontiguousarray(query.words.T), t, 8) for t in range(2)])
    for i in range(3):
        rings = np.bitwise_count((parts ^ asked[:, i : i + 1]).astype(np.uint64)).min(axis=0)
        ids = found.ids[i][found.ids[i] >= 0]
        assert len(set(ids.tolist())) == len(ids) == min(n, count)
        # Nearer rings come first, and none of them is left out for a farther one.
        assert (np.diff(rings[ids].astype(int)) >= 0).all()
        left = np.setdiff1d(np.arange(count), ids)
        assert len(left) == 0 or rings[left].min() >= rings[ids].max()
        np.testing.assert_array_equal(
            found.distances[i][: len(ids)], hamming_distances(Codes(query.words[i : i + 1], 16), database)[0][ids]
        )


@few
@given(
    bits=st.sampled_from([4, 12, 64, 80]),
    count=st.integers(1, 200),
    n=st.integers(1, 220),
    repertoire=st.sampled_from([3, 1000]),
    once=st.booleans(),
    seed=st.integers(0, 99),
)
def test_weighted_distances_are_those_of_real_queries_and_binary_codes(bits, count, n, repertoire, once, seed):
    rng = np.random.default_rng(seed)
    database = random_codes(rng, count, bits, repertoire)
    # Small whole numbers: sums in float32 are exact, and ties are many.
    real = rng.integers(-3, 4, (4, bits)).astype(np.float32)
    query = Codes.pack(real)
    signs = np.where(real >= 0, 1, -1)
    cost = (np.abs(real)[:, None] * (signs[:, None] != database.unpack()[None])).sum(2)
    np.testing.assert_array_equal(cost, (np.abs(real).sum(1)[:, None] - real @ database.unpack().T) / 2)
    expected = first(cost, n)[0]
    scan = AsymmetricScan().build(Corpus(codes=database))
    np.testing.assert_array_equal(scan.search(Corpus(codes=query, real_codes=real), n), expected)
    tables = build_tables((distinct if once else as_they_are)(database), 4)
    np.testing.assert_array_equal(weighted_candidates(real, query, tables, n, "scan").ids, expected)
    # By the tables: of the items that the look-up sees, in that order.
    found, seen = weighted_candidates(real, query, tables, n), candidates(query, tables, count)
    for i in range(4):
        ids = found.ids[i][found.ids[i] >= 0]
        assert len(ids) == min(n, count)
        assert set(ids.tolist()) <= set(seen.ids[i].tolist())
        assert ids.tolist() == sorted(ids.tolist(), key=lambda j: (cost[i, j], j))


WEIGHTS = {
    "whole numbers": lambda rng, bits: rng.integers(0, 200, bits),
    "all equal": lambda rng, bits: np.ones(bits),
    "none": lambda rng, bits: np.zeros(bits),
    "one that hides the others": lambda rng, bits: np.where(np.arange(bits) == 3, 100_000, rng.integers(0, 3, bits)),
    "tiny": lambda rng, bits: rng.integers(0, 9, bits) * 2.0**-60,
}


@pytest.mark.parametrize("bits", [8, 64, 100, 1100])
@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS.keys())
def test_among_many_codes_the_first_pass_loses_none_of_the_nearest(bits, weights):
    rng = np.random.default_rng(bits)
    count = 4_000 if bits > 1024 else 40_000  # of which a sample is judged
    # Sorted, so that a sample that was not spread over all would be wrong.
    values = rng.integers(0, 2, (count, bits)).astype(bool)
    database = Codes.pack(values[np.lexsort(values.T)])
    signs = np.where(rng.integers(0, 2, (2, bits)), 1, -1)
    real = (signs * np.stack([weights(rng, bits) for _ in range(2)])).astype(np.float32)
    query = Codes.pack(real)
    differ = (query.unpack()[:, None] != database.unpack()[None]).astype(np.float64)
    cost = np.einsum("qnb,qb->qn", differ, np.abs(real).astype(np.float64))
    for n in (1, 10, 1000):
        found = weighted_candidates(real, query, build_tables(as_they_are(database), 4), n, "scan").ids
        np.testing.assert_array_equal(found, first(cost, n)[0])


@pytest.mark.parametrize(("bits", "key_bits"), [(48, 16), (96, 24), (120, 20), (128, 8)])
def test_substrings_across_word_borders_are_the_code_s_bits(bits, key_bits):
    codes = random_codes(np.random.default_rng(2), 50, bits, 50)
    ones = codes.unpack() > 0
    words = np.ascontiguousarray(codes.words.T)
    for table in range(bits // key_bits):
        part = ones[:, table * key_bits : (table + 1) * key_bits]
        np.testing.assert_array_equal(substrings(words, table, key_bits), part @ (1 << np.arange(key_bits)))


def test_equal_codes_are_stored_once_where_they_repeat_and_only_there():
    rng = np.random.default_rng(3)
    many, none = random_codes(rng, 100, 96, 7), random_codes(rng, 100, 96, 10_000)
    once = distinct(many)
    assert once.words.shape == (2, len(np.unique(many.words, axis=0)))
    assert len(once) == 100
    for code in range(once.words.shape[1]):
        members = once.items[once.starts[code] : once.starts[code + 1]]
        assert (np.diff(members) > 0).all()
        assert (many.words[members] == once.words[:, code]).all()
    assert len(distinct(none).starts) == 0
    np.testing.assert_array_equal(distinct(none).words, none.words.T)


def test_a_key_length_that_does_not_divide_the_code_is_refused_with_those_that_do():
    with pytest.raises(
        ValueError, match="bits = 12 is not a multiple of key_bits = 8; for 12 bits key_bits may be 1, 2, 3"
    ):
        check_key_bits(12, 8)
