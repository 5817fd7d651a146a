"""Times arms in turns: a replicate (fresh processes, fresh builds) has rounds, and a round has queries.

Inside a replicate every index is built once, in a process of its own. First come the rounds of queries one by one,
then those of batches on one thread, then those of batches on all threads. A round has several turns of some hundredths
of a second, in which one arm after another answers its part of the same queries: the speed of a machine may change
many times a second, and it is the more alike for two arms, the less time lies between them. The order of the arms is
drawn for two turns, forwards in one and backwards in the next, since an arm that always follows the same one is faster
or slower for it. The place of a build in memory changes its times; replicates average over it, and intervals are over
replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median_low
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.grids.measure import Measure
from bench.interfaces import Float, untracked
from bench.timing.latency import WARM_UP_BLOCK, Singles, Sizes
from bench.timing.load import LOADED, RETAKES, OtherLoad
from bench.timing.places import Arm, Built, Place
from bench.timing.statistics import drift
from bench.workers.limits import Failure

THREADS = 1.1
"""The most CPU time over wall time of a search on one thread."""

UNEVEN = 10**6
"""Nanoseconds by which the clocks of CPU time and of wall time may differ over a round."""

Kind = Literal["latency_ms", "batch_one_thread_ms", "batch_ms"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of rounds, in their order: queries one by one, batches on one thread, and batches on all."""

TURNS: dict[Kind, int] = {"latency_ms": 4, "batch_one_thread_ms": 4, "batch_ms": 6}
"""The turns of a round, if there are so many queries. Times on all threads vary most: the slowest thread decides."""


@dataclass(frozen=True)
class Times:
    """The times of one arm in one replicate, float32: the latencies [rounds, queries] and the times of a query in a
    batch, on all threads and on one [rounds, turns], in milliseconds; and the seconds of the build [].
    """

    latency_ms: Float
    batch_ms: Float
    batch_one_thread_ms: Float
    build_seconds: Float


@dataclass(frozen=True)
class Replicate:
    """One arm's times in one replicate, for the ``queries`` int32 [rounds, queries], and the conditions of timing.

    ``reference`` is the arm that all arms of these rounds are compared with; it may be this arm. ``reference_times``
    are its times in the same rounds.
    """

    times: Times
    queries: NDArray[np.int32]
    reference: Arm
    reference_times: Times
    sentinel_drift: float
    cpu_per_wall: float
    others: float
    built: Built


@dataclass
class Round:
    """What one arm answered in one round: the milliseconds of its queries, or of a query in each of its batches; and
    more of single queries. ``others``: the cores that other processes kept busy meanwhile.
    """

    ms: list[float] = field(default_factory=list)
    singles: list[Singles] = field(default_factory=list)
    others: float = 0.0

    @property
    def sentinel_ms(self) -> list[float]:
        """The least milliseconds of the sentinel in each half of the round: a single round shows a drift, too."""
        half = len(self.singles) // 2
        return [min(one.sentinel_ms for one in some) for some in (self.singles[:half], self.singles[half:]) if some]

    @property
    def cpu_per_wall(self) -> float:
        """CPU time over wall time of the single queries."""
        cpu, wall = (sum(getattr(one, name) for one in self.singles) for name in ("cpu_ns", "wall_ns"))
        return max(0, cpu - UNEVEN) / wall


@dataclass(frozen=True)
class Asked:
    """The queries of one round: the rows that are timed, in their order, and others for the warm-up.

    ``number``: of the round, in all replicates. It draws the batches and the order of the arms.
    """

    rows: list[int]
    others: list[int]
    number: int

    @classmethod
    def of(cls, measure: Measure, queries: int, number: int) -> Asked:
        """The queries of a round. If there are two or more, some are left for a warm-up."""
        order = np.random.default_rng(number).permutation(queries).tolist()
        spare = _spare(queries)
        rows = order[spare:][: measure.queries_per_round]
        return cls(rows, order[:spare] + order[spare + len(rows) :] or rows, number)

    def turn(self, turn: int, turns: int) -> tuple[list[int], list[int]]:
        """The others and the rows of one of the turns: no more others than rows."""
        first, end = (len(self.rows) * at // turns for at in (turn, turn + 1))
        return self.others[first:end] or self.others[: end - first], self.rows[first:end]


def turns_of_round(kind: Kind, measure: Measure, queries: int) -> int:
    """The turns of a round."""
    return min(TURNS[kind], measure.queries_per_round, queries - _spare(queries))


def turn_seconds(kind: Kind, measure: Measure, queries: int) -> float:
    """The seconds of the batches in one turn."""
    return measure.batch_seconds / (measure.rounds * turns_of_round(kind, measure, queries))


def _spare(queries: int) -> int:
    """The queries that a round leaves for its warm-up."""
    return min(WARM_UP_BLOCK, queries // 2)


Rounds = dict[tuple[Kind, int], dict[Arm, Round]]
"""The rounds by their kind and their place in the replicate, each by arm."""


def take(
    places: Sequence[Place],
    measure: Measure,
    queries: int,
    number: int,
    track: Callable[..., Iterable[Any]] = untracked,
) -> dict[Arm, Replicate | Failure]:
    """Replicate ``number`` of all arms, drawn from ``queries``. The reference is the first arm that did not fail.

    Rounds that other load disturbed are taken again at the end, with all arms. An arm whose process ended because
    another arm failed is not in the result: it can be built again.
    """
    asked = [Asked.of(measure, queries, number * measure.rounds + at) for at in range(measure.rounds)]
    left, rounds = [(kind, at) for kind in KINDS for at in range(measure.rounds)], Rounds()
    taking = _Taking(places, measure, {kind: turns_of_round(kind, measure, queries) for kind in KINDS})
    taking.warm_up()
    for _ in range(1 + RETAKES):
        for kind, at in track(left, "timed rounds", len(left)):
            rounds[kind, at] = taking.round(kind, asked[at])
        left = [one for one in left if any(taken.others > LOADED for taken in rounds[one].values())]
    rows = np.array([one.rows for one in asked], dtype=np.int32)
    return {**taking.failures, **_replicates(taking.alive, rounds, rows)}


@dataclass
class _Taking:
    """Asks the places in turns, so many in a round of a kind. Those with ``failures`` are not asked again."""

    places: Sequence[Place]
    measure: Measure
    turns: Mapping[Kind, int]
    failures: dict[Arm, Failure] = field(default_factory=dict)
    sizes: dict[Arm, Sizes] = field(default_factory=dict)

    @property
    def alive(self) -> list[Place]:
        """The places that can be asked."""
        return [place for place in self.places if place.arm not in self.failures and not place.worker.gone]

    def warm_up(self) -> None:
        """Warm all arms up, and size their batches."""
        self._each(self.places, lambda place: self.sizes.update({place.arm: place.worker.warm_up(place.arm.cell)}))

    def round(self, kind: Kind, asked: Asked) -> dict[Arm, Round]:
        """Take one round of all arms."""
        taken = {place.arm: Round() for place in self.alive}
        load = OtherLoad(self.measure.batch_seconds)
        for turn in range(self.turns[kind]):
            order = _in_order(self.alive, asked.number * self.turns[kind] + turn)
            self._each(order, partial(self._turn, kind=kind, asked=asked, turn=turn, taken=taken))
        others = load.cores()
        for one in taken.values():
            one.others = others
        return taken

    def _turn(self, place: Place, kind: Kind, asked: Asked, turn: int, taken: Mapping[Arm, Round]) -> None:
        cell, one = place.arm.cell, taken[place.arm]
        if kind == "latency_ms":
            one.singles.append(place.worker.one_by_one(cell, *asked.turn(turn, self.turns[kind])))
            one.ms += one.singles[-1].latency_ms
            return
        alone = kind == "batch_one_thread_ms"
        size = self.sizes[place.arm].one_thread if alone else self.sizes[place.arm].all_threads
        one.ms.append(place.worker.batch(cell, size, (asked.number, turn), alone))

    def _each(self, places: Iterable[Place], ask: Callable[[Place], None]) -> None:
        """Ask each place that has not failed."""
        for place in places:
            if place.worker.gone or place.arm in self.failures:
                continue
            try:
                ask(place)
            except Failure as failure:
                self.failures[place.arm] = failure


def _in_order(places: Sequence[Place], number: int) -> list[Place]:
    """The places in the order of a turn, by its number in all replicates."""
    pair, backwards = divmod(number, 2)
    order = np.random.default_rng(pair).permutation(len(places))
    return [places[at] for at in (order[::-1] if backwards else order)]


def _replicates(alive: Sequence[Place], rounds: Rounds, asked: NDArray[np.int32]) -> dict[Arm, Replicate]:
    taken = {place.arm: {one: of_all[place.arm] for one, of_all in rounds.items()} for place in alive}
    times = {place.arm: _times(taken[place.arm], place.built) for place in alive}
    return {
        place.arm: Replicate(
            times[place.arm],
            asked,
            alive[0].arm,
            times[alive[0].arm],
            **_watched(taken[place.arm], place.built),
            built=place.built,
        )
        for place in alive
    }


def _times(rounds: Mapping[tuple[Kind, int], Round], built: Built) -> Times:
    taken = {kind: [one.ms for (of, _), one in rounds.items() if of == kind] for kind in KINDS}
    times: dict[str, Float] = {kind: np.array(ms, dtype=np.float32) for kind, ms in taken.items()}
    return Times(**times, build_seconds=np.array(built.build_seconds, dtype=np.float32))


def _watched(rounds: Mapping[tuple[Kind, int], Round], built: Built) -> dict[str, Any]:
    """The worst drift and other load while an arm was built and timed, and the CPU use of the usual round.

    An index that answers a query on several threads does so in most rounds. On a busy machine a thread of an earlier
    batch may spin into one.
    """
    singles = [one for one in rounds.values() if one.singles]
    return {
        "sentinel_drift": drift([ms for one in singles for ms in one.sentinel_ms]),
        "cpu_per_wall": median_low(one.cpu_per_wall for one in singles),
        "others": max(built.others, *(one.others for one in rounds.values())),
    }
