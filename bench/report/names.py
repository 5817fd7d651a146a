"""What plugins are called in print, and among which methods they are shown: they say so themselves.

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
