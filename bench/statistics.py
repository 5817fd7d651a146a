"""What repeated measurements say: an estimate with its interval, each with the assumption it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
Samples = NDArray[np.floating]


@dataclass(frozen=True)
class Estimate:
    """A value, and the interval that holds the truth with probability CONFIDENCE if the assumption is right."""

    value: float
    low: float
    high: float


def over_replicates(values: Sequence[float]) -> Estimate:
    """The median of one value a replicate, and Student's interval of their mean; it is endless for one replicate.

    Assumption: replicates are independent, and their values about normal. Rounds and queries inside a replicate are
    not independent: they share a build and its place in memory, which alone moves latencies by some percent.
    """
    count = len(values)
    if count == 0:
        raise ValueError("there are no replicates")
    middle = float(np.median(values))
    if count == 1:
        return Estimate(middle, -math.inf, math.inf)
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * float(np.std(values, ddof=1)) / math.sqrt(count)
    mean = float(np.mean(values))
    return Estimate(middle, min(mean - reach, middle), max(mean + reach, middle))


def paired_log_ratio(ours: Samples, others: Samples) -> float:
    """The median of log(ours / others) over rounds and queries, both [rounds, queries].

    Assumption: a round asked both the same queries within a time in which the machine did not change.
    """
    if ours.shape != others.shape:
        raise ValueError(f"samples of shapes {ours.shape} and {others.shape} are not paired")
    return float(np.median(np.log(ours.astype(np.float64)) - np.log(others.astype(np.float64))))


def ratio(ours: Samples, others: Samples) -> Estimate:
    """Our time over the other's, both [replicates, rounds, queries]: the log ratios of the replicates, and back.

    Assumption: as of both functions above.
    """
    logs = over_replicates([paired_log_ratio(a, b) for a, b in zip(ours, others, strict=True)])
    return Estimate(*(_exp(value) for value in (logs.value, logs.low, logs.high)))


def _exp(value: float) -> float:
    return math.inf if value == math.inf else math.exp(value)


def drift(sentinel: Sequence[float]) -> float:
    """How far the times of a kernel that never changes lay apart: the largest over the smallest, less 1."""
    return max(sentinel) / min(sentinel) - 1


def difference(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """Mean of ``after`` less mean of ``before``, one value a replicate each, with Welch's interval.

    Assumption: all replicates are independent, the two sets each about normal, with variances that may differ. It is
    endless where one of them has a single replicate.
    """
    value = float(np.mean(after)) - float(np.mean(before))
    if min(len(before), len(after)) < 2:
        return Estimate(value, -math.inf, math.inf)
    parts = [float(np.var(values, ddof=1)) / len(values) for values in (before, after)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Estimate(value, value, value)
    from scipy.stats import t

    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (before, after), strict=True)
    )
    reach = float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return Estimate(value, value - reach, value + reach)
