"""Rows of features: prefetches, distances, and the types of the arrays that Python hands to kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from methods.search.common.compiled import Array, kernel, read_only

INT = types.int64
ROWS, VECTOR, HALF_ROWS = read_only(types.float32, 2), read_only(types.float32, 1), read_only(types.uint16, 2)
IDS, CANDIDATES = INT[:, ::1], read_only(types.int64, 2)
PRODUCTS, MARGINS = types.float32[:, ::1], read_only(types.float64, 2)

FASTMATH = {"reassoc", "contract", "nsz"}
EPSILON, LARGEST = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).max)
TINY, LEAST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).smallest_subnormal)


def _prefetch(typing_context: Any, array: Any, position: Any) -> Any:
    """Ask for the cache line that holds ``array[position]`` (flat position), without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.PointerType(ir.IntType(8)))
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        builder.call(function, [address, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _real(typing_context: Any, value: Any) -> Any:
    """A value of a row as float32: itself, or that of a float16 given as uint16 (numba has none on the CPU)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if signature.args[0] == types.float32:
            return arguments[0]
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(value), generate


def _not_inlined(typing_context: Any) -> Any:
    """Forbid to inline the function that calls this, so that it rounds alike wherever it is called."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


prefetch: Any = intrinsic(_prefetch)
real: Any = intrinsic(_real)
not_inlined: Any = intrinsic(_not_inlined)


@kernel()
def prefetch_row(rows: Array, row: int, length: int, item_bytes: int, most: int) -> None:
    """Ask for the first ``most`` bytes of a row."""
    start = row * length
    for position in range(start, start + min(most // item_bytes, length), 64 // item_bytes):
        prefetch(rows, position)


@kernel(fastmath=FASTMATH)
def rough_distance(rows: Array, row: int, query: Array) -> Any:
    """The squared distance in float32, or infinite.

    It is at most (1 + (d + 2) eps) of the true one and d of the smallest numbers too large.
    """
    total = np.float32(0)
    for j in range(query.shape[0]):
        difference = real(rows[row, j]) - query[j]
        total += difference * difference
    return total


@kernel(fastmath=FASTMATH)
def squared_distance(rows: Array, row: int, query: Array) -> float:
    """The squared distance in float64, from differences."""
    not_inlined()
    total = 0.0
    for j in range(query.shape[0]):
        difference = np.float64(real(rows[row, j])) - np.float64(query[j])
        total += difference * difference
    return total


@kernel()
def farthest_rough(kth: float, length: int) -> float:
    """The largest rough distance of a row that may be among the k nearest, from the k-th rough distance."""
    limit = kth * (1 + (length + 16) * EPSILON) + 2 * (length + 1) * TINY
    return limit if limit < LARGEST / 2 else np.inf
