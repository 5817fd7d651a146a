"""Bits of codes, the Hamming distance, and the types of the arrays that Python hands to kernels on codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from methods.search.common.compiled import Array, kernel, read_only

INT = types.int64
WORDS, STARTS, ITEMS = read_only(types.uint64, 2), read_only(types.int64, 1), read_only(types.int32, 1)
IDS, DISTANCES = INT[:, ::1], types.int32[:, ::1]


def _popcount(typing_context: Any, word: Any) -> Any:
    """Number of set bits of a uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


def _lowest_bit(typing_context: Any, word: Any) -> Any:
    """Position of the lowest set bit of a uint64 that is not zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


popcount: Any = intrinsic(_popcount)
lowest_bit: Any = intrinsic(_lowest_bit)


@kernel()
def hamming_distance(words: Array, code: Any, query: Array) -> Any:
    """The number of bits in which code number ``code`` differs from the query [words], int64."""
    total = popcount(words[0, code] ^ query[0])
    for j in range(1, words.shape[0]):
        total += popcount(words[j, code] ^ query[j])
    return np.int64(total)
