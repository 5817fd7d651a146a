"""Features of data sets that hold vectors: the first dimensions of the vectors, as Matryoshka embeddings allow.

Recall is then of the exact neighbours by these dimensions. The row that searches them for the neighbours by all
dimensions has the hasher ``sign`` and the index ``real_scan``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from bench.interfaces import Context, Float, Items, Unsuitable
from methods.parameters import Count, check_parameters


@dataclass(kw_only=True, eq=False)
class Truncated:
    """The first ``dim`` dimensions of the item vectors, scaled to unit length where ``normalise`` is set.

    The parts of vectors of one length have several lengths; their cosine is what Matryoshka embeddings (Kusupati et
    al., NeurIPS 2022) are trained by.
    """

    by_rows: ClassVar[bool] = True
    dim: Count = 64
    normalise: bool = True

    def __post_init__(self) -> None:
        check_parameters(self)
        self._given: int | None = None

    def fit(self, train: Items, context: Context) -> Self:
        """Raises Unsuitable: the vectors have fewer than ``dim`` dimensions, or the items are codes without vectors."""
        given = _vectors(train).shape[1]
        if given < self.dim:
            raise Unsuitable(f"truncated: dim = {self.dim} must be at most {given}, the vectors' dimension")
        self._given = given
        return self

    def embed(self, items: Items) -> Float:
        vectors = _vectors(items)
        if self._given is None:
            raise ValueError("truncated: fit comes before embed")
        if vectors.shape[1] != self._given:
            raise ValueError(f"truncated: the items have {vectors.shape[1]} dimensions, those fitted had {self._given}")
        features: Float = np.array(vectors[:, : self.dim], dtype=np.float32)
        if self.normalise:
            # The squares of large and of small float32 numbers are float64.
            lengths = np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64))[:, None]
            features /= np.where(lengths > 0, lengths, 1)
        return features


def _vectors(items: Items) -> Float:
    if items.vectors is None and items.codes is not None:
        raise Unsuitable("truncated cuts vectors, and these items are codes without any: give the data set vectors")
    if items.vectors is None:
        raise ValueError("truncated cuts vectors, and these items are images: choose an embedder for images")
    return items.vectors
