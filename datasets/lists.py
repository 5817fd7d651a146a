"""The text lists that publishers send with their images: a key and a value a line."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from dataclasses import dataclass
from pathlib import Path

LINE_END = re.compile("\r\n|\r|\n")


@dataclass(frozen=True)
class Table:
    """The lines ``KEY VALUE`` of a list: values by key, in the order of the file, and the line of each."""

    path: Path
    entries: dict[str, str]
    lines: dict[str, int]

    def fault(self, key: str, reason: str) -> ValueError:
        return ValueError(f"{self.path}, line {self.lines[key]}: {reason}")


def read_lines(path: Path) -> list[str]:
    """The lines of a text, stripped, in UTF-8, or in UTF-16 or UTF-32 with a byte order mark; any line ends.

    Raises ValueError: the file can't be read, or a line is in another encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    # UTF-32 comes first, because its mark begins with that of UTF-16.
    marks = {BOM_UTF32_LE: "utf-32", BOM_UTF32_BE: "utf-32", BOM_UTF16_LE: "utf-16", BOM_UTF16_BE: "utf-16"}
    encoding = next((marks[mark] for mark in marks if content.startswith(mark)), "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = len(re.split(LINE_END, error.object[: error.start].decode(encoding, errors="replace")))
        raise ValueError(
            f"{path}, line {line}: not a text in {encoding.removesuffix('-sig').upper()} ({error})"
        ) from error
    lines = re.split(LINE_END, text)
    for at, found in enumerate(lines, start=1):
        if "\0" in found:
            raise ValueError(f"{path}, line {at}: a zero byte, as of UTF-16 without a byte order mark; save as UTF-8")
    return [line.strip() for line in lines]


def read_table(path: Path, form: str) -> Table:
    """The lines of a list without empty ones; the key ends at the first space, and the value may hold more.

    Raises ValueError: the file can't be read, a line has no value, or a key comes twice; ``form`` names key and value.
    """
    table = Table(path, {}, {})
    for number, line in enumerate(read_lines(path), start=1):
        if not line:
            continue
        key, _, value = line.partition(" ")
        if not value:
            raise ValueError(f"{path}, line {number}: {line!r}, must be '{form}'")
        if key in table.entries:
            raise ValueError(f"{path}, line {number}: {key} was named before, in line {table.lines[key]}")
        table.entries[key] = value.strip()
        table.lines[key] = number
    return table
