"""The parts of a split that an embedder or a hasher is asked for one after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.interfaces import Items

PART_ROWS = 2**13
"""Items of a part. It is a multiple of the batches by which plugins work, so that the parts round as the whole does."""


def parts(plugin: Any, items: Items) -> Iterator[tuple[int, Items]]:
    """The items in parts, each with its first row, if the plugin works ``by_rows``; else all items at once."""
    if not getattr(plugin, "by_rows", False) or len(items) <= PART_ROWS:
        yield 0, items
        return
    for first in range(0, len(items), PART_ROWS):
        yield first, items.part(first, min(first + PART_ROWS, len(items)))
