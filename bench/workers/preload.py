"""What the forkserver imports ahead for a grid."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint

from bench.identity import imports

QUIET = {"numpy", "scipy", "numba", "llvmlite", "faiss", "sklearn", "psutil", "threadpoolctl"}
"""Libraries that take long to import and start no thread of their own by that."""


def worth_importing(points: Iterable[EntryPoint], own: str) -> list[str]:
    """The modules that these plugins import when they work, and that a process can be forked behind.

    Of plugins in the distribution ``own`` these are their own modules and those of QUIET, where they use no other
    library; what a third party's import does is not known, and is left to the worker.
    """
    found: set[str] = set()
    for point in points:
        if point.dist is None or point.dist.name != own:
            continue
        modules, libraries = imports(point.module)
        if {name.partition(".")[0] for name in libraries} <= QUIET:
            found |= modules | libraries
    return sorted(found)
