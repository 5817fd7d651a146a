"""Prints numbers for people: three significant digits, no exponents, no quality rounded up."""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Any

DIGITS = 3
SMALLEST = 1e-6
"""A number nearer to zero has an exponent, because its zeros would fill the line."""
VAGUE = 10.0
"""An interval of a time whose upper end is more than so many times its lower end says nothing."""
NOISE = 9
"""The significant digits that count. The others are rounding of the machine (0.29 * 100 is 28.999999999999996)."""


def significant(value: float, down: bool = False, digits: int = DIGITS) -> str:
    """The value with three significant digits, or ``digits``. With ``down`` it is rounded towards zero."""
    if not math.isfinite(value):
        return "inf" if value > 0 else "-inf" if value < 0 else "unknown"
    plain = Context(prec=NOISE, rounding=ROUND_HALF_EVEN).create_decimal(repr(float(value)))
    kept = Context(prec=digits, rounding=ROUND_FLOOR if down else ROUND_HALF_EVEN).plus(plain)
    if kept == 0:
        return "0"
    if abs(kept) < Decimal(repr(SMALLEST)):
        return f"{kept:.{digits - 1}e}"
    return f"{kept:,.{_decimals(kept, digits)}f}"


def fraction(share: float) -> str:
    """A quality or a share as the page prints it, with three decimals: .9996 is 0.999, never 1.000, and 1 is 1.000."""
    return floored(share, DIGITS)


def floored(value: float, decimals: int) -> str:
    """The value rounded down to so many decimals, so that none shows more than was measured."""
    plain = Context(prec=NOISE, rounding=ROUND_HALF_EVEN).create_decimal(repr(float(value)))
    return f"{plain.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_FLOOR):.{decimals}f}"


def percent(share: float) -> str:
    """A quality or a share in percent, without the percent sign: .9496 is 94.9 and never 95.0."""
    return significant(100 * share, down=True)


def is_vague(low: Any, high: Any) -> Any:
    """Whether the interval of a time is so wide that it says nothing; of each of several, too."""
    return high > VAGUE * low


def at_least(value: float, decimals: int, down: bool = False) -> str:
    """The value with so many decimals, or with as many as three significant digits take, if these are more."""
    shown = decimals_of(value, decimals)
    return floored(value, shown) if down else f"{value:.{shown}f}"


def decimals_of(value: float, decimals: int) -> int:
    """The decimals that three significant digits of a value take, ``decimals`` at least. A value near zero has few."""
    if abs(value) < SMALLEST:
        return decimals
    return max(decimals, _decimals(Context(prec=DIGITS).create_decimal(repr(float(value)))))


def difference(value: float, beside: float) -> str:
    """A difference with its sign, to the last shown digit of the number ``beside`` it, or to its own third digit."""
    shown = [Context(prec=DIGITS).create_decimal(repr(float(one))) for one in (beside, value)]
    decimals = min(map(_decimals, shown))
    return f"{round(value, decimals) + 0.0:+,.{decimals}f}".replace("-", "−")


def deviation(value: float, beside: float) -> str:
    """A spread, to the last shown digit of the number ``beside`` it. One that is smaller is "<0.1", and not 0.0."""
    decimals = _decimals(Context(prec=DIGITS).create_decimal(repr(float(beside))))
    shown = f"{value:,.{decimals}f}"
    return shown if value == 0 or float(shown.replace(",", "")) else f"<{10.0**-decimals:.{decimals}f}"


def _decimals(number: Decimal, digits: int = DIGITS) -> int:
    """The decimals of a number with so many significant digits."""
    return max(0, digits - 1 - number.adjusted()) if number else digits - 1
