"""The exact neighbours against `faiss.knn`, which rounds, as ratios of interleaved rounds in one process.

On all threads, a block of 1,024 queries. `BENCH_SPEED_ITEMS` sets the size of the database: Food-101's is 75,709 x 512.
"""

import os
import statistics
import time

import faiss
import numpy as np
import pytest

from bench.exact import exact_neighbours

ITEMS, QUERIES, DIM, K, ROUNDS = int(os.environ.get("BENCH_SPEED_ITEMS", "20000")), 1024, 512, 10, 7


@pytest.fixture(scope="module")
def data():
    """Database and queries of 101 classes: as those of a network they are not negative and of unit length."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 101, ITEMS + QUERIES)
    rows = np.maximum(0, rng.standard_normal((101, DIM)))[labels] + np.abs(rng.standard_normal((ITEMS + QUERIES, DIM)))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rows[:ITEMS], rows[ITEMS:]


@pytest.mark.parametrize("offset", [0, 2e4])
def test_exact_neighbours_take_little_longer_than_what_rounds(benchmark, data, offset):
    """``offset``: added to one column."""
    database, queries = (rows.copy() for rows in data)
    for rows in (database, queries):
        rows[:, 0] += offset
    arms = (lambda: exact_neighbours(queries, database, K), lambda: faiss.knn(queries, database, K + 10))
    spent = []
    for turn in range(ROUNDS + 1):
        took = {}
        for arm in (arms, arms[::-1])[turn % 2]:
            start = time.perf_counter_ns()
            arm()
            took[arm] = time.perf_counter_ns() - start
        spent.append(took[arms[0]] / took[arms[1]])
    ratio = statistics.median(spent[1:])
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(arms[0], rounds=ROUNDS)
    assert ratio < 1.5
