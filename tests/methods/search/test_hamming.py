"""The compiled scan and the multi-table look-up against brute force and a slow oracle of the same rule."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.interfaces import Codes
from methods.search import hamming
from methods.search.tables import build_tables, candidates, check_key_bits, substrings

few = settings(max_examples=60, deadline=None)


def random_codes(rng, count, bits, distinct):
    """Codes drawn from ``distinct`` values, so that a small number means many duplicates."""
    return Codes.pack(rng.integers(0, 2, (distinct, bits)).astype(bool)[rng.integers(0, distinct, count)])


def hamming_distances(query, database):
    return np.bitwise_count(query.words[:, None] ^ database.words[None]).sum(2, dtype=np.int64)


def brute_force(query, database, n):
    distances = hamming_distances(query, database)
    order = np.lexsort((np.broadcast_to(np.arange(len(database)), distances.shape), distances))[:, :n]
    missing = ((0, 0), (0, n - order.shape[1]))
    nearest = np.take_along_axis(distances, order, 1)
    return np.pad(order, missing, constant_values=-1), np.pad(nearest, missing, constant_values=-1)


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
    bits=st.integers(1, 130),
    count=st.one_of(st.integers(0, 70), st.sampled_from([4095, 4096, 4097, 9000])),
    n=st.integers(1, 90),
    distinct=st.sampled_from([1, 3, 1000]),
    queries=st.sampled_from([1, 2, 20]),
    seed=st.integers(0, 99),
)
def test_top_n_is_brute_force_with_ties_by_id(bits, count, n, distinct, queries, seed):
    rng = np.random.default_rng(seed)
    database, query = random_codes(rng, count, bits, distinct), random_codes(rng, queries, bits, 1000)
    ids, distances = hamming.top_n(query, database, n)
    expected_ids, expected_distances = brute_force(query, database, n)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_array_equal(distances, expected_distances)
    assert (ids.dtype, distances.dtype) == (np.int64, np.int32)


@pytest.mark.parametrize("farthest_first", [True, False])
@pytest.mark.parametrize("bits", [63, 64, 65])
def test_top_n_survives_the_worst_orders_of_the_database(bits, farthest_first):
    ones = np.tri(bits + 1, bits, -1, dtype=bool)
    database = Codes.pack(np.repeat(ones[::-1] if farthest_first else ones, 100, axis=0))
    query = Codes.pack(np.zeros((1, bits), bool))
    np.testing.assert_array_equal(hamming.top_n(query, database, 150)[0], brute_force(query, database, 150)[0])


def test_distances_of_whole_words_are_right():
    words = np.array([[0], [1], [2**63], [2**64 - 1], [0xF0F0]], dtype=np.uint64)
    _, distances = hamming.top_n(Codes(np.zeros((1, 1), np.uint64), 64), Codes(words, 64), 5)
    assert distances.tolist() == [[0, 1, 1, 8, 64]]


def test_top_n_refuses_codes_of_two_lengths_and_no_neighbours():
    a, b = Codes.pack(np.ones((2, 8))), Codes.pack(np.ones((2, 12)))
    with pytest.raises(ValueError, match="8 bits, database codes 12"):
        hamming.top_n(a, b, 1)
    with pytest.raises(ValueError, match="n = 0"):
        hamming.top_n(a, a, 0)


SHAPES = [(bits, key) for bits in (1, 6, 12, 16, 32, 48, 66, 72, 130) for key in range(1, 17) if bits % key == 0]


@few
@given(
    shape=st.sampled_from(SHAPES),
    count=st.integers(1, 60),
    n=st.integers(1, 70),
    distinct=st.sampled_from([1, 4, 1000]),
    near=st.booleans(),
    seed=st.integers(0, 99),
)
def test_look_up_is_the_rule_as_written(shape, count, n, distinct, near, seed):
    bits, key_bits = shape
    rng = np.random.default_rng(seed)
    database = random_codes(rng, count, bits, distinct)
    if near or key_bits > 12:  # An oracle with far queries and long substrings would try every bucket.
        flipped = database.unpack()[rng.integers(0, count, 2)] > 0
        flipped[:, rng.integers(0, bits)] ^= True
        query = Codes.pack(flipped)
        n = min(n, 1 + int((database.words == database.words[0]).all(1).sum()))
    else:
        query = random_codes(rng, 2, bits, 1000)
    ids, distances, complete = candidates(query, build_tables(database, key_bits), n)
    exact_ids, exact_distances = brute_force(query, database, n)
    for i in range(2):
        if key_bits <= 12:
            expected, expected_complete = slow_look_up(query.unpack()[i] > 0, database.unpack() > 0, key_bits, n)
            assert ids[i, : len(expected)].tolist() == expected
            assert (ids[i, len(expected) :] == -1).all()
            assert complete[i] == expected_complete
        found = ids[i] >= 0
        np.testing.assert_array_equal(distances[i][found], hamming_distances(query, database)[i][ids[i][found]])
        if complete[i]:
            np.testing.assert_array_equal(ids[i], exact_ids[i])
            np.testing.assert_array_equal(distances[i], exact_distances[i])


def test_complete_look_ups_and_incomplete_ones_both_occur():
    rng = np.random.default_rng(0)
    database = random_codes(rng, 2000, 32, 2000)
    complete = candidates(Codes(database.words[:50], 32), build_tables(database, 8), 1)[2]
    incomplete = candidates(random_codes(rng, 50, 32, 50), build_tables(database, 8), 100)[2]
    assert complete.all()
    assert not incomplete.any()


@pytest.mark.parametrize(("bits", "key_bits"), [(66, 11), (130, 13), (72, 24), (12, 4)])
def test_substrings_across_word_borders_are_the_code_s_bits(bits, key_bits):
    codes = random_codes(np.random.default_rng(1), 20, bits, 20)
    ones = codes.unpack() > 0
    for table in range(bits // key_bits):
        part = ones[:, table * key_bits : (table + 1) * key_bits]
        np.testing.assert_array_equal(substrings(codes, table, key_bits), part @ (1 << np.arange(key_bits)))


def test_a_key_length_that_does_not_divide_the_code_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"bits = 12 is not a multiple of key_bits = 8; .* 1, 2, 3, 4, 6, 12"):
        check_key_bits(12, 8)
