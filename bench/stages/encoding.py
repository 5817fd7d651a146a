"""Times the encoding of one item at a time on one thread, in the process that fitted the plugin."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bench.interfaces import Items
from bench.timing.load import LOADED, RETAKES, OtherLoad, one_thread, quiet, seconds_of, sentinel
from bench.timing.statistics import drift

SHARED = 0.04
"""The standard deviation between processes of the logarithm of an encoding's time. The replicates of one process do not
show it: see ``docs/results/aa-intervals.md``.
"""

ENCODED_ITEMS, MOST_ENCODED = 10, 1000
"""Items that are timed, and as many others for the warm-up; the most encodings of a replicate."""


@dataclass(frozen=True)
class Encoding:
    """Milliseconds to encode one item on one thread, a median for each replicate. ``sentinel_drift``: the largest drift
    of the sentinel's times. ``others``: the most cores that other processes kept busy.
    """

    ms: list[float]
    sentinel_drift: float
    others: float


def encoding(encode: Callable[[Items], Any], items: Items, replicates: int, seconds: float) -> Encoding:
    """The time of ``encode`` for a single item, with nothing cached; a replicate lasts ``seconds``.

    The process holds only this encoder, so no arms take turns. Replicates follow one another, each after a warm-up on
    other items.
    """
    order = np.random.default_rng(0).permutation(len(items))[: 2 * ENCODED_ITEMS]
    singles = [dataclasses.replace(items.take(order[at : at + 1]), fingerprint="") for at in range(len(order))]
    half = len(singles) // 2
    with one_thread(), quiet():
        taken = [_encoded(encode, singles[:half], singles[half:], seconds) for _ in range(replicates)]
    return Encoding([one.ms for one in taken], drift([one.sentinel_ms for one in taken]), max(o.others for o in taken))


class _Encoded(NamedTuple):
    ms: float
    sentinel_ms: float
    others: float


def _encoded(
    encode: Callable[[Items], Any], warm_up: Sequence[Items], singles: Sequence[Items], seconds: float
) -> _Encoded:
    """One replicate: the median over items in turn, each at least once, until the time is full. Load repeats it."""
    for _ in range(1 + RETAKES):
        load, steady, taken = OtherLoad(seconds), sentinel(), list[float]()
        for single in warm_up:
            encode(single)
        end = time.perf_counter() + seconds
        while len(taken) < len(singles) or (len(taken) < MOST_ENCODED and time.perf_counter() < end):
            taken.append(seconds_of(partial(encode, singles[len(taken) % len(singles)])))
        one = _Encoded(1e3 * float(np.median(taken)), steady, load.cores())
        if one.others <= LOADED:
            break
    return one
