"""Locality-sensitive hashing by random hyperplanes (Charikar, STOC 2002): the baseline that learns no directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.interfaces import Int
from methods.hashing.estimator import BinaryTransformer, HashFunction, Matrix, Projection, Seed
from methods.parameters import Count


@dataclass(kw_only=True, eq=False)
class LSH(BinaryTransformer):
    """Random hyperplanes through the mean: sign((x - mean) W), W from the standard normal distribution."""

    label = "LSH"
    family = "unsupervised"
    bits: Count = 32
    random_state: Seed = 0

    def _fit(self, X: Matrix, labels: Int) -> HashFunction:
        normals = np.random.default_rng(self.random_state).standard_normal((X.shape[1], self.bits))
        return Projection(X.mean(axis=0, dtype=np.float64), normals)
