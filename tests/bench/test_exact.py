import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.exact import exact_neighbours


@given(st.integers(1, 40), st.integers(1, 15), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_neighbours_are_those_of_brute_force_with_ties_by_id(size, k, dim, seed):
    generator = np.random.default_rng(seed)
    database, queries = (generator.integers(0, 4, size=(n, dim)).astype(np.float32) for n in (size, 3))
    distance = ((queries[:, None].astype(np.float64) - database[None]) ** 2).sum(axis=2)
    # Ties are settled exactly as long as not more than the margin of 10 lie at the k-th distance.
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    found = exact_neighbours(queries, database, k)
    assert (found[:, size:] == -1).all()
    near = np.take_along_axis(distance, found[:, : min(k, size)], axis=1)
    assert (near == np.take_along_axis(distance, order, axis=1)).all()
    if size <= k + 10:
        assert (found[:, : min(k, size)] == order).all()
