"""Estimates from repeated measurements, each with its interval and its assumption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
STOPPED = 0.97
"""The confidence of intervals over replicates that end once these intervals are narrow. Intervals that are looked at
again and again are narrow by chance too often: at 5 to 20 normal replicates they hold the truth .95 of the time.
"""

Samples = NDArray[np.floating]


@dataclass(frozen=True)
class Estimate:
    """A value, and an interval that holds the true value with probability CONFIDENCE if the assumption is right."""

    value: float
    low: float
    high: float

    @property
    def reach(self) -> float:
        """The share by which the interval goes beyond the positive value, on its wider side."""
        return max(self.high / self.value, self.value / self.low if self.low > 0 else math.inf) - 1

    def times(self, factor: float) -> Estimate:
        """The estimate in another unit."""
        return Estimate(factor * self.value, factor * self.low, factor * self.high)


def over_replicates(values: Sequence[float], shared: float = 0.0, confidence: float = CONFIDENCE) -> Estimate:
    """The median of the values, one a replicate, and Student's interval of their mean, infinite for one replicate.

    Assumption: replicates are independent, and their values about normal. Rounds and queries inside a replicate are
    not independent: they share a build and its place in memory, which alone moves latencies by some percent. Where the
    replicates share a process, ``shared`` is the known standard deviation between processes, which widens the interval.
    ``confidence``: STOPPED where the interval decided that there are no more replicates.
    """
    count = len(values)
    if count == 0:
        raise ValueError("there are no replicates")
    middle = float(np.median(values))
    if count == 1:
        return Estimate(middle, -math.inf, math.inf)
    reach = _quantile(confidence, count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count)
    reach = math.hypot(reach, _quantile(confidence, math.inf) * shared)
    mean = float(np.mean(values))
    return Estimate(middle, min(mean - reach, middle), max(mean + reach, middle))


@cache
def _quantile(confidence: float, freedom: float) -> float:
    """Student's quantile of a two-sided interval."""
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, freedom))


def typical(times: Samples, shared: float = 0.0, confidence: float = CONFIDENCE) -> Estimate:
    """The median over replicates of the median time of each, with its interval. ``times``: [replicates, ...].

    Assumption: that of ``over_replicates``, for the logarithms of the medians: a disturbance multiplies a time.
    """
    logs = over_replicates([math.log(float(np.median(one))) for one in times], shared, confidence)
    return Estimate(*(_exp(value) for value in (logs.value, logs.low, logs.high)))


def rate(time: Estimate, unit: float) -> Estimate:
    """The rate ``unit`` / time, with its interval."""
    return Estimate(unit / time.value, unit / time.high, unit / time.low if time.low > 0 else math.inf)


def with_interval(name: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as columns: ``NAME``, ``NAME_low`` and ``NAME_high``."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def paired_log_ratio(ours: Samples, others: Samples) -> float:
    """The median of log(ours / others) over all pairs of two arrays of one shape, as [rounds, queries].

    Assumption: in a round both answer the same queries, and the machine does not change.
    """
    if ours.shape != others.shape:
        raise ValueError(f"samples of shapes {ours.shape} and {others.shape} are not paired")
    return float(np.median(np.log(ours.astype(np.float64)) - np.log(others.astype(np.float64))))


def ratio(ours: Samples, others: Samples, confidence: float = CONFIDENCE) -> Estimate:
    """Our time over the other's, both [replicates, ...], estimated from the log ratios of the replicates.

    Assumption: those of ``over_replicates`` and ``paired_log_ratio``.
    """
    pairs = zip(ours, others, strict=True)
    logs = over_replicates([paired_log_ratio(a, b) for a, b in pairs], confidence=confidence)
    return Estimate(*(_exp(value) for value in (logs.value, logs.low, logs.high)))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def drift(sentinel: Sequence[float]) -> float:
    """The drift of the sentinel's times: the largest over the smallest, less 1."""
    return max(sentinel) / min(sentinel) - 1


@dataclass(frozen=True)
class Shift:
    """A mean change, its standard error, and the degrees of freedom of the error.

    The error is 0 where the change is exact, and infinite where the error is not known.
    """

    value: float
    error: float
    freedom: float = math.inf

    @property
    def is_tested(self) -> bool:
        """Whether the error is known from repetition."""
        return 0 < self.error < math.inf

    @property
    def p_value(self) -> float:
        """The two-sided p-value of no change, by Student's t. Only for a shift that ``is_tested``."""
        from scipy.stats import t

        return 2 * float(t.sf(abs(self.value) / self.error, self.freedom))

    def with_error(self, more: float) -> Shift:
        """The shift with another, independent standard error, which is known. Its freedom is by Satterthwaite."""
        error = math.hypot(self.error, more)
        return Shift(self.value, error, self.freedom * (error / self.error) ** 4 if self.error else math.inf)

    def interval(self, level: float) -> tuple[float, float]:
        """The interval that misses the true change with probability ``level``. It holds 0 if ``p_value`` is above."""
        if not self.is_tested:
            return self.value - self.error, self.value + self.error
        from scipy.stats import t

        reach = float(t.isf(level / 2, self.freedom)) * self.error
        return self.value - reach, self.value + reach


def mean_gain(gains: Sequence[float], noise: float) -> Shift:
    """The mean of gains, one a repetition. A single gain, and gains that differ by less than ``noise``, are exact.

    Assumption: the repetitions are independent, and their gains about normal.
    """
    value, count = float(np.mean(gains)), len(gains)
    spread = float(np.std(gains, ddof=1)) if count > 1 else 0.0
    return Shift(value, spread / math.sqrt(count), count - 1) if spread > noise else Shift(value, 0.0)


def difference(before: Sequence[float], after: Sequence[float]) -> Shift:
    """The mean of ``after`` less the mean of ``before``, one value a replicate each, with Welch's error.

    Assumption: all replicates are independent, and each set is about normal; the variances may differ. The error is not
    known where one set has a single replicate.
    """
    value = float(np.mean(after)) - float(np.mean(before))
    if min(len(before), len(after)) < 2:
        return Shift(value, math.inf)
    parts = [float(np.var(values, ddof=1)) / len(values) for values in (before, after)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Shift(value, 0.0)
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (before, after), strict=True)
    )
    return Shift(value, error, freedom)


def judging_level(p_values: Sequence[float]) -> float:
    """The level at which each of many changes is judged: a change whose p-value is at or below it has moved.

    By Benjamini and Hochberg's procedure, at most a share of 1 - CONFIDENCE of the moved changes is in truth none, in
    the mean. Intervals at this level are those of Benjamini and Yekutieli (2005): of the intervals of moved changes at
    most the same share misses the true change, and the intervals of the other changes hold 0.

    Assumption: the changes are independent or positively dependent.
    """
    share = 1 - CONFIDENCE
    if not p_values:
        return share
    from scipy.stats import false_discovery_control

    moved = int((false_discovery_control(p_values) <= share).sum())
    return share * max(moved, 1) / len(p_values)
