"""The units of work of a run, its plan, and the watch that is told when a unit begins and ends."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Unit:
    """A piece of work whose time can be learned.

    ``key`` identifies it in a run. Times are compared within a ``family``: units with equal ``settings`` (JSON's types)
    take equal times, others times in proportion to ``size`` (None: not known). ``title`` is its name for a person, on
    the screen if the unit is ``shown`` because it may take long. ``minor``: it is short beside the others. ``timed``:
    it is a measurement, which nothing may disturb. ``beside``: a run may do it beside others like it. ``least``: the
    least seconds that it takes on any machine. ``waits``: nothing is done in it but to wait for others.
    """

    key: str
    family: str
    settings: dict[str, Any]
    size: float | None = None
    title: str = ""
    shown: bool = True
    minor: bool = False
    timed: bool = False
    beside: bool = False
    least: float = 0.0
    waits: bool = False


def waiting(what: str) -> Unit:
    """Wait for others. ``what``: what they do, in words."""
    return Unit("wait", "wait", {}, title=f"wait: {what}", waits=True)


@dataclass(frozen=True)
class Planned:
    """A unit that is left to do, so many ``times``, for the cells with these record keys.

    Without ``cells`` the run itself needs it. ``perhaps``: earlier units decide whether it is done.
    """

    unit: Unit
    times: int = 1
    cells: frozenset[str] = frozenset()
    perhaps: bool = False


@dataclass(frozen=True)
class Plan:
    """The work left of a grid with so many ``cells``: the record keys of its ``open`` cells, and the units.

    ``left_out``: the number of cells that are skipped because this machine lacks something, or pruned.
    """

    cells: int = 0
    left_out: int = 0
    open: frozenset[str] = frozenset()
    units: tuple[Planned, ...] = ()


class Watch(Protocol):
    """A watch is told how a run goes on."""

    def planned(self, units: Iterable[Planned]) -> None:
        """Take the units that are left to do, in place of earlier plans for them."""
        ...

    def doing(self, unit: Unit, counts: bool = True) -> AbstractContextManager[None]:
        """Inside, the unit is done. ``counts``: it is done from its beginning, so its time can be learned."""
        ...

    def ended(self, cell: str) -> None:
        """The cell with this record key has its record, and needs no more units."""
        ...

    def detail(self, line: str) -> None:
        """Take a line of detail."""
        ...


class Unwatched:
    """A watch that ignores all it is told."""

    def planned(self, units: Iterable[Planned]) -> None:
        """Nothing is noted."""

    def doing(self, unit: Unit, counts: bool = True) -> AbstractContextManager[None]:
        """Nothing is noted."""
        return nullcontext()

    def ended(self, cell: str) -> None:
        """Nothing is noted."""

    def detail(self, line: str) -> None:
        """Nothing is noted."""


@dataclass
class Gathered:
    """The units of a plan that is being made. A unit that several cells need is in it once."""

    _units: dict[str, tuple[Unit, int, set[str]]] = field(default_factory=dict)

    def need(self, unit: Unit, cells: Iterable[str]) -> None:
        """Add a unit that the cells need once for all of them."""
        _, times, known = self._units.setdefault(unit.key, (unit, 0, set()))
        known.update(cells)
        self._units[unit.key] = unit, max(times, 1), known

    def repeat(self, unit: Unit, cells: Iterable[str], times: int = 1) -> None:
        """Add ``times`` repetitions of a unit for these cells."""
        _, before, known = self._units.setdefault(unit.key, (unit, 0, set()))
        known.update(cells)
        self._units[unit.key] = unit, before + times, known

    def planned(self) -> tuple[Planned, ...]:
        """All units, in the order in which they were first added."""
        return tuple(Planned(unit, times, frozenset(cells)) for unit, times, cells in self._units.values())
