"""Scores of all rows for a batch of queries as matrix products, and how far rounding may have moved them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from bench.interfaces import Float
from methods.search.threads import by_queries

BLOCK_QUERIES, BLOCK_BYTES = 512, 192 * 2**20
"""A block's products take at most BLOCK_BYTES."""


def products(features: Float, vectors: Float) -> Iterator[tuple[slice, Float]]:
    """Products of the queries [q, d] and all rows [n, d], by blocks: which queries, and float32 [block, n].

    A block's memory is used again for the next.
    """
    block = max(1, min(BLOCK_QUERIES, len(vectors), BLOCK_BYTES // (4 * max(1, len(features)))))
    made = np.empty((block, len(features)), dtype=np.float32)
    for start in range(0, len(vectors), block):
        some = slice(start, min(start + block, len(vectors)))
        yield some, np.matmul(vectors[some], features.T, out=made[: some.stop - start])


def rounding_slack(norms: Float, vectors: Float) -> Float:
    """How much two scores, a row's squared norm less twice its product, may differ by rounding alone: float32 [q].

    Higham's bound, for any order of summation; whatever is that near to the k-th score has to be compared exactly.
    """
    error = (vectors.shape[1] + 2) * float(np.finfo(np.float32).eps) / 2
    largest = float(norms.max(initial=0))
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    slack: Float = (4 * error * (largest + 2 * np.sqrt(largest) * lengths)).astype(np.float32)
    return slack


def compare(kernel: Any, features: Float, norms: Float, vectors: Float, *per_query: Any) -> None:
    """``kernel(features, norms, queries, products, slack, *per_query)`` on parts of the queries, on all threads."""
    slack = rounding_slack(norms, vectors)
    for some, scores in products(features, vectors):
        given = (vectors[some], scores, slack[some], *(array[some] for array in per_query))
        by_queries(partial(_compare_part, kernel, features, norms, given), len(scores))


def _compare_part(kernel: Any, features: Float, norms: Float, given: tuple[Any, ...], part: slice) -> None:
    kernel(features, norms, *(array[part] for array in given))
