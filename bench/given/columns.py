"""Columns of a text file: numbers between commas, semicolons, tabs or blanks, or one column of texts as written."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE = 200
"""Lines that tell what stands between the columns."""
BLANKS = r"\s+"
HEADS = {"label", "labels", "class", "classes", "class name", "class_name", "name", "names", "category", "target"}
"""What a column of names is called, in small letters."""
TRUE, FALSE = {"True", "TRUE", "true"}, {"False", "FALSE", "false"}


@dataclass(frozen=True)
class Columns:
    """A text file as its first line, which may name the columns, and what stands below.

    ``body`` is [lines - 1, columns] of numbers or truth values, or of texts if there are others or one column alone.
    ``comments`` is the number of lines with ``#`` above the first line, and ``ends_empty`` whether the last line is.
    """

    path: Path
    first: Sequence[str]
    body: NDArray[Any]
    comments: int = 0
    ends_empty: bool = False

    def array(self, rows: int | None = None) -> NDArray[Any]:
        """The values [n, columns], or the texts [n] of a single column.

        ``rows``: how many there must be; the first line then is a row if the file has as many lines. Otherwise it
        names the columns if they are 0, 1, 2, …, or if it holds a text that does not stand below it again. A first
        column without a name is left out then.

        Raises ValueError: there are more or fewer, or the first line may be either.
        """
        lines, may_name = 1 + len(self.body), self._may_name()
        if may_name and rows is None and self._may_be_code():
            either = "the first line, 0 and 1, may name two columns or be a row"
            raise ValueError(f"{self.path}: {either}; two columns of 0 and 1 must have texts as names, as in a,b")
        if may_name and rows == lines and (self.ends_empty or self._surely_names()):
            right = "one more than these if the first names the columns, or a line of names above it if it does not"
            end = " and an empty one at the end" if self.ends_empty else ""
            raise ValueError(
                f"{self.path}: {lines:,} lines{end} for {rows:,} items, the first {self._shown()}; must have {right}"
            )
        values = self._below() if may_name and rows != lines else self._all()
        is_row = len(values) == 1 and values.size == rows
        if rows is not None and len(values) != rows and not is_row:
            right = "must be as many, or one more whose first names the columns by a text that does not stand below it"
            said = "; lines that begin with # above them are comments" if self.comments else ""
            raise ValueError(
                f"{self.path}: {lines:,} lines for {rows:,} items, {right}; the first is {self._shown()}{said}"
            )
        return values[:, 0] if values.shape[1] == 1 else values

    def _shown(self) -> str:
        text = ",".join(self.first)
        return repr(text if len(text) <= 40 else f"{text[:39]}…")

    def _may_name(self) -> bool:
        if not len(self.body):
            return False
        names = [*self.first][self._is_numbered() :]
        if len(self.first) > 1 and names == [*map(str, range(len(names)))]:
            return True
        are_texts = self.body.dtype.kind == "U"
        return any(
            text and not is_value(text) and not (are_texts and (self.body[:, column] == text).any())
            for column, text in enumerate(self.first)
        )

    def _surely_names(self) -> bool:
        """Whether the first line, which may name the columns, hardly is a row: a text above numbers, or called so."""
        is_text = not all(map(is_value, self.first))
        above_numbers = self.body.dtype.kind != "U" or all(map(is_value, np.unique(self.body).tolist()))
        return is_text and (above_numbers or (len(self.first) == 1 and self.first[0].lower() in HEADS))

    def _may_be_code(self) -> bool:
        """Whether 0 and 1 in the first line may be a row, as all below are."""
        return [*self.first] == ["0", "1"] and bool(np.isin(self.body, (0, 1)).all())

    def _is_numbered(self) -> bool:
        """Whether the first column has no name, as pandas and R write numbers of lines."""
        return len(self.first) > 1 and not self.first[0]

    def _below(self) -> NDArray[Any]:
        return self.body[:, self._is_numbered() :]

    def _all(self) -> NDArray[Any]:
        if len(self.first) > 1 and "" in self.first:
            column = 1 + self.first.index("")
            raise ValueError(f"{self.path}: the first line has nothing in column {column}; a value must stand there")
        texts = np.array([self.first], dtype=str)
        first = texts if self.body.dtype.kind == "U" else as_numbers(texts)
        if first is None:
            return np.concatenate([texts, self.body.astype(str)])
        return first if not len(self.body) else np.concatenate([first, self.body])


def read_columns(path: Path) -> Columns:
    """The columns of a text file. Lines at its top that begin with # are comments, and among numbers what follows a #.

    Raises ValueError: lines have other numbers of columns, or a value is missing.
    """
    with path.open(encoding="utf-8-sig") as file:
        top, comments = 0, 0
        for line in file:
            if line.strip() and not line.lstrip().startswith("#"):
                break
            top += 1
            comments += bool(line.strip())
        else:
            raise ValueError("it holds no values")
        sample = [line, *islice(file, SAMPLE - 1)]
    separator = _separator(sample)
    if separator is None:
        return _one_column(path, top, comments)
    first = _fields(sample[:1], separator)[0]
    is_labels = len(first) == 2 and not first[0]  # numbers of lines, and a column of texts as written
    body = None if is_labels else _number_columns(path, top, separator)
    if body is None or (len(body) and body.shape[1] != len(first)):
        body = _text_columns(path, top, separator)[1:]
    return Columns(path, first, body, comments)


def is_value(text: str) -> bool:
    """Whether a text is a number or a truth value."""
    try:
        float(text)
    except ValueError:
        return text in TRUE | FALSE
    return text.isascii() and "_" not in text


def _fields(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The fields of each line that is not empty."""
    if separator == BLANKS:
        separator, lines = " ", [" ".join(line.split()) for line in lines]
    stripped = (line.strip(" \r\n") for line in lines)
    return [row for row in csv.reader(stripped, delimiter=separator, skipinitialspace=True) if row]


def _separator(sample: Sequence[str]) -> str | None:
    """What stands between the columns; None if there is one column.

    Between numbers it is anything that stands in each line; between texts no blank, and only what gives each line as
    many.
    """
    cut = [line.partition("#")[0] for line in sample]
    for one in (",", ";", "\t", BLANKS):
        rows = _fields(cut, one)
        values = (text for row in rows[1:] or rows for text in row)
        if rows and all(len(row) > 1 for row in rows) and all(map(is_value, values)):
            return one
    whole = [line for line in sample if not line.lstrip().startswith("#")]
    for one in (",", ";", "\t"):
        widths = {len(row) for row in _fields(whole, one)}
        if len(widths) == 1 and widths != {1}:
            return one
    return None


def as_numbers(table: Any) -> NDArray[Any] | None:
    """Texts or values [n, columns] as numbers or truth values; None if a column holds others, or both."""
    import pandas as pd

    frame = pd.DataFrame(table)
    for name in frame:
        if frame[name].dtype.kind in "buif":
            continue
        texts = set(frame[name])
        if texts <= TRUE | FALSE:
            frame[name] = frame[name].isin(TRUE)
        elif all(map(is_value, texts)) and not texts & (TRUE | FALSE):
            frame[name] = pd.to_numeric(frame[name], errors="coerce")
        else:
            return None
    values = frame.to_numpy()
    return values.astype(np.float64) if values.dtype == object else values


def _number_columns(path: Path, top: int, separator: str) -> NDArray[Any] | None:
    """The numbers below the first line; None if a value is none."""
    import pandas as pd

    try:
        below = pd.read_csv(
            path, header=None, sep=separator, skiprows=top + 1, comment="#", skipinitialspace=True, low_memory=False,
            na_filter=False, encoding="utf-8-sig",
        )  # fmt: skip
    except pd.errors.EmptyDataError:
        return np.empty((0, 0))
    except pd.errors.ParserError:  # a line has more columns, as reading texts tells
        return None
    return as_numbers(below)


def _text_columns(path: Path, top: int, separator: str) -> NDArray[Any]:
    """All texts [lines, columns]. Raises ValueError: a line has other columns, or a value is missing."""
    with path.open(encoding="utf-8-sig") as file:
        lines = [(number, line) for number, line in enumerate(file, 1) if number > top]
    lines = [(number, line) for number, line in lines if not line.lstrip().startswith("#") and line.strip()]
    rows = _fields([line for _, line in lines], separator)
    for (number, _), row in zip(lines, rows, strict=False):
        if len(row) != len(rows[0]):
            right = "each line must have as many, and what holds one that separates them must stand in quotes"
            raise ValueError(f"line {number} has {len(row)} columns and the first {len(rows[0])}; {right}")
        if "" in row and row is not rows[0]:
            raise ValueError(f"line {number}, column {row.index('')} is empty; a value must stand there")
    return np.array(rows, dtype=str)


def _one_column(path: Path, top: int, comments: int) -> Columns:
    """A single column of texts as written, without the blanks around those that stand in no quotes."""
    with path.open(encoding="utf-8-sig") as file:
        stripped = [line.strip() for line in islice(file, top, None)]
    end = next(place for place in range(len(stripped), 0, -1) if stripped[place - 1])
    read = csv.reader(stripped[:end], skipinitialspace=True, strict=True)
    texts = []
    for row in read:
        if len(row) > 1:
            right = "a name with a comma must stand in quotes"
            raise ValueError(f"line {top + read.line_num} has {len(row)} columns, and others have 1; {right}")
        texts.append(row[0] if row else "")
    body = np.array(texts[1:], dtype=str)[:, None]
    return Columns(path, texts[:1], body, comments, end < len(stripped))
