"""The printed names of plugins, their families and layers, and the baselines, as the plugins' classes give them.

This module is apart from the registry, because a printed name decides no result and the registry is in the keys.
"""

from __future__ import annotations

from typing import Any

from bench.plugins import registry
from bench.plugins.registry import Kind
from bench.system.wording import one_line

OTHER = "other"
"""The family of a plugin that names none."""
LIBRARY = "library"
"""The layer of an index that names none."""


def label(kind: Kind, name: str) -> str:
    """The printed name of a plugin: the ``label`` of its class, or else its name."""
    try:
        found = getattr(registry.load(kind, name), "label", None)
    except ValueError:
        found = None
    return one_line(found) if isinstance(found, str) and found else name.replace("_", " ")


def family(kind: Kind, name: str, values: dict[str, Any]) -> str:
    """The family of a plugin with these parameters, or "other" if it names none."""
    try:
        found = getattr(registry.build(kind, name, values), "family", None)
    except Exception:  # a plugin of another package may raise anything
        return OTHER
    return one_line(found) if isinstance(found, str) and found else OTHER


def layer(name: str) -> str:
    """Where an index searches: "library", or what its class says, such as "embedded" or "server"."""
    try:
        found = getattr(registry.load("index", name), "layer", None)
    except ValueError:  # it can't be imported
        found = None
    return one_line(found) if isinstance(found, str) and found else LIBRARY


def is_baseline(name: str) -> bool:
    """Whether other indexes are compared with this one: its class says ``baseline = True``."""
    try:
        return getattr(registry.load("index", name), "baseline", False) is True
    except ValueError:  # it can't be imported; naming it raises the error
        return False
