"""How a check asks: demands, answers that are accepted or refused in words, and values of the right type."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeVar
from unittest import SkipTest

import numpy as np

from bench.interfaces import Codes, Unavailable

T = TypeVar("T")
Make = Callable[..., Any]
"""Makes the plugin anew, the same each time. Some checks give it ``bits`` (of a hasher) or ``seed`` (of a data set)."""

Check = Callable[[Make], None]


class Nonconformity(AssertionError):
    """A demand is not met: what was asked, what came back, what would be right."""


class NotAsked(SkipTest):
    """A demand has no meaning for this plugin, and why."""


class Refused(Enum):
    """That a question was refused."""

    REFUSED = "refused"


REFUSED: Final = Refused.REFUSED


def demand(met: bool | np.bool_, otherwise: str) -> None:
    """Nonconformity: it is not met; ``otherwise`` says so."""
    if not met:
        raise Nonconformity(otherwise)


def reason(fault: BaseException) -> str:
    """An exception's type and text, in one line."""
    return f"{type(fault).__name__}: {' '.join(str(fault).split())}"


def outcome(attempt: Callable[[], T], asked: str, *names: str) -> T | Refused:
    """What the attempt returns, or REFUSED: it ended in a ValueError that holds one of ``names``, if given.

    Nonconformity: it ends in another exception, or the error names none of them.
    """
    try:
        return attempt()
    except (Unavailable, Nonconformity):
        raise
    except ValueError as fault:
        named = not names or any(name in str(fault) for name in names)
        demand(named, f"{asked}: the ValueError {str(fault)!r} must name {' or '.join(names)}")
        return REFUSED
    except Exception as fault:
        raise Nonconformity(f"{asked}: {reason(fault)}; right is an answer, or a ValueError in words") from fault


def must_accept(attempt: Callable[[], T], asked: str) -> T:
    """What the attempt returns. Nonconformity: it ends in an exception, a ValueError too."""
    try:
        return attempt()
    except (Unavailable, Nonconformity):
        raise
    except Exception as fault:
        raise Nonconformity(f"{asked}: {reason(fault)}; right is to accept it") from fault


def must_refuse(attempt: Callable[[], Any], asked: str, *names: str) -> None:
    """Nonconformity: the attempt does not end in a ValueError, see `outcome`."""
    demand(outcome(attempt, asked, *names) is REFUSED, f"{asked}: accepted; right is a ValueError in words")


def check_values(values: Any, shape: list[int], asked: str) -> None:
    """Nonconformity: the values are not finite float32 of this shape."""
    right = isinstance(values, np.ndarray) and values.dtype == np.float32 and list(values.shape) == shape
    got = f"{getattr(values, 'dtype', type(values).__name__)} {list(np.shape(values))}"
    demand(right, f"{asked}: {got}; right is float32 {shape}")
    demand(np.isfinite(values).all(), f"{asked}: values that are not finite; right is finite ones")


def check_codes(codes: Any, count: int, bits: int, asked: str) -> None:
    """Nonconformity: the codes are not ``Codes`` of so many items and bits, with padding bits that are zero."""
    demand(isinstance(codes, Codes), f"{asked} is a {type(codes).__name__}; right is bench.interfaces.Codes")
    demand(codes.bits == bits, f"{asked} has {codes.bits} bits; right is {bits}")
    shape = [count, -(-bits // 64)]
    right = codes.words.dtype == np.uint64 and list(codes.words.shape) == shape
    demand(right, f"{asked} has words {codes.words.dtype} {list(codes.words.shape)}; right is uint64 {shape}")
    padding = codes.words[:, -1] >> np.uint64((bits - 1) % 64) >> np.uint64(1)
    demand(not padding.any(), f"{asked} has padding bits that are set; right is zero beyond bit {bits - 1}")
