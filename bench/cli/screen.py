"""What stands on the terminal: tables of cells, changes, names and reasons."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from bench.system.wording import one_line, printable

if TYPE_CHECKING:
    from bench.records.compare import Change

WIDTH_OF_A_FILE = 10_000
"""Columns of what is no terminal: a line in a file or a pipe is whole, however wide."""

WIDTH_OF_A_TABLE = 100
"""Columns that a table may take in a file or a pipe."""

LEAST_WIDTH, MOST_WIDTH = 20, 1000
"""Columns that a table may take at least, and at most: COLUMNS may say anything."""

PLAINER = str.maketrans({"–": "-", "−": "-"})
"""What stands for a sign that the encoding of a terminal lacks."""


class Screen(Console):
    """Prints text as it is, whatever is in it, and lines whole: everything that is shown goes through here."""

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        width = None if stream is not None and stream.isatty() else WIDTH_OF_A_FILE
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True, width=width)

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, with escapes for what can't be printed, and plainer signs for those that the encoding lacks."""
        shown = printable(text)
        try:
            shown.encode(self.encoding)
        except UnicodeEncodeError:
            shown = shown.translate(PLAINER)
        return super().render_str(shown, **options)

    @property
    def table_width(self) -> int:
        """The columns that a table may take: those of COLUMNS, of the terminal, or WIDTH_OF_A_TABLE."""
        asked = os.environ.get("COLUMNS", "")
        if asked.isdecimal() and len(asked) < 6 and int(asked) > 0:
            width = int(asked)
        else:
            width = self.width if self.is_terminal else WIDTH_OF_A_TABLE
        return min(max(width, LEAST_WIDTH), MOST_WIDTH)

    def on_broken_pipe(self) -> None:
        """Who read has left: end in silence, with the exit code of a program that SIGPIPE ends."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stderr if self.stderr else sys.stdout).fileno())
        raise SystemExit(128 + signal.SIGPIPE)


console = Screen()
errors = Screen(stderr=True)


def print_changes(changes: list[Change]) -> None:
    """What moved, worst losses first, what could not be compared, and how much did not move."""
    from bench.records.compare import ordered, summary
    from bench.report.text_layout import Row, Table, fitted

    rows = []
    for one in (change for change in ordered(changes) if change.verdict != "same"):
        figures = ("", "", "", "")
        if one.has_moved:
            interval = f"{one.low:+.1%} to {one.high:+.1%}"
            figures = (f"{one.before:.4g}", f"{one.after:.4g}", f"{one.change:+.1%}", interval)
        note = f" ({one.note})" if one.note else ""
        rows.append(Row(one.dataset, (one.cell, one.figure, *figures, one.verdict + note)))
    if rows:
        heads = ("cell", "figure", "before", "after", "change", "interval", "verdict")
        print_lines(fitted(Table(heads, tuple(rows), "data set", texts=(0, 1, 6)), console.table_width))
    console.print(summary(changes))


def print_lines(lines: Iterable[str]) -> None:
    """Lines that are laid out already."""
    for line in lines:
        console.print(line)


def print_reasons(where: Console, title: str, reasons: Iterable[str]) -> None:
    """The reasons below their title, a line each."""
    where.print(title)
    for line in reasons:
        where.print(f"  {one_line(line)}")


def print_names(title: str, described: dict[str, str]) -> None:
    """Names and what they stand for below their title, a line each."""
    console.print(title, style="bold")
    width = max((len(name) for name in described), default=0)
    for name, description in described.items():
        console.print(f"  {name:<{width}}  {one_line(description)}")
