"""For data sets that are vectors already: the features are the items themselves."""

from __future__ import annotations

from typing import Self

import numpy as np

from bench.interfaces import Context, Float, Items


class Identity:
    """The item vectors as they are, for data sets of vectors."""

    def fit(self, train: Items, context: Context) -> Self:
        """Learn the dimension. ValueError: the items are images."""
        self.dim = _vectors(train).shape[1]
        return self

    def embed(self, items: Items) -> Float:
        """The items' vectors, float32 [n, d], not copied. ValueError: images, or another dimension than fitted."""
        vectors = _vectors(items)
        if vectors.shape[1] != self.dim:
            raise ValueError(f"identity: the items have {vectors.shape[1]} dimensions, those fitted had {self.dim}")
        return vectors


def _vectors(items: Items) -> Float:
    if items.vectors is None:
        raise ValueError("identity passes vectors on, and these items are images: choose an embedder for images")
    return np.asarray(items.vectors, dtype=np.float32)
