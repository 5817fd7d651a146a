"""Search by the largest inner product as search by the least Euclidean distance, in one more dimension."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float
from datasets.arrays import blocks, room_for_vectors

NAMES = ("ip", "dot", "dot_product", "inner_product", "mips")
"""What files call this distance."""

REMARK = (
    "The inner product is searched as Euclidean distance in one more dimension: it is sqrt(M - |x|^2) for a database "
    "vector x, where M is the largest |x|^2, and 0 for a query; in float32, products nearer than M / 10^7 may change "
    "places"
)


def as_distance(where: str, parts: Mapping[str, Float]) -> dict[str, Float]:
    """The vectors float32 [n, d] of each part with one more dimension, float32 [n, d + 1].

    |q - x|^2 of the longer vectors is |q|^2 + M - 2 qx, so the nearest x is that of the largest product (Bachrach et
    al., RecSys 2014, Section 3). A vector of another part than ``test`` that is longer than all of ``train`` gets 0.

    Raises ValueError: a length of ``train`` is beyond float32; ``where`` names it.
    """
    squares = {name: _squares(vectors) for name, vectors in parts.items() if name != "test"}
    largest = squares["train"].max()
    if np.sqrt(largest) > np.finfo(np.float32).max:
        raise ValueError(f"{where}: a vector has length {np.sqrt(largest):.3g}, beyond float32: divide all by a number")
    nothing = np.zeros(len(parts["test"]))
    heights = {name: np.sqrt(np.maximum(largest - of_part, 0)) for name, of_part in squares.items()}
    return {name: _longer(vectors, heights.get(name, nothing)) for name, vectors in parts.items()}


def _squares(vectors: Float) -> NDArray[np.float64]:
    wide = (block.astype(np.float64) for _, block in blocks(vectors))
    return np.concatenate([np.einsum("nd,nd->n", block, block) for block in wide])


def _longer(vectors: Float, last: NDArray[np.float64]) -> Float:
    longer = room_for_vectors(len(vectors), vectors.shape[1] + 1)
    longer[:, :-1], longer[:, -1] = vectors, last
    return longer
