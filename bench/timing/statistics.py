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

    def times(self, factor: float) -> Estimate:
        """The same in another unit."""
        return Estimate(factor * self.value, factor * self.low, factor * self.high)


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


def typical(times: Samples) -> Estimate:
    """The median over replicates of each one's median time, of times [replicates, ...], with its interval.

    Assumption: as of ``over_replicates``, for the logarithms of the medians: what moves a time moves it by a factor.
    """
    logs = over_replicates([math.log(float(np.median(one))) for one in times])
    return Estimate(*(_exp(value) for value in (logs.value, logs.low, logs.high)))


def rate(time: Estimate, unit: float) -> Estimate:
    """``unit`` over a time: what is done in so long, with its interval."""
    return Estimate(unit / time.value, unit / time.high, unit / time.low if time.low > 0 else math.inf)


def with_interval(name: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as columns: ``NAME``, ``NAME_low`` and ``NAME_high``."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def paired_log_ratio(ours: Samples, others: Samples) -> float:
    """The median of log(ours / others) over all pairs of two arrays of one shape, as [rounds, queries].

    Assumption: a round asked both the same queries within a time in which the machine did not change.
    """
    if ours.shape != others.shape:
        raise ValueError(f"samples of shapes {ours.shape} and {others.shape} are not paired")
    return float(np.median(np.log(ours.astype(np.float64)) - np.log(others.astype(np.float64))))


def ratio(ours: Samples, others: Samples) -> Estimate:
    """Our time over the other's, both [replicates, ...]: the log ratios of the replicates, and back.

    Assumption: as of both functions above.
    """
    logs = over_replicates([paired_log_ratio(a, b) for a, b in zip(ours, others, strict=True)])
    return Estimate(*(_exp(value) for value in (logs.value, logs.low, logs.high)))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def drift(sentinel: Sequence[float]) -> float:
    """How far the times of a kernel that never changes lay apart: the largest over the smallest, less 1."""
    return max(sentinel) / min(sentinel) - 1


@dataclass(frozen=True)
class Shift:
    """A mean change with its standard error, and the degrees of freedom of that.

    The error is 0 where the change is exact, and infinite where nothing is known of it.
    """

    value: float
    error: float
    freedom: float = math.inf

    @property
    def is_tested(self) -> bool:
        """Whether repetition says how large a change is by chance."""
        return 0 < self.error < math.inf

    @property
    def p_value(self) -> float:
        """How often an unchanged one would seem as changed, by Student's t, on both sides. ``is_tested``."""
        from scipy.stats import t

        return 2 * float(t.sf(abs(self.value) / self.error, self.freedom))

    def interval(self, level: float) -> tuple[float, float]:
        """The interval that leaves out the truth with probability ``level``: no change, where ``p_value`` is above."""
        if not self.is_tested:
            return self.value - self.error, self.value + self.error
        from scipy.stats import t

        reach = float(t.isf(level / 2, self.freedom)) * self.error
        return self.value - reach, self.value + reach


def mean_gain(gains: Sequence[float], noise: float) -> Shift:
    """The mean of gains, one a repetition. One gain, and such as differ by less than ``noise``, are exact.

    Assumption: the repetitions are independent, and their gains about normal.
    """
    value, count = float(np.mean(gains)), len(gains)
    spread = float(np.std(gains, ddof=1)) if count > 1 else 0.0
    return Shift(value, spread / math.sqrt(count), count - 1) if spread > noise else Shift(value, 0.0)


def difference(before: Sequence[float], after: Sequence[float]) -> Shift:
    """Mean of ``after`` less mean of ``before``, one value a replicate each, with Welch's error.

    Assumption: all replicates are independent, the two sets each about normal, with variances that may differ. Nothing
    is known of the error where one of them has a single replicate.
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
    """The level at which each of many changes is judged: what is at or below it has moved.

    Benjamini and Hochberg's procedure: of those that are called moved no more than 1 - CONFIDENCE are unmoved, in the
    mean. Intervals at this level are those of Benjamini and Yekutieli (2005): of the intervals of what has moved as few
    leave out the truth; and those of what has not hold no change.

    Assumption: the changes are independent, or go together.
    """
    share = 1 - CONFIDENCE
    if not p_values:
        return share
    from scipy.stats import false_discovery_control

    moved = int((false_discovery_control(p_values) <= share).sum())
    return share * max(moved, 1) / len(p_values)
