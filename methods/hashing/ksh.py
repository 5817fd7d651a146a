"""Supervised hashing with kernels (Liu, Wang, Ji, Jiang, Chang, CVPR 2012): bits that agree where the labels do.

Codes H of ±1 [l, bits] for l labelled samples should have H H^T = bits S, with S = 1 for a pair that shares a class and
-1 for any other. Bit by bit, R = bits S - (the sum of h h^T over the bits so far) is left to explain, and the next bit
h = sign(K a) should have a large h^T R h. K [l, m] are kernel values with the anchors, less their means over all n
samples.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bench.interfaces import Labels, Unsuitable
from methods.hashing.estimator import BinaryTransformer, Float64, HashFunction, Matrix, Positive, Seed, blocks
from methods.hashing.kernel import Anchors, KernelProjection
from methods.parameters import Count

# This share of the mean diagonal of K^T K is added to it, because anchors may be duplicates.
RIDGE = 1e-6
PUBLISHED_SAMPLES, PUBLISHED_ANCHORS = 1000, 300
SAMPLES_PER_CLASS, ANCHORS_PER_CLASS = 30, 12
MOST_SAMPLES, MOST_ANCHORS = 5000, 1000
"""Bounds of the defaults: memory for labels that are sets grows by the samples' square, time by the anchors'."""


@dataclass(kw_only=True, eq=False)
class KSH(BinaryTransformer):
    """Supervised hashing with kernels: greedy bits, each from a spectral relaxation and then a smooth descent.

    "Published code" is the authors', whose experiments have ten classes. The paper descends by Nesterov's method; here
    L-BFGS does, which needs no step size. The coefficients from before the descent are kept if their signs do better,
    as in that code.

    ``anchors``: drawn from the samples; all samples, with a warning, if there are fewer (published code: 300 | choice:
        None, 12 for each class, from 300 to 1,000)
    ``samples``: drawn at random and learned from; all if there are fewer (published code: 1,000 | choice: None, 30 for
        each class, from 1,000 to 5,000)
    ``sigma``: of the kernel (published code: None, the root of the mean squared distance of samples to anchors)
    ``iterations``: most iterations of the descent (published code: 500)
    """

    label = "KSH"
    family = "supervised"
    supervised: ClassVar[bool] = True
    label_sets: ClassVar[bool] = True
    check_parameters: ClassVar[dict[str, int]] = {"anchors": 40}
    bits: Count = 32
    anchors: Count | None = None
    samples: Count | None = None
    sigma: Positive | None = None
    iterations: Count = 500
    random_state: Seed = 0

    def _fit(self, X: Matrix, labels: Labels) -> HashFunction:
        rng = np.random.default_rng(self.random_state)
        samples, count = self._sizes(len(X), labels)
        anchors = Anchors.draw(X, count, self.sigma, rng)
        rows = rng.permutation(len(X))[:samples]
        if len(np.unique(labels[rows], axis=0)) < 2:
            raise Unsuitable(f"samples={samples}: the samples drawn are of one class, more are needed")
        mean = sum(anchors.kernel(X[some]).sum(axis=0, dtype=np.float64) for some in blocks(len(X))) / len(X)
        kernel = anchors.kernel(X[rows]).astype(np.float64) - mean
        weights = learn_weights(kernel, labels[rows], self.bits, self.iterations)
        return KernelProjection(anchors, weights, -mean @ weights)

    def _sizes(self, rows: int, labels: Labels) -> tuple[int, int]:
        """The numbers of samples and of anchors; a warning says which were chosen, if they are not the published."""
        classes = int(labels.max()) + 1 if labels.ndim == 1 else labels.shape[1]
        most = min(rows, max(PUBLISHED_SAMPLES, min(MOST_SAMPLES, SAMPLES_PER_CLASS * classes)))
        samples = most if self.samples is None else self.samples
        most = min(rows, max(PUBLISHED_ANCHORS, min(MOST_ANCHORS, ANCHORS_PER_CLASS * classes)))
        anchors = most if self.anchors is None else self.anchors
        told = []
        if self.samples is None and samples > PUBLISHED_SAMPLES:
            told.append(f"samples={samples:,} in place of the published {PUBLISHED_SAMPLES:,}")
        if self.anchors is None and anchors != PUBLISHED_ANCHORS:
            told.append(f"anchors={anchors:,} in place of the published {PUBLISHED_ANCHORS}")
        if told:
            warnings.warn(f"{', '.join(told)}, for {rows:,} samples of {classes:,} classes", stacklevel=2)
        return samples, anchors


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
