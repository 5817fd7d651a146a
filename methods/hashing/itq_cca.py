"""ITQ-CCA (Gong, Lazebnik, CVPR 2011, section 4): ITQ on the directions that correlate most with the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bench.interfaces import Labels
from methods.hashing.estimator import (
    BinaryTransformer,
    Float64,
    HashFunction,
    Matrix,
    Positive,
    Projection,
    Seed,
    blocks,
    gram,
    oriented,
)
from methods.hashing.itq import rotate
from methods.parameters import Count


@dataclass(kw_only=True, eq=False)
class ITQCCA(BinaryTransformer):
    """Supervised ITQ: canonical directions of features and classes, times their correlations, then the rotation.

    ``regularisation`` is added to the diagonals of both covariances, 1e-4 in the authors' code. ``iterations`` and
    ``errors_`` are those of ``ITQ``.

    Features and c classes have at most c - 1 directions of correlation above zero. The authors' code takes further ones
    from the eigenvectors of correlation zero, and the scaling makes them columns of zeros. Here they are zeros from the
    start. So the rotation spreads c - 1 directions over any number of bits, and still lowers the error.
    """

    label = "ITQ-CCA"
    family = "supervised"
    supervised: ClassVar[bool] = True
    label_sets: ClassVar[bool] = True
    bits: Count = 32
    regularisation: Positive = 1e-4
    iterations: Count = 50
    random_state: Seed = 0

    def _fit(self, X: Matrix, labels: Labels) -> HashFunction:
        directions = canonical_directions(X, labels, self.regularisation)
        axes = np.zeros((X.shape[1], self.bits))
        used = min(self.bits, directions.axes.shape[1])
        axes[:, :used] = directions.axes[:, :used]
        rotated, self.errors_ = rotate(Projection(directions.mean, axes), X, self.iterations, self.random_state)
        return rotated


def canonical_directions(X: Matrix, labels: Labels, regularisation: float) -> Projection:
    """Projection on the directions that correlate most with the classes as 0 and 1, times their correlations.

    There are min(d, classes) of them, at least one of correlation 0. L and M are the Cholesky factors of the features'
    and the classes' covariance, regularised. With the SVD of L^-1 C M^-T = U S V^T for the covariance C between the
    two, the directions are L^-T U S.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    shares, together, between = _moments(X, labels, mean)
    of_features = np.linalg.cholesky(gram(X, mean) / len(X) + regularisation * np.eye(len(mean)))
    of_classes = np.linalg.cholesky(together + regularisation * np.eye(len(shares)) - np.outer(shares, shares))
    whitened = np.linalg.solve(of_classes, np.linalg.solve(of_features, between).T).T
    left, correlations, _ = np.linalg.svd(whitened, full_matrices=False)
    return Projection(mean, oriented(np.linalg.solve(of_features.T, left * correlations)))


def _moments(X: Matrix, labels: Labels, mean: Float64) -> tuple[Float64, Float64, Float64]:
    """The share of the samples in each class [c], and in both of two classes [c, c]; the covariance of features and
    classes [d, c].
    """
    if labels.ndim == 1:
        shares = np.bincount(labels) / len(labels)
        class_means = np.stack([X[labels == c].mean(axis=0, dtype=np.float64) for c in range(len(shares))])
        return shares, np.diag(shares), (class_means - mean).T * shares
    products, counts = np.zeros((X.shape[1], labels.shape[1])), np.zeros((labels.shape[1], labels.shape[1]))
    for rows in blocks(len(X)):
        sets = labels[rows].astype(np.float64)
        products += (X[rows] - mean).T @ sets
        counts += sets.T @ sets
    together = counts / len(labels)
    return np.diagonal(together).copy(), together, products / len(labels)
