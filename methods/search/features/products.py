"""Scores of all rows for a batch of queries as matrix products, and bounds on their rounding to exclude rows by."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float
from methods.search.common.threads import by_queries

BLOCK_QUERIES, BLOCK_BYTES = 512, 192 * 2**20
"""A block's products take at most BLOCK_BYTES."""

LARGEST = float(np.finfo(np.float32).max) / 2**28
"""Squared norms below this do not overflow in a product of float32."""


def products(features: Float, vectors: Float) -> Iterator[tuple[slice, Float]]:
    """Products of the queries [q, d] and all rows [n, d], by blocks: the block's queries, and float32 [block, n].

    The next block uses the same memory.
    """
    block = max(1, min(BLOCK_QUERIES, len(vectors), BLOCK_BYTES // (4 * max(1, len(features)))))
    made = np.empty((block, len(features)), dtype=np.float32)
    for start in range(0, len(vectors), block):
        some = slice(start, min(start + block, len(vectors)))
        with np.errstate(over="ignore", invalid="ignore"):
            yield some, np.matmul(vectors[some], features.T, out=made[: some.stop - start])


def _relative_error(dim: int) -> float:
    return float((dim + 16) * np.finfo(np.float32).eps)


def lowered_norms(features: Float) -> Float:
    """Squared norms of rows [n, d] less their rounding errors, float32 [n]; -inf where no bound holds.

    With x a row, y a query, and u float32's unit roundoff, the product's error is at most du / (1 - du) |x| |y| for any
    order of summation (Higham 2002, 3.1). As 2 |x| |y| <= |x|^2 + |y|^2, it is a part of the norms, and so are the
    rounding of these and of the score. 2 (d + 16) u bounds the sum if du < 1/8 and |x|^2 is far from overflow.

    Raises ValueError: a value is not finite.
    """
    norms = np.einsum("ij,ij->i", features, features, dtype=np.float64)
    if not np.isfinite(norms).all():
        row = int(np.flatnonzero(~np.isfinite(norms))[0])
        raise ValueError(f"the features of item {row} are not finite")
    bounded = (norms < LARGEST) & (_relative_error(features.shape[1]) < 1 / 4)
    return np.where(bounded, (1 - _relative_error(features.shape[1])) * norms, -np.inf).astype(np.float32)


def margins(vectors: Float) -> NDArray[np.float64]:
    """The factor and the summand that turn a squared distance into a score to exclude by: float64 [q, 2].

    A row is farther than the square root of r if its lowered norm less twice its product exceeds factor r + summand.
    The factor covers the rounding of r and of the distance. The summand is minus the query's lowered norm, and covers
    values that are lost below float32's smallest normal number.
    """
    dim, limits = vectors.shape[1], np.finfo(np.float32)
    lost = 16 * (dim + 1) * float(limits.tiny)
    summands = lost - lowered_norms(vectors).astype(np.float64)
    return np.stack([np.full(len(vectors), 1 + _relative_error(dim)), summands], axis=1)


def compare(kernel: Any, features: Float, norms: Float, vectors: Float, *per_query: Any) -> None:
    """``kernel(features, norms, queries, products, margins, *per_query)`` on parts of the queries, on all threads.

    ``norms`` are the features' `lowered_norms`.

    Raises ValueError: a query is not finite.
    """
    allowed = margins(vectors)
    multiplied = np.where(np.isfinite(allowed[:, 1:]), vectors, np.float32(0))
    for some, scores in products(features, multiplied):
        given = (vectors[some], scores, allowed[some], *(array[some] for array in per_query))
        by_queries(partial(_compare_part, kernel, features, norms, given), len(scores))


def _compare_part(kernel: Any, features: Float, norms: Float, given: tuple[Any, ...], part: slice) -> None:
    kernel(features, norms, *(array[part] for array in given))
