"""The features of the kernel methods: the similarity of a sample to some anchors, which are samples themselves."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np

from bench.interfaces import Unsuitable
from methods.hashing.estimator import Float64, Matrix, blocks

NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class Anchors:
    """The kernel exp(-||x - a||^2 / (2 sigma^2)) with each anchor a; ``points`` are the anchors, [m, d]."""

    points: Matrix
    sigma: float

    @classmethod
    def draw(cls, X: Matrix, count: int, sigma: float | None, rng: np.random.Generator) -> Self:
        """``count`` rows of X as anchors, or all rows with a warning if there are fewer.

        With ``sigma`` None it is the root of the mean squared distance between rows of X and anchors.

        Raises Unsuitable: the drawn rows are equal, or the kernel would be 0, or 1, nearly everywhere.
        """
        from sklearn.metrics.pairwise import euclidean_distances

        if count > len(X):
            warnings.warn(f"anchors={count}: all {len(X)} samples are taken, there are no more", stacklevel=2)
        points = X[rng.permutation(len(X))[:count]]
        squared = euclidean_distances(_centred(points, points), squared=True)
        typical = _typical_distance(X, points)
        if squared.max() == 0:
            raise Unsuitable(f"anchors={count}: the samples drawn are all equal, more are needed")
        width = typical if sigma is None else sigma
        farthest = squared.max()
        np.fill_diagonal(squared, np.inf)
        nearest = np.median(squared.min(axis=1))
        for fault, extreme in (("0", np.exp(-nearest / (2 * width**2))), ("1", -np.expm1(-farthest / (2 * width**2)))):
            if extreme < NEGLIGIBLE:
                raise Unsuitable(
                    f"sigma={sigma}: the kernel is {fault} nearly everywhere; samples are about {typical:.3g} apart, "
                    "and sigma should be of that order (or L2-normalise the features)"
                )
        return cls(points, width)

    def kernel(self, features: Matrix) -> Matrix:
        """The kernel's values for features [b, d], [b, m]."""
        from sklearn.metrics.pairwise import rbf_kernel

        near, points = _centred(features, self.points), _centred(self.points, self.points)
        values: Matrix = rbf_kernel(near, points, gamma=1 / (2 * self.sigma**2))
        return values


def _typical_distance(X: Matrix, points: Matrix) -> float:
    """The root of the mean squared distance between rows and points: of the mean squares around the points' mean."""
    around = _centred(points, points)
    total = sum(float(np.square(_centred(X[rows], points)).sum()) for rows in blocks(len(X)))
    return float(np.sqrt(total / len(X) + np.square(around).sum() / len(points)))


def _centred(rows: Matrix, points: Matrix) -> Matrix:
    """The rows minus the mean of the points, float64: products of rows far from 0 would round their differences."""
    centred: Matrix = rows.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    return centred


@dataclass(frozen=True)
class KernelProjection:
    """The hash function sign(k(x) weights + offset), k the kernel: weights [m, bits] and offset [bits], float64."""

    anchors: Anchors
    weights: Float64
    offset: Float64

    def __call__(self, features: Matrix) -> Float64:
        return self.anchors.kernel(features) @ self.weights + self.offset
