"""Supervised discrete hashing (Shen, Shen, Liu, Shen, CVPR 2015): codes from which a linear classifier reads the class.

The codes B of ±1 [n, bits], the classifier W [bits, classes] and the projection P [m + 1, bits] of the kernel features
Phi are updated in turns. Each update is exact, or goes down bit by bit for B:

    ||Y - B W||^2 + classifier_ridge ||W||^2 + nu (||B - Phi P||^2 + projection_ridge ||P||^2)

The classes Y are 0 and 1, several 1 in a row where samples have sets of classes. One-hot ones are never written out:
the rows of Y W^T are columns of W, and B^T Y has sums of codes per class.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from bench.interfaces import Labels
from methods.hashing.descent import sweep
from methods.hashing.estimator import (
    BinaryTransformer,
    Float64,
    HashFunction,
    Matrix,
    Positive,
    Seed,
    blocks,
    by_blocks,
    gram,
)
from methods.hashing.kernel import Anchors, KernelProjection
from methods.parameters import Count

SWEEPS = 10
OFFICIAL_SIGMA = 0.4


@dataclass(kw_only=True, eq=False)
class SDH(BinaryTransformer):
    """Supervised discrete hashing: an RBF kernel on anchors, and codes learned by cyclic coordinate descent.

    The defaults are those of the official code, but for ``sigma``, whose value there is made for features of length 1.
    At most 10 sweeps over the bits are made each time. The official sweeps start from zeros; here they start from the
    present codes. So no step raises the objective, and classes do not fall together in short codes (on digits at 8
    bits, mAP .96 and not .72).

    ``anchors``: drawn from the samples; all samples, with a warning, if there are fewer
    ``sigma``: of the kernel (published code: 0.4 | choice: None, which is 0.4 where features have length 1, and else,
        with a warning, the root of the mean squared distance of samples to anchors)
    ``classifier_ridge``: lambda of the objective above; ``nu`` and ``projection_ridge`` stand there too
    ``database_codes_``: uint8 [n, bits], the learned codes of the samples; ``transform`` gives sign(phi(x) P) for any
    """

    label = "SDH"
    family = "supervised"
    supervised: ClassVar[bool] = True
    label_sets: ClassVar[bool] = True
    check_parameters: ClassVar[dict[str, int]] = {"anchors": 40}
    bits: Count = 32
    anchors: Count = 1000
    sigma: Positive | None = None
    iterations: Count = 5
    classifier_ridge: Positive = 1.0
    nu: Positive = 1e-5
    projection_ridge: Positive = 1e-2
    random_state: Seed = 0

    def _fit(self, X: Matrix, labels: Labels) -> HashFunction:
        rng = np.random.default_rng(self.random_state)
        normalised = self.sigma is None and _have_length_one(X)
        anchors = Anchors.draw(X, self.anchors, OFFICIAL_SIGMA if normalised else self.sigma, rng)
        if self.sigma is None and not normalised:
            told = f"features are not of length 1, for which {OFFICIAL_SIGMA} is published"
            warnings.warn(f"sigma={anchors.sigma:.3g}: {told}; it is the typical distance to an anchor", stacklevel=2)
        phi = kernel_features(X, anchors)
        normal = gram(phi, np.zeros(phi.shape[1])) + self.projection_ridge * np.eye(phi.shape[1])
        codes = rng.choice([-1.0, 1.0], (len(X), self.bits))
        projection = fit_projection(phi, normal, codes)
        for _ in range(self.iterations):
            classifier = fit_classifier(codes, labels, self.classifier_ridge)
            values = by_blocks(partial(_project, projection), phi)
            codes = update_codes(codes, labels, classifier, self.nu * values)
            projection = fit_projection(phi, normal, codes)
        self.database_codes_ = (codes > 0).astype(np.uint8)
        return KernelProjection(anchors, projection[:-1], projection[-1])


def _have_length_one(X: Matrix) -> bool:
    """Whether all rows are L2-normalised, but for rows of zeros."""
    lengths = np.concatenate([np.linalg.norm(X[rows], axis=1) for rows in blocks(len(X))])
    return bool(((np.abs(lengths - 1) < 1e-3) | (lengths == 0)).all())


def kernel_features(X: Matrix, anchors: Anchors) -> Matrix:
    """Phi: the kernel's values and a constant 1, in the type of X, [n, m + 1]."""
    phi = np.ones((len(X), len(anchors.points) + 1), X.dtype)
    for rows in blocks(len(X)):
        phi[rows, :-1] = anchors.kernel(X[rows])
    return phi


def _project(projection: Float64, phi: Matrix) -> Float64:
    return np.asarray(phi @ projection, np.float64)


def fit_classifier(codes: Float64, labels: Labels, ridge: float) -> Float64:
    """The W that minimises the objective: (B^T B + ridge I)^-1 B^T Y, float64 [bits, classes]."""
    if labels.ndim == 1:
        class_sums = np.array([np.bincount(labels, weights=bit) for bit in codes.T], np.float64)
    else:
        class_sums = np.zeros((codes.shape[1], labels.shape[1]))
        for rows in blocks(len(codes)):
            class_sums += codes[rows].T @ labels[rows]
    return np.asarray(np.linalg.solve(codes.T @ codes + ridge * np.eye(codes.shape[1]), class_sums), np.float64)


def fit_projection(phi: Matrix, normal: Float64, codes: Float64) -> Float64:
    """The P that minimises the objective: ``normal``^-1 Phi^T B, float64 [m + 1, bits]."""
    products = np.zeros((phi.shape[1], codes.shape[1]))
    for rows in blocks(len(phi)):
        products += phi[rows].T @ codes[rows]
    return np.asarray(np.linalg.solve(normal, products), np.float64)


def _scores(classifier: Float64, labels: Labels) -> Float64:
    return np.asarray(labels @ classifier.T, np.float64)


def update_codes(codes: Float64, labels: Labels, classifier: Float64, pull: Float64) -> Float64:
    """New codes that lower the objective, ±1 float64 [n, bits]: each bit in turn at its minimiser, until none changes.

    ``pull`` is nu Phi P, [n, bits]. With the other bits fixed, b_k = sign(q_k - B_{/k} W_{/k} w_k), Q = Y W^T + pull. A
    bit on which nothing depends stays.
    """
    codes = codes.copy()
    wanted = pull + (classifier.T[labels] if labels.ndim == 1 else by_blocks(partial(_scores, classifier), labels))
    others = classifier @ classifier.T
    np.fill_diagonal(others, 0)
    for _ in range(SWEEPS):
        before = codes.copy()
        sweep(codes, wanted, others)
        if np.array_equal(codes, before):
            break
    return codes
