"""Reads the figures that a fitted plugin tells of its fit."""

from __future__ import annotations

import math
from typing import Any

from bench.system.wording import shown

MOST = 2**63 - 1
"""The largest whole number that a column of a table holds."""


def figures_of(plugin: Any) -> dict[str, float]:
    """The member ``figures_`` of a fitted plugin, by name; without it, no figures.

    Raises ValueError: a name is no identifier, or a figure is no finite number, or a whole one beyond MOST.
    """
    found: dict[str, float] = dict(getattr(plugin, "figures_", {}))
    for name, value in found.items():
        whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST
        if not (isinstance(name, str) and name.isidentifier() and (whole or _is_finite(value))):
            raise ValueError(f"figures_ has {shown(name)}: {shown(value)}; right is a name and a finite number")
    return found


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)
