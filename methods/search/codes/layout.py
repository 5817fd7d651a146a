"""The memory layout of codes for the kernels, with equal codes stored once if they repeat, and the scans of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes, Float, Int, Words
from methods.search.common.threads import by_queries

LEAST_REPEATS = 2
"""Items a code, on average, from which on equal codes are stored once; below, the detour costs more than it saves."""

Distances = NDArray[np.int32]


@dataclass(frozen=True)
class Distinct:
    """Words uint64 [words, m], a word of all codes contiguous, each code there once or for each item.

    Code c stands for ``items[starts[c] : starts[c + 1]]`` (int32, ascending; starts int64 [m + 1]). If both are empty,
    no two codes are stored as one, and code c is item c.
    """

    words: Words
    starts: Int
    items: NDArray[np.int32]
    bits: int

    def __len__(self) -> int:
        return len(self.items) if len(self.starts) else self.words.shape[1]

    def nbytes(self) -> int:
        return self.words.nbytes + self.starts.nbytes + self.items.nbytes


def distinct(codes: Codes) -> Distinct:
    """Equal codes stored once if each is there LEAST_REPEATS times on average; more than 2^31 - 1 codes are refused."""
    if len(codes) >= 2**31:
        raise ValueError(f"{len(codes)} codes: at most {2**31 - 1} are numbered")
    order = np.lexsort(codes.words.T)
    ordered = codes.words[order]
    first = np.ones(len(codes), dtype=np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    if len(codes) < LEAST_REPEATS * int(first.sum()):
        return as_they_are(codes)
    starts = np.append(np.flatnonzero(first), len(codes))
    return Distinct(np.ascontiguousarray(ordered[first].T), starts, order.astype(np.int32), codes.bits)


def as_they_are(codes: Codes) -> Distinct:
    """The codes, each for one item."""
    words = np.ascontiguousarray(codes.words.T)
    return Distinct(words, np.empty(0, np.int64), np.empty(0, np.int32), codes.bits)


def asked(queries: Codes, database: Distinct, n: int) -> Words:
    """The queries' words, contiguous.

    Raises ValueError: n is below 1, or the codes differ in length.
    """
    if n < 1:
        raise ValueError(f"n = {n} must be at least 1")
    if queries.bits != database.bits:
        raise ValueError(f"query codes have {queries.bits} bits, database codes {database.bits}: they must agree")
    return np.ascontiguousarray(queries.words)


def weights_of(real_codes: Float | None, codes: Codes) -> Float:
    """The weights of the bits, |real codes|, float32 [q, bits].

    Raises ValueError: there are no real codes, or they have another shape.
    """
    if real_codes is None:
        raise ValueError("weighted distances are by the queries' real codes, and there are none")
    if real_codes.dtype != np.float32 or real_codes.shape != (len(codes), codes.bits):
        raise ValueError(
            f"real codes are {real_codes.dtype} {list(real_codes.shape)}, must be float32 {[len(codes), codes.bits]}"
        )
    return np.ascontiguousarray(np.abs(real_codes))


def scan(words: Words, database: Distinct, ids: Int, distances: Distances) -> None:
    """The nearest items of each query [q, words] by (Hamming distance, id), into ids and distances [q, n]."""
    from methods.search.codes.kernels import entry as kernels

    def one(part: slice) -> None:
        some = (words[part], database.words)
        if len(database.starts):
            kernels.scan_distinct(
                *some, database.starts, database.items, database.bits, ids[part], distances[part]
            )  # fmt: skip
        else:
            kernels.scan(*some, database.bits, ids[part], distances[part])

    by_queries(one, len(words))


def scan_weighted(weights: Float, words: Words, database: Distinct, ids: Int) -> None:
    """The nearest items of each query by (weighted distance, id), into ids [q, n]."""
    from methods.search.codes.kernels import entry as kernels

    by_queries(
        lambda part: kernels.scan_weighted(
            weights[part], words[part], database.words, database.starts, database.items, ids[part]
        ),
        len(words),
    )
