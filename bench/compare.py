"""Two sets of records side by side: which cells moved, in quality and in time, beyond what repetition explains.

Two revisions, two machines or two versions of a library write their records into folders of their own. Cells are
matched by what they are (data, methods, parameters, seed) and not by key, which holds the versions that differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from bench import records
from bench.statistics import Estimate, difference
from bench.store import Store

Verdict = Literal["same", "better", "worse", "only before", "only after"]
TIME = "latency_ms_p50"
QUALITY = ("map", "precision_at_", "recall_at_")
NOISE = 1e-9
"""A difference of quality that rounding may make: it is exact otherwise, for the same seed."""


@dataclass(frozen=True)
class Change:
    """One figure of one cell: its values, the change from before to after as a share, and its interval."""

    cell: str
    figure: str
    before: float
    after: float
    change: Estimate
    verdict: Verdict


def compare(before: Store, after: Store) -> list[Change]:
    """All figures of the cells that both have, and the cells that one of them lacks, sorted by cell."""
    ours, theirs = _cells(before), _cells(after)
    changes = []
    for cell in sorted({*ours, *theirs}):
        if cell not in ours or cell not in theirs:
            only: Verdict = "only before" if cell in ours else "only after"
            changes.append(Change(cell, "", math.nan, math.nan, Estimate(math.nan, math.nan, math.nan), only))
        else:
            changes += _changes(cell, ours[cell], theirs[cell])
    return changes


def worse(changes: list[Change], fail_over: float) -> list[Change]:
    """The changes for the worse by more than a share, with their whole interval."""
    return [change for change in changes if change.verdict == "worse" and _loss(change) > fail_over]


def _loss(change: Change) -> float:
    """How much is lost at least, as a share of what was."""
    return change.change.low if change.figure == TIME else -change.change.high


def frame(changes: list[Change]) -> pd.DataFrame:
    """The changes as a table."""
    rows = [
        {
            "cell": change.cell,
            "figure": change.figure,
            "before": change.before,
            "after": change.after,
            "change": change.change.value,
            "low": change.change.low,
            "high": change.change.high,
            "verdict": change.verdict,
        }
        for change in changes
    ]
    return pd.DataFrame(rows, columns=["cell", "figure", "before", "after", "change", "low", "high", "verdict"])


def _cells(store: Store) -> dict[str, tuple[dict[str, Any], np.ndarray | None]]:
    """The finished records, by what their cells are: the row, and latencies [replicates, rounds, queries] if timed."""
    found = {}
    for key in store.keys(records.KIND):
        entry = store.read(records.KIND, key)
        row = entry.meta["row"]
        if row["status"] == "ok":
            found[entry.meta["cell"]] = row, entry.arrays.get("latency_ms")
    return found


def _changes(
    cell: str, before: tuple[dict[str, Any], np.ndarray | None], after: tuple[dict[str, Any], np.ndarray | None]
) -> list[Change]:
    (old, old_times), (new, new_times) = before, after
    changes = []
    for name in old:
        if name.startswith(QUALITY) and old[name] is not None and new.get(name) is not None:
            gain = new[name] - old[name]
            share = gain / old[name] if old[name] else math.copysign(math.inf, gain) if gain else 0.0
            verdict: Verdict = "same" if abs(gain) <= NOISE else "better" if gain > 0 else "worse"
            changes.append(Change(cell, name, old[name], new[name], Estimate(share, share, share), verdict))
    if old_times is not None and new_times is not None:
        changes.append(_time_change(cell, old_times, new_times))
    return changes


def _time_change(cell: str, old: np.ndarray, new: np.ndarray) -> Change:
    """Medians of the replicates compared as logarithms: a factor, whatever the unit."""
    medians = [np.median(times, axis=(1, 2)) for times in (old, new)]
    logs = difference(*(np.log(values).tolist() for values in medians))
    change = Estimate(*(math.expm1(value) if value < 700 else math.inf for value in (logs.value, logs.low, logs.high)))
    verdict: Verdict = "worse" if change.low > 0 else "better" if change.high < 0 else "same"
    before, after = (float(np.median(times)) for times in (old, new))
    return Change(cell, TIME, before, after, change, verdict)
