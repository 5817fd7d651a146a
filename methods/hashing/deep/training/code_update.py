"""The free database codes V of ADSH and its kin: their targets, the objective, and the bit-by-bit update.

The similarity matrix S (outputs x items) is never made. It has one value where labels agree and one where they differ,
so every product with it is a sum per class.

Class weighting is that of ADSH (Jiang & Li 2018) and of the code derived from it: +1 for a pair of one class, and for
any other -r with r = (pairs of one class) / (other pairs), in place of -1. It weighs the target and not the term, so
that S sums to zero. The update below is exact for any two values, because it sees S in S^T U alone.
"""

from __future__ import annotations

import numpy as np

from bench.interfaces import Float, Int
from methods.hashing.descent import sweep


def dissimilar_target(output_counts: Int, code_counts: Int, class_weighting: bool) -> float:
    """S of a pair of different classes: -1, or -r with class weighting. The counts are int64 [classes] of each side."""
    if not class_weighting:
        return -1.0
    same = int(output_counts @ code_counts)
    other = int(output_counts.sum()) * int(code_counts.sum()) - same
    return -same / other if other else -1.0


def class_sums(values: Float, classes: Int, count: int) -> Float:
    """Sum of the rows of each class: values float32 [n, d], classes int64 [n] -> float32 [count, d]."""
    columns = [np.bincount(classes, weights=column, minlength=count) for column in values.T]
    return np.stack(columns, axis=1).astype(np.float32)


def similarity_sums(values: Float, classes: Int, count: int, dissimilar: float) -> Float:
    """The sum over rows j of S_cj values_j for each class c, float32 [count, d]: the rows of S^T U that differ."""
    sums = class_sums(values, classes, count)
    return (1 - dissimilar) * sums + dissimilar * sums.sum(axis=0)


def objective(outputs: Float, output_classes: Int, codes: Float, code_classes: Int, dissimilar: float) -> float:
    """Eq. (11) summed over all pairs: sum_ij (u_i . v_j - q S_ij)^2, for outputs [m, q] and codes [n, q]."""
    bits, count = codes.shape[1], int(max(output_classes.max(), code_classes.max())) + 1
    u, v = outputs.astype(np.float64), codes.astype(np.float64)
    squares = np.sum((u.T @ u) * (v.T @ v))
    products = np.sum(similarity_sums(outputs, output_classes, count, dissimilar)[code_classes] * v)
    same = int(np.bincount(output_classes, minlength=count) @ np.bincount(code_classes, minlength=count))
    targets = same + dissimilar**2 * (len(u) * len(v) - same)
    return float(squares - 2 * bits * products + bits**2 * targets)


def update_codes(
    outputs: Float, output_classes: Int, codes: Float, code_classes: Int, dissimilar: float, pull: Float | float = 0.0
) -> Float:
    """One sweep over the bits: each is set to its minimiser with the others fixed. Returns new ±1 codes, float32 [n,
    q].

    Outputs U are float32 [m, q], and classes int64 from 0. ``pull`` [n, q] is gamma times the output of each item that
    has one, and 0 elsewhere, for a term gamma ||v_i - u_i||^2 (ADSH's Eq. 10). With Q = S^T U the minimiser is V_k =
    sign(q Q_k + pull_k - V_{/k} U_{/k}^T U_k); ExchNet's Eq. (17) prints its negative. A bit on which nothing depends
    stays.
    """
    codes = codes.copy()
    bits, count = codes.shape[1], int(max(output_classes.max(), code_classes.max())) + 1
    wanted = bits * similarity_sums(outputs, output_classes, count, dissimilar)[code_classes] + pull
    gram = outputs.T @ outputs
    np.fill_diagonal(gram, 0)
    sweep(codes, wanted, gram)
    return codes
