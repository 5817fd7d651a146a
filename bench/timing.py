"""Nested paired timing: replicate (fresh processes, fresh builds) > round > query.

Inside a replicate every index lives in a process of its own, built once. Rounds are handed to one arm at a time, in the
order A B … and then … B A, and every arm of a round is asked the same queries: the machine's drift falls on all alike,
and what a build's place in memory does to it is averaged over replicates, which is what intervals are made of.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.grid import Measure
from bench.interfaces import Float
from bench.isolation import Failure, free_memory
from bench.statistics import drift

LOADED = 0.3
"""Cores that others may keep busy during a round; above it the round is taken again."""

RETAKES = 2
UNSTABLE = 0.1
"""How far the sentinel's times may lie apart inside a replicate."""

THREADS = 1.1
"""CPU time over wall time that a search on one thread may take."""

ROOM = 1.2
"""Of the largest process so far: what must be free before another is started."""


@dataclass
class Arm:
    """A cell that is timed: its position in the grid, the key that its index is built by, and why it failed, if so."""

    cell: int
    build: str
    failure: Failure | None = None


@dataclass(frozen=True)
class Replicate:
    """One arm's times in one replicate: milliseconds float32 [rounds, queries], and what was noted with them.

    ``together``: arms with the same one were timed in turns.
    """

    milliseconds: Float
    together: str
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
    """Makes replicates. ``start`` starts a process; ``ready`` is called when an arm's index stands."""

    start: Callable[[], Any]
    ready: Callable[[Place], None]
    measure: Measure
    queries: int

    def __call__(self, arms: Sequence[Arm], reference: Arm, number: int) -> dict[int, Replicate]:
        """Replicate ``number`` of all arms, by cell; an arm's failure stays with it.

        As many are timed in turns as fit into memory; the reference takes part each time, so that all can be compared
        through it.
        """
        done: dict[int, Replicate] = {}
        waiting = list(arms)
        while waiting:
            together, left = self._built([reference, *(arm for arm in waiting if arm is not reference)])
            try:
                taken = self._timed(together, number)
            finally:
                for child in {id(place.child): place.child for place in together}.values():
                    child.end()
            done = {**taken, **done}
            lost = [place.arm for place in together if place.arm.failure is None and place.arm.cell not in taken]
            waiting = [*left, *lost]
        return done

    def _built(self, arms: Sequence[Arm]) -> tuple[list[Place], list[Arm]]:
        """Build one index after another until memory is short. Returns who is built, and who has to wait."""
        places: dict[str, Place] = {}
        together: list[Place] = []
        largest = 0
        for position, arm in enumerate(arms):
            if arm.failure is not None:
                continue
            if arm.build not in places:
                if places and ROOM * largest > free_memory():
                    return together, list(arms[position:])
                place = self._build(arm)
                if place is None:
                    for other in arms:
                        if other.build == arm.build:
                            other.failure = arm.failure
                    continue
                places[arm.build] = place
                largest = max(largest, place.child.resident_bytes())
            place = Place(arm, places[arm.build].child, places[arm.build].notes)
            self.ready(place)
            together.append(place)
        return together, []

    def _build(self, arm: Arm) -> Place | None:
        child = None
        try:
            child = self.start()
            return Place(arm, child, child.ask("build", cell=arm.cell))
        except Failure as failure:
            arm.failure = failure
            if child is not None:
                child.end()
            return None

    def _timed(self, together: list[Place], number: int) -> dict[int, Replicate]:
        """The rounds; those that others' load disturbed are taken again at the end, with all arms."""
        rounds: list[dict[int, dict[str, Any]]] = [{} for _ in range(self.measure.rounds)]
        turns = list(range(self.measure.rounds))
        for _ in range(1 + RETAKES):
            for turn in turns:
                rows = self._rows(number, turn)
                for place in together if turn % 2 == 0 else together[::-1]:
                    if not place.child.gone:
                        taken = place.ask("round", rows=rows)
                        rounds[turn] |= {} if taken is None else {place.arm.cell: taken}
            turns = [turn for turn in turns if any(taken["others"] > LOADED for taken in rounds[turn].values())]
        mark = uuid.uuid4().hex
        alive = [place for place in together if place.arm.failure is None and not place.child.gone]
        return {
            place.arm.cell: _replicate([taken[place.arm.cell] for taken in rounds], mark, place.notes)
            for place in alive
        }

    def _rows(self, number: int, turn: int) -> list[int]:
        """The queries of a round, the same for all arms."""
        rows = np.random.default_rng((number, turn)).permutation(self.queries)[: self.measure.queries_per_round]
        return [int(row) for row in rows]


def _replicate(rounds: list[dict[str, Any]], together: str, notes: dict[str, Any]) -> Replicate:
    milliseconds: NDArray[np.float32] = np.array([one["milliseconds"] for one in rounds], dtype=np.float32)
    return Replicate(
        milliseconds,
        together,
        drift([one["sentinel_ms"] for one in rounds]),
        max(one["cpu_per_wall"] for one in rounds),
        max(one["others"] for one in rounds),
        notes,
    )
