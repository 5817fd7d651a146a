"""The methods that a page compares: their names, their families and their looks.

The method of a search is its index as it was built, its reranker and its codes, for all query parameters. The method of
a ranking is the maker of its codes, for all lengths.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from bench.plugins.names import OTHER
from bench.report import tables
from bench.report.code_tables import CODES_ROW, label
from bench.report.pareto import METHOD
from bench.report.words import word

RANKINGS = [*CODES_ROW, "model", "database_codes"]
HUES = {"exact": 0, "hash tables": 1, "inverted file": 2, "graph": 3, "tree": 4, "code scan": 5}
"""The hues of families that most grids have. Another family gets the next free hue."""
HUE_COUNT, SHADES = 8, 3
SHAPES = 2
MARKS = [(shade, shape, dotted) for shade in range(SHADES) for dotted in (False, True) for shape in range(SHAPES)]
"""The marks of a family: shade, shape, and whether the mark has a dot."""


@dataclass(frozen=True)
class Method:
    """A method as the page shows it. ``id`` is its name in addresses.

    Its look is a hue, a shade, a mark (``shape``; ``dotted``), and whether the mark is hollow (``open``).
    """

    id: str
    name: str
    index: str | None
    hasher: str | None
    bits: int | None
    family: str
    hue: int
    shade: int
    shape: int
    dotted: bool
    open: bool


def number_methods(cells: pd.DataFrame) -> pd.Series:
    """The number of each cell's method. Methods are numbered in the order of their first cells."""
    numbers = pd.Series(-1, index=cells.index)
    found = 0
    for which, columns in ((cells["index"].notna(), METHOD), (cells["index"].isna(), RANKINGS)):
        groups = cells[which].groupby(columns, dropna=False, sort=False).ngroup()
        numbers[which] = groups + found
        found += groups.nunique()
    return numbers


def describe_methods(cells: pd.DataFrame, numbers: pd.Series, families: Mapping[str, str]) -> list[dict[str, Any]]:
    """The methods by their number. ``families``: the family of each cell's method, by the cell's key."""
    firsts = cells[~numbers.duplicated()].assign(number=numbers).sort_values("number")
    named = [(_name(cell, cells), families.get(cell["key"], OTHER), cell) for _, cell in firsts.iterrows()]
    looks = _looks([(family, cell) for _, family, cell in named])
    ids = _ids([name for name, _, _ in named])
    return [
        asdict(Method(slug, name, _known(cell["index"]), _known(cell["hasher"]), _bits(cell), family, *look))
        for slug, look, (name, family, cell) in zip(ids, looks, named, strict=True)
    ]


def _name(cell: pd.Series, cells: pd.DataFrame) -> str:
    """The name of a method in the tables."""
    if pd.notna(cell["index"]):
        return tables.label(cell, cells[cells["index"].notna()], ["build_setting"])
    rankings = cells[cells["index"].isna()]
    parts = [label(cell, rankings)]
    if pd.notna(cell["model"]) and (cell["model"] == "oracle" or rankings["model"].nunique() > 1):
        parts.append(word("model", cell["model"]))
    if pd.notna(cell["database_codes"]) and rankings["database_codes"].nunique() > 1:
        parts.append(f"{cell['database_codes']} database codes")
    return ", ".join(parts)


def _ids(names: list[str]) -> Iterator[str]:
    """Short names for addresses, all different."""
    taken: set[str] = set()
    for name in names:
        slug = plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "method"
        number = 1
        while slug in taken:
            number += 1
            slug = f"{plain}-{number}"
        taken.add(slug)
        yield slug


def _looks(methods: list[tuple[str, pd.Series]]) -> list[tuple[int, int, int, bool, bool]]:
    """The hue, shade, shape, dot and openness of each method: a hue a family, a shade a plugin where there are enough.

    Hollow are codes that are shorter than the longest of their plugin. No two methods look alike while their family has
    another look, and no two have one mark in two shades while the family has another; what differs by the length of the
    code alone has one mark where that is free.
    """
    hues = _hues([family for family, _ in methods])
    uses: Counter[tuple[Any, ...]] = Counter()
    first: dict[tuple[str, str], tuple[int, int, bool]] = {}
    looks = []
    for (family, _), (shade, is_open, variant) in zip(methods, _places(methods), strict=True):
        costs = {
            mark: (
                uses[family, is_open, mark],
                mark != first.get((family, variant)),
                (mark[0] - shade) % SHADES,
                uses[family, is_open, mark[1:]],
            )
            for mark in MARKS
        }
        mark = min(MARKS, key=costs.__getitem__)
        first.setdefault((family, variant), mark)
        uses.update([(family, is_open, mark), (family, is_open, mark[1:])])
        looks.append((hues[family], mark[0] + 1, *mark[1:], is_open))
    return looks


def _places(methods: list[tuple[str, pd.Series]]) -> Iterator[tuple[int, bool, str]]:
    """The shade that each method would have, whether its codes are shorter, and its name without their length."""
    longest: dict[str, int] = {}
    plugins: dict[str, list[str]] = {}
    for family, cell in methods:
        longest[_plugin(cell)] = max(longest.get(_plugin(cell), 0), _bits(cell) or 0)
        plugins.setdefault(family, []).append(_plugin(cell))
    variants: dict[str, list[str]] = {}
    for family, cell in methods:
        among = list(dict.fromkeys(plugins[family]))
        variant = str([_plugin(cell), *cell[[name for name in METHOD if name != "bits"]].tolist()])
        known = variants.setdefault(_plugin(cell), [])
        if variant not in known:
            known.append(variant)
        shade = (among.index(_plugin(cell)) if len(among) > 1 else known.index(variant)) % SHADES
        yield shade, (_bits(cell) or 0) < longest[_plugin(cell)], variant


def _plugin(cell: pd.Series) -> str:
    """The plugin by which a method is known: its index, or the hasher whose codes are ranked."""
    return str(cell["index"] if pd.notna(cell["index"]) else cell["hasher"])


def _hues(families: list[str]) -> dict[str, int]:
    present = list(dict.fromkeys(families))
    hues = {family: HUES[family] for family in present if family in HUES}
    free = [hue for hue in range(1, HUE_COUNT) if hue not in hues.values()] or [HUE_COUNT - 1]
    others = [family for family in present if family not in HUES]
    return hues | {family: free[place % len(free)] for place, family in enumerate(others)}


def _known(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def _bits(cell: pd.Series) -> int | None:
    """The length of the codes of a search. None for a ranking's method, whose length varies."""
    return None if pd.isna(cell["bits"]) or pd.isna(cell["index"]) else int(cell["bits"])
