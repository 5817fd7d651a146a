"""Two sets of records side by side: which cells moved, in quality and in time, beyond what repetition explains.

Two revisions, two machines or two versions of a library write their records into folders of their own. Cells are
matched by what they are (data, methods, parameters) and not by key, which holds the versions that differ. Seeds of a
cell are its repetitions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench import records
from bench.statistics import Estimate, difference, over_replicates
from bench.store import Store

Verdict = Literal["same", "better", "worse", "only before", "only after"]
TIME = "latency_ms_p50"
QUALITY = ("map", "precision_at_", "precision_within_", "recall_at_", "ndcg_at_")
NOISE = 1e-9
"""A difference of quality that rounding may make: it is exact otherwise, for the same seed."""


@dataclass(frozen=True)
class Change:
    """One figure of one cell: its means, and the change from before to after as a share, with its interval."""

    dataset: str
    cell: str
    figure: str
    before: float
    after: float
    change: float
    low: float
    high: float
    verdict: Verdict

    @property
    def loss(self) -> float:
        """How much is lost at least, as a share of what was; below 0 where it may be none."""
        return self.low if self.figure == TIME else -self.high


@dataclass
class Repetitions:
    """A cell's finished records: the rows by seed, and latencies [replicates, rounds, queries] of those timed."""

    described: str
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    times: list[NDArray[np.floating]] = field(default_factory=list)


def compare(before: Store, after: Store) -> list[Change]:
    """All figures of the cells that both have, and the cells that one of them lacks. ValueError: one has no records."""
    ours, theirs = _cells(before), _cells(after)
    for store, cells in ((before, ours), (after, theirs)):
        if not cells:
            raise ValueError(f"{store.root} holds no finished records: expected a folder that `run --out` wrote")
    changes = []
    for name in sorted({*ours, *theirs}):
        if name in ours and name in theirs:
            changes += _changes(name[0], ours[name], theirs[name])
        else:
            only: Verdict = "only before" if name in ours else "only after"
            described = (ours.get(name) or theirs[name]).described
            no = math.nan
            changes.append(Change(name[0], described, "", no, no, no, no, no, only))
    return changes


def regressions(changes: list[Change], share: float) -> list[Change]:
    """The changes for the worse by more than a share, with their whole interval."""
    return [change for change in changes if change.verdict == "worse" and change.loss > share]


def frame(changes: list[Change]) -> pd.DataFrame:
    """The changes as a table."""
    return pd.DataFrame([vars(change) for change in changes], columns=list(Change.__dataclass_fields__))


def _cells(store: Store) -> dict[tuple[str, str, int], Repetitions]:
    """The finished records by data set, cell without its seed, and k; of several of one seed the last one."""
    entries = sorted((entry for _, entry in records.finished(store)), key=lambda entry: entry.meta["judged"])
    last = {(entry.meta["row"]["dataset"], entry.meta["cell"], entry.meta["row"]["k"]): entry for entry in entries}
    found: dict[tuple[str, str, int], Repetitions] = {}
    for (dataset, cell, k), entry in last.items():
        row = entry.meta["row"]
        name = dataset, cell.removesuffix(f", seed={row['seed']})"), k
        repetitions = found.setdefault(name, Repetitions(entry.meta["described"]))
        repetitions.rows[row["seed"]] = row
        if "latency_ms" in entry.arrays:
            repetitions.times.append(entry.arrays["latency_ms"])
    return found


def _changes(dataset: str, before: Repetitions, after: Repetitions) -> list[Change]:
    seeds = [seed for seed in before.rows if seed in after.rows]
    changes = []
    for name in next(iter(before.rows.values())):
        if name.startswith(QUALITY) and seeds:
            pairs = [(before.rows[seed][name], after.rows[seed].get(name)) for seed in seeds]
            known = [(old, new) for old, new in pairs if old is not None and new is not None]
            if len(known) == len(pairs):
                changes.append(_quality_change(dataset, before.described, name, known))
    if before.times and after.times:
        changes.append(_time_change(dataset, before.described, before.times, after.times))
    return changes


def _quality_change(dataset: str, cell: str, name: str, pairs: Sequence[tuple[float, float]]) -> Change:
    """Of one seed the change itself, which is exact; of several the mean change and its interval over seeds."""
    gains = [new - old for old, new in pairs]
    value = float(np.mean(gains))
    spread = over_replicates(gains) if len(gains) > 1 else Estimate(value, value, value)
    verdict: Verdict = "better" if spread.low > NOISE else "worse" if spread.high < -NOISE else "same"
    base, now = np.mean(pairs, axis=0).tolist()
    shares = [gain / base if base else math.copysign(math.inf, gain) if gain else 0.0
              for gain in (value, spread.low, spread.high)]  # fmt: skip
    return Change(dataset, cell, name, base, now, shares[0], shares[1], shares[2], verdict)


def _time_change(dataset: str, cell: str, old: list[NDArray[np.floating]], new: list[NDArray[np.floating]]) -> Change:
    """Medians of the replicates compared as logarithms: a factor, whatever the unit.

    Assumption: the machine was as fast before as after, and what moves a replicate moves each alone.
    """
    before, after = (np.concatenate([np.median(times, axis=(1, 2)) for times in one]) for one in (old, new))
    logs = difference(np.log(before).tolist(), np.log(after).tolist())
    value, low, high = (math.expm1(log) if log < 700 else math.inf for log in (logs.value, logs.low, logs.high))
    verdict: Verdict = "worse" if low > 0 else "better" if high < 0 else "same"
    return Change(dataset, cell, TIME, float(np.median(before)), float(np.median(after)), value, low, high, verdict)
