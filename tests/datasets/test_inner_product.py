"""The inner product as a distance, against the products themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from datasets.inner_product import as_distance

VALUES = arrays_of.arrays("f4", (9, 4), elements=st.floats(-100, 100, width=32))


@given(VALUES, VALUES)
def test_the_squared_distance_is_the_product_less_what_all_of_a_query_share(database, queries):
    longer = as_distance("X", {"train": database, "test": queries, "learn": database * 2})
    wide, asked = (longer[name].astype(np.float64) for name in ("train", "test"))
    squared = ((asked[:, None] - wide[None]) ** 2).sum(axis=2)
    products = queries.astype(np.float64) @ database.T.astype(np.float64)
    largest = (database.astype(np.float64) ** 2).sum(axis=1).max()
    shared = (queries.astype(np.float64) ** 2).sum(axis=1)[:, None] + largest
    assert np.abs(squared - (shared - 2 * products)).max() <= 1e-6 * max(1, largest)
    assert all(part.dtype == np.float32 and part.shape == (9, 5) for part in longer.values())
    assert np.array_equal(longer["learn"][:, :4], database * 2) and (longer["learn"][:, 4] >= 0).all()


def test_lengths_beyond_float32_are_refused():
    vectors = np.full((2, 9), 3e38, dtype=np.float32)
    with pytest.raises(ValueError, match=r"X: a vector has length 9e\+38, beyond float32: divide all by a number"):
        as_distance("X", {"train": vectors, "test": vectors})
