"""Supervised hashing with kernels (Liu, Wang, Ji, Jiang, Chang, CVPR 2012): bits that agree where the labels do.

Codes H of ±1 [l, bits] for l labelled samples should have H H^T = bits S, with S = 1 for a pair that shares a class and
-1 for any other. Bit by bit, R = bits S - (the sum of h h^T over the bits so far) is left to explain, and the next bit
h = sign(K a) should have a large h^T R h. K [l, m] are kernel values with the anchors, less their means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bench.interfaces import Labels, Unsuitable
from methods.hashing.estimator import BinaryTransformer, Float64, HashFunction, Matrix, Positive, Seed
from methods.hashing.kernel import Anchors, KernelProjection
from methods.parameters import Count

# This share of the mean diagonal of K^T K is added to it, because anchors may be duplicates.
RIDGE = 1e-6


@dataclass(kw_only=True, eq=False)
class KSH(BinaryTransformer):
    """Supervised hashing with kernels: greedy bits, each from a spectral relaxation and then a smooth descent.

    The defaults are those of the authors' code. The paper descends by Nesterov's method; here L-BFGS does, which needs
    no step size. The coefficients from before the descent are kept if their signs do better, as in that code.

    ``anchors``: drawn from the samples; all samples, with a warning, if there are fewer (published code: 300)
    ``samples``: drawn at random and learned from; all if there are fewer
    ``sigma``: of the kernel; None is the root of the anchors' mean squared distance (published code: samples to
        anchors)
    ``iterations``: most iterations of the descent (published code: 500)
    """

    label = "KSH"
    family = "supervised"
    supervised: ClassVar[bool] = True
    label_sets: ClassVar[bool] = True
    check_parameters: ClassVar[dict[str, int]] = {"anchors": 40}
    bits: Count = 32
    anchors: Count = 300
    samples: Count = 1000
    sigma: Positive | None = None
    iterations: Count = 500
    random_state: Seed = 0

    def _fit(self, X: Matrix, labels: Labels) -> HashFunction:
        rng = np.random.default_rng(self.random_state)
        anchors = Anchors.draw(X, self.anchors, self.sigma, rng)
        rows = rng.permutation(len(X))[: self.samples]
        if len(np.unique(labels[rows], axis=0)) < 2:
            raise Unsuitable(f"samples={self.samples}: the samples drawn are of one class, more are needed")
        kernel = anchors.kernel(X[rows]).astype(np.float64)
        mean = kernel.mean(axis=0)
        kernel -= mean
        weights = learn_weights(kernel, labels[rows], self.bits, self.iterations)
        return KernelProjection(anchors, weights, -mean @ weights)


@dataclass(frozen=True)
class Residual:
    """R, known by the codes so far [l, r] and by the labels int64 [l]; its products are used, and it is never made.

    In place of labels that are sets of classes, ``labels`` are their similarity, float64 [l, l]: 1 for a pair that
    shares a class, and 0 for any other.
    """

    labels: Labels
    codes: Float64
    bits: int

    def __matmul__(self, h: Float64) -> Float64:
        """R h, for float64 [l]."""
        single = self.labels.ndim == 1
        alike = np.bincount(self.labels, weights=h)[self.labels] if single else self.labels @ h
        return self.bits * (2 * alike - h.sum()) - self.codes @ (h @ self.codes)


def learn_weights(kernel: Float64, labels: Labels, bits: int, iterations: int) -> Float64:
    """The coefficients a of each bit, float64 [m, bits], for centred kernel values [l, m] and the labels."""
    if labels.ndim == 2:
        labels = (labels.astype(np.float64) @ labels.T > 0).astype(np.float64)
    whitening = whiten(kernel)
    white = kernel @ whitening
    codes = np.empty((len(kernel), bits))
    weights = np.empty((kernel.shape[1], bits))
    nothing_yet = Residual(labels, codes[:, :0], bits)
    explained = white.T @ np.stack([nothing_yet @ column for column in white.T], axis=1)
    for bit in range(bits):
        residual = Residual(labels, codes[:, :bit], bits)
        relaxed = relax(explained, whitening, len(kernel))
        weights[:, bit] = descend(kernel, residual, relaxed, iterations)
        codes[:, bit], before = signs(kernel @ weights[:, bit]), signs(kernel @ relaxed)
        if before @ (residual @ before) > codes[:, bit] @ (residual @ codes[:, bit]):
            weights[:, bit], codes[:, bit] = relaxed, before
        projected = white.T @ codes[:, bit]
        explained -= np.outer(projected, projected)
    return weights


def signs(values: Float64) -> Float64:
    """±1, and 1 at zero."""
    return np.where(values >= 0, 1.0, -1.0)


def whiten(kernel: Float64) -> Float64:
    """A matrix T [m, m] such that (K T)^T (K T) = I, up to the ridge."""
    gram = kernel.T @ kernel
    factor = np.linalg.cholesky(gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)))
    return np.linalg.inv(factor).T


def relax(explained: Float64, whitening: Float64, samples: int) -> Float64:
    """The a that maximises (K a)^T R (K a) for ||K a||^2 equal to the number of samples, float64 [m].

    This is the paper's spectral relaxation. ``explained`` is (K T)^T R (K T) with T the ``whitening``.
    """
    return whitening @ np.linalg.eigh(explained)[1][:, -1] * np.sqrt(samples)


def descend(kernel: Float64, residual: Residual, start: Float64, iterations: int) -> Float64:
    """The a that minimises -h^T R h, h = tanh(K a / 2), downhill from ``start``; both float64 [m]."""
    from scipy.optimize import minimize

    def objective(a: Float64) -> tuple[float, Float64]:
        h = np.tanh(kernel @ a / 2)
        pull = residual @ h
        return -float(h @ pull), -(pull * (1 - h * h)) @ kernel

    found: Float64 = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations}).x
    return found
