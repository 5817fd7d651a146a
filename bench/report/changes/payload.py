"""Makes the data of the page of changes between two results folders, as JSON."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.records import book
from bench.records.columns import compared
from bench.records.compare import JUDGED, RATES, TIMES, Change, ordered
from bench.report.provenance import days_in_words, machine_in_words, without_paths
from bench.store.entries import Damaged, Store
from bench.system.wording import printable

FORMAT = 2
REVISION_LETTERS = 10


@dataclass(frozen=True)
class Side:
    """One of the two folders: its name, and the days, machines and revisions of its records."""

    name: str
    days: str
    machines: tuple[str, ...]
    revisions: tuple[str, ...]


def sides(before: Store, after: Store) -> tuple[Side, Side]:
    """The origins of the records of two stores, by names that tell the folders apart. Damaged records are ignored."""
    return _side(before, after.root), _side(after, before.root)


def _side(store: Store, other: Path) -> Side:
    times, machines, revisions = [], set(), set()
    for key in store.keys(book.KIND):
        try:
            meta = store.meta(book.KIND, key)
        except (Damaged, FileNotFoundError):
            continue
        environment = meta.get("environment") or {}
        times.append(meta.get("finished"))
        machines.add(meta.get("machine") or machine_in_words(environment))
        revisions.add(str(environment.get("revision") or "")[:REVISION_LETTERS])
    name = _told_from(store.root, other)
    return Side(printable(name), days_in_words(times), tuple(sorted(machines)), tuple(sorted(revisions - {""})))


def _told_from(folder: Path, other: Path) -> str:
    """The end of a folder's path, with as many names as tell it from the other: "results", or "old/results"."""
    own, others = ((one.resolve() if ".." in one.parts else one.absolute()).parts[1:] for one in (folder, other))
    most = max(len(own), len(others))
    names = next((count for count in range(1, most + 1) if own[-count:] != others[-count:]), 1)
    return "/".join(own[-names:])


def payload(changes: list[Change], before: Side, after: Side, lost: Collection[Change]) -> dict[str, Any]:
    """The data of the page, in JSON's types. Not-a-number and infinity are null.

    ``changes``: in the order of ``compare.ordered``, each with the positions of its cell and its figure among
    ``cells`` and ``figures`` (null for the whole cell); shares as fractions. ``lost``: the changes marked as losses.
    """
    cells: dict[tuple[str, str], int] = {}
    figures = {name: place for place, name in enumerate(_figures(changes))}
    rows = [
        {
            "cell": cells.setdefault((one.dataset, one.cell), len(cells)),
            "figure": figures.get(one.figure),
            **{name: _finite(getattr(one, name)) for name in ("before", "after", "change", "low", "high")},
            "verdict": one.verdict,
            "judged": one.verdict in JUDGED,
            "interval": one.interval if one.verdict in JUDGED else "",
            "vague": one.is_vague,
            "lost": one in lost,
            "note": without_paths(one.note),
        }
        for one in ordered(changes)
    ]
    return {
        "format": FORMAT,
        "before": vars(before),
        "after": vars(after),
        "sets": sorted({one.dataset for one in changes}),
        "figures": [{"id": name, **_described(name)} for name in figures],
        "cells": [{"set": dataset, "name": without_paths(cell)} for dataset, cell in cells],
        "changes": rows,
    }


def _figures(changes: Sequence[Change]) -> list[str]:
    """The figures of changes: qualities in the order of their first change, then times in the order of TIMES."""
    found = dict.fromkeys(one.figure for one in changes if one.figure)
    return [name for name in found if name not in TIMES] + [name for name in TIMES if name in found]


def _described(figure: str) -> dict[str, str]:
    """A figure's name and unit as printed, and whether more of it is better ("quality", "rate") or less ("time")."""
    column = compared(figure)
    kind = "quality" if column.judged else "rate" if figure in RATES else "time"
    return {"name": column.said, "unit": column.unit, "kind": kind}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
