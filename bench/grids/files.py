"""Finds and parses the files of grids: the built-in ones by name, any other by its path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from bench.plugins import registry
from bench.system.places import user_path
from bench.system.wording import shown

GRIDS = Path(__file__).parent
FILE_BYTES = 2**18
"""The largest file of a grid. The largest built-in one has a twentieth of it."""


def built_in() -> dict[str, Path]:
    """The files of the built-in grids, by name."""
    return {path.stem: path for path in sorted(GRIDS.glob("*.toml"))}


def find(name: str) -> Path:
    """The file of a grid.

    Raises ValueError: there is no grid of that name, or no file at that path.
    """
    if not name.endswith(".toml"):
        if name not in built_in():
            known = registry.unknown(f"grid {shown(name)}", name, built_in())
            raise ValueError(f"{known} (or the path of a .toml file)")
        return built_in()[name]
    path = user_path(name)
    try:
        found = path.is_file()
    except (OSError, ValueError) as fault:
        raise ValueError(f"grid file {shown(name)}: {fault}") from fault
    if not found:
        raise ValueError(f"there is no grid file {shown(name)}")
    return path


def parse(path: Path) -> dict[str, Any]:
    """The file's tables.

    Raises ValueError: the file can't be read, is too large, or is not TOML in UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES + 1)
    except OSError as fault:
        raise ValueError(f"{path}: {fault.strerror}") from fault
    if len(content) > FILE_BYTES:
        raise ValueError(f"{path}: a grid's file has at most {FILE_BYTES:,} bytes")
    try:
        return tomllib.loads(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except RecursionError as fault:
        raise ValueError(f"{path}: not valid TOML: too many lists and tables inside one another") from fault
    except ValueError as fault:
        raise ValueError(f"{path}: not valid TOML: {fault}") from fault
