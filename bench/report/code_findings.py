"""Writes the findings of hashers: the best of them at each length of the codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from bench.report.code_tables import code_sections
from bench.report.numerals import percent
from bench.report.words import GridInfo, listed, runs
from bench.timing.statistics import over_replicates


def best_codes(done: pd.DataFrame, shown: pd.DataFrame, grid: GridInfo) -> Iterator[str]:
    """The sentences on the hasher with the best mAP at each length. The model ``oracle`` is left out."""
    judged = done[done["hasher"].notna() & (done["model"] != "oracle") & done["map"].notna()]
    sections = code_sections(judged)
    for name, rows in sections:
        start = f"{name}: best" if len(sections) > 1 else "Best"
        yield f"{start} mAP: {_best_by_length(rows, sorted(judged['bits'].dropna().unique()))}."
    if len(judged) and not judged.groupby("hasher")["seed"].nunique().gt(1).all():
        yield "What is of one seed has no interval: a small lead of it may be chance."


def _best_by_length(rows: Sequence[tuple[str, pd.DataFrame]], lengths: Sequence[int]) -> str:
    best: dict[float, str] = {}
    means: dict[float, float] = {}
    alike: dict[str, list[str]] = {}
    for bits in lengths:
        values = {hasher: maps for hasher, series in rows if len(maps := _maps(series, bits))}
        if values:
            best[bits] = str(pd.Series({hasher: maps.mean() for hasher, maps in values.items()}).idxmax())
            means[bits] = float(values[best[bits]].mean())
            for hasher in _as_good(values, best[bits]):
                alike.setdefault(hasher, []).append(str(bits))
    said = [
        f"{hasher} at {listed([str(bits) for bits in of])} bits ({_maps_said(means, of)})" for hasher, of in runs(best)
    ]
    others = [f"{hasher} at {listed(of)} bits" for hasher, of in alike.items()]
    return ", ".join(said) + (f"; not told apart from {listed(others)}" if others else "")


def _maps(series: pd.DataFrame, bits: float) -> pd.Series:
    return series.loc[(series["bits"] == bits).fillna(False), "map"].astype(float)


def _maps_said(means: dict[float, float], lengths: Sequence[float]) -> str:
    return f"{', '.join(percent(means[bits]) for bits in lengths)} %"


def _as_good(values: dict[str, pd.Series], best: str) -> list[str]:
    """The others whose interval over seeds meets that of the best. Both must have several seeds, or equal values."""
    found = []
    for hasher, maps in values.items():
        if hasher == best:
            continue
        if maps.mean() == values[best].mean():
            found.append(hasher)
        elif len(maps) > 1 and len(values[best]) > 1:
            ours, theirs = over_replicates(values[best].tolist()), over_replicates(maps.tolist())
            if theirs.high >= ours.low:
                found.append(hasher)
    return found
