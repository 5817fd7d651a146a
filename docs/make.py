"""Writes the parts of README and of the pages that the program itself states, and the figure of README.

``python docs/make.py`` writes them again; with ``--check`` it writes nothing, names the files that are out of date and
ends with exit code 1. A part stands between ``<!-- made by docs/make.py: NAME -->`` and ``<!-- /made -->``. The first
table and the figure are made of ``docs/images/supp_table1.csv``, a copy of ``cells.csv`` after README's first command.
``--first-run RESULTS CACHE`` takes that copy from the folders of such a run, and the times of its units, by which the
same command says on another machine how long it will take.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pandas as pd
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bench.grids import grid_file
from bench.grids.model import Block, GridFile
from bench.plans.durations import ELSEWHERE, FILE, note_of
from bench.report.figures import write_figures
from bench.report.findings import counts, findings, sizes
from bench.report.tables import complete
from bench.report.text_layout import wrapped
from bench.report.text_tables import table_lines
from bench.report.words import GridInfo

DOCS = Path(__file__).parent
IMAGES = DOCS / "images"
WIDTH = 80
"""Columns of the screen that README shows."""

FILES = [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]
PART = re.compile(r"(<!-- made by docs/make\.py: ([\w ]+) -->\n).*?(<!-- /made -->)", re.DOTALL)


def keys(model: type[BaseModel]) -> str:
    """The keys of a table of a grid's file: default, meaning, and the values that a key allows."""
    rows = [
        f"| `{name}` | {_default(field)} | {field.description}{_allowed(field)} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return f"`{json.dumps(field.default)}`" if field.default not in (None, [], {}) else "–"


def _allowed(field: FieldInfo) -> str:
    values = [f"`{json.dumps(value)}`" for value in _choices(field.annotation)]
    return f" Allowed: {', '.join(values)}." if values else ""


def _choices(annotation: Any) -> list[str]:
    """The values of a ``Literal`` inside an annotation."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [value for inner in get_args(annotation) for value in _choices(inner)]


def grids() -> str:
    """The built-in grids and their titles."""
    rows = [f"| `{name}` | {title} |" for name, title in grid_file.names().items()]
    return "\n".join(["| grid | title |", "|---|---|", *rows])


def first_cells() -> tuple[pd.DataFrame, GridInfo]:
    """The cells of README's first command, and their grid."""
    grid = grid_file.load("supp_table1")
    info = GridInfo(grid.name, grid.title, grid.layout, grid.reference, grid.recipe, (), grid.k)
    return pd.read_csv(IMAGES / "supp_table1.csv"), info


def first_table() -> str:
    """The end of README's first command, as a screen of WIDTH columns shows it."""
    cells, info = first_cells()
    tidy = complete(cells, info)
    sentences = [line for sentence in findings(tidy, info) for line in wrapped(sentence, WIDTH)]
    counted = wrapped(f"{counts(tidy)}; {sizes(tidy)}", WIDTH)
    return "\n".join(["```text", *counted, "", *table_lines(tidy, info, WIDTH), "", *sentences, "```"])


def draw() -> None:
    """The figure of README."""
    with tempfile.TemporaryDirectory() as folder:
        write_figures(*first_cells(), Path(folder))
        shutil.copyfile(Path(folder) / "precision_against_candidates.png", IMAGES / "supp_table1.png")


def take(results: Path, cache: Path) -> None:
    """Keep the cells of a run of README's first command, and the times of its units but those that all runs have."""
    shutil.copyfile(results / "supp_table1" / "synthetic_food101" / "cells.csv", IMAGES / "supp_table1.csv")
    lines = [(line, note_of(line)) for line in (cache / FILE).read_bytes().splitlines()]
    kept = [line + b"\n" for line, note in lines if note is not None and note.family != "start"]
    ELSEWHERE.write_bytes(b"".join(kept))


PARTS: dict[str, Callable[[], str]] = {
    "first table": first_table,
    "grids": grids,
    "keys of a grid": lambda: keys(GridFile),
    "keys of a block": lambda: keys(Block),
}


def filled(text: str) -> str:
    """A file's text with its parts made anew."""
    return PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]()}\n{part[3]}", text)


def main() -> None:
    """Write the parts, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a part is out of date")
    folders = {"nargs": 2, "type": Path, "metavar": ("RESULTS", "CACHE")}
    parser.add_argument("--first-run", **folders, help="take the first table from these folders")
    chosen = parser.parse_args()
    check = chosen.check
    if chosen.first_run is not None:
        take(*chosen.first_run)
    changed = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        made = filled(text)
        if made != text:
            changed.append(path)
            if not check:
                path.write_text(made, encoding="utf-8")
    if not check:
        draw()
    for path in changed:
        print(f"{'out of date' if check else 'wrote'}: {path}")
    sys.exit(1 if check and changed else 0)


if __name__ == "__main__":
    main()
