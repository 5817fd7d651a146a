"""The name of a grid's data: the user's, or the data set's own, or that of its folder or file, or the plugin's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.grids.cells import Grid
from bench.system.files import plain_name

MAX_BYTES = 200
"""The longest name. A file system allows 255 bytes, and a fingerprint may follow the name."""


def default_name(plugin: str, dataset: Any) -> str:
    """The data set's own name, or else that of its folder, or that of the plugin."""
    found = getattr(dataset, "dataset_name", None) or _folder_name(getattr(dataset, "data_dir", None))
    printable = "".join(one if one.isprintable() and one not in "/\\" else "_" for one in found)
    short = printable.encode()[:MAX_BYTES].decode(errors="ignore")
    return short.lstrip(". ").rstrip() or plugin


def _folder_name(folder: str | Path | None) -> str:
    """A folder's name as it was typed, also that of a link; for ``.`` and the like, the name of the resolved folder."""
    if folder is None:
        return ""
    path = Path(folder)
    return path.resolve().name if path.name in ("", "..") else path.name


def given_name(name: str, where: str) -> str:
    """The name that a user gives.

    Raises ValueError: it can't name a folder, or can't be printed.
    """
    plain_name(where, name)
    if not name.isprintable() or name != name.strip() or len(name.encode()) > MAX_BYTES:
        allowed = f"printable characters of at most {MAX_BYTES} bytes, without spaces around them"
        raise ValueError(f"{where} {name!r} must be {allowed}")
    return name


def told_apart(grids: Sequence[Grid]) -> list[Grid]:
    """The grids, each with a name of its own for its data: data sets of equal names become NAME-PLUGIN."""
    names = [grid.dataset_name for grid in grids]
    return [
        replace(grid, dataset_name=f"{grid.dataset_name}-{grid.dataset.name}") if names.count(name) > 1 else grid
        for grid, name in zip(grids, names, strict=True)
    ]
