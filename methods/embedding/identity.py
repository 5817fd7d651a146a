"""Features of data sets that hold vectors: the vectors themselves."""

from __future__ import annotations

from typing import Self

import numpy as np

from bench.interfaces import Context, Float, Items


class Identity:
    """The item vectors as they are, float32 [n, d] without a copy, for data sets of vectors."""

    def fit(self, train: Items, context: Context) -> Self:
        self.dim = _vectors(train).shape[1]
        return self

    def embed(self, items: Items) -> Float:
        vectors = _vectors(items)
        if vectors.shape[1] != self.dim:
            raise ValueError(f"identity: the items have {vectors.shape[1]} dimensions, those fitted had {self.dim}")
        return vectors


def _vectors(items: Items) -> Float:
    if items.vectors is None:
        raise ValueError("identity passes vectors on, and these items are images: choose an embedder for images")
    return np.asarray(items.vectors, dtype=np.float32)
