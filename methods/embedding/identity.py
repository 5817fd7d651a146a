"""Features of data sets that hold vectors or codes: the vectors themselves, or the bits of the codes."""

from __future__ import annotations

from typing import Self

import numpy as np

from bench.interfaces import Codes, Context, Float, Items

BLOCK_ROWS = 4096


class Identity:
    """The item vectors as they are, float32 [n, d] without a copy; of codes without vectors, their bits as 0 and 1.

    The Euclidean order of bits is their order by Hamming distance.
    """

    by_rows = True

    def fit(self, train: Items, context: Context) -> Self:
        self.dim = _dim(train)
        return self

    def embed(self, items: Items) -> Float:
        if _dim(items) != self.dim:
            raise ValueError(f"identity: the items have {_dim(items)} dimensions, those fitted had {self.dim}")
        if items.vectors is None and items.codes is not None:
            return _bits(items.codes)
        return np.asarray(items.vectors, dtype=np.float32)


def _dim(items: Items) -> int:
    if items.vectors is not None:
        return int(items.vectors.shape[1])
    if items.codes is not None:
        return items.codes.bits
    raise ValueError("identity passes vectors on, and these items are images: choose an embedder for images")


def _bits(codes: Codes) -> Float:
    bits: Float = np.empty((len(codes), codes.bits), dtype=np.float32)
    for start in range(0, len(codes), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        bits[rows] = Codes(codes.words[rows], codes.bits).unpack() > 0
    return bits
