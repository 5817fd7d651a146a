"""Lists the reasons of unfinished cells, and the remarks on finished ones and their collapses, each once with the
plugin behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from bench.records.columns import CLASSES, CONSTANT, DISTINCT
from bench.records.rows import BETWEEN_REMARKS

ROLES = ("index", "rerank", "hasher", "input", "embedder")
APART = ("setting", "variant", "bits", "dim", "model", "database_codes", "protocol", "dataset", "seed")
"""The other columns by which cells are told apart, those first that a reader looks for first."""
MOST_NAMED = 3
"""The most cells that a line names."""


def reasons(cells: pd.DataFrame, statuses: Sequence[str]) -> list[str]:
    """The reasons of the cells with these statuses, a line each: the number of cells, the plugin, what tells them from
    its other cells, and the reason.

    ``cells``: those of a grid as ``bench.records.frame.frame_of`` has them.
    """
    return _grouped(cells, cells[cells["status"].isin(statuses)], "reason", told_apart=True)


def remarks(cells: pd.DataFrame) -> list[str]:
    """The remarks on cells, a line each: the number of cells, the plugin, and the remark."""
    if "remarks" not in cells:
        return []
    said = cells[cells["remarks"].notna()]
    parted = pd.Series([_parted(cell) for _, cell in said.iterrows()], said.index, dtype=object)
    each = said.assign(remarks=parted)
    return _grouped(cells, each.explode("remarks"), "remarks")


def _parted(cell: pd.Series) -> list[str]:
    """The remarks on a cell. Each begins with the plugin that made it or with ``candidates``, and may hold any text
    behind that, so that the text between two remarks alone does not part them.
    """
    makers = [str(cell[role]) for role in ROLES if role in cell and pd.notna(cell[role])]
    beginning = "|".join([*(f"{re.escape(name)}: " for name in makers), "candidates = "])
    return re.split(f"{re.escape(BETWEEN_REMARKS)}(?={beginning})", str(cell["remarks"]))


def collapses(cells: pd.DataFrame) -> list[str]:
    """What the database codes of cells fail to tell apart, a line each: the number of cells, hasher and fault."""
    if DISTINCT.name not in cells:
        return []
    faults = cells.assign(collapse=cells.apply(collapse, axis=1)).explode("collapse")
    return [
        f"{_number(group)} of {', '.join(dict.fromkeys(group['hasher']))}: {fault}"
        for fault, group in faults.groupby("collapse", sort=False)
    ]


def collapse(cell: pd.Series) -> list[str]:
    """What the database codes of a cell fail to tell apart, in words: one code for all, constant bits, or fewer codes
    than classes where the bits would hold a code for each. Nothing is said of a single item.
    """
    constant, distinct, classes = (cell.get(column.name) for column in (CONSTANT, DISTINCT, CLASSES))
    if pd.isna(distinct) or pd.isna(constant) or cell["database_items"] < 2:
        return []
    if distinct == 1:
        return ["all database codes are equal"]
    said = []
    if constant > 0:
        told = f"{constant:.0f} of {cell['bits']:.0f} bits {'is' if constant == 1 else 'are'}"
        said.append(f"{told} the same in all database codes")
    if pd.notna(classes) and distinct < min(classes, 2 ** int(cell["bits"])):
        said.append(f"the database of {classes:.0f} classes has {distinct:.0f} codes that differ")
    return said


def _grouped(cells: pd.DataFrame, some: pd.DataFrame, column: str, told_apart: bool = False) -> list[str]:
    if column not in some:
        return []
    finished = cells[cells["status"] == "ok"]
    lines = []
    for reason, group in some.groupby(column, sort=False, dropna=False):
        why = "no reason is known" if pd.isna(reason) else str(reason)
        makers = _makers(group, finished[~finished.index.isin(group.index)])
        for names in dict.fromkeys(makers):
            part = group[[one == names for one in makers]]
            which = _listed(_apart(cells, part, names)) if told_apart else ""
            made_by = ", ".join(names)
            lines.append(f"{_number(part)} of {made_by}{which}: {why.removeprefix(f'{made_by}: ')}")
    return lines


def _makers(group: pd.DataFrame, others: pd.DataFrame) -> list[tuple[str, ...]]:
    """For each cell of a group the plugin that was at work, or where that is not known whom `_due_to` names."""
    plugins = list(group["due_to"]) if "due_to" in group else [None] * len(group)
    unknown = group[[bool(pd.isna(plugin)) for plugin in plugins]]
    guessed = tuple(_due_to(unknown, others)) if len(unknown) else ()
    return [guessed if pd.isna(plugin) else (str(plugin),) for plugin in plugins]


def _listed(texts: Sequence[str]) -> str:
    """The first of some texts in brackets, and how many more there are. Nothing if there are none."""
    left = len(texts) - MOST_NAMED
    more = f" and {left} more" if left > 0 else ""
    return f" ({'; '.join(texts[:MOST_NAMED])}{more})" if texts else ""


def _apart(cells: pd.DataFrame, group: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """What tells the cells of a group from the other cells of these plugins, in words, each once.

    One column, if it alone does, or else all that differ. Nothing if the group has all cells of the plugins.
    """
    known = cells[[name for name in (*ROLES, *APART) if name in cells]].astype(object)
    known = known.where(known.notna(), None)
    kin = known[known[[role for role in ROLES if role in known]].isin(names).any(axis=1)]
    own = known.loc[group.index]
    if len(own) == len(kin):
        return []
    told = [name for name in kin if len(set(kin[name]) - {None}) > 1 and own[name].notna().any()]
    alone = [name for name in told if kin[name].isin(set(own[name])).sum() == len(own)]
    chosen = [str(name) for name in alone[:1] or told]
    if len(chosen) == 1 and chosen[0] in ROLES and set(map(str, own[chosen[0]])) == set(names):
        return []
    words = (
        ", ".join(_word(name, cell[name]) for name in chosen if cell[name] is not None) for _, cell in own.iterrows()
    )
    return [*dict.fromkeys(filter(None, words))]


def _word(column: str, value: Any) -> str:
    """A value as it stands among others: "seed 1", "64 bits", "hnswlib"."""
    if column in ("dim", "bits", "seed"):
        return {"dim": "{:g}-d", "bits": "{:g} bits", "seed": "seed {:g}"}[column].format(value)
    return f"{value} re-ranking" if column == "rerank" else str(value)


def _number(group: pd.DataFrame) -> str:
    return f"{len(group)} {'cell' if len(group) == 1 else 'cells'}"


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
