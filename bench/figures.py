"""The cells of a grid as figures: precision against candidates and time, or mAP against the length of codes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.figure
import pandas as pd

from bench.references import QUERIES
from bench.tables import SECTION, VARIANT, GridInfo, code_sections, complete, replace, section_name, split_series

# Okabe and Ito's colours, told apart with any colour vision; the markers differ as well.
COLOURS = ["#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
# There are more markers than colours, so that series told apart by neither come late.
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">"]
PUBLISHED = ", published"
ACROSS = 4
SERIES = ["index", "key_bits", *VARIANT]


def write_figures(cells: pd.DataFrame, grid: GridInfo, folder: Path) -> list[Path]:
    """Write the figures as PNG and PDF into the folder, and say which they are.

    ``cells`` as for ``tables.write_tables``; only finished cells are drawn. The layout "codes" has
    ``map_against_bits``, left out where there is one length; the others ``precision_against_candidates``, left out
    where fewer than two numbers of candidates were run, and ``precision_against_time``, where nothing was timed.
    ValueError: an unknown reference.
    """
    done = finished(cells, grid)
    figures = {}
    if grid.layout == "codes":
        if done["bits"].nunique() > 1:
            figures["map_against_bits"] = _draw(done, grid, _against_bits)
    else:
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
    """The completed cells that the grid's layout draws: in ``value`` their quality in percent, in ``published`` that
    which was published.
    """
    tidy = complete(cells, grid)
    if grid.layout == "codes":
        value, published, drawn = tidy["map"], tidy["reference_map"], tidy["index"].isna() & tidy["bits"].notna()
    else:
        value, published = tidy[f"precision_at_{grid.k}"], tidy["reference_precision_at_10"]
        drawn = tidy["index"].notna()
    return tidy.assign(value=100 * value, published=100 * published)[drawn & (tidy["status"] == "ok") & value.notna()]


def _save(figure: matplotlib.figure.Figure, kind: str, path: Path) -> None:
    metadata = {"CreationDate": None} if kind == "pdf" else None
    figure.savefig(path, format=kind, dpi=160, metadata=metadata)


def _draw(done: pd.DataFrame, grid: GridInfo, panel: Any) -> matplotlib.figure.Figure:
    """A panel for each section of the grid's table, ACROSS in a row and on the same scales, above one legend."""
    sections = _sections(done, grid)
    labels_in_order = dict.fromkeys(label for _, section in sections for label, _ in section)
    styles = {label: position for position, label in enumerate(labels_in_order)}
    across, down = min(ACROSS, len(sections)), -(-len(sections) // ACROSS)
    figure = matplotlib.figure.Figure(figsize=(1.5 + 4.5 * across, 0.9 + 4.5 * down), layout="constrained")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(sections) :]:
        axes.remove()
    entries: dict[str, Any] = {}
    for axes, (name, section) in zip(panels.flat, sections, strict=False):
        for label, series in section:
            panel(axes, series, label, styles[label])
        axes.set_title(name.replace(", ", ",\n"), fontsize="medium")
        axes.grid(True, which="major", color="0.9")
        axes.set_axisbelow(True)
        axes.tick_params(labelbottom=True)
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    for axes in panels[:, 0]:
        axes.set_ylabel("mAP, %" if grid.layout == "codes" else f"Precision@{grid.k}, %")
    ordered = sorted(entries, key=lambda label: (styles[label.removesuffix(PUBLISHED)], label))
    figure.legend([entries[label] for label in ordered], ordered, loc="outside lower center", ncols=3, fontsize="small")
    datasets = ", ".join(sorted(done["dataset"].dropna().unique()))
    figure.suptitle(f"{grid.name}: {datasets}, recipe {grid.recipe}", fontsize="medium")
    return figure


def _sections(done: pd.DataFrame, grid: GridInfo) -> list[tuple[str, list[tuple[str, pd.DataFrame]]]]:
    """The named parts of a figure, and in each its named series."""
    if grid.layout == "codes":
        return code_sections(done)
    return [
        (section_name(keys, done), split_series(section, done, SERIES))
        for keys, section in done.groupby(SECTION, dropna=False, sort=True)
    ]


def _against_bits(axes: Any, series: pd.DataFrame, label: str, style: int) -> None:
    points = _means(series)
    axes.set_xlabel("Length of the codes, bits")
    _line(axes, points["bits"], points, label, style)
    _published(axes, points["bits"], points, label, style)


def _against_candidates(axes: Any, series: pd.DataFrame, label: str, style: int) -> None:
    axes.set_xlabel("Candidates N that are re-ranked")
    if series["candidates"].isna().all():
        level = series["value"].mean()
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
    """Means over the seeds for each setting of a series, with the spread of the value, in order of the settings."""
    groups = series.groupby(["bits", "candidates", "nprobe"], dropna=False, sort=True)
    means = groups[["value", "published", "latency_ms_p50", "reference_seconds"]].mean()
    means["spread"] = groups["value"].std().fillna(0.0)
    return means.reset_index().astype(float)


def _line(axes: Any, x: pd.Series, points: pd.DataFrame, label: str, style: int) -> None:
    axes.errorbar(
        x,
        points["value"],
        yerr=points["spread"] if points["spread"].any() else None,
        color=COLOURS[style % len(COLOURS)],
        marker=MARKERS[style % len(MARKERS)],
        capsize=2,
        label=label,
    )


def _published(axes: Any, x: pd.Series, points: pd.DataFrame, label: str, style: int) -> None:
    """The published values as hollow markers, joined by a dotted line, where there are any."""
    if (points["published"].notna() & x.notna()).any():
        axes.plot(
            x,
            points["published"],
            color=COLOURS[style % len(COLOURS)],
            marker=MARKERS[style % len(MARKERS)],
            markerfacecolor="none",
            linestyle=":",
            label=label + PUBLISHED,
        )
