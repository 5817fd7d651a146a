"""How long units of work took, on this machine, in this run and in earlier ones.

What is learned is a line of JSON a unit in ``CACHE/durations.jsonl``. It decides nothing but what is said of the time
left: a line that is damaged, or that can't be written, is passed over.
"""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.plans.units import Unit
from bench.system.files import replace_file

FILE = "durations.jsonl"
MOST_BYTES = 2**20
"""Of the file; when it is longer, its newer half is kept."""

LINE_BYTES = 4096
"""A longer line is not kept: so much is appended at once, whatever other runs append."""

RECENT = 5
"""Times of equal units of earlier runs that count, the newest."""

COMPARED = 20
"""Settings of a family, the newest, among which the most similar are looked for."""


@dataclass(frozen=True)
class Note:
    """That a unit took so many seconds. Its fields are those of ``Unit``."""

    family: str
    settings: dict[str, Any]
    size: float | None
    seconds: float


@dataclass
class _Alike:
    """The times of units with equal settings, of earlier runs and of this one."""

    settings: dict[str, Any]
    size: float | None = None
    earlier: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    own: list[float] = field(default_factory=list)

    def typical(self) -> float:
        """This run's, as soon as there are any: the machine is as it is today."""
        return median(self.own or self.earlier)


class Durations:
    """Notes of the times that units took, and what they say of others."""

    def __init__(self, notes: Iterable[Note] = ()) -> None:
        """``notes``: of earlier runs, the newest last."""
        self.notes = 0
        """How many notes this run has added."""
        self._families: dict[str, dict[str, _Alike]] = {}
        for note in notes:
            self._alike(note).earlier.append(note.seconds)

    def _alike(self, of: Note | Unit) -> _Alike:
        family, key = self._families.setdefault(of.family, {}), _key(of.settings)
        alike = family.pop(key, None) or _Alike(json.loads(key))
        alike.size = of.size if of.size is not None else alike.size
        family[key] = alike  # the newest stands last
        return alike

    def add(self, unit: Unit, seconds: float) -> None:
        """A unit took so long in this run."""
        self.notes += 1
        self._alike(unit).own.append(seconds)

    def own(self, unit: Unit) -> Note | None:
        """What units with these settings took in this run, their median; None where there was none."""
        alike = self._families.get(unit.family, {}).get(_key(unit.settings))
        if alike is None or not alike.own:
            return None
        return Note(unit.family, alike.settings, unit.size, median(alike.own))

    def of(self, unit: Unit) -> float | None:
        """The seconds that a unit will take: what equal ones took, or else the most similar of its family, in
        proportion to their sizes. None: nothing of this family has run here.
        """
        family = self._families.get(unit.family)
        if not family:
            return None
        key = _key(unit.settings)
        if key in family:
            return family[key].typical()
        settings = json.loads(key)
        known = list(family.values())[-COMPARED:]
        equal = [sum(settings.get(name) == value for name, value in one.settings.items()) for one in known]
        nearest = [one for one, count in zip(known, equal, strict=True) if count == max(equal)]
        return median(one.typical() * _ratio(unit.size, one.size) for one in nearest)


def likeness(unit: Unit) -> str:
    """Equal for units that take as long."""
    return f"{unit.family} {_key(unit.settings)}"


def _key(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, default=str)


def _ratio(size: float | None, other: float | None) -> float:
    return size / other if size and other else 1.0


@dataclass(frozen=True)
class DurationsFile:
    """The notes in a cache folder. ``machine``: what must be equal for times to be; other machines' are passed over."""

    folder: Path
    machine: str

    def read(self) -> list[Note]:
        """The notes of this machine, oldest first: none where the file can't be read."""
        return [note for line in self._lines() if (note := self._note(line)) is not None]

    def append(self, notes: Iterable[Note]) -> None:
        """Add notes to the file. Nothing is done where it can't be written."""
        lines = [json.dumps({**vars(note), "machine": self.machine}, default=str).encode() for note in notes]
        if not lines:
            return
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                for line in lines:
                    if len(line) < LINE_BYTES:  # it starts with the line break: what was cut off before it is closed
                        os.write(descriptor, b"\n" + line)
            finally:
                os.close(descriptor)
            if self._path.stat().st_size > MOST_BYTES:
                self._shorten()

    @property
    def _path(self) -> Path:
        return self.folder / FILE

    def _lines(self) -> Iterator[bytes]:
        with suppress(OSError), self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MOST_BYTES))
            yield from file.read(MOST_BYTES).split(b"\n")

    def _shorten(self) -> None:
        """Keep the newer half. A note that another run adds meanwhile may be lost."""
        kept = list(self._lines())

        def write(path: Path) -> None:
            path.write_bytes(b"\n".join(kept[len(kept) // 2 :]))

        replace_file(self._path, write)

    def _note(self, line: bytes) -> Note | None:
        """The note in a line; None where there is none, or another machine's."""
        try:
            found = json.loads(line)
            note = Note(found["family"], found["settings"], found["size"], float(found["seconds"]))
            sizes = [] if note.size is None else [float(note.size)]
            right = isinstance(note.family, str) and isinstance(note.settings, dict)
            right = right and all(math.isfinite(number) and number >= 0 for number in (note.seconds, *sizes))
            return note if right and found["machine"] == self.machine else None
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
            return None
