"""The cells of a grid as figures: precision against the number of candidates, and against time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.figure
import pandas as pd

from bench.references import QUERIES
from bench.tables import SECTION, VARIANT, GridInfo, complete, replace, section_name, split_series

# Okabe and Ito's colours, told apart with any colour vision; the markers differ as well.
COLOURS = ["#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
PUBLISHED = ", published"
SERIES = ["index", "key_bits", *VARIANT]


def write_figures(cells: pd.DataFrame, grid: GridInfo, folder: Path) -> list[Path]:
    """Write the figures as PNG and PDF into the folder, and say which they are.

    ``cells`` as for ``tables.write_tables``; only finished cells are drawn. ``precision_against_candidates`` is
    left out where fewer than two numbers of candidates were run, ``precision_against_time`` where nothing was
    timed. ValueError: an unknown reference.
    """
    done = finished(cells, grid)
    figures = {}
    if done["candidates"].nunique() > 1:
        figures["precision_against_candidates"] = _draw(done, grid, _against_candidates)
    if done["latency_ms_p50"].notna().any():
        figures["precision_against_time"] = _draw(done, grid, _against_time)
    return [
        replace(folder / f"{name}.{kind}", partial(_save, figure, kind))
        for name, figure in figures.items()
        for kind in ("png", "pdf")
    ]


def finished(cells: pd.DataFrame, grid: GridInfo) -> pd.DataFrame:
    """The completed cells that can be drawn; their precision at the grid's k is in the column ``precision``."""
    tidy = complete(cells, grid).rename(columns={f"precision_at_{grid.k}": "precision"})
    return tidy[(tidy["status"] == "ok") & tidy["precision"].notna()]


def _save(figure: matplotlib.figure.Figure, kind: str, path: Path) -> None:
    metadata = {"CreationDate": None} if kind == "pdf" else None
    figure.savefig(path, format=kind, dpi=160, metadata=metadata)


def _draw(done: pd.DataFrame, grid: GridInfo, panel: Any) -> matplotlib.figure.Figure:
    """A panel for each dataset, embedder and dimension, side by side on the same scales, under one legend."""
    sections = list(done.groupby(SECTION, dropna=False, sort=True))
    styles = {label: position for position, (label, _) in enumerate(split_series(done, done, SERIES))}
    figure = matplotlib.figure.Figure(figsize=(1.5 + 4.5 * len(sections), 5.4), layout="constrained")
    panels = figure.subplots(1, len(sections), sharex=True, sharey=True, squeeze=False)[0]
    entries: dict[str, Any] = {}
    for axes, (keys, section) in zip(panels, sections, strict=True):
        for label, series in split_series(section, done, SERIES):
            panel(axes, series, label, styles[label])
        axes.set_title(section_name(keys, done))
        axes.grid(True, which="major", color="0.9")
        axes.set_axisbelow(True)
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    panels[0].set_ylabel(f"Precision@{grid.k}, %")
    ordered = sorted(entries, key=lambda label: (styles[label.removesuffix(PUBLISHED)], label))
    figure.legend([entries[label] for label in ordered], ordered, loc="outside lower center", ncols=3, fontsize="small")
    datasets = ", ".join(sorted(done["dataset"].dropna().unique()))
    figure.suptitle(f"{grid.name}: {datasets}, recipe {grid.recipe}", fontsize="medium")
    return figure


def _against_candidates(axes: Any, series: pd.DataFrame, label: str, style: int) -> None:
    axes.set_xlabel("Candidates N that are re-ranked")
    if series["candidates"].isna().all():
        level = 100 * series["precision"].mean()
        axes.axhline(level, color=COLOURS[style % len(COLOURS)], linestyle="--", linewidth=1.2, label=label)
        return
    points = _means(series)
    _line(axes, points["candidates"], points, label, style)
    _published(axes, points["candidates"], points, label, style)


def _against_time(axes: Any, series: pd.DataFrame, label: str, style: int) -> None:
    points = _means(series)
    axes.set_xscale("log")
    axes.set_xlabel("Time of one query, ms (ours: median of single queries;\npublished: total / 25,250 queries)")
    _line(axes, points["latency_ms_p50"], points, label, style)
    _published(axes, points["reference_seconds"] / QUERIES * 1000, points, label, style)


def _means(series: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds for each setting of a series, with the spread of precision, in order of the settings."""
    figures = ["latency_ms_p50", "reference_precision_at_10", "reference_seconds"]
    groups = series.groupby(["candidates", "nprobe"], dropna=False, sort=True)
    means = groups[figures].mean()
    means["precision"] = 100 * groups["precision"].mean()
    means["spread"] = 100 * groups["precision"].std().fillna(0.0)
    return means.reset_index().astype(float)


def _line(axes: Any, x: pd.Series, points: pd.DataFrame, label: str, style: int) -> None:
    axes.errorbar(
        x,
        points["precision"],
        yerr=points["spread"] if points["spread"].any() else None,
        color=COLOURS[style % len(COLOURS)],
        marker=MARKERS[style % len(MARKERS)],
        capsize=2,
        label=label,
    )


def _published(axes: Any, x: pd.Series, points: pd.DataFrame, label: str, style: int) -> None:
    """The published values as hollow markers, joined by a dotted line, where there are any."""
    if (points["reference_precision_at_10"].notna() & x.notna()).any():
        axes.plot(
            x,
            100 * points["reference_precision_at_10"],
            color=COLOURS[style % len(COLOURS)],
            marker=MARKERS[style % len(MARKERS)],
            markerfacecolor="none",
            linestyle=":",
            label=label + PUBLISHED,
        )
