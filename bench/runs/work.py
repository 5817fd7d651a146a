"""Works on grids beside other processes, on this machine and on others, until nothing is left to take.

Each takes what no other holds, as `bench.runs.crew` does. They share nothing but the store.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.plans.units import waiting
from bench.runs.crew import Kind, Manner, rest
from bench.runs.tuning import Tuned


@dataclass
class Worked:
    """What was made: the numbers of jobs by kind. What is left: ``cells`` that are not finished, and jobs ``held`` by
    others or in need of what these hold. ``failed``: the reasons of failed cells, by their records' keys.
    """

    made: Counter[Kind] = field(default_factory=Counter)
    cells: int = 0
    held: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def work(runs: Sequence[Tuned], manner: Manner, waits: bool) -> Worked:
    """Make what is left of several runs and no other process makes, until nothing is left, or ``manner`` ends it.

    ``manner``: that of the runs, which leave what others hold. ``waits``: whether to wait for it, and to take what they
    leave.

    Raises ValueError: a data set can't be read, or its classes can't be split as a protocol asks for.
    Raises DiskFull.
    """
    done = Worked()
    while True:
        since, before = time.monotonic(), done.made.total()
        for run in runs:
            done.failed |= run.finish()
        done.made = sum((run.made for run in runs), Counter[Kind]())
        done.held = sum(len(run.left) for run in runs)
        if not done.held or manner.ended or (done.made.total() == before and not waits):
            break
        if done.made.total() == before:
            with runs[0].run.watch.doing(waiting("others make or time what is left")):
                rest(since)
    done.cells = sum(run.unfinished for run in runs)
    return done
