"""Whole numbers that a grid writes as functions of the data, as in ``leaves = "4 * sqrt(n)"``.

An expression has numbers, names, ``+ - * / **``, parentheses and four functions. Python's parser reads it, and this
module computes what the parser found: nothing is evaluated as Python. The value is rounded to the nearest whole number,
halves up, and is at least 1.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from string import Formatter

from bench.system.wording import shown

NAMES = {
    "n": "the number of database items",
    "d": "the dimension of the features",
    "bits": "the length of the codes",
}
FUNCTIONS: dict[str, Callable[..., float]] = {"sqrt": math.sqrt, "log2": math.log2, "min": min, "max": max}
OF_ONE = ("sqrt", "log2")
"""The functions of one number. The others take two or more."""

OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
SIGNS: dict[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
LONGEST = 200
"""The most characters of an expression."""

ALLOWED = f"an expression has numbers, {', '.join(NAMES)}, + - * / **, parentheses, {', '.join(FUNCTIONS)}"

Values = Mapping[str, int | None]
"""The value of each name. None: it is not known, and an expression with the name is refused."""


def is_meant(text: str) -> bool:
    """Whether a text is meant as an expression, which a number, a date and an empty text are not."""
    try:
        float(text)
    except ValueError:
        return any(letter.isalpha() for letter in text)
    return False


def number(text: str, values: Values) -> int:
    """The value of an expression.

    Raises ValueError: the text is no expression, has a name whose value is not known, or has no finite value below
    2 ** 63.
    """
    try:
        value = _value(_parsed(text), values)
    except ArithmeticError as fault:
        raise ValueError(f"it has no value ({fault})") from fault
    if not math.isfinite(value):
        raise ValueError("its value is not finite")
    if value >= 2**63:
        raise ValueError(f"its value, {value:g}, is beyond that of a whole number of 64 bits, {2**63 - 1}")
    return max(1, math.floor(value + 0.5))


def filled(text: str, values: Values) -> str:
    """The text with the value of each expression in braces: "IVF{4 * sqrt(n)},Flat" to "IVF4000,Flat".

    A brace that is meant as such is written twice.

    Raises ValueError: see ``number``; or a brace has no other.
    """
    pieces = []
    for before, inside in _pieces(text):
        pieces.append(before)
        if inside is not None:
            try:
                pieces.append(str(number(inside, values)))
            except ValueError as fault:
                raise ValueError(f"in braces, {shown(inside)}: {fault}") from fault
    return "".join(pieces)


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """The pieces of a text: what stands before an expression, and the expression, None at the end."""
    try:
        found = [*Formatter().parse(text)]
    except ValueError as fault:
        raise ValueError(f"{fault}; braces hold an expression, and one that is meant as such is doubled") from fault
    for before, inside, form, conversion in found:
        if form or conversion is not None:
            raise ValueError(f"':' or '!' in braces; {ALLOWED}")
        yield before, inside


def _parsed(text: str) -> ast.expr:
    """The tree of an expression.

    Raises ValueError: it is too long, or Python's parser refuses it.
    """
    if len(text) > LONGEST:
        raise ValueError(f"an expression has at most {LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        raise ValueError(ALLOWED) from fault


def _value(node: ast.expr, values: Values) -> float:
    match node:
        case ast.Constant(value=int() | float() as constant) if not isinstance(constant, bool):
            return float(constant)
        case ast.Name(id=name) if name in NAMES:
            known = values[name]
            if known is None:
                raise ValueError(f"{name}, {NAMES[name]}, is not known before the run")
            return float(known)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _real(OPERATORS[type(op)](_value(left, values), _value(right, values)))
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in SIGNS:
            return SIGNS[type(sign)](_value(operand, values))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS and _fits(name, len(args)):
            return _called(name, [_value(one, values) for one in args])
    raise ValueError(f"{shown(ast.unparse(node))} is not allowed; {ALLOWED}")


def _fits(function: str, arguments: int) -> bool:
    return arguments == 1 if function in OF_ONE else arguments >= 2


def _called(name: str, arguments: list[float]) -> float:
    try:
        return FUNCTIONS[name](*arguments)
    except ValueError as fault:
        raise ValueError(f"{name} of {arguments[0]:g} has no value") from fault


def _real(value: float | complex) -> float:
    """Raises ValueError: the value is complex, as a fractional power of a negative number is."""
    if isinstance(value, complex):
        raise ValueError("a fractional power of a negative number has no value")
    return value
