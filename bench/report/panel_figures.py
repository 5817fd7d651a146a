"""Draws the page's panels of rankings and of codes as files: precision against recall and N, bits, and distances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from bench.report.figures import ACROSS, COLOURS, KINDS, add_legend, save
from bench.system.files import replace_file

NAMES = ("precision_against_recall", "precision_at_n", "bit_balance", "hamming_distances")
DASHES = ("-", "--", ":", "-.")
MOST_AXES = 24
"""The most axes in a figure. Its title says how many were left out."""
PAIRS = {"within": "of one class", "between": "of different classes", "all": "of a query and an item"}
INCHES = {"side": 3.6, "margin": 0.9}


@dataclass(frozen=True)
class Axes:
    """What stands in one frame: its title, and the x and y values of each series by its label."""

    title: str
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]]


@dataclass(frozen=True)
class Picture:
    """A figure of several frames. ``bars``: each series is drawn as bars, or else as ``drawstyle`` lines."""

    across: str
    up: str
    frames: Sequence[Axes]
    log: bool = False
    bars: bool = False
    drawstyle: str = "default"
    top: float | None = None


def write_panel_figures(parts: Mapping[str, Any], title: str, folder: Path) -> list[Path]:
    """Write the figures of the panels of one data set as PNG and PDF into the folder. Returns their paths.

    ``parts``: the panels as ``bench.report.page.panels.parts`` returns them; "rankings" and "codes" are drawn if they
    are there. ``title`` stands above each figure. A figure that has nothing to show is removed if it was there.
    """
    pictures = dict(_pictures(parts))
    for name, kind in product(set(NAMES) - set(pictures), KINDS):
        (folder / f"{name}.{kind}").unlink(missing_ok=True)
    figures = {name: _draw(picture, title) for name, picture in pictures.items()}
    return [
        replace_file(folder / f"{name}.{kind}", partial(save, figure, kind))
        for (name, figure), kind in product(figures.items(), KINDS)
    ]


def _pictures(parts: Mapping[str, Any]) -> Iterator[tuple[str, Picture]]:
    """The figures that have something to show, by name."""
    if rankings := parts.get("rankings"):
        for name, x, words in (("precision_against_recall", "recall", "Recall"), ("precision_at_n", "numbers", "N")):
            if frames := list(_curves(rankings, x)):
                yield name, Picture(words, "Precision", frames, log=x == "numbers", top=1.02)
    if sets := [*parts.get("codes", {}).get("sets", {}).values()]:
        ones = [Axes(one["name"], {"": (range(one["bits"]), one["ones"])}) for one in sets]
        yield "bit_balance", Picture("Bit", "Codes in which it is 1", ones, bars=True, top=1.0)
        apart = [
            Axes(one["name"], {PAIRS[kind]: (range(len(shares)), shares) for kind, shares in one["distances"].items()})
            for one in sets
            if one["distances"]
        ]
        if apart:
            yield "hamming_distances", Picture("Hamming distance", "Pairs", apart, drawstyle="steps-mid")


def _curves(part: Mapping[str, Any], x: str) -> Iterator[Axes]:
    """A frame for each section of rankings and length of the codes, with a series for each kind of codes."""
    for section in part["sections"]:
        found: dict[int, dict[str, tuple[Sequence[float], Sequence[float]]]] = {}
        for series in section["series"]:
            for point in series["points"]:
                if curve := part["curves"].get(point["key"]):
                    found.setdefault(point["bits"], {})[series["name"]] = (curve[x], curve["precision"])
        for bits, lines in sorted(found.items()):
            yield Axes(f"{section['name']}, {bits} bits", lines)


def _draw(picture: Picture, title: str) -> matplotlib.figure.Figure:
    """Draw the frames, ACROSS in a row, on the same scales, above one legend."""
    frames = picture.frames[:MOST_AXES]
    across, down = min(ACROSS, len(frames)), -(-len(frames) // ACROSS)
    side, margin = INCHES["side"], INCHES["margin"]
    figure = matplotlib.figure.Figure(
        figsize=(margin + side * max(2, across), margin + side * down), layout="constrained"
    )
    every = figure.subplots(down, across, sharex=not picture.bars, sharey=True, squeeze=False)
    for axes in every.flat[len(frames) :]:
        axes.remove()
    places = {label: at for at, label in enumerate(dict.fromkeys(one for frame in frames for one in frame.series))}
    entries: dict[str, Any] = {}
    for axes, frame in zip(every.flat, frames, strict=False):
        for label, (x, y) in frame.series.items():
            entries.setdefault(label, _series(axes, picture, x, y, places[label]))
        _finish(axes, picture, frame.title)
    for axes in every[:, 0]:
        axes.set_ylabel(picture.up)
        axes.set_ylim(0, picture.top)
    if any(entries):
        add_legend(figure, entries)
    left = len(picture.frames) - len(frames)
    figure.suptitle(f"{title}; {left} more are on the page" if left else title, fontsize="medium", parse_math=False)
    return figure


def _series(axes: Any, picture: Picture, x: Sequence[float], y: Sequence[float], place: int) -> Any:
    """Draw one series. Returns its handle for the legend."""
    if picture.bars:
        return axes.bar(x, y, color=COLOURS[1], width=0.85)
    dash = DASHES[place // len(COLOURS) % len(DASHES)]
    [line] = axes.plot(x, y, color=COLOURS[place % len(COLOURS)], linestyle=dash, drawstyle=picture.drawstyle)
    return line


def _finish(axes: Any, picture: Picture, title: str) -> None:
    """The title, the scales and the grid of a frame."""
    axes.set_title(title.replace(", ", ",\n"), fontsize="medium", parse_math=False)
    axes.set_xlabel(picture.across)
    if picture.log:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=not picture.top or picture.bars))
    if picture.bars:
        axes.axhline(0.5, color="0.4", linestyle=":", linewidth=1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(True, which="major", color="0.9")
    axes.set_axisbelow(True)
    axes.tick_params(labelbottom=True)
