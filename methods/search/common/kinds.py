"""Indexes of several kinds, each of which has its own parameters with defaults; None stands for the default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Kinds = Mapping[str, Mapping[str, int]]


def names_of(kinds: Kinds) -> tuple[str, ...]:
    """The parameters of all kinds."""
    return tuple(dict.fromkeys(name for defaults in kinds.values() for name in defaults))


def complete(kinds: Kinds, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with the defaults of the kind in place of None. None stays where the kind has no such parameter.

    Raises ValueError: a value is given that the kind has no parameter for.
    """
    own = kinds.get(kind, {})
    for name, value in values.items():
        if value is not None and name not in own:
            raise ValueError(f"{name} = {value}: kind = {kind!r} takes {', '.join(own) or 'no parameters'}")
    return {name: own.get(name) if value is None else value for name, value in values.items()}


def set_own(index: Any, kinds: Kinds) -> None:
    """Set the parameters of the index's kind that are None to their defaults.

    Raises ValueError: as `complete` does.
    """
    given = {name: getattr(index, name) for name in names_of(kinds)}
    for name, value in complete(kinds, getattr(index, "kind", ""), given).items():
        setattr(index, name, value)
