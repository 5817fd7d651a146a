"""Compares two sets of records: which cells moved in quality or in time by more than repetition explains.

Two revisions, two machines or two versions of a library write their records into folders of their own. Data are matched
by their content and, if a record does not know it, by their name. Cells are matched by their methods and parameters and
not by key, which holds the versions that differ. Seeds of a cell are its repetitions. Times are compared only if
machines of one class took them on both sides; of other seeds and cells, the qualities are.

Before and after are the figures of the records, as the tables of the two runs have them, and means where a cell has
several seeds. The change is their ratio less 1. The interval is that of what is judged, the difference of the means of
seeds or, as logarithms, of replicates; where the ratio of the shown figures lies outside, the interval is widened to
it, and a figure whose interval so comes to hold no change has not moved.

Many figures are judged at once, so some unchanged ones would look moved by chance, one in forty for the worse.
Benjamini and Hochberg's procedure over all figures keeps the share of unchanged ones among the moved ones below 5 %.
All intervals are widened to the level at which it judges (see ``statistics.judging_level``). The quality of a single
seed is exact, so it is compared and not judged.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from bench.records import book
from bench.records.columns import COMPARED, ENCODING, TRAINER, Column, compared
from bench.records.labels import labels, natural
from bench.store.entries import Entry, Store
from bench.system.machines import NOT_RECORDED
from bench.timing.statistics import Shift, difference, judging_level, mean_gain

Row = dict[str, Any]
Name = tuple[str, int, str]
"""The name by which cells are matched: the methods and parameters, k, and the classes that are held out of training."""
Seed = tuple[Entry, Entry]
"""The finished records of one seed of a cell, before and after."""
TIMES = {column.name: column for column in COMPARED if column.array}
"""The columns of times and rates, by name."""
RATES = tuple(name for name, column in TIMES.items() if column.better == "more")
"""The columns of TIMES that are queries a second. Their arrays are milliseconds a query."""
QUALITY = tuple(column.name.partition("{")[0] for column in COMPARED if column.judged)
"""The beginnings of the names of qualities, without the number of neighbours."""
NOISE = 1e-9
"""The largest difference of quality that rounding may make. Otherwise quality is exact for the same seed."""
COUNTS = ("database_items", "queries")
OTHER_MACHINE = "other machine"
MISSING = ("only before", "only after", "gone after", "skipped after", "pruned after", OTHER_MACHINE)
UNFAILED = (None, "ok", "skipped", "pruned")  # any other status is a failure, whatever its name
PASSED = ("same", "new after")
JUDGED = ("same", "better", "worse")
"""The verdicts on a figure that both sides have."""
LIMIT = 10.0
"""The share, +1,000 %, beyond which the interval of an unmoved figure says nothing of it."""


@dataclass(frozen=True)
class Change:
    """One figure of one cell, as the records have it, and its change from before to after as a share with an interval.

    ``verdict``: "same", "better" or "worse"; "new after" if it was unknown or failed before; any other if a cell, a
    seed (both without a figure) or a figure can't be compared. ``note`` gives details of these.
    """

    dataset: str
    cell: str
    figure: str = ""
    before: float = math.nan
    after: float = math.nan
    change: float = math.nan
    low: float = math.nan
    high: float = math.nan
    verdict: str = "same"
    note: str = ""

    @property
    def has_moved(self) -> bool:
        """Whether the figure is better or worse: its interval does not hold 0."""
        return self.verdict in ("better", "worse")

    @property
    def loss(self) -> float:
        """The least loss, as a share of the earlier figure. It is below 0 if there may be no loss."""
        return self.low if self.figure in TIMES and self.figure not in RATES else -self.high

    @property
    def is_vague(self) -> bool:
        """Whether the interval is too wide to say that the figure is the same: beyond LIMIT, as a factor for a rate."""
        return self.verdict == "same" and max(self.high, -self.low * (1 + LIMIT if self.figure in RATES else 1)) > LIMIT

    @property
    def interval(self) -> str:
        """The interval in words. That of a vague change says what there is too little of."""
        if self.is_vague:
            return f"too few {'replicates' if self.figure in TIMES else 'seeds'}"
        return "exact" if self.low == self.high else f"{100 * self.low:+,.1f} to {share_in_words(self.high)}"

    def describe(self) -> str:
        """The change in one line."""
        figure = f"{compared(self.figure).said} " if self.figure else ""
        verdict = "not known" if self.is_vague else self.verdict
        shares = f", {share_in_words(self.change)} ({self.interval})" if verdict in ("worse", "not known") else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.dataset}, {self.cell}: {figure}{verdict}{shares}{note}"


def share_in_words(share: float) -> str:
    """A change as a share, in percent and with its sign: "+10.2 %"."""
    return f"{100 * share:+,.1f} %"


@dataclass(frozen=True)
class Pair:
    """A figure of both sides that is not judged yet, with its change as a share of the shown figures.

    ``share``: turns a change in the shift's unit into a share.
    """

    dataset: str
    cell: str
    figure: str
    before: float
    after: float
    change: float
    shift: Shift
    share: Callable[[float], float]

    def judged(self, level: float) -> Change:
        """The change with its interval and its verdict, judged at a level."""
        low, high = self.shift.interval(level)
        lower_is_better = self.figure in TIMES and self.figure not in RATES
        risen, fallen = ("worse", "better") if lower_is_better else ("better", "worse")
        verdict = "same"
        if low > NOISE and self.change > 0:
            verdict = risen
        elif high < -NOISE and self.change < 0:
            verdict = fallen
        low, high = min(self.share(low), self.change), max(self.share(high), self.change)
        return Change(self.dataset, self.cell, self.figure, self.before, self.after, self.change, low, high, verdict)


@dataclass
class Data:
    """The records of one content, with its name. ``cells``: by `Name`, the last judged of each seed."""

    name: str
    fingerprint: str | None
    cells: dict[Name, dict[int, Entry]] = field(default_factory=dict)


def compare(before: Store, after: Store, across_machines: bool = False) -> list[Change]:
    """The changes of all figures that both sides have, and those of cells, seeds and figures that one side lacks.

    Where machines of other classes took the times, one change for each pair of classes says so. ``across_machines``:
    their times are compared all the same.

    Raises ValueError: there is nothing to compare.
    """
    ours, theirs = _data(before), _data(after)
    finished = any(_ok(entry) for data in ours for seeds in data.cells.values() for entry in seeds.values())
    for store, holds in ((before, finished), (after, bool(theirs))):
        if not holds:
            raise ValueError(f"{store.root} holds no finished records{_instead(store)}")
    found = _gathered(chain.from_iterable(_compared(*pair, across_machines) for pair in _paired(ours, theirs)))
    level = judging_level([one.shift.p_value for one in found if isinstance(one, Pair) and one.shift.is_tested])
    return [one.judged(level) if isinstance(one, Pair) else one for one in found]


def _instead(store: Store) -> str:
    """What a results folder without finished records holds instead, in words."""
    ended = Counter(str(entry.meta["row"]["status"]) for _, entry in book.every(store))
    told = ", ".join(f"{count} {status}" for status, count in ended.items())
    return f", only cells that ended otherwise: {told}" if told else ": expected a folder that `run --out` wrote"


def losses(changes: list[Change], share: float, allow_missing: bool = False) -> list[Change]:
    """The changes whose whole interval is worse by more than a share, and those that can't be compared or are vague.

    ``allow_missing``: cells, seeds and figures of one side only, times of other machines, and what is vague, are not
    losses; failures and other data still are.
    """
    left = [one for one in changes if not (allow_missing and (one.is_vague or one.verdict in MISSING))]
    return [one for one in left if one.is_vague or (one.loss > share if one.has_moved else one.verdict not in PASSED)]


def ordered(changes: list[Change]) -> list[Change]:
    """The moved changes, the worst losses first; then those that can't be compared; then the unmoved ones."""
    moved = [one for one in changes if one.has_moved]
    others = [one for one in changes if one.verdict not in JUDGED]
    return [*sorted(moved, key=lambda one: -one.loss), *others, *(one for one in changes if one.verdict == "same")]


def summary(changes: list[Change]) -> str:
    """The numbers of figures that moved and of changes that can't be compared, in a sentence."""
    judged = sum(one.verdict in JUDGED for one in changes)
    moved = sum(one.has_moved for one in changes)
    vague, others = sum(one.is_vague for one in changes), len(changes) - judged
    left_out = f"{others} {'cells, seeds or figures' if others > 1 else 'cell, seed or figure'} can't be compared"
    limit = f"{100 * LIMIT:+,.0f} %"
    few = f"of {vague} there are too few replicates or seeds to tell (the interval reaches beyond {limit}); "
    return (
        f"{moved} of {judged} figures moved (judged together: 5 % of these by chance, at most); "
        f"{few if vague else ''}{left_out if others else 'none is left out'}"
    )


def frame(changes: list[Change]) -> pd.DataFrame:
    """The changes as a table."""
    return pd.DataFrame([vars(change) for change in changes], columns=list(Change.__dataclass_fields__))


def _data(store: Store) -> list[Data]:
    """The records of a store, grouped by the content of their data, sorted by name."""
    found: dict[str, Data] = {}
    for entry in sorted((entry for _, entry in book.every(store)), key=lambda entry: entry.meta["judged"]):
        row = entry.meta["row"]
        fingerprint = row.get("dataset_fingerprint")
        data = found.setdefault(fingerprint or f"name {row['dataset']}", Data(row["dataset"], fingerprint))
        cell = _without_seed(entry.meta["cell"], row["seed"])
        data.cells.setdefault((cell, row["k"], row.get("unseen_classes") or ""), {})[row["seed"]] = entry
    return sorted(found.values(), key=lambda data: data.name)


def _without_seed(cell: str, seed: int) -> str:
    """The text of a cell without its seed, which a grid also gives to an index that takes one, after its parameters."""
    before, index, after = cell.removesuffix(f", seed={seed})").partition("index=")
    return before + index + after.replace(f", 'seed': {seed}}}", "}", 1).replace(f"{{'seed': {seed}}}", "{}", 1)


def _paired(ours: list[Data], theirs: list[Data]) -> Iterator[tuple[Data | None, Data | None]]:
    """The data of both sides in pairs: those of one content, or else of one name. Data of one side stand alone."""
    left, waiting = [], list(theirs)
    for data in ours:
        same = [other for other in waiting if data.fingerprint and other.fingerprint == data.fingerprint]
        if same:
            waiting.remove(same[0])
            yield data, same[0]
        else:
            left.append(data)
    for data in left:
        named = [other for other in waiting if other.name == data.name]
        if named:
            waiting.remove(named[0])
        yield data, named[0] if named else None
    for other in waiting:
        yield None, other


def _gathered(found: Iterable[Pair | Change]) -> list[Pair | Change]:
    """The pairs and changes, with one change for all cells of the same data whose machines differ in the same way."""
    kept: list[Pair | Change] = []
    apart: dict[tuple[str, str], set[str]] = {}
    for one in found:
        if isinstance(one, Change) and one.verdict == OTHER_MACHINE:
            apart.setdefault((one.dataset, one.note), set()).add(one.cell)
        else:
            kept.append(one)
    for (dataset, machines), cells in apart.items():
        what = next(iter(cells)) if len(cells) == 1 else f"{len(cells)} cells"
        kept.append(Change(dataset, f"times of {what}", verdict=OTHER_MACHINE, note=machines))
    return kept


def _compared(before: Data | None, after: Data | None, across_machines: bool) -> Iterator[Pair | Change]:
    """The pairs and changes of all cells of the data."""
    known = before or after
    assert known is not None
    if before and after and before.fingerprint and after.fingerprint and before.fingerprint != after.fingerprint:
        contents = f"fingerprint {before.fingerprint} before, {after.fingerprint} after"
        yield Change(before.name, "all cells", verdict="other data", note=f"{contents}: nothing of them is compared")
        return
    old, new = (data.cells if data else {} for data in (before, after))
    named = labels({name: next(iter(seeds.values())) for name, seeds in sorted({**new, **old}.items())})
    for name, label in sorted(named.items(), key=lambda one: (natural(one[1]), one[0])):
        yield from _of_cell(known.name, label, old.get(name, {}), new.get(name, {}), across_machines)


def _of_cell(
    dataset: str, cell: str, before: dict[int, Entry], after: dict[int, Entry], across_machines: bool
) -> Iterator[Pair | Change]:
    """The pairs and changes of one cell, whose records are given by seed."""
    seeds = sorted({*before, *after})
    for seed in seeds:
        verdict = _ended(before.get(seed), after.get(seed))
        if verdict is not None:
            named = cell if len(seeds) == 1 else f"{cell}, seed {seed}"
            reason = after[seed].meta["row"].get("reason") if seed in after else None
            yield Change(dataset, named, verdict=verdict, note=reason or "")
    common = [(before[seed], after[seed]) for seed in seeds if _ok(before.get(seed)) and _ok(after.get(seed))]
    if counts := next(filter(None, (_other_counts(*pair) for pair in common)), ""):
        yield Change(dataset, cell, verdict="other data", note=counts)
    elif common:
        yield from _qualities(dataset, cell, [(old.meta["row"], new.meta["row"]) for old, new in common])
        for column in TIMES.values():
            timed, apart = (common, set()) if across_machines else _by_machine(column, common)
            yield from _times(dataset, cell, column, timed)
            yield from (Change(dataset, cell, verdict=OTHER_MACHINE, note=machines) for machines in apart)


def _ok(entry: Entry | None) -> bool:
    return entry is not None and entry.meta["row"]["status"] == "ok"


def _ended(before: Entry | None, after: Entry | None) -> str | None:
    """The verdict if a cell is finished on one side only, or failed afterwards. None if there is none."""
    old, new = (None if entry is None else entry.meta["row"]["status"] for entry in (before, after))
    if new != "ok" and (old == "ok" or (new not in UNFAILED and old not in (*book.FAILED, new))):
        return "only before" if new is None else f"{new} after"
    if new == "ok" and old != "ok":
        return "only after" if old is None else "new after"
    return None


def _other_counts(before: Entry, after: Entry) -> str:
    """The difference of the numbers of items and queries in words. Empty if they are equal or not known."""
    pairs = [(name, before.meta["row"].get(name), after.meta["row"].get(name)) for name in COUNTS]
    other = [pair for pair in pairs if None not in pair and pair[1] != pair[2]]
    return "; ".join(f"{name.replace('_', ' ')} {old} before, {new} after" for name, old, new in other)


def _qualities(dataset: str, cell: str, rows: Sequence[tuple[Row, Row]]) -> Iterator[Pair | Change]:
    """The qualities of a cell, from the rows of the seeds that both sides finished."""
    names = dict.fromkeys(name for pair in rows for row in pair for name in row if name.startswith(QUALITY))
    for name in names:
        values = [(_known(old.get(name)), _known(new.get(name))) for old, new in rows]
        if any(old is not None and new is None for old, new in values):
            yield Change(dataset, cell, name, verdict="gone after")
        elif any(old is None and new is not None for old, new in values):
            yield Change(dataset, cell, name, verdict="new after")
        if known := [(old, new) for old, new in values if old is not None and new is not None]:
            base, now = np.mean(known, axis=0).tolist()
            shift = mean_gain([new - old for old, new in known], NOISE)
            share = partial(_share_of, base)
            yield Pair(dataset, cell, name, base, now, share(shift.value), shift, share)


def _known(value: Any) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _share_of(base: float, gain: float) -> float:
    return gain / base if base else math.copysign(math.inf, gain) if gain else 0.0


def _by_machine(column: Column, seeds: Sequence[Seed]) -> tuple[list[Seed], set[str]]:
    """The seeds whose times of a column are compared: those of the machine class that timed most on both sides, or all
    if both sides timed none. And the machines of the others, in words.
    """
    name = TRAINER.name if column.name == ENCODING.name else "machine"
    timed = [seed for seed in seeds if all(column.array in one.arrays for one in seed)]
    classes = [tuple(one.meta["row"].get(name) or NOT_RECORDED for one in seed) for seed in timed]
    equal = Counter(old for old, new in classes if old == new)
    chosen = equal.most_common(1)[0][0] if equal else None
    kept = [seed for seed, of in zip(timed, classes, strict=True) if of == (chosen, chosen)]
    apart = {
        f"{old} before, {new} after" if old != new else f"seeds on {old}, others on {chosen}"
        for old, new in classes
        if (old, new) != (chosen, chosen)
    }
    return kept if timed else list(seeds), apart


def _times(dataset: str, cell: str, column: Column, seeds: Sequence[Seed]) -> Iterator[Pair | Change]:
    """A time or rate of a cell. Shown are the figures of the records; the medians of replicates are compared as
    logarithms, which gives a factor.

    Assumption: the machine was as fast before as after, and replicates are independent, but for those that share a
    process (``shared``).
    """
    known = [[one for one in (seed[place] for seed in seeds) if column.array in one.arrays] for place in (0, 1)]
    old, new = (_logarithms(column, entries) for entries in known)
    if len(old) and len(new):
        base, now = (float(np.mean([_figure(column, one) for one in entries])) for entries in known)
        shared = column.shared * math.sqrt(sum(1 / len(entries) for entries in known))
        shift = difference(old, new).with_error(shared) if shared else difference(old, new)
        yield Pair(dataset, cell, column.name, base, now, now / base - 1, shift, _factor_less_one)
    elif len(old) or len(new):
        yield Change(dataset, cell, column.name, verdict="gone after" if len(old) else "new after")


def _figure(column: Column, entry: Entry) -> float:
    """The time or rate of a record as its tables have it; of one without that figure, the median over replicates."""
    stated = _known(entry.meta["row"].get(column.name))
    return math.exp(float(np.median(_logarithms(column, [entry])))) if stated is None else stated


def _logarithms(column: Column, entries: Sequence[Entry]) -> list[float]:
    """The logarithm of each replicate's figure, which is its median time or the rate for that time."""
    medians = [float(np.median(replicate)) for one in entries for replicate in one.arrays[column.array]]
    return [math.log(1e3 / time if column.name in RATES else time) for time in medians if time > 0]


def _factor_less_one(log: float) -> float:
    return math.expm1(log) if log < 700 else math.inf
