"""Bounds of parameters as annotations, which the harness reads before a run and the plugins check too.

The annotations are those of ``annotated_types``, and this module checks them itself. The libraries that a plugin
imports are in its keys, and a new pydantic is no reason to train a network again.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MultipleOf

LARGEST = 2**31 - 1
"""Most libraries keep integers in 32 bits, and a larger count or weight is a mistake."""

Natural = Annotated[int, Ge(0), Le(LARGEST)]
Count = Annotated[int, Ge(1), Le(LARGEST)]
TwoOrMore = Annotated[int, Ge(2), Le(LARGEST)]
NotNegative = Annotated[float, Ge(0), Le(LARGEST)]
Positive = Annotated[float, Gt(0), Le(LARGEST)]
Share = Annotated[float, Ge(0), Le(1)]

NUMBERS: dict[Any, type] = {int: Integral, float: Real}
NAMES: dict[Any, str] = {
    int: "an integer", float: "a number", bool: "True or False", str: "a text", type(None): "None"
}  # fmt: skip


def check_values(plugin: type, values: Mapping[str, Any]) -> None:
    """Check parameters against the annotations of the class. Integers of numpy are integers; True and False are not.

    Raises ValueError: an annotation does not allow a value; the message has the name, the value and the right ones.
    """
    for name, value in values.items():
        check_value(name, _hints(plugin)[name], value)


def check_value(name: str, annotation: Any, value: Any) -> None:
    """Check a value called ``name``.

    Raises ValueError: the annotation does not allow it.
    """
    if not _allows(annotation, value):
        raise ValueError(f"{name} = {value!r} must be {_words(annotation)}")


def check_parameters(plugin: Any) -> None:
    """Apply ``check_values`` to all parameters of a plugin that is a dataclass of them."""
    check_values(type(plugin), {field.name: getattr(plugin, field.name) for field in fields(plugin) if field.init})


@cache
def _hints(plugin: type) -> dict[str, Any]:
    return get_type_hints(plugin, include_extras=True)


def _allows(hint: Any, value: Any) -> bool:
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Annotated:
        return _allows(parts[0], value) and all(_keeps(value, bound) for bound in parts[1:])
    if kind is Literal:
        return any(type(value) is type(one) and value == one for one in parts)
    if kind in (Union, types.UnionType):
        return any(_allows(part, value) for part in parts)
    if hint in NUMBERS:
        return isinstance(value, NUMBERS[hint]) and not isinstance(value, bool)
    return isinstance(value, hint)


def _keeps(value: Any, bound: Any) -> bool:
    """Whether a number keeps to a bound; NaN keeps to none."""
    match bound:
        case Ge(ge=least):
            return bool(value >= least)
        case Gt(gt=below):
            return bool(value > below)
        case Le(le=most):
            return bool(value <= most)
        case Lt(lt=above):
            return bool(value < above)
        case MultipleOf(multiple_of=step):
            return bool(value % step == 0)
    raise TypeError(f"{bound!r} is no bound that is known")


def _words(hint: Any) -> str:
    """The allowed values, in words."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Annotated:
        bounds = " and ".join(_bound_in_words(bound) for bound in parts[1:])
        return f"{_words(parts[0])} {bounds.replace('at least', 'of at least', 1)}"
    if kind is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if kind in (Union, types.UnionType):
        return ", or ".join(map(_words, parts))
    return NAMES.get(hint, hint.__name__)


def _bound_in_words(bound: Any) -> str:
    match bound:
        case Ge(ge=least):
            return f"at least {least:,}"
        case Gt(gt=below):
            return f"above {below:,}"
        case Le(le=most):
            return f"at most {most:,}"
        case Lt(lt=above):
            return f"below {above:,}"
    return f"a multiple of {bound.multiple_of}"
