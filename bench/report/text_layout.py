"""Lays out tables as lines of plain text that fit a width: whole if there is room, or else in parts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

from bench.system.wording import printable

LEAST_WIDTH = 20
"""The least width of a line. A shorter line would not hold a word and its number."""

GAP = 2
INDENT = 2
SHORT_HEAD = 12
LEAST_TEXT = 18
"""The least width of a column of texts; it is also no narrower than its longest word."""


@dataclass(frozen=True)
class Row:
    """A row: a label, and a text below each heading. ``depth`` indents the label.

    Without values it is the heading of the rows below it. A single value in a table of several columns is for all,
    and stands between arrows to both ends.
    """

    label: str
    values: tuple[str, ...] = ()
    depth: int = 0


@dataclass(frozen=True)
class Table:
    """Rows of texts below their headings. ``corner`` stands above the labels, ``title`` above the table.

    Numbers are aligned right and never broken into lines. The columns in ``texts`` are aligned left and may be broken.
    """

    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    corner: str = ""
    title: str = ""
    texts: tuple[int, ...] = ()


def cleaned(text: str) -> str:
    """The text on one line, with escapes for characters that a terminal would obey."""
    return printable(text).replace("\n", "\\n")


def wrapped(text: str, width: int, hanging: int = 0) -> list[str]:
    """Lines of at most ``width`` columns, broken at spaces, or inside a word that is longer than a line.

    All lines but the first are indented by ``hanging``. A wide character takes two columns. A character that a terminal
    would obey is an escape.
    """
    width = max(width, hanging + 2)
    lines, line, empty = [], "", True
    for word in _words(text):
        if not empty and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line, empty = " " * hanging, True
        while empty and cell_len(line) + cell_len(word) > width:
            first = chop_cells(word, width - cell_len(line))[0]
            lines.append(line + first)
            line, word = " " * hanging, word[len(first) :]
        line, empty = f"{line}{word}" if empty else f"{line} {word}", False
    return [*lines, line]


def flowing(line: str, width: int, hanging: int | None = None) -> list[str]:
    """A line of words in lines of at most ``width`` columns, all but the first indented by ``hanging``, or else by
    INDENT more than the line.

    No word is broken: a longer one, such as a path that is to be copied, stays whole in a longer line.
    """
    indent = " " * (len(line) - len(line.lstrip(" ")) + INDENT if hanging is None else hanging)
    lines, begun = [], ""
    for word in re.split(r"(?<=[^ ])(?= )", _bound(line)):
        if begun.strip() and cell_len((begun + word).replace("\0", " ")) > width:
            lines.append(begun)
            begun, word = indent, word.lstrip(" ")
        begun += word
    return [one.replace("\0", " ") for one in [*lines, begun]]


def fitted(table: Table, width: int) -> list[str]:
    """The table in lines of at most ``width`` columns (LEAST_WIDTH at least), without any part cut off.

    If it is too wide, texts are broken into lines. If that is not enough, columns are taken in groups, each with the
    labels again. If not even one column fits, each row is a paragraph.
    """
    width = max(width, LEAST_WIDTH)
    table = _cleaned(table)
    title = wrapped(table.title, width) if table.title else []
    for layout in (whole, _in_groups):
        if (body := layout(table, width)) is not None:
            return [*title, *body]
    return [*title, *(line for row in table.rows for line in _paragraph(table, row, width))]


def whole(table: Table, width: int) -> list[str] | None:
    """The table without its title, all columns side by side. None if there is no room for it."""
    widths = _widths(table, _short_heads(table))
    if _total(widths) > width:
        widths = _shrunk(table, _widths(table), width) or []
    if not widths:
        return None
    return [*_heading(table, widths), *(line for row in table.rows for line in _row(table, row, widths, width))]


def needs(table: Table) -> int:
    """The columns that the table takes with nothing broken into lines."""
    return _total(_widths(_cleaned(table)))


def _cleaned(table: Table) -> Table:
    rows = tuple(
        dataclasses.replace(row, label=cleaned(row.label), values=tuple(map(cleaned, row.values))) for row in table.rows
    )
    heads = tuple(map(cleaned, table.heads))
    return dataclasses.replace(table, heads=heads, rows=rows, corner=cleaned(table.corner), title=cleaned(table.title))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _widths(table: Table, whole_heads: Collection[str] = ()) -> list[int]:
    """The width of the labels and of each column, if only headings outside ``whole_heads`` are broken."""
    labels = [cell_len(row.label) + INDENT * row.depth for row in table.rows if row.values]
    found = [max([*labels, _head_width(table.corner, whole_heads)])]
    for at, head in enumerate(table.heads):
        values = [cell_len(row.values[at]) for row in table.rows if len(row.values) == len(table.heads)]
        found.append(max([*values, _head_width(head, whole_heads)]))
    return found


def _head_width(head: str, whole_heads: Collection[str]) -> int:
    return cell_len(head) if head in whole_heads else _longest_word(head)


def _short_heads(table: Table) -> set[str]:
    """The headings that stay on one line if there is room."""
    return {table.corner, *(head for head in table.heads if cell_len(head) <= SHORT_HEAD)}


def _longest_word(text: str) -> int:
    return max(map(cell_len, _words(text)), default=0)


def _words(text: str) -> list[str]:
    """The parts of a text that are not broken: words, short names with values, as in ``L = 16``, and percentages."""
    return [word.replace("\0", " ") for word in _bound(text).split()]


def _bound(text: str) -> str:
    """The text, cleaned, with a null character in place of each space at which no line ends."""
    named = re.sub(r"(?<!\S)(\S{1,16}) = (\S{1,12})(?!\S)", "\\1\0=\0\\2", cleaned(text))
    return re.sub(r"(?<![^\s\0])([!-~]{0,11}[0-9]) %", "\\1\0%", named)


def _shrunk(table: Table, widths: list[int], width: int) -> list[int] | None:
    """The widths with narrower columns of texts, the widest first, until all fit. None if no text can be narrower."""
    widths = list(widths)
    labels = [_longest_word(row.label) + INDENT * (row.depth + 1) for row in table.rows if row.values]
    least = {0: max([*labels, _longest_word(table.corner)])}
    for at in table.texts:
        values = [row.values[at] for row in table.rows if len(row.values) == len(table.heads)]
        least[at + 1] = max([_longest_word(table.heads[at]), *(_longest_word(value) + INDENT for value in values)])
    while (excess := _total(widths) - width) > 0:
        room = {at: widths[at] - max(LEAST_TEXT, floor) for at, floor in least.items()}
        widest = max((at for at in least if room[at] > 0), key=lambda at: widths[at], default=None)
        if widest is None:
            return None
        widths[widest] -= min(excess, room[widest])
    return widths


def _heading(table: Table, widths: Sequence[int]) -> list[str]:
    """The headings, each in as many lines as its column needs. The last line of each is right above the rows."""
    broken = [wrapped(text, width) for text, width in zip((table.corner, *table.heads), widths, strict=True)]
    height = max(map(len, broken))
    lines = [[""] * (height - len(texts)) + texts for texts in broken]
    return [line for at in range(height) if (line := _line(table, [texts[at] for texts in lines], widths))]


def _row(table: Table, row: Row, widths: Sequence[int], width: int) -> list[str]:
    """The lines of a row."""
    indent = INDENT * row.depth
    if not row.values:
        return [(" " * indent + line).rstrip() for line in wrapped(row.label, width - indent, INDENT)]
    labels = [" " * indent + line for line in wrapped(row.label, widths[0] - indent, INDENT)]
    if len(row.values) != len(table.heads):
        room = _total(widths[1:])
        beside = [_spanning(line, room) for line in wrapped(row.values[0], room)]
        return _beside(labels, beside, widths[0])
    broken = [
        wrapped(value, column, INDENT) if at in table.texts else [value]
        for at, (value, column) in enumerate(zip(row.values, widths[1:], strict=True))
    ]
    height = max(map(len, [labels, *broken]))
    parts = [texts + [""] * (height - len(texts)) for texts in [labels, *broken]]
    return [_line(table, [texts[at] for texts in parts], widths) for at in range(height)]


def _spanning(text: str, room: int) -> str:
    """A text in the middle of a line between its ends, so that it does not seem to stand below one heading."""
    left, right = divmod(room - cell_len(text), 2)
    left, right = left - 2, left + right - 2
    if not text or left < 1:
        return " " * (left + 2) + text
    return f"<{'-' * left} {text} {'-' * right}>"


def _beside(left: list[str], right: list[str], width: int) -> list[str]:
    height = max(len(left), len(right))
    left, right = (lines + [""] * (height - len(lines)) for lines in (left, right))
    return [(_padded(one, width) + " " * GAP + other).rstrip() for one, other in zip(left, right, strict=True)]


def _line(table: Table, texts: Sequence[str], widths: Sequence[int]) -> str:
    shown = [
        _padded(text, width, on_the_right=at > 0 and at - 1 not in table.texts)
        for at, (text, width) in enumerate(zip(texts, widths, strict=True))
    ]
    return (" " * GAP).join(shown).rstrip()


def _padded(text: str, width: int, on_the_right: bool = False) -> str:
    room = " " * (width - cell_len(text))
    return room + text if on_the_right else text + room


def _in_groups(table: Table, width: int) -> list[str] | None:
    """The columns in groups that fit beside the labels, one group below the other. None if one column is too wide."""
    groups: list[list[int]] = []
    for at in range(len(table.heads)):
        if groups and whole(_part(table, [*groups[-1], at]), width) is not None:
            groups[-1].append(at)
        elif whole(_part(table, [at]), width) is not None:
            groups.append([at])
        else:
            return None
    lines: list[str] = []
    for group in groups:
        lines += [""] if lines else []
        lines += whole(_part(table, group), width) or []
    return lines


def _part(table: Table, columns: Sequence[int]) -> Table:
    """The table with some of its columns. A value for all columns is in each part."""
    return dataclasses.replace(
        table,
        heads=tuple(table.heads[at] for at in columns),
        rows=tuple(_row_part(row, columns, len(table.heads)) for row in table.rows),
        texts=tuple(new for new, at in enumerate(columns) if at in table.texts),
    )


def _row_part(row: Row, columns: Sequence[int], count: int) -> Row:
    if len(row.values) != count:
        return row
    return dataclasses.replace(row, values=tuple(row.values[at] for at in columns))


def _paragraph(table: Table, row: Row, width: int) -> Iterator[str]:
    indent = min(INDENT * row.depth, width // 4)
    label = f"{table.corner} {row.label}".strip() if row.values else row.label
    for line in wrapped(label, width - indent, INDENT):
        yield (" " * indent + line).rstrip()
    several = len(row.values) == len(table.heads)
    for head, value in zip(table.heads if several else ("",), row.values, strict=False):
        said = f"{head}: {value}" if head else value
        for line in wrapped(said, width - indent - INDENT, INDENT):
            yield (" " * (indent + INDENT) + line).rstrip()
