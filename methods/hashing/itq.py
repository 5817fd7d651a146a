"""Iterative quantization (Gong, Lazebnik, CVPR 2011): principal components, turned so that signs lose least."""

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
    Seed,
    by_blocks,
    components_for_bits,
)
from methods.parameters import Count, Natural


@dataclass(kw_only=True, eq=False)
class ITQ(BinaryTransformer):
    """Principal components, rotated so that taking signs loses least; 50 ``iterations`` in the paper.

    With no iterations the rotation is a random one, which balances the variances of the bits (PCA-RR in the paper).
    There must be as many components as bits. ``errors_`` float64 [iterations + 1] is the quantization error on the
    training data with the random rotation and after each iteration; it never rises.
    """

    label = "ITQ"
    family = "unsupervised"
    bits: Count = 32
    iterations: Natural = 50
    random_state: Seed = 0

    def _fit(self, X: Matrix, labels: Int) -> HashFunction:
        components = components_for_bits(X, self.bits)
        rotated, self.errors_ = rotate(components, X, self.iterations, self.random_state)
        return rotated


def rotate(components: Projection, X: Matrix, iterations: int, random_state: Seed) -> tuple[Projection, Float64]:
    """The projection, turned by ``find_rotation`` from a random start, and the errors on the way."""
    bits = components.axes.shape[1]
    gaussian = np.random.default_rng(random_state).standard_normal((bits, bits))
    rotation, errors = find_rotation(by_blocks(components, X), np.linalg.svd(gaussian)[0], iterations)
    return Projection(components.mean, components.axes @ rotation), errors


def find_rotation(values: Float64, rotation: Float64, iterations: int) -> tuple[Float64, Float64]:
    """Lower the error ||B - V R||^2, B = sign(V R), over orthogonal R (section 2.2); V is ``values`` [n, bits].

    Each iteration takes the two minimisers in turn: B, and R = U W^T with V^T B = U S W^T. Returns R float64 [bits,
    bits] and the errors float64 [iterations + 1], the given rotation's first.
    """
    errors = [_error(values @ rotation)]
    for _ in range(iterations):
        signs = np.where(values @ rotation >= 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(values.T @ signs)
        rotation = left @ right
        errors.append(_error(values @ rotation))
    return rotation, np.array(errors)


def _error(rotated: Float64) -> float:
    return float(np.square(np.abs(rotated) - 1).sum())
