"""The amounts of measurement that the ``[measure]`` table of a grid sets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

MOST_SECONDS = 3600


LEAST_REPLICATES = 5
"""The least replicates before a search may be precise. The interval of fewer is narrow by chance too often."""

MOST_MEASURED = 10**7
"""The most rounds, replicates or queries; with more a run would never end."""


@dataclass(frozen=True)
class Measure:
    """The amounts of measurement. ``queries``: the number of queries, drawn by seed (0: all of them).

    A replicate has ``rounds`` of ``queries_per_round``, and batches that last ``batch_seconds``, on all threads and
    again on one. ``split``: all of these queries, or one half that settings are chosen by (``tune``) and the other half
    that reports the chosen ones.

    With a ``precision``, as the share .03, a search has ``least_replicates``, and no more once the intervals of its
    ratios reach no further than that share to each side; ``replicates`` is the most. Without one (0) it has them all.
    """

    queries: int = 0
    replicates: int = 10
    rounds: int = 4
    queries_per_round: int = 50
    batch_seconds: float = 0.25
    split: QuerySplit = "all"
    precision: float = 0.0
    least_replicates: int = LEAST_REPLICATES

    def __post_init__(self) -> None:
        for name, least in (("queries", 0), ("replicates", 1), ("rounds", 1), ("queries_per_round", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least {least}")
            if getattr(self, name) > MOST_MEASURED:
                raise ValueError(f"{name} = {getattr(self, name)} must be at most {MOST_MEASURED:,}")
        if not 0 < self.batch_seconds <= MOST_SECONDS:
            raise ValueError(f"batch_seconds = {self.batch_seconds} must be above 0 and at most {MOST_SECONDS:,}")
        if not 0 <= self.precision < 1:
            raise ValueError(f'precision = {self.precision} must be at least 0 and less than 1, as 0.03 or "3%"')
        if self.precision and not LEAST_REPLICATES <= self.least_replicates <= self.replicates:
            raise ValueError(
                f"least_replicates = {self.least_replicates} must be from {LEAST_REPLICATES} to replicates = "
                f"{self.replicates} where a precision is asked for"
            )
        if self.split != "all" and self.queries == 1:
            raise ValueError("queries = 1 has no halves, as split asks for")


QuerySplit = Literal["all", "tune/report", "tune"]
"""The queries that are searched: all, or one half of them, drawn by seed (see `bench.runs.tuning`)."""


def from_percent(value: Any) -> Any:
    """A share that is given as a text in percent.

    Raises ValueError: a text that is no percentage.
    """
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\d+(\.\d+)?\s*%", value):
        raise ValueError('must be a share, as 0.03 or "3%"')
    return float(value.removesuffix("%")) / 100
