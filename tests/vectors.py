"""Vectors of all kinds that float32 holds, and what the nearest of them are, by differences in float64."""

import numpy as np
from hypothesis import strategies as st

LARGEST, LEAST = np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal
RELATIVE = 1e-13
"""Two float64 sums of some hundred squares differ by less, in whatever order they are taken."""


def squared_distances(queries, database):
    return np.stack([((database - query) ** 2).sum(axis=1) for query in queries.astype(np.float64)])


def check_nearest(ids, queries, database, k):
    """The ids are as near as the k nearest, in order of distance and equal rows in order of id, -1 behind them."""
    there = min(k, len(database))
    assert (ids[:, there:] == -1).all()
    found, distances = ids[:, :there], squared_distances(queries, database)
    assert all(len(set(row)) == there for row in found)
    near = np.take_along_axis(distances, found, axis=1)
    np.testing.assert_allclose(near, np.sort(distances, axis=1)[:, :there], rtol=RELATIVE, atol=0)
    alike = (database[found][:, 1:] == database[found][:, :-1]).all(axis=2)
    assert (found[:, 1:] > found[:, :-1])[alike].all()


@st.composite
def vectors(draw, most=60):
    """Queries and database: far from the origin, of mixed scales, in clusters, with duplicates and extremes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dim, size = draw(st.sampled_from([1, 2, 5, 33, 150])), draw(st.integers(1, most))
    rows = rng.standard_normal((size + draw(st.sampled_from([1, 4, 20])), dim))
    powers = st.sampled_from([0, 3, 10, 30])
    rows *= 10.0 ** rng.integers(-draw(powers), draw(powers) + 1, dim)  # of columns
    rows *= 10.0 ** rng.integers(-draw(powers), draw(powers) + 1, (len(rows), 1))  # of rows
    offset = draw(st.sampled_from([0, 1, 3e3, 2e4, 1e7, 1e20, 3e38]))
    rows += offset * (rng.random(dim) < draw(st.sampled_from([0, 0.1, 1])))
    clusters = rng.standard_normal((draw(st.integers(1, 5)), dim)) * draw(st.sampled_from([0, 1, 1e5, 1e15, 1e37]))
    rows += clusters[rng.integers(0, len(clusters), len(rows))]
    rows *= draw(st.sampled_from([1, 1e-45, 1e-40, 1e-20, 1e20]))
    extremes = rng.choice([LARGEST, -LARGEST, LEAST, -LEAST, -0.0, 0.0, 1.0], rows.shape)
    rows = np.where(rng.random(rows.shape) < draw(st.sampled_from([0, 0, 0.02, 1])), extremes, rows)
    rows = rows[rng.integers(0, len(rows), len(rows))] if draw(st.booleans()) else rows
    rows = np.clip(rows, -LARGEST, LARGEST).astype(np.float32)
    return rows[size:], rows[:size]
