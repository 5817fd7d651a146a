"""Codebooks: one code per class, as far apart as may be, for the methods that learn towards fixed codes."""

from __future__ import annotations

import numpy as np
from scipy.linalg import hadamard

from bench.interfaces import Float, Unsuitable

TRIES = 200


def random_codebook(classes: int, bits: int, rng: np.random.Generator) -> Float:
    """Random codes ±1 float32 [classes, bits], each the draw out of TRIES that is farthest from its nearest
    predecessor.

    Raises Unsuitable: there are more classes than codes of that length.
    """
    if bits < 31 and classes > 2**bits:
        raise Unsuitable(f"bits={bits}: {classes} classes need {classes} codes, there are {2**bits}")
    chosen = np.empty((classes, bits), np.float32)
    for number in range(classes):
        draws = (rng.integers(0, 2, (TRIES, bits)) * 2 - 1).astype(np.float32)
        nearest = (chosen[:number] @ draws.T).max(axis=0, initial=-bits)
        chosen[number] = draws[nearest.argmin()]
    if len(np.unique(chosen, axis=0)) == classes:
        return chosen
    # The draws repeat because there are so many classes: all codes are sampled without repetition.
    numbers = rng.choice(2**bits, classes, replace=False)
    return ((numbers[:, None] >> np.arange(bits) & 1) * 2 - 1).astype(np.float32)


def hadamard_codebook(classes: int, bits: int, rng: np.random.Generator) -> Float:
    """CSQ's hash centres, ±1 float32 [classes, bits]: rows of a Hadamard matrix and their negatives.

    A length that is no power of two, or more classes than 2 bits, gets random codes, as CSQ's section 3.2 says.
    """
    if bits & (bits - 1) or classes > 2 * bits:
        return random_codebook(classes, bits, rng)
    rows = hadamard(bits).astype(np.float32)
    return np.concatenate([rows, -rows])[:classes]
