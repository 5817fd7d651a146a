"""Codes as users have them, in the one form that indexes and metrics take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes

BLOCK_VALUES = 2**22
"""Values that are looked at together."""
PACKED = "packed codes are uint8 or uint64"


@dataclass(frozen=True)
class Given:
    """Codes, the values that they came of, and what a reader must know of how they were read."""

    codes: Codes
    values: NDArray[Any]
    remarks: tuple[str, ...] = ()


def as_codes(
    where: tuple[str, str], query: NDArray[Any], database: NDArray[Any], bits: int | None = None
) -> tuple[Given, Given]:
    """The codes of queries and database, each an array [n, bits]: truth values, 0 and 1, -1 and 1, or real values, of
    which x >= 0 is bit 1.

    With ``bits`` also packed ones: uint8 [n, ceil(bits / 8)], in either order of bits, or uint64 [n, ceil(bits / 64)].

    Raises ValueError: another shape or type, a value that is not finite, bits that do not fit, or two lengths.
    """
    if bits is not None and bits < 1:
        raise ValueError(f"bits = {bits}: expected at least 1")
    both = (query, database)
    for name, values in zip(where, both, strict=True):
        check_form(name, values, bits)
    packed = [bits is not None and one.dtype.kind == "u" and one.shape[1] != bits for one in both]
    if bits is not None and all(packed):
        highest_first = _highest_first(where, both, bits)
        given = [Given(_packed(one, bits, highest_first), one) for one in both]
    elif bits is not None and any(packed):
        shapes = " and ".join(f"{name}: {list(one.shape)}" for name, one in zip(where, both, strict=True))
        raise ValueError(f"{shapes}: one is packed and the other is not; give both in one form")
    else:
        given = [_unpacked(name, one) for name, one in zip(where, both, strict=True)]
    lengths = [one.codes.bits for one in given]
    if lengths[0] != lengths[1]:
        raise ValueError(f"{where[0]} codes have {lengths[0]} bits and {where[1]} codes {lengths[1]}")
    return given[0], given[1]


def packed_bits(*arrays: NDArray[Any]) -> int | None:
    """The number of bits that arrays of packed codes have room for; None where they hold unpacked ones.

    Packed are uint8 and uint64 with values beyond 0 and 1.
    """
    first = arrays[0]
    packed = first.dtype in (np.uint8, np.uint64) and first.ndim == 2 and any(one.max(initial=0) > 1 for one in arrays)
    return 8 * first.dtype.itemsize * int(first.shape[1]) if packed else None


def check_form(where: str, values: NDArray[Any], bits: int | None) -> None:
    """Raises ValueError: no array of codes has that shape and type, or none of ``bits`` bits."""
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"{where}: {list(values.shape)}, expected [items, bits] with at least one of each")
    if values.dtype.kind not in "buif":
        raise ValueError(f"{where}: {values.dtype}, expected numbers or truth values")
    if bits is None or values.shape[1] == bits:
        return
    if values.dtype.kind != "u":
        raise ValueError(f"{where}: {values.shape[1]} columns of {values.dtype}, and bits = {bits}")
    if values.dtype not in (np.uint8, np.uint64) or values.shape[1] != -(-bits // (8 * values.dtype.itemsize)):
        raise ValueError(
            f"{where}: {values.shape[1]} columns of {values.dtype} do not hold {bits} bits: expected {bits} columns, "
            f"{-(-bits // 8)} of uint8 or {-(-bits // 64)} of uint64"
        )


def _unpacked(where: str, values: NDArray[Any]) -> Given:
    if values.dtype == np.bool_:
        return Given(Codes.pack(values), values)
    zeros, is_binary = 0, True
    rows = max(1, BLOCK_VALUES // values.shape[1])
    for start in range(0, len(values), rows):
        block = values[start : start + rows]
        _check_finite(where, block, start)
        is_zero = block == 0
        zeros += int(is_zero.sum())
        is_binary = is_binary and bool((is_zero | (block == 1)).all())
        if values.dtype.kind == "i":
            _check_signs(where, block, start)
    if is_binary:
        return Given(Codes.pack(values == 1), values)
    if values.dtype.kind == "u":
        width = 8 * values.dtype.itemsize * values.shape[1]
        is_packed = values.dtype in (np.uint8, np.uint64)
        right = f"packed codes need their number of bits, as in bits = {width}" if is_packed else PACKED
        raise ValueError(f"{where}: {values.dtype} with values other than 0 and 1; {right}")
    said = (f"{where}: {zeros:,} values are 0 and count as bit 1",) if zeros else ()
    return Given(Codes.pack(values), values, said)


def _check_signs(where: str, block: NDArray[Any], first_row: int) -> None:
    """Raises ValueError: an integer is not -1, 0 or 1, as in packed codes of another type."""
    wrong = (block < -1) | (block > 1)
    if wrong.any():
        row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
        value = f"{block[row, column]} at row {first_row + row}, column {column}"
        raise ValueError(f"{where}: {value}; codes of {block.dtype} are 0 and 1, or -1 and 1, and {PACKED}")


def _check_finite(where: str, block: NDArray[Any], first_row: int) -> None:
    """Raises ValueError: a value is NaN or infinite; the message names the first."""
    if block.dtype.kind != "f" or np.isfinite(block).all():
        return
    row, column = np.unravel_index(int((~np.isfinite(block)).argmax()), block.shape)
    value = block[row, column]
    raise ValueError(f"{where}: {value} at row {first_row + row}, column {column}; a value must be finite")


def _highest_first(where: tuple[str, str], both: tuple[NDArray[Any], NDArray[Any]], bits: int) -> bool:
    """Whether the bits of the last element stand above its padding and not below it, as ``numpy.packbits`` packs.

    Raises ValueError: bits stand in both places.
    """
    spare = both[0].shape[1] * 8 * both[0].dtype.itemsize - bits
    if not spare:
        return False
    above, below = [], []
    for values in both:
        last = values[:, -1]
        above.append(last >> values.dtype.type(8 * values.dtype.itemsize - spare))
        below.append(last & values.dtype.type((1 << spare) - 1))
    is_above, is_below = (any(one.any() for one in side) for side in (above, below))
    if is_above and is_below:
        at, row = _misfit(above, below)
        raise ValueError(
            f"{where[at]}: {both[at][row, -1]} at row {row}, column {both[at].shape[1] - 1}; codes of {bits} bits "
            f"hold more than that: the last {spare} bits must be zero"
        )
    return is_above


def _misfit(above: Sequence[NDArray[Any]], below: Sequence[NDArray[Any]]) -> tuple[int, int]:
    """The array and the row of a code with bits in both places, or else in the place that fewer codes use."""
    fewer = min(above, below, key=lambda side: sum(np.count_nonzero(one) for one in side))
    for wrong in ([(one != 0) & (other != 0) for one, other in zip(above, below, strict=True)], fewer):
        for at, rows in enumerate(wrong):
            if rows.any():
                return at, int((rows != 0).argmax())
    raise AssertionError("no code has bits in either place")


def _packed(values: NDArray[Any], bits: int, highest_first: bool) -> Codes:
    """Packed codes as words. The bits of the last element are moved down where they stand above its padding: the order
    of bits changes no distance.
    """
    size = 8 * values.dtype.itemsize
    moved = np.ascontiguousarray(values)
    if highest_first:
        moved = moved.copy()
        moved[:, -1] >>= moved.dtype.type(values.shape[1] * size - bits)
    packed = moved.astype(moved.dtype.newbyteorder("<"), copy=False).view(np.uint8)
    if packed.shape[1] % 8:
        words = np.zeros((len(packed), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
        words[:, : packed.shape[1]] = packed
        packed = words
    return Codes(packed.view("<u8").astype(np.uint64, copy=False), bits)
