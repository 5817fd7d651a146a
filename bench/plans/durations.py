"""Learns how long units of work take on this machine, from this run and earlier ones.

``CACHE/durations.jsonl`` has a line of JSON for each unit. Only the time left that a run shows depends on it, so a line
that is damaged, or that can't be written, is ignored. ``elsewhere.jsonl`` beside this module is such a file. It is of
README's first command on another machine, and speaks for the same units where they have not run yet.
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
ELSEWHERE = Path(__file__).with_name("elsewhere.jsonl")
MOST_BYTES = 2**20
"""The most bytes of the file. Of a longer file the newer half is kept."""

LINE_BYTES = 4096
"""The most bytes of a line. A shorter line is appended in one piece, even if other runs append too."""

RECENT = 5
"""The newest times of equal units in earlier runs that count."""

COMPARED = 20
"""The newest settings of a family, among which the most similar are looked for."""


@dataclass(frozen=True)
class Note:
    """The seconds that a unit took. The other fields are those of ``Unit``."""

    family: str
    settings: dict[str, Any]
    size: float | None
    seconds: float


@dataclass
class _Alike:
    """The times of units with equal settings, in earlier runs and in this run."""

    settings: dict[str, Any]
    size: float | None = None
    earlier: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    own: list[float] = field(default_factory=list)

    def typical(self) -> float:
        """The median time, of this run if it has any, since the machine may have changed."""
        return median(self.own or self.earlier)


class Durations:
    """Notes of the times that units took, and estimates for other units."""

    def __init__(self, notes: Iterable[Note] = (), elsewhere: Iterable[Note] = ()) -> None:
        """``notes``: of earlier runs, the newest last. ``elsewhere``: of another machine."""
        self.notes = 0
        """The number of notes that this run has added."""
        self._families: dict[str, dict[str, _Alike]] = {}
        self._elsewhere = {(note.family, _key(note.settings)): note.seconds for note in elsewhere}
        self._both = [0.0, 0.0]
        """The seconds of this run's units that are known elsewhere too: here, and there."""
        for note in notes:
            self._alike(note).earlier.append(note.seconds)
        self.here = bool(self._families)
        """Whether there are notes of earlier runs on this machine."""

    def _alike(self, of: Note | Unit) -> _Alike:
        family, key = self._families.setdefault(of.family, {}), _key(of.settings)
        alike = family.pop(key, None) or _Alike(json.loads(key))
        alike.size = of.size if of.size is not None else alike.size
        family[key] = alike  # the newest stands last
        return alike

    def add(self, unit: Unit, seconds: float) -> None:
        """Add the time of a unit in this run."""
        self.notes += 1
        self._alike(unit).own.append(seconds)
        there = self._elsewhere.get((unit.family, _key(unit.settings)))
        if there:
            self._both = [self._both[0] + seconds, self._both[1] + there]

    def own(self, unit: Unit) -> Note | None:
        """The median time of units with these settings in this run. None if there was none."""
        alike = self._families.get(unit.family, {}).get(_key(unit.settings))
        if alike is None or not alike.own:
            return None
        return Note(unit.family, alike.settings, unit.size, median(alike.own))

    def of(self, unit: Unit) -> float | None:
        """The estimated seconds of a unit: the time of equal units here, or else of an equal one elsewhere, in
        proportion to what this machine took for others, or else of the most similar ones of its family here, in
        proportion to their sizes. None if none of these has run.
        """
        family, key = self._families.get(unit.family, {}), _key(unit.settings)
        if key in family:
            return family[key].typical()
        there = self._elsewhere.get((unit.family, key))
        if there is not None:
            return there * (self._both[0] / self._both[1] if self._both[1] else 1.0)
        if not family:
            return None
        settings = json.loads(key)
        known = list(family.values())[-COMPARED:]
        equal = [sum(settings.get(name) == value for name, value in one.settings.items()) for one in known]
        nearest = [one for one, count in zip(known, equal, strict=True) if count == max(equal)]
        return median(one.typical() * _ratio(unit.size, one.size) for one in nearest)


def likeness(unit: Unit) -> str:
    """A text that is equal for units of equal times."""
    return f"{unit.family} {_key(unit.settings)}"


def _key(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, default=str)


def _ratio(size: float | None, other: float | None) -> float:
    return size / other if size and other else 1.0


@dataclass(frozen=True)
class DurationsFile:
    """The notes in a cache folder. ``machine`` identifies this machine; notes of other machines are ignored."""

    folder: Path
    machine: str

    def read(self) -> list[Note]:
        """The notes of this machine, oldest first. There are none if the file can't be read."""
        return [note for line in self._lines() if (note := note_of(line, self.machine)) is not None]

    def append(self, notes: Iterable[Note]) -> None:
        """Add notes to the file, if it can be written."""
        lines = [json.dumps({**vars(note), "machine": self.machine}, default=str).encode() for note in notes]
        if not lines:
            return
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                for line in lines:
                    if len(line) < LINE_BYTES:  # the line break first, to end a line that was cut off
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


def elsewhere() -> list[Note]:
    """The notes of README's first command on another machine."""
    return [note for line in ELSEWHERE.read_bytes().splitlines() if (note := note_of(line)) is not None]


def note_of(line: bytes, machine: str | None = None) -> Note | None:
    """The note in a line. None if there is none, or if it is not the machine's that is given."""
    try:
        found = json.loads(line)
        note = Note(found["family"], found["settings"], found["size"], float(found["seconds"]))
        sizes = [] if note.size is None else [float(note.size)]
        right = isinstance(note.family, str) and isinstance(note.settings, dict)
        right = right and all(math.isfinite(number) and number >= 0 for number in (note.seconds, *sizes))
        return note if right and machine in (None, found["machine"]) else None
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
