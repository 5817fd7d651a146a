"""Spectral hashing (Weiss, Torralba, Fergus, NIPS 2008): codes that vary as slowly as they can over the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.interfaces import Int
from methods.hashing.estimator import (
    BinaryTransformer,
    Float64,
    HashFunction,
    Matrix,
    Projection,
    by_blocks,
    principal_axes,
)
from methods.parameters import Count


@dataclass(frozen=True)
class Eigenfunctions:
    """The hash function sign(sin(pi / 2 + w (z - low))), z a projection of x on one principal axis for each bit.

    ``low`` float64 [bits] is the smallest value of the data on each axis; ``frequencies`` float64 [bits] is w.
    """

    projection: Projection
    low: Float64
    frequencies: Float64

    def __call__(self, features: Matrix) -> Float64:
        return np.sin(np.pi / 2 + self.frequencies * (self.projection(features) - self.low))


@dataclass(kw_only=True, eq=False)
class SH(BinaryTransformer):
    """Spectral hashing: the smoothest Laplacian eigenfunctions of a box that the data are taken to fill evenly.

    The sides of the box are the principal axes, as many as bits or as there are, with the range of the data on each. A
    side of length r has eigenfunctions of frequencies k pi / r, k = 1, 2, ..., whose eigenvalues have the order of the
    frequencies. The lowest ones of all sides are the bits, so a long side gives several. There can be more bits than
    features.
    """

    label = "SH"
    family = "unsupervised"
    bits: Count = 32

    def _fit(self, X: Matrix, labels: Int) -> HashFunction:
        sides = principal_axes(X, self.bits)
        values = by_blocks(sides, X)
        low, high = values.min(axis=0), values.max(axis=0)
        frequencies = np.pi * np.arange(1, self.bits + 1)[:, None] / (high - low)
        lowest = np.argsort(frequencies, axis=None, kind="stable")[: self.bits]
        side = lowest % len(low)
        return Eigenfunctions(Projection(sides.mean, sides.axes[:, side]), low[side], frequencies.ravel()[lowest])
