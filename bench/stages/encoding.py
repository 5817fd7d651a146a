"""Timing of encoding: one item at a time on one thread, in the process that holds what was fitted."""

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

ENCODED_ITEMS, MOST_ENCODED = 10, 1000
"""Items that are encoded one by one, and as many others for the warm-up; times that a replicate takes, at most."""


@dataclass(frozen=True)
class Encoding:
    """Milliseconds to encode one item alone on one thread, a median for each replicate; how far the sentinel's times
    lay apart, and cores that others kept busy, at most.
    """

    ms: list[float]
    sentinel_drift: float
    others: float


def encoding(encode: Callable[[Items], Any], items: Items, replicates: int, seconds: float) -> Encoding:
    """The time that ``encode`` takes for a single item, with nothing cached; ``seconds`` of it for each replicate.

    What was fitted lives in one process, and its encoder meets no other there: replicates are taken one after another,
    each after a warm-up on other items, and nothing is compared in turns.
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
    """One replicate: items in turn, each at least once, until the time is full; their median. Under load once more."""
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
