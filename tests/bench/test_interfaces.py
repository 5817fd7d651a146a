import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.interfaces import Codes, Corpus, Items


@given(st.integers(1, 130), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_codes_survive_packing_and_padding_bits_are_zero(bits, rows, seed):
    signs = np.random.default_rng(seed).choice(np.array([-1, 1], dtype=np.int8), size=(rows, bits))
    codes = Codes.pack(signs)
    assert codes.words.shape == (rows, -(-bits // 64)) and codes.words.dtype == np.uint64
    assert (codes.unpack() == signs).all()
    ones = (signs > 0).sum(axis=1)
    assert (np.bitwise_count(codes.words).sum(axis=1) == ones).all()


def test_bit_j_of_a_code_is_bit_j_of_its_word_and_zero_counts_as_one():
    codes = Codes.pack(np.array([[0.0, -1.0, 3.0]]))
    assert codes.words.tolist() == [[0b101]]
    far = np.full((1, 70), -1.0)
    far[0, 65] = 1
    assert Codes.pack(far).words.tolist() == [[0, 2]]


def test_taken_items_keep_ids_and_labels_and_change_their_fingerprint():
    items = Items(np.arange(5), np.arange(5) * 10, "f", images=np.arange(5), vectors=np.eye(5, dtype=np.float32))
    part = items.take(np.array([3, 1]))
    assert part.ids.tolist() == [3, 1] and part.labels.tolist() == [30, 10]
    assert [part.images[0], part.images[1]] == [3, 1] and part.vectors[0, 3] == 1
    assert len({items.fingerprint, part.fingerprint, items.take(np.array([1, 3])).fingerprint}) == 3


def test_a_part_of_a_corpus_is_a_view():
    features = np.zeros((4, 2), dtype=np.float32)
    real = np.ones((4, 8), dtype=np.float32)
    part = Corpus(features, Codes.pack(real), real).part(1, 3)
    assert len(part) == 2 and np.shares_memory(part.features, features) and len(part.codes) == 2
    assert np.shares_memory(part.real_codes, real) and part.real_codes.shape == (2, 8)


def test_bits_as_unsigned_integers_are_refused_and_not_taken_for_signs():
    bits = np.array([[0, 1, 1]], dtype=np.uint8)
    with pytest.raises(ValueError, match="uint8 are never below 0"):
        Codes.pack(bits)
    assert Codes.pack(bits > 0).unpack().tolist() == [[-1, 1, 1]]
