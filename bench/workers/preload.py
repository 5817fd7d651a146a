"""What the forkserver imports ahead for plugins."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint

from bench.store.identity import imports

QUIET = {"numpy", "scipy", "numba", "llvmlite", "faiss", "sklearn", "psutil", "threadpoolctl", "annotated_types"}
"""Libraries that take long to import and start no thread of their own by that."""


def own_modules(points: Iterable[EntryPoint], own: str) -> list[str]:
    """The modules of the plugins that are in the distribution ``own``.

    What a third party's import does is not known, and is left to the worker.
    """
    return sorted({point.module for point in points if point.dist is not None and point.dist.name == own})


def worth_importing(modules: Iterable[str]) -> list[str]:
    """What the modules of plugins import when they work, and a process can be forked behind.

    These are modules of their own project and of QUIET; of a plugin that uses another library, none.
    """
    found: set[str] = set()
    for module in modules:
        own, libraries = imports(module)
        if {name.partition(".")[0] for name in libraries} <= QUIET:
            found |= own | libraries
    return sorted(found)
