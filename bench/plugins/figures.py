"""Reads the figures that a fitted plugin tells of its fit."""

from __future__ import annotations

import math
from typing import Any


def figures_of(plugin: Any) -> dict[str, float]:
    """The member ``figures_`` of a fitted plugin, by name; without it, no figures.

    Raises ValueError: a name is no identifier, or a figure is no finite number.
    """
    found: dict[str, float] = dict(getattr(plugin, "figures_", {}))
    for name, value in found.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not (isinstance(name, str) and name.isidentifier() and number):
            raise ValueError(f"figures_ has {name!r}: {value!r}; right is a name and a finite number")
    return found
