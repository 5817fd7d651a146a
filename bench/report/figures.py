"""Draws the cells of a grid: quality against candidates and time, or mAP against the length of codes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.figure
import matplotlib.ticker
import pandas as pd

from bench.grids.cells import RANKED
from bench.records import front
from bench.records.columns import MAP, PRECISION, RECALL
from bench.records.frame import SECTION, VARIANT
from bench.report import pareto
from bench.report.code_tables import code_sections
from bench.report.numerals import significant
from bench.report.tables import complete, section_name, split_series
from bench.report.words import GridInfo, papers_data
from bench.system.files import replace_file

# Okabe and Ito's colours, which differ for any colour vision; the markers differ as well.
COLOURS = ["#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
# There are more markers than colours, so that few series share both.
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">"]
FRONT = "Front: nothing as fast is better"
NAMES = (
    "map_against_bits",
    "precision_against_candidates",
    *(f"{quality}_against_{time}" for quality in ("recall", "precision") for time in ("time", "batch_time")),
)
"""The names of all figures. One of an earlier report that has nothing to show now is removed."""
KINDS = ("png", "pdf")
ACROSS = 4
ALONE = "Time of a single query, ms"
LATENCY = f"{ALONE} (median, one thread)"
DECADE, FEW_DECADES = 10, 300
HANDLE_INCHES, LETTER_INCHES = 0.7, 0.06
"""The width of a handle and of a letter in a legend of small letters."""
SERIES = ["index", "rerank", "build_setting", *VARIANT]
FIGURES = ["value", "published", "reference_ms", front.LATENCY, front.THROUGHPUT, *pareto.BOUNDS]


@dataclass(frozen=True)
class Line:
    """The look of a series: its label, the label of its published values, and its number among the styles."""

    label: str
    published: str
    style: int


@dataclass(frozen=True)
class Panel:
    """The content of a figure. ``draw(axes, points, line)`` draws a series, whose points ``_means`` returns.

    ``quality`` is the column on the y axis, in percent, ``heading`` its name, and ``published`` the column of its
    published values. ``cost`` is the column of the time on the x axis, if the front is drawn.
    """

    draw: Callable[[Any, pd.DataFrame, Line], None]
    quality: str
    heading: str
    published: str = ""
    cost: str = ""


def write_figures(cells: pd.DataFrame, grid: GridInfo, folder: Path) -> list[Path]:
    """Write the figures as PNG and PDF into the folder. Returns their paths.

    ``cells`` as for ``tables.write_tables``; only finished cells are drawn. The layouts "codes" and "models" have
    ``map_against_bits``, unless there is only one length. "candidates" and "methods" have
    ``precision_against_candidates``, unless fewer than two numbers of candidates were run, and
    ``precision_against_time``. "pareto" and "systems" have recall and precision against ``time`` and ``batch_time``.
    Figures against time are left out if nothing was timed. A figure that is left out is removed if it was there.

    Raises ValueError: the reference is unknown.
    """
    done = finished(cells, grid)
    figures = {name: _draw(done, grid, panel) for name, panel in panels(done, grid).items()}
    for name, kind in product(set(NAMES) - set(figures), KINDS):
        (folder / f"{name}.{kind}").unlink(missing_ok=True)
    return [
        replace_file(folder / f"{name}.{kind}", partial(save, figure, kind))
        for (name, figure), kind in product(figures.items(), KINDS)
    ]


def finished(cells: pd.DataFrame, grid: GridInfo) -> pd.DataFrame:
    """The completed cells that the grid's layout draws."""
    tidy = complete(cells, grid)
    drawn = tidy["index"].isna() & tidy["bits"].notna() if grid.layout in RANKED else tidy["index"].notna()
    return tidy[drawn & (tidy["status"] == "ok")]


def panels(done: pd.DataFrame, grid: GridInfo) -> dict[str, Panel]:
    """The figures that have something to show for these cells, by name."""
    if grid.layout in RANKED:
        several = done.loc[done["map"].notna(), "bits"].nunique() > 1
        return {"map_against_bits": Panel(_against_bits, MAP.name, MAP.heading, MAP.reference)} if several else {}
    if grid.layout in ("pareto", "systems"):
        return _fronts(done, grid.k)
    column = PRECISION.at(grid.k)
    precision = (column.name, column.heading, column.reference)
    shown = done[done[precision[0]].notna()]
    found = {}
    if shown["candidates"].nunique() > 1:
        found["precision_against_candidates"] = Panel(_against_candidates, *precision)
    if shown[front.LATENCY].notna().any():
        published = bool(done["reference_ms"].notna().any())
        found["precision_against_time"] = Panel(partial(_against_time, published), *precision)
    return found


def _fronts(done: pd.DataFrame, k: int) -> dict[str, Panel]:
    """The figures of each quality against each kind of time, with the front."""
    times = {"time": (_against_latency, front.LATENCY), "batch_time": (_against_batch, front.THROUGHPUT)}
    return {
        f"{name}_against_{over}": Panel(draw, column.name, column.heading, cost=cost)
        for name, column in (("recall", RECALL.at(k)), ("precision", PRECISION.at(k)))
        for over, (draw, cost) in times.items()
        if (done[column.name].notna() & done[cost].notna()).any()
    }


def save(figure: matplotlib.figure.Figure, kind: str, path: Path) -> None:
    """Write a figure as "png" or "pdf". The same figure gives the same file. A character that no font has is a box."""
    metadata = {"CreationDate": None} if kind == "pdf" else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(path, format=kind, dpi=160, metadata=metadata)


def _draw(done: pd.DataFrame, grid: GridInfo, panel: Panel) -> matplotlib.figure.Figure:
    """Draw a panel for each section of the grid's table, ACROSS in a row, on the same scales, above one legend."""
    published = done[panel.published] if panel.published else float("nan")
    done = done.assign(value=100 * done[panel.quality], published=100 * published).dropna(subset="value")
    sections = _sections(done, grid)
    labels_in_order = dict.fromkeys(label for _, section in sections for label, _ in section)
    styles = {label: position for position, label in enumerate([*labels_in_order, FRONT])}
    across, down = min(ACROSS, len(sections)), -(-len(sections) // ACROSS)
    figure = matplotlib.figure.Figure(figsize=(1.5 + 4.5 * across, 0.9 + 4.5 * down), layout="constrained")
    every = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for axes in every.flat[len(sections) :]:
        axes.remove()
    entries: dict[str, Any] = {}
    for axes, (name, section) in zip(every.flat, sections, strict=False):
        for label, series in section:
            line = Line(label, f"{label}, {papers_data(series) or 'published'}", styles[label])
            styles[line.published] = line.style
            panel.draw(axes, _means(series), line)
        if panel.cost:
            _front(axes, pd.concat([_means(series) for _, series in section]), panel.cost)
        _label_plainly(axes)
        axes.set_title(name.replace(", ", ",\n"), fontsize="medium", parse_math=False)
        axes.grid(True, which="major", color="0.9")
        axes.set_axisbelow(True)
        axes.tick_params(labelbottom=True)
        handles, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    for axes in every[:, 0]:
        axes.set_ylabel(panel.heading)
    ordered = sorted(entries, key=lambda label: (styles[label], label))
    add_legend(figure, {label: entries[label] for label in ordered})
    datasets = ", ".join(sorted(done["dataset"].dropna().unique()))
    figure.suptitle(f"{grid.name}: {datasets}, recipe {grid.recipe}", fontsize="medium", parse_math=False)
    return figure


def _label_plainly(axes: Any) -> None:
    """Label a logarithmic axis of times in plain numbers: each decade, or more of them where it spans few."""
    if axes.get_xscale() != "log":
        return
    low, high = axes.get_xlim()
    if high < DECADE * low:
        axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(4))
    elif high < FEW_DECADES * low:
        axes.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    if high < FEW_DECADES * low:
        axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())  # those of a decade would stand between them
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: significant(value)))
    axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def add_legend(figure: matplotlib.figure.Figure, entries: dict[str, Any]) -> None:
    """One legend below a figure, of the handles by their labels."""
    columns = _legend_columns([*entries], figure.get_figwidth())
    legend = figure.legend([*entries.values()], [*entries], loc="outside lower center", ncols=columns, fontsize="small")
    for text in legend.get_texts():
        text.set_parse_math(False)


def _legend_columns(labels: list[str], inches: float) -> int:
    """The number of columns of such labels that fit side by side, at most three."""
    longest = max(map(len, labels), default=0)
    return max(1, min(3, int(inches / (HANDLE_INCHES + LETTER_INCHES * longest))))


def _sections(done: pd.DataFrame, grid: GridInfo) -> list[tuple[str, list[tuple[str, pd.DataFrame]]]]:
    """The named parts of a figure, each with its named series."""
    if grid.layout in RANKED:
        return code_sections(done)
    return [
        (section_name(keys, done), split_series(section, done, SERIES))
        for keys, section in done.groupby(SECTION, dropna=False, sort=True)
    ]


def _means(series: pd.DataFrame) -> pd.DataFrame:
    """The means over the seeds for each setting of a series, with the spread of the value.

    They are in the order of code length and number of candidates, or else of the grid, so a line follows its sweep.
    """
    groups = series.groupby(["bits", "candidates", "query_setting"], dropna=False, sort=False)
    means = groups[FIGURES].mean()
    means["spread"] = groups["value"].std().fillna(0.0)
    ordered = means.reset_index().sort_values(["bits", "candidates"], kind="stable")
    return ordered.drop(columns="query_setting").astype(float)


def _against_bits(axes: Any, points: pd.DataFrame, line: Line) -> None:
    axes.set_xlabel("Length of the codes, bits")
    _line(axes, points["bits"], points, line)
    _published(axes, points["bits"], points, line)


def _against_candidates(axes: Any, points: pd.DataFrame, line: Line) -> None:
    axes.set_xlabel("Candidates N that are re-ranked")
    if points["candidates"].isna().all():
        level = points["value"].mean()
        axes.axhline(level, color=COLOURS[line.style % len(COLOURS)], linestyle="--", linewidth=1.2, label=line.label)
        return
    _line(axes, points["candidates"], points, line)
    _published(axes, points["candidates"], points, line)


def _against_time(published: bool, axes: Any, points: pd.DataFrame, line: Line) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(f"{ALONE} (ours: median of single queries;\npublished: total / queries)" if published else LATENCY)
    _line(axes, points[front.LATENCY], points, line, front.LATENCY)
    _published(axes, points["reference_ms"], points, line)


def _against_latency(axes: Any, points: pd.DataFrame, line: Line) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(LATENCY)
    _best(axes, points, line, front.LATENCY)


def _against_batch(axes: Any, points: pd.DataFrame, line: Line) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("Time of a batch over its queries, ms (all threads)")
    _best(axes, points, line, front.THROUGHPUT)


def _front(axes: Any, points: pd.DataFrame, column: str) -> None:
    """Draw the best quality that is reached in each time, as steps."""
    cost = front.cost_of(points, column)
    known = cost.notna()
    cost, value = cost[known], points["value"][known]
    on_front = front.front(cost, value)
    order = cost[on_front].argsort(kind="stable")
    x, y = cost[on_front].iloc[order], value[on_front].iloc[order]
    axes.step(x, y, where="post", color="0.5", linewidth=3, alpha=0.5, zorder=0, label=FRONT)


def _best(axes: Any, points: pd.DataFrame, line: Line, time: str) -> None:
    """Draw a series over a ``time``. A line joins its best settings, which none of the others beats, as on the page."""
    cost = front.cost_of(points, time)
    points, cost = points[cost.notna()], cost[cost.notna()]
    _line(axes, cost, points, line, time, joined=False)
    best = front.front(cost, points["value"])
    order = cost[best].argsort(kind="stable")
    colour = COLOURS[line.style % len(COLOURS)]
    axes.plot(cost[best].iloc[order], points["value"][best].iloc[order], color=colour, linewidth=1.2)


def _line(axes: Any, x: pd.Series, points: pd.DataFrame, line: Line, time: str = "", joined: bool = True) -> None:
    """Draw a series with the spread of its value and, for a ``time``, with its interval if it has one."""
    axes.errorbar(
        x,
        points["value"],
        xerr=pareto.reach(points, time) if time else None,
        yerr=points["spread"] if points["spread"].any() else None,
        color=COLOURS[line.style % len(COLOURS)],
        marker=MARKERS[line.style % len(MARKERS)],
        linestyle="-" if joined else "none",
        capsize=2,
        label=line.label,
    )


def _published(axes: Any, x: pd.Series, points: pd.DataFrame, line: Line) -> None:
    """Draw the published values, if any, as hollow markers joined by a dotted line."""
    if (points["published"].notna() & x.notna()).any():
        axes.plot(
            x,
            points["published"],
            color=COLOURS[line.style % len(COLOURS)],
            marker=MARKERS[line.style % len(MARKERS)],
            markerfacecolor="none",
            linestyle=":",
            label=line.published,
        )
