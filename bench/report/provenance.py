"""Describes where and when results were made, in words that can be published: without users and folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.system.machines import GIBIBYTE

QUOTED_PATH = re.compile(r"""(['"])(?:[A-Za-z]:)?[/\\](?:[^'"\n]*[/\\])?([^'"\n/\\]+)[/\\]?\1""")
PLAIN_PATH = re.compile(r"""(?<![\w.])(?<!:/)(?:/[^\s/'",;:()<>|]+)+/([^\s/'",;:()<>|]*)""")
DRIVE_PATH = re.compile(r"""\b[A-Za-z]:(?:\\[^\s\\'",;:()<>|]+)+\\([^\s\\'",;:()<>|]*)""")
"""Absolute paths of two names or more, or of one name in quotes, with the last name as the last group."""
SHORTEST_HOME = 3


def machine_in_words(environment: Mapping[str, Any]) -> str:
    """The processor, its cores (of which those that the process may use, if these are fewer), the memory in GiB and the
    GPU of a record's environment, if known.
    """
    cores, memory = environment.get("cores"), environment.get("memory_bytes")
    usable = environment.get("usable_cores", cores)
    of = f"{usable} of " if usable != cores else ""
    parts = [
        environment.get("cpu"),
        f"{of}{cores} {'core' if cores == 1 else 'cores'}" if cores else None,
        f"{memory / GIBIBYTE:.0f} GiB" if memory else None,
        environment.get("gpu"),
    ]
    return ", ".join(str(part) for part in parts if part) or "unknown machine"


def days_in_words(times: Iterable[str | None]) -> str:
    """The first and the last day of some times (ISO 8601), as "25 to 26 November 2026". Empty if none is known."""
    days = sorted({day for day in map(_day, times) if day is not None})
    if not days:
        return ""
    first, last = days[0], days[-1]
    whole = f"{last.day} {last:%B %Y}"
    if first.date() == last.date():
        return whole
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {whole}"
    return f"{first.day} {first:%B}{'' if first.year == last.year else f' {first:%Y}'} to {whole}"


def _day(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        return None


def without_paths(text: str) -> str:
    """The text with each absolute path cut to its last name, and without the home folder of this user.

    A path with spaces is recognised in quotes only.
    """
    with suppress(RuntimeError):
        home = str(Path.home())
        if len(home) >= SHORTEST_HOME:
            text = text.replace(f"{home}/", "/…/")
    text = QUOTED_PATH.sub(r"\1…/\2\1", text)
    return DRIVE_PATH.sub(r"…/\1", PLAIN_PATH.sub(r"…/\1", text))
