"""Writes the findings of a grid: one or two sentences for each section of its table, and the cells that they leave out.

Nothing is called faster or better if intervals meet, and no sentence is about missing figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from bench.grids.cells import RANKED
from bench.records import front
from bench.records.frame import SECTION
from bench.report import halves, pareto, systems
from bench.report.code_findings import best_codes
from bench.report.numerals import difference, is_vague, percent, significant
from bench.report.tables import label, section_name, shortfall, shortfalls, wanted_words
from bench.report.words import TOO_FEW, GridInfo, listed, runs, span

ENOUGH = 0.95
"""The share of exact search's quality at which methods are compared by their time."""

RATIO = ("ratio", "ratio_low", "ratio_high")
DISTURBED = {"loaded": "timed while the machine was busy", "unstable": "timed while the machine's speed moved"}
"""What may have disturbed a timing, in words that stand behind its interval."""
SELF = 1e-9
"""The rounding error of a search's figure over itself, which should be 1."""

EXACT_RECALL = 0.999
"""An exact search has more recall than this, in spite of ties and rounding."""

STATUS_WORDS = {"ok": "done", "error": "failed", "timeout": "ran out of time", "memory": "ran out of memory"}


class Quality(NamedTuple):
    """The quality that searches are judged by: a column, the words for its percentages, and whose time is compared."""

    column: str
    words: str
    whose: str


def counts(tidy: pd.DataFrame) -> str:
    """The number of cells, and of those that ended in each way: "22 cells: 18 done, 3 failed, 1 pending"."""
    found = Counter("pending" if pd.isna(one) or one == "" else str(one) for one in tidy["status"])
    order = sorted(found, key=lambda name: (name != "ok", name == "pending", name))
    parts = [f"{found[name]} {STATUS_WORDS.get(name, name)}" for name in order]
    return f"{_cells(len(tidy))}: {', '.join(parts) or 'none'}"


def sizes(tidy: pd.DataFrame) -> str:
    """The numbers of items and queries: "75,750 database items, 3,000 queries". Empty if they are not known."""
    counted = {"database_items": "database items", "queries": "queries"}
    return ", ".join(f"{span(tidy[name])} {words}" for name, words in counted.items() if tidy[name].notna().any())


def _cells(number: int) -> str:
    return f"{number} {'cell' if number == 1 else 'cells'}"


def findings(tidy: pd.DataFrame, grid: GridInfo) -> list[str]:
    """The findings, in sentences. ``tidy`` as ``tables.complete`` returns it."""
    rankings = grid.layout in RANKED
    shown = tidy[tidy["index"].isna() if rankings else tidy["index"].notna()]
    done = shown[shown["status"] == "ok"]
    if done.empty:
        return ["Nothing is finished that this table shows."]
    about = {
        "candidates": _closest,
        "methods": _fastest_close,
        "pareto": _by_level,
        "systems": _by_layer,
        "codes": best_codes,
        "models": best_codes,
    }[grid.layout]
    unsteady = [] if rankings else _unsteady(done)
    return [*about(done, shown, grid), *_against_the_published(done, grid), *unsteady, *_left_out(shown, len(done))]


def _unsteady(done: pd.DataFrame) -> Iterator[str]:
    """The sentences on timings in which the machine was not steady or not alone."""
    why = {
        "unstable": "the speed of the machine itself moved by more than 10 %",
        "loaded": "other programs kept the machine busy",
    }
    for column, words in why.items():
        known = _numbers(done, column).dropna()
        if during := int(known.sum()):
            yield f"{_during(during, len(known))} {words}."


def _during(some: int, every: int) -> str:
    """During how many timings, in the words of the page."""
    if every == 1:
        return "During the timing"
    if some < every:
        return f"During {some:,} of {every:,} timings"
    return "During both timings" if every == 2 else f"During all {every:,} timings"


def _left_out(shown: pd.DataFrame, done: int) -> Iterator[str]:
    """The sentences on cells that the findings leave out."""
    if done < len(shown):
        yield f"This is about {done} of {counts(shown)}."


def _against_the_published(done: pd.DataFrame, grid: GridInfo) -> Iterator[str]:
    """The sentences on the difference of quality from the published figures of the same data."""
    name, column, published = (
        ("mAP", "map", "reference_map")
        if grid.layout in RANKED
        else (f"P@{grid.k}", f"precision_at_{grid.k}", "reference_precision_at_10")
    )
    if published not in done:
        return
    beside = done[done["reference_compares"].astype(bool) & done[published].notna() & done[column].notna()]
    if len(beside):
        apart = 100 * (beside[column] - beside[published]).astype(float)
        typical = 100 * float(beside[published].median())
        ends = dict.fromkeys(difference(float(end), typical) for end in (apart.min(), apart.max()))
        yield f"{name} less the published value: {' to '.join(ends)} points ({_cells(len(beside))})."


def _sections(done: pd.DataFrame, shown: pd.DataFrame, k: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """For each section the beginning of a sentence, and its searches with the means over their seeds.

    ``is_exact`` marks the search that times are compared with, a column of ``DISTURBED`` those that it disturbed.
    """
    found = done.assign(**{name: _numbers(done, name) for name in (*RATIO, "speed_up")})
    found[[*DISTURBED]] = pd.DataFrame({name: _numbers(done, name).fillna(0.0) for name in DISTURBED})
    sections = list(found.groupby(SECTION, dropna=False, sort=True))
    for keys, section in sections:
        points = pareto.means(section, k, [*RATIO, "speed_up", *DISTURBED])
        own = points["ratio"].where(points["ratio"].notna(), 1 / points["speed_up"])
        finds_all = points[f"recall_at_{k}"].fillna(1.0) > EXACT_RECALL
        points["is_exact"] = finds_all & _is_one(own) & _is_one(points["share_of_exact"].fillna(1.0))
        yield (f"{section_name(keys, shown)}: " if len(sections) > 1 else ""), points


def _is_one(values: pd.Series) -> pd.Series:
    return (values - 1).abs() < SELF


def _numbers(cells: pd.DataFrame, name: str) -> pd.Series:
    """A column as float64, of not-a-number if the column is missing."""
    if name not in cells:
        return pd.Series(float("nan"), index=cells.index)
    return pd.to_numeric(cells[name].astype(object), errors="coerce").astype("float64")


def _quality(points: pd.DataFrame, k: int) -> Quality | None:
    """Precision by label if exact search has it, or else recall. None if there is neither."""
    if points["share_of_exact"].notna().any():
        return Quality("share_of_exact", f"of exact search's P@{k}", "its")
    recall = f"recall_at_{k}"
    return Quality(recall, f"recall@{k}", "exact search's") if points[recall].notna().any() else None


def _closest(done: pd.DataFrame, shown: pd.DataFrame, grid: GridInfo) -> Iterator[str]:
    """The sentences on the search that comes nearest to exact search, with its share of the time."""
    for start, points in _sections(done, shown, grid.k):
        quality = _quality(points, grid.k)
        others = points[~points["is_exact"]]
        if quality is not None and others[quality.column].notna().any():
            ordered = others.sort_values([quality.column, front.LATENCY], ascending=[False, True], kind="stable")
            yield f"{start}{_reaches(ordered.iloc[0], points, quality, shown)}."


def _reaches(best: pd.Series, points: pd.DataFrame, quality: Quality, shown: pd.DataFrame) -> str:
    reached = f"{percent(best[quality.column])} % {quality.words}{_here(points, quality.column)}"
    return f"{_name(best, shown)} reaches {reached}{_in_time(best, points, quality.whose)}"


def _here(points: pd.DataFrame, quality: str) -> str:
    """Where a printed quality was reached, if settings were chosen on other queries."""
    return halves.HERE if halves.is_split(points, quality) else ""


def _name(point: pd.Series, shown: pd.DataFrame) -> str:
    return label(point, shown, ["setting"])


def _in_time(best: pd.Series, points: pd.DataFrame, whose: str) -> str:
    """A search's time as a share of exact search's, with its interval if there is one."""
    exact = points[points["is_exact"]]
    share, low, high = (best[name] for name in RATIO)
    if pd.isna(share) or (exact.empty and not _is_beside_exact(best)):
        share, low, high = 1 / best["speed_up"], None, None
    if pd.isna(share):
        return ""
    disturbed = (f", {words}" for name, words in DISTURBED.items() if best[name] or exact[name].any())
    busy = next(disturbed, "")
    if pd.isna(low) or pd.isna(high):
        return f" in {_share(share)} % of {whose} time (no interval{busy})"
    vague = is_vague(low, high)
    apart = low > 1 or high < 1
    of_it = "" if apart else " of it"
    ends = TOO_FEW if vague else f"{_share(low)} to {_share(high)} %{of_it} in the same rounds"
    if not apart:
        return f" in a time not told apart from that of exact search ({ends}{busy})"
    return f" in {_share(share)} % of {whose} time ({ends}{busy})"


def _is_beside_exact(best: pd.Series) -> bool:
    """Whether a search's ratio is over exact search in the same rounds, whether or not that has a row beside it."""
    return bool(pd.notna(best["ratio"]) and abs(best["ratio"] * best["speed_up"] - 1) < SELF)


def _share(value: float) -> str:
    return significant(100 * value)


def _fastest_close(done: pd.DataFrame, shown: pd.DataFrame, grid: GridInfo) -> Iterator[str]:
    """The sentences on the fastest search that is about as good as exact search, or else on the nearest to it."""
    for start, points in _sections(done, shown, grid.k):
        quality = _quality(points, grid.k)
        others = points[~points["is_exact"]]
        if quality is None or others[quality.column].isna().all():
            continue
        decisive = halves.deciding(points, quality.column)
        enough = f"{100 * ENOUGH:g} % {quality.words}{halves.THERE if decisive != quality.column else ''}"
        if len(pareto.reaching(others, quality.column, ENOUGH)):
            best = pareto.fastest(points, quality.column, ENOUGH, front.LATENCY)
            if best is not None:
                yield f"{start}{_fastest(best, points, quality, enough, shown)}."
        else:
            nearest = others.sort_values(decisive, ascending=False, kind="stable").iloc[0]
            yield f"{start}None reaches {enough}: {_reaches(nearest, points, quality, shown)}."


def _fastest(best: pd.Series, points: pd.DataFrame, quality: Quality, enough: str, shown: pd.DataFrame) -> str:
    rivals = pareto.contenders(points, quality.column, ENOUGH, front.LATENCY)
    found = pareto.as_fast(rivals, best, front.LATENCY)
    alike = points[:0] if found is None else found
    vague = _is_vague(best, front.LATENCY)
    if best["ratio_high"] < 1:  # the rounds that both share tell more than an interval of each
        alike = alike[~alike["is_exact"]]
    apart = "" if alike.empty else f"; not told apart from {_listed(alike, shown)}"
    if best["is_exact"]:
        beside = f", which is not told apart from {_listed(alike, shown)}" if len(alike) else ""
        beside = f" ({TOO_FEW})" if vague else beside
        return f"No search that reaches {enough} is faster than exact search{beside}"
    here = _here(points, quality.column)
    reached = f"{percent(best[quality.column])} %{here}{_in_time(best, points, quality.whose)}"
    absent = not points["is_exact"].any() and _is_beside_exact(best)  # its own row is of another machine class
    if alike["is_exact"].any() or (absent and best["ratio_low"] <= 1 <= best["ratio_high"]):
        return f"No search that reaches {enough} is told apart from exact search: {_name(best, shown)} has {reached}"
    if absent and best["ratio_low"] > 1:
        return f"No search that reaches {enough} is faster than exact search: {_name(best, shown)} has {reached}{apart}"
    rank = "the fastest that reaches" if alike.empty and not vague else "among the fastest that reach"
    return f"{_name(best, shown)} is {rank} {enough}: {reached}{apart}"


def _is_vague(best: pd.Series, time: str) -> bool:
    return bool(is_vague(*(best[name] for name in pareto.INTERVALS[time])))


def _listed(points: pd.DataFrame, shown: pd.DataFrame) -> str:
    return listed([_name(point, shown) for _, point in points.iterrows()])


def _by_level(done: pd.DataFrame, shown: pd.DataFrame, grid: GridInfo) -> Iterator[str]:
    """The sentences on the fastest index at each level, for single queries and for batches, and on a quality of which
    no search reaches any level.
    """
    times = {front.LATENCY: ("single queries", "ms"), front.THROUGHPUT: ("batches", "queries/s")}
    for start, points in _sections(done, shown, grid.k):
        judged = [quality for quality in pareto.qualities(grid.k) if points[quality].notna().any()]
        for quality in judged[:1]:
            name, levels = pareto.qualities(grid.k)[quality]
            name += f"{halves.THERE}, where settings were chosen" if halves.is_split(points, quality) else ""
            for time, (kind, unit) in times.items():
                best = {level: pareto.fastest(points, quality, level, time) for level in levels}
                found = {level: point for level, point in best.items() if point is not None}
                if found:
                    same = runs({level: _index(point, shown) for level, point in found.items()})
                    said = [f"{index} {_span(of)} ({_figures(found, of, quality, time, unit)})" for index, of in same]
                    nobody = [f"none reaches {_level(level)} %" for level in levels if level not in found][:1]
                    words = f"{start}Fastest {kind} by {name}: {', '.join([*said, *nobody])}"
                    yield f"{words}{_not_told_apart(found, points, quality, time, shown)}."
        for short in shortfalls(points, shown, grid.k).values():
            yield f"{start}{short}." if start else f"{short[0].upper()}{short[1:]}."


def _by_layer(done: pd.DataFrame, shown: pd.DataFrame, grid: GridInfo) -> Iterator[str]:
    """The sentences on the time of a query in each layer: its fastest search that reaches a level of recall."""
    sections = list(done.groupby(SECTION, dropna=False, sort=True))
    for keys, section in sections:
        several, recall = len(sections) > 1, systems.judged(grid.k)[0]
        split = halves.is_split(section, recall)
        start = f"{section_name(keys, shown)}: at" if several else "At"
        if short := shortfall(pareto.means(section, grid.k), shown, *systems.judged(grid.k)):
            yield f"{section_name(keys, shown)}: {short}." if several else f"{short[0].upper()}{short[1:]}."
        for level in systems.LEVELS:
            said = []
            for layer, rows in systems.by_layer(systems.fastest(section, grid.k, level)):
                best = rows.iloc[0]
                where = systems.LAYERS.get(layer, layer)
                reached = f"; {percent(best[recall])} %{halves.HERE}" if split else ""
                said.append(f"{significant(best[front.LATENCY])} ms {where} ({_name(best, shown)}{reached})")
            if said:
                of = f"{wanted_words(level, split)}{', where settings were chosen,' if split else ''}"
                yield f"{start} recall@{grid.k} of {of} a query takes {listed(said)}."


def _index(point: pd.Series, shown: pd.DataFrame) -> str:
    """The name of a search without its query parameters."""
    return label(point, shown, ["build_setting"])


def _span(levels: Sequence[float]) -> str:
    """The first and the last of some levels, in percent as in the table."""
    first, last = _level(levels[0]), _level(levels[-1])
    return f"at {last} %" if len(levels) == 1 else f"from {first} to {last} %"


def _level(level: float) -> str:
    return f"{100 * level:g}"


def _figures(found: dict[float, pd.Series], levels: Sequence[float], quality: str, time: str, unit: str) -> str:
    """The times of the first and the last of some levels. What is reached, if settings were chosen on other queries."""
    ends = [found[level] for level in (levels[0], levels[-1])]
    times = f"{' to '.join(dict.fromkeys(significant(end[time]) for end in ends))} {unit}"
    reached = " to ".join(dict.fromkeys(percent(end[quality]) for end in ends))
    return f"{times}; {reached} %{halves.HERE}" if halves.is_split(ends[0], quality) else times


def _not_told_apart(
    found: dict[float, pd.Series], points: pd.DataFrame, quality: str, time: str, shown: pd.DataFrame
) -> str:
    """The other indexes that are as fast by their intervals, with the levels, in words."""
    others: dict[str, list[str]] = {}
    unknown = []
    for level, best in found.items():
        alike = pareto.as_fast(pareto.contenders(points, quality, level, time), best, time)
        if alike is None and not _is_vague(best, time):
            return "; without intervals, so that others may be as fast"
        if alike is None:
            unknown.append(_level(level))
            continue
        for name in dict.fromkeys(_index(point, shown) for _, point in alike.iterrows()):
            if name != _index(best, shown):
                others.setdefault(name, []).append(_level(level))
    texts = [f"{name} at {listed(levels)} %" for name, levels in others.items()]
    apart = f"; not told apart from {listed(texts)}" if texts else ""
    where = f" at {listed(unknown)} %" if 0 < len(unknown) < len(found) else ""
    return f"{apart}; {TOO_FEW}{where}, so that others may be as fast" if unknown else apart
