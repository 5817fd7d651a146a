"""Lays out a bar of progress: its name, the bar, the steps and the time left, as wide as the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable

from rich.cells import cell_len
from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from bench.report.text_layout import wrapped

NARROW = 72
"""The columns of a terminal below which the figures beside a bar are short."""

LEAST_BAR = 8
MOST_LINES = 2
"""The most lines of a name that does not fit beside its bar."""

FIGURES = {True: (9, 8), False: (20, 21)}
"""The columns of the steps and of the time left of a bar, if they are short and if not."""


def room_for(width: int, narrow: bool) -> int:
    """The columns of a terminal that are left for the name and the bar."""
    return max(2, width - sum(FIGURES[narrow]) - 4)


def columns_of(width: int, narrow: bool, longest: int) -> list[Column]:
    """The columns of a bar: its name, the bar, the steps, and the time left. A bar is short beside a long name."""
    (steps, left), room = FIGURES[narrow], room_for(width, narrow)
    bar = min(max(LEAST_BAR, min(room // 3, room - longest)), room // 2)
    return [
        Column(width=room - bar, no_wrap=True, overflow="ellipsis"),
        Column(width=bar, no_wrap=True, overflow="crop"),
        Column(width=steps, no_wrap=True, overflow="ellipsis", justify="right"),
        Column(width=left, no_wrap=True, overflow="ellipsis"),
    ]


def rows_of(
    columns: Callable[[], list[Column]], name: str, share: float | None, steps: str, left: str
) -> list[RenderableType]:
    """A bar with its name, which has lines of its own above where it would be cut. ``columns``: makes new ones."""
    own = columns()
    of_name, of_bar, of_steps, _ = widths = [one.width or 0 for one in own]
    above = [] if cell_len(name) <= of_name else _whole(name, sum(widths))
    if cell_len(steps) > of_steps and share is not None:
        steps = f"{math.floor(100 * share)} %"
    table = Table.grid(*own, padding=(0, 1, 0, 0))
    table.add_row("" if above else name, _bar(share, of_bar), steps, left)
    return [*(Text(line, no_wrap=True, overflow="ellipsis") for line in above), table]


def _whole(name: str, width: int) -> list[str]:
    """A name in at most MOST_LINES lines, of which the last may be too long."""
    lines = wrapped(name, width)
    return [*lines[: MOST_LINES - 1], " ".join(lines[MOST_LINES - 1 :])]


def _bar(share: float | None, width: int | None) -> ProgressBar:
    """A bar. Where a terminal has few colours, the grey of a full one would be that of an empty one."""
    return ProgressBar(total=1.0, completed=share or 0.0, width=width, finished_style="green")
