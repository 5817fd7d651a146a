"""The screen: prints tables, changes, names and reasons on the terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from bench.system.wording import one_line, printable

if TYPE_CHECKING:
    from bench.records.compare import Change
    from bench.report.text_layout import Table

WIDTH_OF_A_FILE = 10_000
"""The columns of a file or a pipe: a line is whole there, however wide."""

WIDTH_OF_A_TABLE = 100
"""The most columns of a table in a file or a pipe."""

LEAST_WIDTH, MOST_WIDTH = 20, 1000
"""The least and the most columns of a table, since the environment variable COLUMNS may hold anything."""

PLAINER = str.maketrans({"–": "-", "−": "-"})
"""The replacements of signs that the encoding of a terminal lacks."""


class Screen(Console):
    """Prints text as it is, whatever is in it, and lines whole. All output goes through it."""

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        width = None if stream is not None and stream.isatty() else WIDTH_OF_A_FILE
        plain: Any = {"color_system": None} if os.environ.get("NO_COLOR") else {}  # rich alone keeps what is bold
        super().__init__(
            stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True, width=width, **plain
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, with escapes for characters that can't be printed, and plainer signs if the encoding lacks some."""
        shown = printable(text)
        try:
            shown.encode(self.encoding)
        except UnicodeEncodeError:
            shown = shown.translate(PLAINER)
        return super().render_str(shown, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print objects. On a terminal a text that is wider is broken between words, where the terminal would break it
        inside one.
        """
        if len(objects) == 1 and isinstance(objects[0], str) and self.is_terminal and not objects[0].endswith("\n"):
            from bench.report.text_layout import flowing

            lines = [flowing(line, self.line_width) for line in printable(objects[0]).split("\n")]
            objects = ("\n".join(part for parts in lines for part in parts),)
        super().print(*objects, **options)

    def print_whole(self, line: str) -> None:
        """Print a line that is to be copied, such as a path or a command: a terminal alone may break it."""
        self.print(self.render_str(line.replace("\n", "\\n")))

    @property
    def table_width(self) -> int:
        """The columns that a table may take: the value of COLUMNS, the terminal's width, or WIDTH_OF_A_TABLE."""
        return self._width_or(WIDTH_OF_A_TABLE)

    @property
    def line_width(self) -> int:
        """The columns that a line of words may take: as ``table_width``, but WIDTH_OF_A_FILE where nothing says it."""
        return self._width_or(WIDTH_OF_A_FILE)

    def _width_or(self, otherwise: int) -> int:
        asked = os.environ.get("COLUMNS", "")
        if asked.isdecimal() and len(asked) < 6 and int(asked) > 0:
            return min(max(int(asked), LEAST_WIDTH), MOST_WIDTH)
        return min(max(self.width, LEAST_WIDTH), MOST_WIDTH) if self.is_terminal else otherwise

    def on_broken_pipe(self) -> None:
        """End in silence when the reader of the output is gone, with the exit code of a program that SIGPIPE ends."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stderr if self.stderr else sys.stdout).fileno())
        raise SystemExit(128 + signal.SIGPIPE)


console = Screen()
errors = Screen(stderr=True)


def print_changes(changes: list[Change]) -> None:
    """Print the moved changes, the worst losses first, then those that can't be compared, and a summary."""
    from bench.records.compare import ordered, share_in_words, summary
    from bench.report.text_layout import fitted, needs, wrapped

    shown = [change for change in ordered(changes) if change.verdict != "same"]
    several = len({one.dataset for one in changes}) > 1
    columns = {
        "data set": [one.dataset if several else "" for one in shown],
        "cell": [one.cell for one in shown],
        "figure": [_figure_name(one.figure) for one in shown],
        "before": [_figure(one.figure, one.before) if one.has_moved else "" for one in shown],
        "after": [_figure(one.figure, one.after) if one.has_moved else "" for one in shown],
        "change": [share_in_words(one.change) if one.has_moved else "" for one in shown],
        "interval": [one.interval if one.has_moved else "" for one in shown],
        "verdict": [f"{one.verdict} ({one.note})" if one.note else one.verdict for one in shown],
    }
    if shown:
        table = _of_columns(columns)
        if needs(table) > console.table_width:  # columns in groups: each row of each group names its figure
            named = ("data set", "cell", "figure")
            whole = [", ".join(filter(None, names)) for names in zip(*(columns[name] for name in named), strict=True)]
            table = _of_columns({"cell": whole} | {name: columns[name] for name in columns if name not in named})
        print_lines(fitted(table, console.table_width))
    print_lines(wrapped(summary(changes), console.table_width))


def _of_columns(columns: Mapping[str, Sequence[str]]) -> Table:
    """A table of the columns that have a text at all. The first names the rows."""
    from bench.report.text_layout import Row, Table

    corner, *heads = [head for head, texts in columns.items() if any(texts)]
    rows = [
        Row(label, tuple(values)) for label, *values in zip(*(columns[one] for one in (corner, *heads)), strict=True)
    ]
    texts = tuple(at for at, head in enumerate(heads) if head in ("cell", "figure", "verdict"))
    return Table(tuple(heads), tuple(rows), corner, texts=texts)


def _figure_name(figure: str) -> str:
    """The name of a figure that is compared, with its unit, as in tables. Empty for a whole cell."""
    from bench.records.columns import compared

    if not figure:
        return ""
    column = compared(figure)
    return f"{column.said}, {'%' if column.judged else column.unit}"


def _figure(figure: str, value: float) -> str:
    """A figure that is compared with four digits, a quality in percent and never rounded up."""
    from bench.records.columns import compared
    from bench.report.numerals import significant

    column = compared(figure)
    return significant(column.scale * value, down=column.judged, digits=4)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that are laid out already."""
    for line in lines:
        console.print(line)


def print_reasons(where: Screen, title: str, reasons: Iterable[str]) -> None:
    """Print the reasons below their title, each in a line, or in as many as the width of lines takes."""
    from bench.report.text_layout import flowing

    where.print(title)
    for reason in reasons:
        for line in flowing(f"  {one_line(reason)}", where.line_width):
            where.print(line)


def print_names(title: str, described: dict[str, str]) -> None:
    """Print names and their descriptions below their title, a line each."""
    console.print(title, style="bold")
    width = max((len(name) for name in described), default=0)
    for name, description in described.items():
        console.print(f"  {name:<{width}}  {one_line(description)}")
