"""Lists the reasons of unfinished cells and the remarks on finished ones, each once with the plugin behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from bench.records.rows import BETWEEN_REMARKS

ROLES = ("index", "rerank", "hasher", "input", "embedder")


def reasons(cells: pd.DataFrame, statuses: Sequence[str]) -> list[str]:
    """The reasons of the cells with these statuses, a line each: the number of cells, the plugin, and the reason.

    ``cells``: those of a grid as ``bench.records.frame.frame_of`` has them.
    """
    return _grouped(cells, cells[cells["status"].isin(statuses)], "reason")


def remarks(cells: pd.DataFrame) -> list[str]:
    """The remarks on cells, a line each: the number of cells, the plugin, and the remark."""
    if "remarks" not in cells:
        return []
    said = cells[cells["remarks"].notna()]
    each = said.assign(remarks=said["remarks"].astype(object).map(lambda text: str(text).split(BETWEEN_REMARKS)))
    return _grouped(cells, each.explode("remarks"), "remarks")


def _grouped(cells: pd.DataFrame, some: pd.DataFrame, column: str) -> list[str]:
    if column not in some:
        return []
    finished = cells[cells["status"] == "ok"]
    lines = []
    for reason, group in some.groupby(column, sort=False, dropna=False):
        others = finished[~finished.index.isin(group.index)]
        number = f"{len(group)} {'cell' if len(group) == 1 else 'cells'}"
        why = "no reason is known" if pd.isna(reason) else str(reason)
        lines.append(f"{number} of {', '.join(_due_to(group, others))}: {why}")
    return lines


def _due_to(group: pd.DataFrame, others: pd.DataFrame) -> Iterator[str]:
    """The plugin that all of these cells have and none of the others, or else the descriptions of these cells."""
    for role in ROLES:
        names = list(group[role].unique()) if role in group else []
        if len(names) == 1 and pd.notna(names[0]) and names[0] not in set(others[role]):
            yield str(names[0])
            return
    about = group["index"].astype(object)
    for role in ("hasher", "embedder"):
        about = about.where(about.notna(), group[role])
    yield from dict.fromkeys(str(name) for name in about)
