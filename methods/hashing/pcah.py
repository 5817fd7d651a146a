"""PCA hashing: principal components cut at zero, the baseline that iterative quantization improves on."""

from __future__ import annotations

from dataclasses import dataclass

from bench.interfaces import Int
from methods.hashing.estimator import BinaryTransformer, HashFunction, Matrix, components_for_bits
from methods.parameters import Count


@dataclass(kw_only=True, eq=False)
class PCAH(BinaryTransformer):
    """Signs of the leading principal components, of which there must be as many as bits."""

    label = "PCAH"
    family = "unsupervised"
    bits: Count = 32

    def _fit(self, X: Matrix, labels: Int) -> HashFunction:
        return components_for_bits(X, self.bits)
