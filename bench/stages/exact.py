"""Finds the exact nearest neighbours, which recall is measured against.

A distance by products, |x|^2 + |y|^2 - 2xy, is fast, but far from the origin its rounding error exceeds the distances.
So products only exclude rows, by a bound on that error that holds for any order of summation. The distances of the
other rows are computed by differences in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float, Int, untracked
from bench.quality import kernels

Distances = NDArray[np.float64]

BLOCK_QUERIES, BLOCK_ROWS, BLOCK_VALUES = 1024, 4096, 2**22
"""The most queries and rows of one product, and the most values of either."""

SAMPLE_ROWS = 256
"""Rows by which the middle of the database and the usual distance of a row from it are estimated."""

MOST_IN_DOUBT = 1 / 64
"""A share of the rows. If float32 products leave more rows in doubt, the following products are in float64."""

VALUE_BYTES = 40
"""The most bytes of scratch memory for each of BLOCK_VALUES values, whatever the numbers of queries and of rows."""


def exact_neighbours(queries: Float, database: Float, k: int, track: Callable[..., Iterable[Any]] = untracked) -> Int:
    """Ids of the k nearest by Euclidean distance, int64 [q, k], ties by id, -1 where the database has fewer.

    See `nearest_with_distances`, which returns their distances too.
    """
    return nearest_with_distances(queries, database, k, track)[0]


def nearest_with_distances(
    queries: Float, database: Float, k: int, track: Callable[..., Iterable[Any]] = untracked
) -> tuple[Int, Distances]:
    """Ids of the k nearest by Euclidean distance, int64 [q, k], ties by id, -1 where the database has fewer, and their
    squared distances, float64 [q, k], infinite where an id is missing.

    Queries float32 [q, d] and database float32 [n, d] may hold any finite values. The exact order is that of (squared
    distance, id). A squared distance is the float64 sum of the squared differences in float64, as in `recall_at`: its
    relative error is at most (d + 2) / 2^53, and it is the same for equal rows. The sizes of blocks, the number of
    threads and the rounding of products change nothing.

    The database may be mapped: it is read once, block after block. Beside the arguments no more is held than
    VALUE_BYTES * BLOCK_VALUES bytes, which are 168 MB, and 24 bytes for each of the q k ids.

    Raises ValueError: a value is not finite.
    """
    ids = np.full((len(queries), k), -1, dtype=np.int64)
    distances = np.full((len(queries), k), np.inf)
    screen = Screen.of(database)
    most = min(BLOCK_ROWS, len(database)) * min(BLOCK_QUERIES, len(queries))
    products = np.empty(most, dtype=screen.dtype)
    for rows in track(_parts(database, BLOCK_ROWS), "exact neighbours"):
        features = np.ascontiguousarray(database[rows])
        shifted = screen.shifted("database", rows, features)
        for some in _parts(queries, BLOCK_QUERIES):
            asked = np.ascontiguousarray(queries[some])
            vectors, lowered = screen.shifted("queries", some, asked)
            scores = products[: len(asked) * len(features)].reshape(len(asked), len(features))
            np.matmul(vectors, shifted[0].T, out=scores)
            limits = screen.slack - lowered
            best = distances[some], ids[some]
            measured = kernels.offer_rows(
                features, rows.start, asked, scores, shifted[1].astype(scores.dtype), limits, screen.unit, *best
            )
            if screen.dtype == np.float32 and measured > MOST_IN_DOUBT * scores.size:
                screen = replace(screen, dtype=np.dtype(np.float64))
                products = products.astype(np.float64)
                shifted = screen.shifted("database", rows, features)
    return _ordered(ids, distances, k)


def merged(parts: Iterable[tuple[int, Int, Distances]], k: int) -> Int:
    """The ids of the k nearest in the whole database, by those in its parts. They are those of `exact_neighbours`.

    A part, of at least one, is its first row, and what `nearest_with_distances` returns for its rows. The parts are
    read one after another, and k ids and distances a query are kept.
    """
    shifted = ((np.where(ids < 0, ids, ids + first), distances) for first, ids, distances in parts)
    return reduce(partial(_nearer, k), shifted)[0]


def _nearer(k: int, one: tuple[Int, Distances], other: tuple[Int, Distances]) -> tuple[Int, Distances]:
    ids, distances = (np.hstack(pair) for pair in zip(one, other, strict=True))
    return _ordered(ids, distances, k)


def _ordered(ids: Int, distances: Distances, k: int) -> tuple[Int, Distances]:
    """The first k by (distance, id) of each row."""
    order = np.lexsort((ids, distances))[:, :k]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(distances, order, axis=1)


@dataclass(frozen=True)
class Screen:
    """A screen excludes rows that are farther from a query than r, by products. It never excludes any other row.

    x and y are row and query less the ``origin``, times the ``scale``, rounded to ``dtype``, whose unit roundoff is u
    and smallest normal number t. The computed |x|^2 + |y|^2 - 2xy misses the true squared distance, times scale^2, by

    * the product's error, at most du / (1 - du) |x| |y| (Higham 2002, 3.1); as 2 |x| |y| <= |x|^2 + |y|^2, this error
      and the following ones are bounded by parts of the sum of the norms;
    * the rounding of x and y, 2u (|x| + |y|) on the distance: at most 2u r^2 + 4.1u (|x|^2 + |y|^2) on r^2;
    * the rounding of the norms, summed in float64, and of the subtraction: less than (d + 10) 2^-53 + 8u;
    * the rounding of r^2 and of the distance that it is compared with: (d + 2) 2^-53 each;
    * underflow, where values below t are lost: less than 8 (d + 1) t.

    ``error`` = 2 (d + 16) u is more than the sum of these, on the norms and on r^2, as long as du < 1/8. So a row is
    farther where (1 - error) |x|^2 - 2xy exceeds (1 + error) scale^2 r^2 + slack - (1 - error) |y|^2. The scale is a
    power of two. Any origin and scale are right; medians are not moved by few far rows. A vector whose norm might
    overflow ``dtype`` is never excluded, and excludes nothing.
    """

    origin: NDArray[np.float64]
    scale: float
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, database: Float) -> Self:
        """A screen by float32 products, or by float64 products where there are too many dimensions for float32."""
        n, dim = database.shape
        wanted = max(1, min(SAMPLE_ROWS, BLOCK_VALUES // max(1, dim)))
        sample = database[:: max(1, -(-n // wanted))].astype(np.float64)
        sample = sample[np.isfinite(sample).all(axis=1)]
        origin = np.median(sample, axis=0) if len(sample) else np.zeros(dim)
        reach = np.abs(sample - origin).max(axis=1, initial=0)
        usual = np.median(reach[reach > 0]) if reach.any() else 1.0
        single = cls(origin, float(np.ldexp(1.0, -int(np.frexp(usual)[1]))), np.dtype(np.float32))
        return single if single.error < 1 / 4 else replace(single, dtype=np.dtype(np.float64))

    @property
    def error(self) -> float:
        """The relative error of the sum of the norms, and of r^2."""
        return float((len(self.origin) + 16) * np.finfo(self.dtype).eps)

    @property
    def slack(self) -> float:
        """The absolute error, for numbers that are too small for a relative one."""
        return float(16 * (len(self.origin) + 1) * np.finfo(self.dtype).tiny)

    @property
    def unit(self) -> float:
        """The factor of a squared distance, scale^2."""
        return self.scale**2 * (1 + self.error)

    def shifted(self, name: str, part: slice, features: Float) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The vectors in ``dtype``, and their squared norms less the error; zero and -inf where these are too large.

        Raises ValueError: a value of ``features``, the rows ``part`` of the array called ``name``, is not finite.
        """
        shifted, norms = np.empty(features.shape, dtype=self.dtype), np.empty(len(features))
        # It takes one thread: those of the product that follows find the cores free.
        kernels.shift_rows(features, self.origin, self.scale, shifted, norms)
        if not np.isfinite(norms).all():
            row = part.start + int(np.flatnonzero(~np.isfinite(norms))[0])
            raise ValueError(f"{name}: row {row} holds a value that is not finite; exact neighbours need finite ones")
        outside = norms > np.finfo(self.dtype).max / 2**28
        shifted[outside] = 0
        return shifted, np.where(outside, -np.inf, (1 - self.error) * norms)


def _parts(array: NDArray[Any], most: int) -> list[slice]:
    """Slices that cover the rows, each of at most ``most`` rows and BLOCK_VALUES values."""
    size = max(1, min(most, BLOCK_VALUES // max(1, array.shape[1])))
    return [slice(start, min(start + size, len(array))) for start in range(0, len(array), size)]
