"""Selects the modules that the forkserver imports ahead for plugins."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint

from bench.store.identity import imports

QUIET = {"numpy", "scipy", "numba", "llvmlite", "faiss", "sklearn", "psutil", "threadpoolctl", "annotated_types"}
"""Libraries whose import takes long and starts no thread."""


def own_modules(points: Iterable[EntryPoint], own: str) -> list[str]:
    """The modules of the plugins that are in the distribution ``own``.

    The import of another distribution may do anything, so it is left to the worker.
    """
    return sorted({point.module for point in points if point.dist is not None and point.dist.name == own})


def worth_importing(modules: Iterable[str]) -> list[str]:
    """The modules that plugins import when they work, if a process can still be forked after the import.

    These are modules of their own project and of QUIET, but none for a plugin that uses another library.
    """
    found: set[str] = set()
    for module in modules:
        own, libraries = imports(module)
        if {name.partition(".")[0] for name in libraries} <= QUIET:
            found |= own | libraries
    return sorted(found)
