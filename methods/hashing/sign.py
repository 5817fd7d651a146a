"""The signs of the features themselves, which vector databases call binary quantisation.

Nothing is projected. It needs features with as many informative dimensions as bits, and a mean near zero unless they
are centred. The first dimensions alone are taken where there are fewer bits: Matryoshka embeddings (Kusupati et al.,
NeurIPS 2022) are trained so that these carry the most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.interfaces import Int, Unsuitable
from methods.hashing.estimator import BinaryTransformer, Float64, HashFunction, Matrix
from methods.parameters import Count


@dataclass(kw_only=True, eq=False)
class Sign(BinaryTransformer):
    """Signs of the first ``bits`` dimensions, less their means where ``centred``.

    A value of 0 is bit 1, as everywhere here. pgvector's ``binary_quantize`` and sentence-transformers make it 0.
    """

    label = "Sign"
    family = "unsupervised"
    bits: Count = 32
    centred: bool = False

    def _fit(self, X: Matrix, labels: Int) -> HashFunction:
        if X.shape[1] < self.bits:
            raise Unsuitable(f"bits={self.bits}: must be at most the dimensions of X, of {X.shape[1]} feature(s)")
        leading = X[:, : self.bits]
        return Leading(leading.mean(axis=0, dtype=np.float64) if self.centred else np.zeros(self.bits))


@dataclass(frozen=True)
class Leading:
    """The hash function sign(x_j - mean_j) of the leading dimensions: mean float64 [bits]."""

    mean: Float64

    def __call__(self, features: Matrix) -> Float64:
        return features[:, : len(self.mean)] - self.mean
