"""The text lists that publishers send with their images: a key and a value a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Table:
    """The lines ``KEY VALUE`` of a list: values by key, in the order of the file, and the line that each is on."""

    path: Path
    entries: dict[str, str]
    lines: dict[str, int]

    def fault(self, key: str, reason: str) -> ValueError:
        """An error that names the line of a key."""
        return ValueError(f"{self.path}, line {self.lines[key]}: {reason}")


def read_lines(path: Path) -> list[str]:
    """The lines of a text, stripped. ValueError: no such file, or not UTF-8."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8 ({error})") from error


def read_table(path: Path, form: str) -> Table:
    """The lines of a list, empty ones left out; the key ends at the first space, the value may hold more.

    ``form`` names key and value in the ValueError: the file can't be read, a line has no value, a key comes twice.
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
