"""Keeps the sizes of data in the results folder, so that a grid's expressions have values without the data.

Tables are made again from records alone, and the key of a record holds the values of expressions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.grids.sizes import Sizes, sized
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.store.identity import digest, room_identity

KIND = "sizes"


def with_sizes(pipeline: Pipeline, results: Store, read: Callable[[], dict[str, Any]] | None = None) -> Pipeline:
    """The pipeline, whose grid's expressions have the values for its data.

    The results folder holds the sizes of data that were read for it before. Other data are ``read``, which returns the
    fields of `Sizes`; without ``read`` the grid stays as it is.

    Raises ValueError: a cell is wrong with these values.
    """
    grid = pipeline.grid
    if grid.sizes_known:
        return pipeline
    protocols = sorted({cell.protocol for cell in grid.cells})
    rooms = room_identity("contracts", "protocols")
    key = digest([pipeline.dataset_fingerprint, protocols, grid.class_split.identity(), rooms])
    entry = results.find(KIND, key) if read is None else results.once(KIND, key, lambda: (read(), {}))
    if entry is None:
        return pipeline
    results.touch(KIND, key)
    return pipeline.on_grid(sized(grid, Sizes(**entry.meta)))
