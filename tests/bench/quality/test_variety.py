"""Bits that never vary and codes that differ, against sets of the unpacked bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.interfaces import Codes
from bench.quality import variety
from bench.quality.columns import of_database_codes
from bench.quality.variety import constant_bits, distinct_codes


@given(st.integers(1, 130), st.integers(0, 12), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_constant_bits_and_distinct_codes_are_those_of_the_unpacked_bits(bits, items, seed, share):
    ones = np.random.default_rng(seed).random((items, bits)) < share
    codes = Codes.pack(ones)
    assert constant_bits(codes) == sum(len({*column}) == 1 for column in ones.T.tolist())
    assert distinct_codes(codes) == len({tuple(row) for row in ones.tolist()})


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array([4, 7, 4]), {"database_classes": 2}),
        (np.array([[1, 0, 1], [0, 0, 1], [0, 0, 0]], dtype=bool), {"database_classes": 2}),
        (None, {}),
    ],
)
def test_classes_of_a_database_are_those_that_an_item_has(labels, classes):
    codes = Codes.pack(np.array([[1, -1], [1, 1], [1, 1]]))
    assert of_database_codes(codes, labels) == {"constant_bits": 1, "distinct_codes": 2, **classes}


@given(st.integers(1, 130), st.integers(0, 40), st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.1, 0.5]))
def test_codes_in_groups_are_those_in_one(bits, items, seed, share):
    codes = Codes.pack(np.random.default_rng(seed).random((items, bits)) < share)
    whole = distinct_codes(codes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variety, "BLOCK_CODES", 7)
        assert distinct_codes(codes) == whole
