"""Arrays of numbers of any type, in memory or in a file, to vectors float32 and labels; remarks tell the losses.

A source is an array, in memory, mapped or of HDF5, or anything else with ``dtype``, ``shape`` and ``blocks(rows)``,
which yields its rows in order, about ``rows`` at a time, and checks what only its format can break.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float

BLOCK_BYTES = 2**24
"""Bytes of float32 vectors that are read and checked at a time."""
HELD_BYTES = 2**30
"""Bytes of vectors that are held in memory where their file can't be mapped; more stand in a file for temporary use."""
EXACT = 2**24
"""float32 holds every whole number up to this one, and not every one beyond."""
COARSE = 1e-3
"""Share of a column's range: with wider steps of float32, the differences between rows are no longer true."""
COMPARED = 1000
"""Rows of a block, at most, whose directions are compared."""
FEW_COARSE = 0.05
"""A larger share of the rows with directions that float32 rounds coarsely is told."""

Convert = Callable[[NDArray[Any], int], Float]
"""A function of a block of rows of any numbers, and of the number of its first row, to float32 rows."""


def check_vectors(where: str, vectors: Any) -> None:
    """Raises ValueError: a source is not real numbers [n, d] with n and d above 0."""
    _check_kind(where, vectors, "biuf", "numbers [n, d]", 2)
    if 0 in vectors.shape:
        raise ValueError(f"{where}: {list(vectors.shape)}, must hold at least one vector of at least one dimension")


def check_neighbours(where: str, neighbours: Any, queries: int) -> None:
    """Raises ValueError: a source is not integers [queries, k] with k above 0."""
    _check_kind(where, neighbours, "iu", "integers [queries, k]", 2)
    if neighbours.shape[0] != queries or not neighbours.shape[1]:
        raise ValueError(f"{where}: {list(neighbours.shape)}, must be neighbours of {queries} queries")


def _check_kind(where: str, array: Any, kinds: str, right: str, dimensions: int) -> None:
    if array.dtype.kind not in kinds or len(array.shape) != dimensions:
        raise ValueError(f"{where}: {array.dtype} {list(array.shape)}, must be {right}")


def read_vectors(where: str, source: Any) -> tuple[Float, list[str]]:
    """The vectors of a source, float32 [n, d], and remarks on the losses.

    An array that is float32 already, row by row in memory, is returned as it is.

    Raises ValueError: a value is not finite or is beyond float32; the message names its row and column.
    """
    check_vectors(where, source)
    if isinstance(source, np.ndarray) and source.dtype == np.float32:
        vectors = np.ascontiguousarray(source)
        for first_row, block in blocks(vectors):
            check_finite(where, block, first_row)
        return vectors, []
    losses = Losses(where, source.dtype)

    def convert(block: NDArray[Any], first_row: int) -> Float:
        vectors = to_float32(where, block, first_row)
        losses.watch(block)
        return vectors

    vectors = converted(source, convert)
    return vectors, losses.remarks()


def is_rounded(source: Any) -> bool:
    """Whether float32 does not hold every number of the type of a source."""
    return not np.can_cast(source.dtype, np.float32)


def converted(source: Any, convert: Convert) -> Float:
    """Every row of a source through ``convert``, read by blocks: float32 [n, d]."""
    vectors = room_for_vectors(*source.shape)
    for first_row, block in blocks(source):
        vectors[first_row : first_row + len(block)] = convert(block, first_row)
    return vectors


def room_for_vectors(rows: int, dim: int) -> Float:
    """An array float32 [rows, dim] to fill. One of more than HELD_BYTES is mapped from a file that has no name."""
    if 4 * rows * dim <= HELD_BYTES:
        return np.empty((rows, dim), dtype=np.float32)
    with tempfile.TemporaryFile(prefix="bench-vectors-") as file:  # the mapping keeps its content
        return np.memmap(file, np.float32, "w+", shape=(rows, dim))


def blocks(source: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """The rows of a source in order, BLOCK_BYTES of float32 at a time, each block with the number of its first row."""
    if not hasattr(source, "blocks"):
        yield from ((rows.start, source[rows]) for rows in row_blocks(source.shape))
        return
    first_row = 0
    for block in source.blocks(_rows_of_a_block(source.shape)):
        yield first_row, block
        first_row += len(block)


def whole(source: Any) -> NDArray[Any]:
    """All rows of a source in memory."""
    return np.concatenate([block for _, block in blocks(source)])


def to_float32(where: str, block: NDArray[Any], first_row: int) -> Float:
    """The block as float32; ``first_row`` is the number of its first row.

    Raises ValueError: a value is not finite or is beyond float32.
    """
    check_finite(where, block, first_row)
    with np.errstate(over="ignore"):
        vectors: Float = block.astype(np.float32, copy=False)
    if is_rounded(block):
        check_finite(where, vectors, first_row, "; beyond float32", block)
    return vectors


def check_finite(
    where: str, vectors: NDArray[Any], first_row: int, why: str = "; must be finite", named: NDArray[Any] | None = None
) -> None:
    """Raises ValueError: a value is NaN or infinite; the message names the first, and ``why`` it is wrong.

    ``first_row`` is the number of the first row. ``named``: the array whose value is named in its place.
    """
    finite = np.isfinite(vectors)
    if not finite.all():
        row, column = np.unravel_index(int(finite.argmin()), finite.shape)
        value = (vectors if named is None else named)[row, column]
        raise ValueError(f"{where}: {value} at row {first_row + row}, column {column}{why}")


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices that cover the rows of [n, d] or [n] in order, BLOCK_BYTES each."""
    rows = _rows_of_a_block(shape)
    return (slice(start, min(start + rows, shape[0])) for start in range(0, shape[0], rows))


def _rows_of_a_block(shape: tuple[int, ...]) -> int:
    return max(1, BLOCK_BYTES // (4 * max(1, math.prod(shape[1:]))))


class Losses:
    """The losses of numbers of another type that become float32, seen block by block."""

    def __init__(self, where: str, dtype: np.dtype[Any]) -> None:
        self.where, self.dtype = where, dtype
        self.beyond = 0
        self.low: NDArray[np.float64] | None = None
        self.high: NDArray[np.float64] | None = None

    def watch(self, block: NDArray[Any]) -> None:
        if not is_rounded(block):
            return
        if self.dtype.kind in "iu":
            self.beyond += int(((block > EXACT) | (block < -EXACT)).sum())
        low, high = block.min(axis=0).astype(np.float64), block.max(axis=0).astype(np.float64)
        self.low = low if self.low is None else np.minimum(self.low, low)
        self.high = high if self.high is None else np.maximum(self.high, high)

    def remarks(self) -> list[str]:
        """A sentence on rounded whole numbers, and one on columns with rounded differences."""
        said = []
        if self.beyond:
            said.append(
                f"{self.where}: {self.beyond:,} values of {self.dtype} are beyond {EXACT:,}: float32 rounds them"
            )
        if self.low is not None and self.high is not None:
            largest = np.maximum(abs(self.low), abs(self.high)).astype(np.float32)
            coarse = np.flatnonzero(np.spacing(largest) > COARSE * (self.high - self.low))
            coarse = coarse[self.high[coarse] > self.low[coarse]]
            if len(coarse):
                at = coarse[0]
                said.append(
                    f"{self.where}: {len(coarse)} columns lie so far from 0 that float32 rounds their differences, "
                    f"first column {at} from {self.low[at]} to {self.high[at]}: subtract what their values share"
                )
        return said


class AngleLosses:
    """What float32 rounds of directions, seen block by block: the error of a row against its distance to another."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.compared = self.coarse = 0

    def watch(self, unit: NDArray[np.float64]) -> None:
        """``unit``: rows of length 1 or of zeros, float64 [n, d]. Those of a sample are compared with others half a
        block away.
        """
        some = unit[:: -(-len(unit) // COMPARED) or 1]
        some = some[some.any(axis=1)]
        apart = np.linalg.norm(some - np.roll(some, len(some) // 2, axis=0), axis=1)
        lost = np.linalg.norm(some - some.astype(np.float32), axis=1)
        told = apart > 16 * np.finfo(np.float64).eps  # nearer ones are multiples of each other, up to rounding
        self.compared += int(told.sum())
        self.coarse += int((lost[told] > COARSE * apart[told]).sum())

    def remarks(self) -> list[str]:
        """A sentence on rounded differences, if they are those of more than a few rows."""
        if self.coarse <= FEW_COARSE * self.compared:
            return []
        share = f"for {self.coarse / self.compared:.0%} of the rows by more than a thousandth"
        return [
            f"{self.where}: directions lie so near each other that float32 rounds their differences, {share}: "
            "the exact neighbours are those of the rounded directions"
        ]
