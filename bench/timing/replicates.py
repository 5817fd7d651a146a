"""Times arms in turns: a replicate (fresh processes, fresh builds) has rounds, and a round has queries.

Inside a replicate every index is built once, in a process of its own. In a round one arm after another answers the same
queries, so the machine's drift falls on all alike. The order of the arms is drawn for two rounds, forwards in one and
backwards in the next, since an arm that always follows the same one is faster or slower for it. The place of a build in
memory changes its times; replicates average over it, and intervals are over replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.grids.measure import Measure
from bench.interfaces import Float, untracked
from bench.timing.latency import WARM_UP_BLOCK, Round
from bench.timing.load import LOADED, RETAKES
from bench.timing.places import Arm, Built, Place
from bench.timing.statistics import drift
from bench.workers.limits import Failure

THREADS = 1.1
"""The most CPU time over wall time of a search on one thread."""


@dataclass(frozen=True)
class Times:
    """The times of one arm in one replicate, float32: the latencies [rounds, queries] and the times of a query in a
    batch, on all threads and on one [rounds], in milliseconds; and the seconds of the build [].
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
    asked = [_rows(measure, queries, number, turn) for turn in range(measure.rounds)]
    rounds: list[dict[Arm, Round]] = [{} for _ in asked]
    failures: dict[Arm, Failure] = {}
    turns, alive = list(range(measure.rounds)), list(places)
    for _ in range(1 + RETAKES):
        for turn in track(turns, "timed rounds", len(turns)):
            failures |= _round(_in_order(alive, number * measure.rounds + turn), asked[turn], rounds[turn])
            alive = [place for place in alive if place.arm not in failures and not place.worker.gone]
        turns = [turn for turn in turns if any(rounds[turn][place.arm].others > LOADED for place in alive)]
    return {**failures, **_replicates(alive, rounds, np.array(asked, dtype=np.int32))}


def _in_order(places: Sequence[Place], number: int) -> list[Place]:
    """The places in the order of a round, by its number in all replicates."""
    pair, backwards = divmod(number, 2)
    order = np.random.default_rng(pair).permutation(len(places))
    return [places[at] for at in (order[::-1] if backwards else order)]


def _round(places: Iterable[Place], rows: list[int], taken: dict[Arm, Round]) -> dict[Arm, Failure]:
    """Time one round of the arms, in this order, and put it into ``taken``. Returns the failures."""
    failures: dict[Arm, Failure] = {}
    for place in places:
        if place.worker.gone:
            continue
        try:
            taken[place.arm] = place.worker.round(place.arm.cell, rows)
        except Failure as failure:
            failures[place.arm] = failure
    return failures


def _replicates(
    alive: Sequence[Place], rounds: list[dict[Arm, Round]], asked: NDArray[np.int32]
) -> dict[Arm, Replicate]:
    taken = {place.arm: [one[place.arm] for one in rounds] for place in alive}
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


def _rows(measure: Measure, queries: int, number: int, turn: int) -> list[int]:
    """The queries of a round, the same for all arms. If there are two or more, some are left for a warm-up."""
    spare = min(WARM_UP_BLOCK, queries // 2)
    rows = np.random.default_rng((number, turn)).permutation(queries)[spare:]
    return [int(row) for row in rows[: measure.queries_per_round]]


def _times(rounds: list[Round], built: Built) -> Times:
    of_rounds = ("latency_ms", "batch_ms", "batch_one_thread_ms")
    taken = {name: np.array([getattr(one, name) for one in rounds], dtype=np.float32) for name in of_rounds}
    return Times(**taken, build_seconds=np.array(built.build_seconds, dtype=np.float32))


def _watched(rounds: list[Round], built: Built) -> dict[str, Any]:
    """The worst values of the drift, CPU use and other load while an arm was built and timed."""
    return {
        "sentinel_drift": drift([one.sentinel_ms for one in rounds]),
        "cpu_per_wall": max(one.cpu_per_wall for one in rounds),
        "others": max(built.others, *(one.others for one in rounds)),
    }
