"""The exact neighbours against those of `faiss.knn`, which rounds, in the order of their distances in float64.

Ratios of interleaved rounds in one process, on all threads. `BENCH_SPEED_ITEMS` sets the size of the database:
Food-101's is 75,709 x 512.
"""

import os
import statistics
import time

import faiss
import numpy as np
import pytest

from bench.stages.exact import exact_neighbours

ITEMS, QUERIES, DIM, K, ROUNDS = int(os.environ.get("BENCH_SPEED_ITEMS", "20000")), 1024, 512, 10, 11
BLOCK, MARGIN = 1024, 10
IDLE_SECONDS = 0.1
"""The threads of a library wait for more work for some time, on the core that those of the other arm want."""


@pytest.fixture(scope="module")
def data():
    """Database and queries of 101 classes: as those of a network they are not negative and of unit length."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 101, ITEMS + QUERIES)
    rows = np.maximum(0, rng.standard_normal((101, DIM)))[labels] + np.abs(rng.standard_normal((ITEMS + QUERIES, DIM)))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return rows[:ITEMS], rows[ITEMS:]


def rounded(queries, database):
    """The K nearest of the K + MARGIN that faiss finds in float32, in the order of float64 differences."""
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        _, near = faiss.knn(block, database, K + MARGIN)
        difference = database[near].astype(np.float64) - block[:, None, :]
        order = np.argsort(np.einsum("qnd,qnd->qn", difference, difference), axis=1, kind="stable")[:, :K]
        np.take_along_axis(near, order, axis=1)


@pytest.mark.parametrize("offset", [0, 2e4])
def test_exact_neighbours_take_little_longer_than_what_rounds(benchmark, data, offset):
    """``offset``: added to one column."""
    database, queries = (rows.copy() for rows in data)
    for rows in (database, queries):
        rows[:, 0] += offset
    arms = (lambda: exact_neighbours(queries, database, K), lambda: rounded(queries, database))
    spent = []
    for turn in range(ROUNDS + 1):
        took = {}
        for arm in (arms, arms[::-1])[turn % 2]:
            time.sleep(IDLE_SECONDS)
            start = time.perf_counter_ns()
            arm()
            took[arm] = time.perf_counter_ns() - start
        spent.append(took[arms[0]] / took[arms[1]])
    ratio = statistics.median(spent[1:])
    benchmark.extra_info["ratio"] = ratio
    benchmark.pedantic(arms[0])
    assert ratio < 1.5
