"""What plugins are called in print, among which methods they are shown, and which others are compared with.

They say so themselves.

This stands apart from the registry, on which the keys of records depend: a name decides no result.
"""

from __future__ import annotations

from typing import Any

from bench.plugins import registry
from bench.plugins.registry import Kind
from bench.system.wording import one_line

OTHER = "other"
"""The family of a plugin that names none."""


def label(kind: Kind, name: str) -> str:
    """What a plugin is called in print: the ``label`` of its class, or else its name."""
    try:
        found = getattr(registry.load(kind, name), "label", None)
    except ValueError:
        found = None
    return one_line(found) if isinstance(found, str) and found else name.replace("_", " ")


def family(kind: Kind, name: str, values: dict[str, Any]) -> str:
    """The family of methods that a plugin with these parameters belongs to, or "other" where it names none."""
    try:
        found = getattr(registry.build(kind, name, values), "family", None)
    except Exception:  # of another's package, which may raise anything
        return OTHER
    return one_line(found) if isinstance(found, str) and found else OTHER


def baselines() -> frozenset[str]:
    """The indexes that others are compared with, exact search of all features: ``baseline`` is True in their class."""
    return frozenset(name for name in registry.plugins("index") if _is_baseline(name))


def _is_baseline(name: str) -> bool:
    try:
        return getattr(registry.load("index", name), "baseline", False) is True
    except ValueError:  # it can't be imported, which is said where it is named
        return False
