"""How much is measured, as a grid's ``[measure]`` says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MOST_SECONDS = 3600


MOST_MEASURED = 10**7
"""Rounds and the like; with more a run would never end."""


@dataclass(frozen=True)
class Measure:
    """How much is measured. ``queries``: how many queries are searched, drawn by seed (0: all of them).

    ``replicates``: fresh processes with fresh builds, each of ``rounds`` of ``queries_per_round``, and of batches that
    last ``batch_seconds`` on all threads and again on one. ``split``: all of these queries, or one half to choose
    settings by (``tune``) and the other to report what was chosen.
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
"""Which queries are asked: all, or one half of them, drawn by seed (see `bench.runs.tuning`)."""
