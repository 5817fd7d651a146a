"""Estimates the progress and the time left of a run from its plan, the times of such units, and the steps of a stage.

The caller gives the time, in seconds. The only clock that is read here measures the cost of an estimate.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bench.plans.durations import Durations, Note, likeness
from bench.plans.units import Planned, Unit

EARLY, FEW = 0.05, 10
"""The share and the number of steps of a stage before which its pace is not known."""

LATE = 1.25
"""The factor over the expected time of a unit beyond which its time left is not known."""

SLACK = 1.0
"""The seconds by which any unit may be late."""

STEADY = 1.1
"""The factor by which the time left may rise without a change of the countdown."""

NEARLY = 0.999
"""The most of a run that is shown as done while something is left of it."""

WAITED = 5.0
"""The seconds of waiting from which on they are shown."""

UPKEEP = 50
"""A look-up of all units is used for so many times the time that it took."""


@dataclass
class Steps:
    """The progress of a stage: ``done`` of ``total`` steps at the time ``last``."""

    begun: float
    total: int | None = None
    done: int = 0
    last: float = 0.0
    first: tuple[int, float] | None = None
    """The steps of the first report, and its time. The pace leaves them out, since they start threads and compile."""

    def step(self, done: int, total: int | None, now: float) -> None:
        """Note that so many steps are done now."""
        if done != self.done or total != self.total:
            self.done, self.total, self.last = done, total, now
        if done and self.first is None:
            self.first = done, now

    @property
    def share(self) -> float | None:
        """The share of steps that are done. None if the number of steps is not known."""
        return min(1.0, self.done / self.total) if self.total else None

    def left(self, now: float) -> float | None:
        """The seconds left at the pace of the steps so far. None if the pace is not known yet."""
        if self.first is None or not self.total or self.share is None:
            return None
        before, since = self.first
        steps, seconds = (self.done - before, self.last - since) if self.done > before else (before, since - self.begun)
        if self.share < EARLY and steps < FEW:
            return None
        return max(0.0, seconds / steps * (self.total - self.done) - (now - self.last))


@dataclass(frozen=True)
class Left:
    """The time left of a run in seconds, as far as it is known. ``unknown``: the titles of units of unknown time, minor
    units aside. ``at_most``: some units may turn out not to be needed. ``learned``: part of the time is known from
    units that have run, and not from the plan alone.
    """

    seconds: float
    unknown: tuple[str, ...] = ()
    at_most: bool = False
    learned: bool = True

    @property
    def known(self) -> bool:
        """Whether the time of all units is known."""
        return not self.unknown


@dataclass(frozen=True)
class Doing:
    """The present work: its ``name``, the stages that it is a part of, the steps done of all, the share done, and the
    seconds left, as far as they are known. ``waited``: the seconds for which nothing was done but to wait.
    """

    name: str = ""
    part_of: tuple[str, ...] = ()
    done: int | None = None
    total: int | None = None
    share: float | None = None
    left: float | None = None
    waited: float | None = None


@dataclass
class _Entry:
    """A planned unit for these cells: ``times`` in all, ``left`` of them not yet begun."""

    unit: Unit
    times: int
    left: int
    cells: set[str]
    perhaps: bool
    seconds: float | None = None


@dataclass
class _Running:
    """A unit that was begun. ``learned``: its time will be learned. ``inside``: the seconds of the units inside it.
    ``stages``: its stages, the outermost first.
    """

    unit: Unit
    begun: float
    planned: bool = False
    learned: bool = False
    inside: float = 0.0
    stages: dict[str, Steps] = field(default_factory=dict)


@dataclass
class _Total:
    """The time left, added up unit by unit."""

    seconds: float = 0.0
    perhaps: float = 0.0
    unknown: dict[str, None] = field(default_factory=dict)
    minor: dict[str, None] = field(default_factory=dict)
    uncertain: bool = False
    learned: bool = False

    def add(self, entry: _Entry, factor: float) -> None:
        """Add a unit that is not begun, whose time is ``factor`` times as long as it would be alone."""
        self.uncertain |= entry.perhaps
        if entry.seconds is None:
            self._miss(entry.unit)
            self.seconds += 0.0 if entry.perhaps else entry.left * entry.unit.least
            return
        self.learned = True
        together = entry.left * entry.seconds * factor
        if entry.perhaps:
            self.perhaps += together
        else:
            self.seconds += together

    def add_running(self, unit: Unit, seconds: float, known: bool, learned: bool) -> None:
        """Add a running unit with its seconds left. ``known``, ``learned``: see ``Left``."""
        self.seconds += seconds
        self.learned |= learned
        if not known:
            self._miss(unit)

    def _miss(self, unit: Unit) -> None:
        (self.minor if unit.minor else self.unknown)[unit.title] = None

    def left(self) -> Left:
        """The sum."""
        if self.unknown or (self.minor and not self.seconds + self.perhaps):
            return Left(self.seconds, tuple(self.unknown | self.minor), learned=self.learned)
        return Left(self.seconds + self.perhaps, at_most=self.uncertain)


class Forecast:
    """The forecast of a run. ``durations`` estimates the times of units, and learns.

    Units that are done beside each other are told apart by their ``lane``. Lane 0 is that of the run itself.
    """

    def __init__(self, durations: Durations, now: float = 0.0, lanes: int = 1, all_beside: bool = False) -> None:
        """The run begins now. ``lanes``: so many units that can be done beside others are done at once. ``all_beside``:
        any unit can be, as lanes are machines.
        """
        self.durations = durations
        self._at_once, self._all_beside = lanes, all_beside
        self._lanes: dict[int, list[_Running]] = {}
        self._begun = now
        self._entries: dict[str, _Entry] = {}
        self._of_cell: dict[str, list[_Entry]] = {}
        self._alike: dict[str, dict[str, _Entry]] = {}
        self._running: list[_Running] = [_Running(Unit("", "", {}), now)]
        self._spent: dict[str, tuple[float, float]] = {}
        self._looked = (-1, 0.0)
        self._share = 0.0
        self._told: tuple[float, float] | None = None

    def plan(self, units: Iterable[Planned]) -> None:
        """Take the units that are left to do, in place of earlier plans for them."""
        for one in units:
            before = self._entries.get(one.unit.key)
            done = 0 if before is None else before.times - before.left
            entry = _Entry(one.unit, done + one.times, one.times, set(one.cells), one.perhaps)
            self._entries[one.unit.key] = entry
            self._alike.setdefault(likeness(one.unit), {})[one.unit.key] = entry
            for cell in one.cells:
                self._of_cell.setdefault(cell, []).append(entry)
        self._looked = (-1, 0.0)

    def begin(self, unit: Unit, now: float, counts: bool = True, lane: int = 0) -> None:
        """Begin a unit. The time of an unplanned unit is not learned; it raises the expected times of the planned units
        of its family.
        """
        entry = self._entries.get(unit.key)
        planned = entry is not None and entry.left > 0
        if entry is not None and planned:
            entry.left -= 1
        running = self._lanes.setdefault(lane, []) if lane else self._running
        running.append(_Running(unit, now, planned, planned and counts))

    def end(self, now: float, well: bool, lane: int = 0) -> Note | None:
        """End the unit of the lane that began last, ``well`` or not. If no unit like it is left, returns the note of
        this run about such units.
        """
        running = self._lanes[lane] if lane else self._running
        one = running.pop()
        passed = now - one.begun
        if running:
            running[-1].inside += passed
        else:
            del self._lanes[lane]
        planned, more = self._spent.get(one.unit.family, (0.0, 0.0))
        own = passed - one.inside
        self._spent[one.unit.family] = (planned + own, more) if one.planned else (planned, more + own)
        if not (well and one.learned):
            return None
        self.durations.add(one.unit, own)
        left = any(entry.left for entry in self._alike[likeness(one.unit)].values())
        return None if left else self.durations.own(one.unit)

    def half_done(self) -> list[Note]:
        """The notes of this run about units that have repetitions left."""
        left = [next((one.unit for one in alike.values() if one.left), None) for alike in self._alike.values()]
        notes = [self.durations.own(unit) for unit in left if unit is not None]
        return [note for note in notes if note is not None]

    def ended(self, cell: str) -> None:
        """Note that a cell needs no more units. A unit that only such cells need is not done."""
        for entry in self._of_cell.pop(cell, ()):
            entry.cells.discard(cell)
            if not entry.cells:
                entry.times, entry.left = entry.times - entry.left, 0

    def step(self, stage: str, done: int | None, total: int | None, now: float, lane: int = 0) -> None:
        """Note that so many steps of a stage are done (None: it is over)."""
        running = self._lanes.get(lane, self._running)
        holder = next((one for one in reversed(running) if stage in one.stages), running[-1])
        if done is None:
            holder.stages.pop(stage, None)
        else:
            holder.stages.setdefault(stage, Steps(now)).step(done, total, now)

    @property
    def planned(self) -> bool:
        """Whether the run has a plan."""
        return bool(self._entries)

    @property
    def measuring(self) -> bool:
        """Whether the running unit is a measurement, which nothing may disturb."""
        return any(units[-1].unit.timed for units in (self._running, *self._lanes.values()))

    def doing(self, now: float) -> Doing:
        """The running unit, if it is shown, or else the running stage, with its progress."""
        return self._doing(self._running[1:], now)

    def beside(self, now: float) -> list[Doing]:
        """The running units of the other lanes."""
        return [self._doing(units, now) for units in self._lanes.values()]

    def _doing(self, units: list[_Running], now: float) -> Doing:
        run = self._running[0]
        outer = tuple(f"{name} {_of(steps)}" for name, steps in run.stages.items())
        one = next((one for one in reversed(units) if one.unit.shown), None)
        if one is not None and not one.stages:
            return self._without_steps(one, outer, now)
        names, part_of = ([one.unit.title], outer) if one is not None else ([*outer[:-1]], ())
        stages = run.stages if one is None else one.stages
        if not stages:
            return Doing()
        stage, steps = list(stages.items())[-1]
        if one is not None:
            stage = _within(one.unit.title, stage)
        return Doing(": ".join([*names, stage]), part_of, steps.done, steps.total, steps.share, steps.left(now))

    def _without_steps(self, one: _Running, part_of: tuple[str, ...], now: float) -> Doing:
        """The progress of a unit without steps: its time so far over the time of such units."""
        expected, passed = self.durations.of(one.unit), now - one.begun - one.inside
        if one.unit.waits:
            return Doing(one.unit.title, part_of, waited=passed if passed >= WAITED else None)
        if not expected:
            return Doing(one.unit.title, part_of)
        left = None if passed > LATE * expected + SLACK else max(0.0, expected - passed)
        return Doing(one.unit.title, part_of, share=min(1.0, passed / expected), left=left)

    def left(self, now: float) -> Left:
        """The time left of the whole run."""
        self._look_up(now)
        total = _Total()
        for entry in self._entries.values():
            if entry.left:
                total.add(entry, self._done_again(entry.unit.family) / self._lanes_of(entry.unit))
        for units in (self._running[1:], *self._lanes.values()):
            inside = 0.0
            for one in reversed(units):
                if one.planned:
                    seconds, *known = self._left_of(one, now, inside)
                    total.add_running(one.unit, seconds / self._lanes_of(one.unit), *known)
                inside = now - one.begun
        return total.left()

    def _lanes_of(self, unit: Unit) -> int:
        """The number of units like this one that are done at once."""
        return self._at_once if unit.beside or self._all_beside else 1

    def _look_up(self, now: float) -> None:
        """Look up the times of all units. A look-up that takes long, for many units, is done seldom."""
        notes, until = self._looked
        if notes == self.durations.notes or (notes >= 0 and now < until):
            return
        start = time.perf_counter()
        for entry in self._entries.values():
            if entry.left:
                entry.seconds = self.durations.of(entry.unit)
        self._looked = self.durations.notes, now + UPKEEP * (time.perf_counter() - start)

    def _done_again(self, family: str) -> float:
        """The time of all units of a family in this run over the time of the planned ones."""
        planned, more = self._spent.get(family, (0.0, 0.0))
        return 1.0 + more / planned if planned else 1.0

    def _left_of(self, one: _Running, now: float, inside: float) -> tuple[float, bool, bool]:
        """The seconds left of a running unit, whether they are known, and whether any part of them is known.

        ``inside``: the seconds of the unit that runs inside it.
        """
        paces = [left for steps in one.stages.values() if (left := steps.left(now)) is not None]
        expected, passed = self.durations.of(one.unit), now - one.begun - one.inside - inside
        if expected is None:
            return max(paces, default=0.0), False, bool(paces)
        late = not paces and passed > LATE * expected + SLACK
        return max([0.0, expected - passed, *paces]), not late, True

    def told(self, now: float) -> Left:
        """The time left for a person: it is counted down, and rises only if it has become clearly longer. It stands
        still while the run waits for others.
        """
        left = self.left(now)
        if self._told is not None and left.known:
            before, at = self._told
            counted = before if self._waits else max(0.0, before - (now - at))
            if counted < left.seconds <= STEADY * counted + SLACK:
                left = replace(left, seconds=counted)
        self._told = (left.seconds, now) if left.known else None
        return left

    @property
    def _waits(self) -> bool:
        return not self._lanes and self._running[-1].unit.waits

    def share(self, now: float) -> float:
        """The share of the run that is done, by time, or by units while the time is not known: of these no more than
        the least time that is left allows. It never falls, and is 1 only when nothing runs or is left.
        """
        left, passed = self.left(now), now - self._begun
        by_time = passed / (passed + left.seconds) if self._entries and passed + left.seconds else 0.0
        times = sum(entry.times for entry in self._entries.values())
        open_ = self._planned_running + sum(entry.left for entry in self._entries.values())
        share = by_time if left.known else min(by_time, 1 - open_ / max(1, times))
        self._share = max(self._share, min(share, NEARLY) if open_ else share)
        return self._share

    @property
    def _planned_running(self) -> int:
        """The number of planned units that were begun and are not over."""
        return sum(one.planned for units in (self._running, *self._lanes.values()) for one in units)


def _within(title: str, stage: str) -> str:
    """The name of a stage, without the name of its plugin if the unit's title has it already."""
    plugin, _, what = stage.partition(": ")
    return what if what and plugin.partition(",")[0] == title.partition(" ")[0] else stage


def _of(steps: Steps) -> str:
    return f"{steps.done}" if steps.total is None else f"{steps.done} of {steps.total}"
