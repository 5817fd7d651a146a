"""Nested paired timing: replicate (fresh processes, fresh builds) > round > query.

Inside a replicate every index lives in a process of its own, built once. Rounds are handed to one arm at a time, in the
order A B … and then … B A, and every arm of a round is asked the same queries: the machine's drift falls on all alike,
and what a build's place in memory does to it is averaged over replicates, which is what intervals are made of.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.grids.measure import Measure
from bench.interfaces import Float, untracked
from bench.timing.latency import WARM_UP_BLOCK
from bench.timing.load import LOADED, RETAKES
from bench.timing.statistics import drift
from bench.workers.limits import Failure, free_memory

THREADS = 1.1
"""CPU time over wall time that a search on one thread may take."""

ROOM = 1.2
"""Of the largest process so far: what must be free before another is started."""


@dataclass(eq=False)
class Arm:
    """A cell that is timed: its position in the grid, the key that its index is built by, and why it failed, if so."""

    cell: int
    build: str
    failure: Failure | None = None


@dataclass(frozen=True)
class Times:
    """What was timed of one arm in one replicate, float32: the latencies [rounds, queries], and what a query takes in a
    batch on all threads and on one [rounds], in milliseconds; and the seconds of the build [].
    """

    latency_ms: Float
    batch_ms: Float
    batch_one_thread_ms: Float
    build_seconds: Float


@dataclass(frozen=True)
class Replicate:
    """One arm's times in one replicate, of the ``queries`` int32 [rounds, queries], and what was noted with them.

    ``reference``: the cell that all which were timed in turns with this one are compared with, maybe itself, and its
    times in the same rounds.
    """

    times: Times
    queries: NDArray[np.int32]
    reference: int
    reference_times: Times
    sentinel_drift: float
    cpu_per_wall: float
    others: float
    notes: dict[str, Any]


@dataclass(frozen=True)
class Place:
    """An arm in the process that holds its index, and what building that took."""

    arm: Arm
    child: Any
    notes: dict[str, Any]

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self.arm.failure is None and not self.child.gone

    def ask(self, what: str, **parameters: Any) -> Any:
        """The child's answer about this arm's cell; None where the arm has failed, or fails now."""
        if self.arm.failure is not None:
            return None
        try:
            return self.child.ask(what, cell=self.arm.cell, **parameters)
        except Failure as failure:
            self.arm.failure = failure
            return None


@dataclass(frozen=True)
class Replicates:
    """Makes replicates. ``start`` starts a process; ``ready`` is called when an arm's index stands.

    ``track``: see `bench.interfaces.Context`.
    """

    start: Callable[[], Any]
    ready: Callable[[Place], None]
    measure: Measure
    queries: int
    track: Callable[..., Iterable[Any]] = untracked

    def __call__(self, arms: Sequence[Arm], number: int) -> dict[int, Replicate]:
        """Replicate ``number`` of all arms, by cell; an arm's failure stays with it.

        As many are timed in turns as fit into memory. The first that lives is the reference and takes part each time,
        so that all can be compared through it; where nothing fits beside it, the others are timed without.
        """
        done: dict[int, Replicate] = {}
        waiting, together = list(arms), True
        while waiting:
            first = [arm for arm in arms if arm.failure is None][:1] if together else []
            with ExitStack() as children:
                places, left = self._built([*first, *(arm for arm in waiting if arm not in first)], children)
                done = self._timed(places, number) | done
            together = together and [place.arm for place in places] != first
            lost = [place.arm for place in places if place.arm.failure is None and place.arm.cell not in done]
            waiting = [*left, *lost]
        return done

    def _built(self, arms: Sequence[Arm], children: ExitStack) -> tuple[list[Place], list[Arm]]:
        """Build one index after another until memory is short. Returns who is built, and who has to wait."""
        built: dict[str, Place] = {}
        places: list[Place] = []
        largest = 0
        for position, arm in enumerate(self.track(arms, "build and search", len(arms))):
            if arm.failure is not None:
                continue
            if arm.build not in built or built[arm.build].child.gone:
                if built and ROOM * largest > free_memory():
                    return places, list(arms[position:])
                place = self._build(arm, children)
                if place is None:
                    for other in arms:
                        if other.build == arm.build:
                            other.failure = arm.failure
                    continue
                built[arm.build] = place
                largest = max(largest, place.child.resident_bytes())
            place = dataclasses.replace(built[arm.build], arm=arm)
            self.ready(place)
            places.append(place)
        return places, []

    def _build(self, arm: Arm, children: ExitStack) -> Place | None:
        """An arm in a process of its own, or None where it fails. The process ends with ``children`` at the latest."""
        try:
            child = self.start()
        except Failure as failure:
            arm.failure = failure
            return None
        children.callback(child.end)
        place = Place(arm, child, {})
        notes = place.ask("build")
        if notes is None:
            child.end()
            return None
        return dataclasses.replace(place, notes=notes)

    def _timed(self, places: list[Place], number: int) -> dict[int, Replicate]:
        """The rounds; those that others' load disturbed are taken again at the end, with all arms."""
        rounds: list[dict[int, dict[str, Any]]] = [{} for _ in range(self.measure.rounds)]
        turns = list(range(self.measure.rounds))
        for _ in range(1 + RETAKES):
            for turn in self.track(turns, "timed rounds", len(turns)):
                rows = self._rows(number, turn)
                for place in places if turn % 2 == 0 else places[::-1]:
                    if place.alive and (taken := place.ask("round", rows=rows)) is not None:
                        rounds[turn][place.arm.cell] = taken
            alive = [place for place in places if place.alive]
            turns = [turn for turn in turns if any(rounds[turn][one.arm.cell]["others"] > LOADED for one in alive)]
        taken = {place.arm.cell: [one[place.arm.cell] for one in rounds] for place in alive}
        times = {place.arm.cell: _times(taken[place.arm.cell], place.notes) for place in alive}
        asked = np.array([self._rows(number, turn) for turn in range(self.measure.rounds)], dtype=np.int32)
        return {
            place.arm.cell: Replicate(
                times[place.arm.cell],
                asked,
                alive[0].arm.cell,
                times[alive[0].arm.cell],
                **_watched(taken[place.arm.cell], place.notes),
                notes=place.notes,
            )
            for place in alive
        }

    def _rows(self, number: int, turn: int) -> list[int]:
        """The queries of a round, the same for all arms; some are always left for a warm-up, where there are two."""
        spare = min(WARM_UP_BLOCK, self.queries // 2)
        rows = np.random.default_rng((number, turn)).permutation(self.queries)[spare:]
        return [int(row) for row in rows[: self.measure.queries_per_round]]


def _times(rounds: list[dict[str, Any]], notes: dict[str, Any]) -> Times:
    of_rounds = ("latency_ms", "batch_ms", "batch_one_thread_ms")
    taken = {name: np.array([one[name] for one in rounds], dtype=np.float32) for name in of_rounds}
    return Times(**taken, build_seconds=np.array(notes["build_seconds"], dtype=np.float32))


def _watched(rounds: list[dict[str, Any]], notes: dict[str, Any]) -> dict[str, float]:
    """What was watched while an arm was built and timed, at its worst."""
    return {
        "sentinel_drift": drift([one["sentinel_ms"] for one in rounds]),
        "cpu_per_wall": max(one["cpu_per_wall"] for one in rounds),
        "others": max(notes["others"], *(one["others"] for one in rounds)),
    }
