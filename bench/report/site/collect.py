"""Collects the reports of a results folder for the site from their pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.report.page.assemble import read_payload
from bench.report.provenance import without_paths
from bench.report.site.model import Payload

PAGE = "report.html"
CELLS = "cells.csv"
PRIVATE = "panels"
"""The part of a data set's payload that holds pictures and figures, and no texts with folders."""


@dataclass(frozen=True)
class Place:
    """A folder with a report: that of the grid, or that of a data set inside it."""

    grid: str
    dataset: str | None
    folder: Path

    def __str__(self) -> str:
        return self.grid if self.dataset is None else f"{self.grid} on {self.dataset}"


@dataclass(frozen=True)
class Report:
    """A report: its data, without names of folders, and the part of them that the site reads."""

    place: Place
    data: dict[str, Any]
    payload: Payload


def places(out: Path) -> list[Place]:
    """The places of the reports in a results folder, by grid and data set, those of several data sets first."""
    found = []
    for grid in _folders(out):
        if _has_report(grid):
            found.append(Place(grid.name, None, grid))
        found += [Place(grid.name, one.name, one) for one in _folders(grid) if _has_report(one)]
    return found


def read(place: Place) -> Report:
    """The report of a place.

    Raises ValueError: there is no page, it is damaged, or another version wrote it.
    """
    page = place.folder / PAGE
    if not page.is_file():
        raise ValueError(f"{place} has tables and no {PAGE}: `python -m bench table --grid GRID` writes it")
    try:
        data = without_folders(read_payload(page))
        payload = Payload.model_validate(data)
    except RecursionError as fault:
        raise ValueError(f"{page} is damaged: its data are nested too deeply") from fault
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{page} is damaged, or of another version ({where}: {first['msg']})") from fault
    return Report(place, data, payload)


def without_folders(part: Any) -> Any:
    """A part of a payload, with each path in its texts cut to the last name, and with texts valid in UTF-8."""
    if isinstance(part, dict):
        return {name: value if name == PRIVATE else without_folders(value) for name, value in part.items()}
    if isinstance(part, list):
        return [without_folders(one) for one in part]
    return without_paths(part.encode("utf-8", "backslashreplace").decode()) if isinstance(part, str) else part


def _folders(folder: Path) -> Iterator[Path]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return (path for path in paths if path.is_dir() and not path.name.startswith("."))


def _has_report(folder: Path) -> bool:
    return (folder / PAGE).is_file() or (folder / CELLS).is_file()
