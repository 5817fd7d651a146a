"""The amounts of measurement that the ``[measure]`` table of a grid sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MOST_SECONDS = 3600


MOST_MEASURED = 10**7
"""The most rounds, replicates or queries; with more a run would never end."""


@dataclass(frozen=True)
class Measure:
    """The amounts of measurement. ``queries``: the number of queries, drawn by seed (0: all of them).

    A replicate has ``rounds`` of ``queries_per_round``, and batches that last ``batch_seconds``, on all threads and
    again on one. ``split``: all of these queries, or one half that settings are chosen by (``tune``) and the other half
    that reports the chosen ones.
    """

    queries: int = 0
    replicates: int = 10
    rounds: int = 4
    queries_per_round: int = 50
    batch_seconds: float = 0.25
    split: QuerySplit = "all"

    def __post_init__(self) -> None:
        for name, least in (("queries", 0), ("replicates", 1), ("rounds", 1), ("queries_per_round", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least {least}")
            if getattr(self, name) > MOST_MEASURED:
                raise ValueError(f"{name} = {getattr(self, name)} must be at most {MOST_MEASURED:,}")
        if not 0 < self.batch_seconds <= MOST_SECONDS:
            raise ValueError(f"batch_seconds = {self.batch_seconds} must be above 0 and at most {MOST_SECONDS:,}")
        if self.split != "all" and self.queries == 1:
            raise ValueError("queries = 1 has no halves, as split asks for")


QuerySplit = Literal["all", "tune/report", "tune"]
"""The queries that are searched: all, or one half of them, drawn by seed (see `bench.runs.tuning`)."""
