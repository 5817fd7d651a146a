"""Codes and labels as users have them, in the one form that the metrics take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes
from bench.quality.labels import Labels


@dataclass(frozen=True)
class Given:
    """Codes, how many of their ``bits`` are the method's (bytes may hold more), and the values that they came of."""

    codes: Codes
    bits: int
    values: NDArray[Any]
    remarks: tuple[str, ...] = ()


def as_codes(where: str, values: NDArray[Any], bits: int | None = None) -> Given:
    """Codes of an array [n, bits]: truth values, 0 and 1, -1 and 1, or real values, of which x >= 0 is bit 1.

    With ``bits`` also of packed ones: uint8 [n, ceil(bits / 8)], in either order of bits, or uint64
    [n, ceil(bits / 64)].

    Raises ValueError: another shape or type, a value that is not finite, or bits that do not fit.
    """
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"{where}: {list(values.shape)}, expected [items, bits] with at least one of each")
    if bits is not None and bits < 1:
        raise ValueError(f"--bits {bits}: expected at least 1")
    if values.dtype.kind == "u" and bits is not None and values.shape[1] != bits:
        return _packed(where, values, bits)
    if bits is not None and values.shape[1] != bits:
        raise ValueError(f"{where}: {values.shape[1]} columns of {values.dtype}, and --bits says {bits}")
    if values.dtype.kind not in "buif":
        raise ValueError(f"{where}: {values.dtype}, expected numbers or truth values")
    return _unpacked(where, values)


def _unpacked(where: str, values: NDArray[Any]) -> Given:
    width = values.shape[1]
    if values.dtype == np.bool_:
        return Given(Codes.pack(values), width, values)
    if not np.isfinite(values.min()) or not np.isfinite(values.max()):
        raise ValueError(f"{where}: a value is NaN or infinite")
    is_one, is_zero = values == 1, values == 0
    if (is_one | is_zero).all():
        return Given(Codes.pack(is_one), width, values)
    if values.dtype.kind == "u":
        raise ValueError(
            f"{where}: {values.dtype} with values other than 0 and 1; packed bits need --bits, as in --bits {8 * width}"
        )
    zeros = int(is_zero.sum())
    said = (f"{where}: {zeros:,} values are 0 and count as bit 1",) if zeros else ()
    return Given(Codes.pack(values), width, values, said)


def _packed(where: str, values: NDArray[Any], bits: int) -> Given:
    """Packed codes. The order of bits changes no distance: what is beyond ``bits`` is only checked to be zero."""
    size = 8 * values.dtype.itemsize
    if values.dtype not in (np.uint8, np.uint64) or values.shape[1] != -(-bits // size):
        raise ValueError(
            f"{where}: {values.shape[1]} columns of {values.dtype} do not hold {bits} bits: expected {bits} columns, "
            f"{-(-bits // 8)} of uint8 or {-(-bits // 64)} of uint64"
        )
    spare = values.shape[1] * size - bits
    last = values[:, -1]
    low, high = last & values.dtype.type((1 << spare) - 1), last >> values.dtype.type(size - spare) if spare else last
    if spare and low.any() and high.any():
        raise ValueError(f"{where}: codes of {bits} bits hold more than that: the last {spare} bits are not zero")
    packed = np.ascontiguousarray(values).view(np.uint8)
    words = np.zeros((len(packed), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    words[:, : packed.shape[1]] = packed
    return Given(Codes(words.view("<u8").astype(np.uint64, copy=False), 8 * packed.shape[1]), bits, values)


def as_labels(where: tuple[str, str], query: NDArray[Any], database: NDArray[Any]) -> tuple[Labels, Labels]:
    """The labels of queries and database: class numbers int64 [n], or sets of classes as bool [n, classes].

    Numbers or texts [n], [n, 1] or [1, n] are class numbers, and so are rows with a single 1; other rows of 0 and 1
    are sets.

    Raises ValueError: another shape, or the two do not go together.
    """
    if all(one.ndim == 1 or (one.ndim == 2 and 1 in one.shape) for one in (query, database)):
        query, database = query.ravel(), database.ravel()
    if query.ndim != database.ndim or query.shape[1:] != database.shape[1:]:
        raise ValueError(f"{where[0]}: {list(query.shape)} and {where[1]}: {list(database.shape)} do not go together")
    if query.ndim == 1:
        _, numbers = np.unique(np.concatenate([query, database]), return_inverse=True)
        return numbers[: len(query)].astype(np.int64), numbers[len(query) :].astype(np.int64)
    for name, one in zip(where, (query, database), strict=True):
        if one.ndim != 2 or one.dtype.kind not in "buif" or not ((one == 0) | (one == 1)).all():
            raise ValueError(f"{name}: {one.dtype} {list(one.shape)}, expected classes [n] or 0 and 1 [n, classes]")
    sets = [one.astype(np.bool_) for one in (query, database)]
    if all((one.sum(axis=1) == 1).all() for one in sets):
        return sets[0].argmax(axis=1).astype(np.int64), sets[1].argmax(axis=1).astype(np.int64)
    return sets[0], sets[1]
