"""Discrete cyclic coordinate descent (SDH, Shen et al. 2015): one sweep over the bits of free codes."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)


def sweep(codes: NDArray[Real], wanted: NDArray[Real], gram: NDArray[Real]) -> None:
    """Set each bit of ±1 codes B [n, q] in turn, in place, to its minimiser with the others fixed.

    The objective is a constant minus 2 tr(B^T ``wanted``) plus tr(B ``gram`` B^T). ``gram`` is symmetric with a
    diagonal of zeros, so b_k = sign(wanted_k - B gram_k). A bit on which nothing depends stays.
    """
    for k in range(codes.shape[1]):
        minimiser = wanted[:, k] - codes @ gram[:, k]
        codes[:, k] = np.where(minimiser == 0, codes[:, k], np.where(minimiser > 0, 1, -1))
