"""The units of work that a run is made of, and who is told when each begins and ends."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Unit:
    """A piece of work that takes a time which can be learned.

    ``key`` tells it from the others of a run. Times are compared within a ``family``: equal ``settings`` (JSON's types)
    take as long, others in proportion to ``size``, which is what the work grows with (None: not known). ``title`` is
    its name for a person; it stands on the screen where the unit is ``shown``, as it may last. ``minor``: it is short
    beside the others. ``timed``: it is a measurement, which nothing may disturb. ``least``: seconds that it takes at
    least, whatever the machine.
    """

    key: str
    family: str
    settings: dict[str, Any]
    size: float | None = None
    title: str = ""
    shown: bool = True
    minor: bool = False
    timed: bool = False
    least: float = 0.0


@dataclass(frozen=True)
class Planned:
    """A unit that is still to be done, so many ``times``, for the cells with these record keys.

    Without ``cells`` the run itself needs it. ``perhaps``: what comes before it decides whether it is done.
    """

    unit: Unit
    times: int = 1
    cells: frozenset[str] = frozenset()
    perhaps: bool = False


@dataclass(frozen=True)
class Plan:
    """What is left of a grid of so many ``cells``: the record keys of those that are still to be done, and the units.

    ``left_out``: how many are not done because this machine lacks something, or because they are not worth it.
    """

    cells: int = 0
    left_out: int = 0
    open: frozenset[str] = frozenset()
    units: tuple[Planned, ...] = ()


class Watch(Protocol):
    """Is told how a run goes on."""

    def planned(self, units: Iterable[Planned]) -> None:
        """Units that are still to be done; what was said of them before no longer holds."""
        ...

    def doing(self, unit: Unit, counts: bool = True) -> AbstractContextManager[None]:
        """Inside, the unit is done. ``counts``: it is done from its beginning, so that its time can be learned."""
        ...

    def ended(self, cell: str) -> None:
        """The cell with this record key has its record: it needs nothing more."""
        ...

    def detail(self, line: str) -> None:
        """A line for who wants to know more."""
        ...


class Unwatched:
    """A watch that nobody reads."""

    def planned(self, units: Iterable[Planned]) -> None:
        """Nothing is noted."""

    def doing(self, unit: Unit, counts: bool = True) -> AbstractContextManager[None]:
        """Nothing is noted."""
        return nullcontext()

    def ended(self, cell: str) -> None:
        """Nothing is noted."""

    def detail(self, line: str) -> None:
        """Nothing is said."""


@dataclass
class Gathered:
    """Units under way to a plan: the same unit, asked for by several cells, stands there once."""

    _units: dict[str, tuple[Unit, int, set[str]]] = field(default_factory=dict)

    def need(self, unit: Unit, cells: Iterable[str]) -> None:
        """The cells need the unit, once for all of them."""
        _, times, known = self._units.setdefault(unit.key, (unit, 0, set()))
        known.update(cells)
        self._units[unit.key] = unit, max(times, 1), known

    def repeat(self, unit: Unit, cells: Iterable[str], times: int = 1) -> None:
        """The unit is done so many times more, for these cells."""
        _, before, known = self._units.setdefault(unit.key, (unit, 0, set()))
        known.update(cells)
        self._units[unit.key] = unit, before + times, known

    def planned(self) -> tuple[Planned, ...]:
        """All of them, in the order in which they were first asked for."""
        return tuple(Planned(unit, times, frozenset(cells)) for unit, times, cells in self._units.values())
