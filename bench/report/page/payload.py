"""Makes the data of a page from the tidy cells: every figure as in the tables, and only those that the page shows.

Cells that differ by seed alone are one row, whose figures are means over the finished seeds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bench.grids.cells import RANKED
from bench.plugins.names import is_baseline
from bench.records.columns import (
    COLUMNS,
    ENCODING,
    MAP,
    PRECISION,
    RECALL,
    SHARE,
    TEXTS,
    TRAINER,
    TRAINING,
    Column,
)
from bench.records.frame import SECTION, SYMBOLS, VARIANT
from bench.report import halves
from bench.report.page.assemble import FORMAT
from bench.report.page.facts import About, Facts
from bench.report.page.methods import describe_methods, number_methods
from bench.report.reasons import collapse, collapses
from bench.report.words import PROTOCOL_NAMES, GridInfo, word

NO_FIGURES = {*TEXTS, "dim", "candidates", "k", "seed"}
MORE_FIGURES = (
    *("share_of_exact", "speed_up", "ratio", "ratio_low", "ratio_high", "cpu_per_wall"),
    *("throughput_one_thread_qps", "throughput_one_thread_qps_low", "throughput_one_thread_qps_high"),
    *("build_bytes", "build_peak_bytes"),
)
FLAGS = ("unstable", "loaded", "encode_unstable", "encode_loaded")
"""What may have disturbed a timing: of each row the timings of which it is so, and those of which it is known."""
WORDS = ("reason", "remarks", "model", "database_codes")
TRAINED = (TRAINING.name, ENCODING.name, *ENCODING.bounds)
"""The figures that machines of one class must have taken to share a mean."""
ROW = [*SECTION[1:], "index", "rerank", "candidates", "build_setting", "query_setting", *VARIANT]
"""The columns that the cells of a row share."""
FIRST_LEVELS = {"recall": (0.95, 0.9, 0.8, 0.7, 0.6, 0.5), "share": (0.97, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)}
"""The levels at which the slice may begin, the highest first."""
OF_THE_BEST = 0.9
"""The share of the best precision or mAP at which the slice begins."""
QUALITIES = tuple(column.name.partition("{")[0] for column in (MAP, PRECISION, RECALL, SHARE))
ROUNDING = 4 * np.finfo(np.float64).eps


def payload(grid: GridInfo, tidy: pd.DataFrame, about: Mapping[str, About]) -> dict[str, Any]:
    """The data of a page in JSON's types.

    ``tidy``: the cells as ``bench.report.tables.complete`` returns them, with the key of each record. ``about``: the
    facts of the data sets beside their figures, by name.
    """
    shared = Shared()
    sets = [
        _set(grid, str(name), cells, about.get(str(name), About()), shared)
        for name, cells in tidy.groupby("dataset", sort=False, dropna=False)
    ]
    head = {name: getattr(grid, name) for name in ("name", "title", "layout", "k", "recipe", "reference")}
    once = {name: [json.loads(one) for one in numbers] for name, numbers in vars(shared).items()}
    return {"format": FORMAT, "grid": head, "halves": halves.ABOUT, **once, "sets": sets}


@dataclass
class Shared:
    """What many rows have in common, as JSON, with its number: environments, and the settings of one plugin."""

    environments: dict[str, int] = field(default_factory=dict)
    settings: dict[str, int] = field(default_factory=dict)


def _number(numbers: dict[str, int], value: Any) -> int:
    """The number of a value among those that are kept once."""
    return numbers.setdefault(json.dumps(value), len(numbers))


def _set(grid: GridInfo, name: str, cells: pd.DataFrame, about: About, shared: Shared) -> dict[str, Any]:
    """The data of a data set: its methods, and a row for each search or ranking."""
    numbers = number_methods(cells)
    methods = describe_methods(cells, numbers, {key: one.family for key, one in about.cells.items()})
    cells = cells.assign(
        method=numbers.map(lambda number: methods[number]["id"]),
        features="" if grid.layout in RANKED else cells.apply(_features, axis=1),
        protocol=cells["protocol"].fillna("seen"),
        machine=cells["machine"].where(cells["index"].notna(), ""),
    )
    return {
        "id": name,
        "name": word("dataset", name),
        "notes": [*about.notes, *collapses(cells)],
        "measures": measures(cells, grid),
        "protocols": [{"id": one, "name": PROTOCOL_NAMES.get(one, one)} for one in cells["protocol"].unique()],
        "features": [{"id": one, "name": one} for one in cells["features"].unique()],
        "methods": methods,
        "rows": _rows(cells, about.cells, shared),
        "panels": dict(about.panels),
    }


def measures(cells: pd.DataFrame, grid: GridInfo) -> list[dict[str, Any]]:
    """The qualities that finished cells have, the grid's own first. Without finished cells there is only that one.

    ``id`` is the column, ``level`` the beginning of the slice, ``brief`` a heading, and ``share`` its denominator.
    """
    by_recall = (RECALL, PRECISION, SHARE)
    orders = {**dict.fromkeys(RANKED, (MAP, PRECISION)), "pareto": by_recall, "systems": by_recall}
    order = [_measure(column.at(grid.k), grid.k) for column in orders.get(grid.layout, (SHARE, PRECISION, RECALL))]
    done = cells[cells["status"] == "ok"]
    found = [one for one in order if done[one["id"]].notna().any()]
    return [one | {"level": _first_level(done, one["id"])} for one in found or order[:1]]


def _measure(column: Column, k: int) -> dict[str, Any]:
    share = f"exact search’s {PRECISION.at(k).said}" if column.name == SHARE.name else None
    return {"id": column.name, "name": column.said, "brief": column.brief, "share": share}


def _first_level(done: pd.DataFrame, column: str) -> float:
    """The level that the page shows first. Two methods reach it in its first view, so that they can be compared.

    That is the view of the protocol, features and machine class with most cells.
    """
    if len(done):
        views = done.groupby(["protocol", "features", "machine"], dropna=False, sort=False).ngroup()
        done = done[views == views.mode().iloc[0]]
    best = done.groupby("method")[halves.deciding(done, column)].max().dropna().sort_values(ascending=False)
    levels = FIRST_LEVELS.get(column.partition("_")[0], ())
    if not levels and len(best):
        return math.floor(OF_THE_BEST * best.iloc[0] * 100) / 100
    reached = best.iloc[min(1, len(best) - 1)] if len(best) else 0.0
    return next((level for level in levels if level <= reached), levels[0] if levels else 0.5)


def _features(cell: pd.Series) -> str:
    """The features of a cell in words; "" for codes alone."""
    if pd.isna(cell["embedder"]):
        return ""
    return str(cell["embedder"]) if pd.isna(cell["dim"]) else f"{cell['dim']}-d {cell['embedder']}"


def _rows(cells: pd.DataFrame, facts: Mapping[str, Facts], shared: Shared) -> list[dict[str, Any]]:
    """A row for each search or ranking, in the order of their first cells."""
    number = cells.groupby(ROW, dropna=False, sort=False).ngroup()
    finished = cells["status"] == "ok"
    shown = cells.assign(number=number, undone=~finished).sort_values(["number", "undone"], kind="stable")
    shown = shown.drop_duplicates("number").set_index("number")
    figures = _figures(cells)[finished].groupby(number[finished])
    means, spreads = figures.mean().reindex(shown.index), figures.std().reindex(shown.index)
    hosts, trainers = (_distinct(cells.loc[finished, name], number) for name in ("host", TRAINER.name))
    several = [row for row, found in trainers.items() if len(found) > 1]
    means.loc[several, means.columns.isin(TRAINED)] = math.nan
    flags = {name: _counted(cells.loc[finished, name], number) for name in FLAGS if name in cells}
    keys, seeds = (cells.groupby(number)[name].agg(list) for name in ("key", "seed"))
    failed = (~finished).groupby(number).sum()
    rows = []
    for place in range(len(shown)):
        one, numbers = shown.iloc[place], _numbers(means.iloc[place])
        counts = {"keys": keys[place], "seeds": [int(seed) for seed in seeds[place]], "failed": int(failed[place])}
        counts |= {name: found[place] for name, found in flags.items() if place in found}
        counts |= {"hosts": hosts.get(place, []), "trainers": trainers.get(place, [])}
        described = _described(one, facts.get(one["key"], Facts()), shared)
        rows.append(numbers | described | counts | _spread(numbers, spreads.iloc[place]))
    return rows


def _counted(flags: pd.Series, number: pd.Series) -> dict[int, list[int]]:
    """How many flags of each row are set, and how many are known, by its number. None is known of other rows."""
    known = flags.dropna().astype(bool)
    counted = known.groupby(number[known.index]).agg(["sum", "count"])
    return {int(row): [int(some), int(every)] for row, some, every in counted.itertuples()}


def _distinct(texts: pd.Series, number: pd.Series) -> dict[int, list[str]]:
    """The different texts of each row, by its number."""
    known = texts.dropna()
    return {int(row): list(dict.fromkeys(found)) for row, found in known.groupby(number[known.index])}


def _described(cell: pd.Series, facts: Facts, shared: Shared) -> dict[str, Any]:
    """The description of a row, its status, its facts and its environment. Unknown ones are left out."""
    known: dict[str, Any] = {name: str(cell[name]) for name in WORDS if _is_known(cell, name)}
    known |= {name: int(cell[name]) for name in ("bits", "candidates") if _is_known(cell, name)}
    if facts.environment is not None:
        known["environment"] = _number(shared.environments, facts.environment)
    if facts.finished is not None:
        known["finished"] = facts.finished
    if collapsed := collapse(cell):
        known["collapse"] = "; ".join(collapsed)
    if _is_known(cell, "ratio_to"):
        index, _, rest = (described := str(cell["ratio_to"])).partition("(")
        known["ratio_to"] = word("index", index) if is_baseline(index) and rest == ")" else described
    if _is_known(cell, "reference_dataset"):
        known["reference_name"] = word("dataset", cell["reference_dataset"])
    return {
        "method": cell["method"],
        "protocol": cell["protocol"],
        "features": cell["features"],
        "machine": cell["machine"],
        "setting": _setting(cell),
        "status": str(cell["status"]) if _is_known(cell, "status") else "",
        "settings": {role: _number(shared.settings, one) for role, one in facts.settings.items()},
        "reference_compares": bool(cell["reference_compares"]),
        **known,
    }


def _setting(cell: pd.Series) -> str:
    """The candidates and the query parameters of a cell."""
    candidates = [f"{SYMBOLS['candidates']} = {cell['candidates']}"] if _is_known(cell, "candidates") else []
    return ", ".join([*candidates, str(cell["query_setting"])] if _is_known(cell, "query_setting") else candidates)


def _is_known(cell: pd.Series, name: str) -> bool:
    return name in cell.index and bool(pd.notna(cell[name]))


def _numbers(figures: pd.Series) -> dict[str, float]:
    return {str(name): float(value) for name, value in figures.items() if math.isfinite(value)}


def _spread(means: dict[str, float], spreads: pd.Series) -> dict[str, dict[str, float]]:
    """The standard deviations of the qualities over the seeds. For equal values it is 0, without rounding."""
    qualities = {name: value for name, value in _numbers(spreads).items() if name.startswith(QUALITIES)}
    found = {name: value if value > ROUNDING * abs(means[name]) else 0.0 for name, value in qualities.items()}
    return {"spread": found} if found else {}


def _figures(cells: pd.DataFrame) -> pd.DataFrame:
    """The columns that hold figures, as float64."""
    ks = cells["k"].dropna().unique()
    known = {column.at(k).name for column in COLUMNS for k in ks} | {*MORE_FIGURES}
    names = [
        name
        for name in cells.columns
        if name not in NO_FIGURES and (name in known or name.removeprefix("tune_") in known)
    ]
    return cells[names].apply(pd.to_numeric).astype("float64")
