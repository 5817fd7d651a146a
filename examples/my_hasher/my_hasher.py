"""Signs of the first principal axes: the smallest hasher that learns something."""

import numpy as np

from bench.interfaces import Codes, Unsuitable


class Signs:
    """The signs of a vector's coordinates on the first principal axes."""

    supervised = False  # it reads no labels
    database_codes_ = None

    def __init__(self, *, bits: int = 8):
        """``bits``: length of the codes, at most the dimension of the vectors. ValueError: no bits."""
        if bits < 1:
            raise ValueError(f"bits={bits}: must be at least 1")
        self.bits = bits

    def fit(self, train, context):
        """Find the mean and the axes. ValueError: no vectors. Unsuitable: vectors of fewer dimensions than bits."""
        if train.vectors is None:
            raise ValueError("the items have no vectors: give the cell an input")
        if self.bits > (dim := train.vectors.shape[1]):
            raise Unsuitable(f"bits={self.bits}: must be at most {dim}, the dimension of the vectors")
        self._mean = train.vectors.mean(axis=0)
        self._axes = np.linalg.svd(train.vectors - self._mean, full_matrices=False)[2][: self.bits].T
        return self

    def encode(self, items):
        """Codes of any items."""
        return Codes.pack((items.vectors - self._mean) @ self._axes)
