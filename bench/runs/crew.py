"""Takes the jobs of a run: each is made by one process of all that work on the store, and several beside each other.

A job is held while it is made. One that another process holds is passed over and looked at again later: by then it may
be made, have failed, or be free because that process died. The store says whether it is over and whether what it needs
is there, so that no process must know of another.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self

from bench.plans.units import Unwatched, Watch, waiting
from bench.system.leases import Held
from bench.workers.limits import Failure, Say
from bench.workers.shares import Share

Kind = Literal["stage", "ranking", "group", "judging"]
Only = Literal["train", "time"]
TIMED: tuple[Kind, ...] = ("group",)
TRAINED: tuple[Kind, ...] = ("stage", "ranking")

LOOK_AGAIN = 0.5
"""The least seconds between two looks at what other processes make."""

LOOKING = 10
"""A look is followed by so many times its own time without one, as the store may be slow."""


@dataclass(frozen=True, eq=False)
class Job:
    """A unit that one process takes as a whole: a stage, the ranking or judging of a cell, or a group that takes turns.

    ``hold``: a context in which no other process makes it, which raises `Held`. ``over``: whether nothing is left of
    it. ``ready``: whether all that it needs is stored. ``make`` makes it, a stage in a thread beside others and on a
    share of the machine, and returns the failure, if any. ``settle`` writes down how it ended. ``name``: the same for
    all processes that work on the grid; empty if the job is made where the run is.
    """

    kind: Kind
    hold: Callable[[], AbstractContextManager[object]]
    over: Callable[[], bool]
    ready: Callable[[], bool]
    make: Callable[[Share | None], Failure | None]
    settle: Callable[[Failure | None], None] = lambda failure: None
    name: str = ""


@dataclass(frozen=True)
class Manner:
    """How jobs are taken: whether a run ``waits`` for those that others hold or leaves them, whether it takes ``only``
    those of trainings and rankings or only those that are timed, and the time after which it begins none
    (`time.monotonic`, seconds).
    """

    waits: bool = True
    only: Only | None = None
    until: float = math.inf

    def wants(self, job: Job) -> bool:
        """Whether the run takes jobs of this kind."""
        return job.kind not in {"train": TIMED, "time": TRAINED, None: ()}[self.only]

    @property
    def ended(self) -> bool:
        """Whether no job is begun any more."""
        return time.monotonic() >= self.until


class Taking(Protocol):
    """Takes jobs, in this process or by others. It is a context. ``made``, ``left`` and ``over``: see `Crew`."""

    made: Counter[Kind]
    left: list[Job]
    over: threading.Event

    def __enter__(self) -> Self:
        """Begin to take jobs."""
        ...

    def __exit__(self, *fault: object) -> None:
        """End what runs if there is a fault."""
        ...

    def take(self, jobs: Iterable[Job], manner: Manner) -> Iterator[Job]:
        """Make jobs, each as soon as it is ready. Yields each when it is over."""
        ...


def rest(since: float) -> None:
    """Wait until the next look at what other processes make is due. The last began at ``since`` (`time.monotonic`)."""
    time.sleep(max(LOOK_AGAIN, LOOKING * (time.monotonic() - since)))


@dataclass
class Crew:
    """Makes jobs. With several ``shares`` as many stages are made beside each other, each on its share, by threads
    that wait for children. Leaving the context by a fault ends the children.

    ``watch`` is told for what the crew waits. ``made``: the numbers of jobs begun, by kind. ``left``: the wanted jobs
    that the last `take` left.
    """

    shares: Sequence[Share | None]
    say: Say
    watch: Watch = field(default_factory=Unwatched)
    over: threading.Event = field(default_factory=threading.Event)
    made: Counter[Kind] = field(default_factory=Counter)
    left: list[Job] = field(default_factory=list)
    _said: set[str] = field(default_factory=set)
    _held: str = ""
    """What another process does with a job that was passed over in the last look."""
    _waiting: tuple[str, ExitStack] = field(default_factory=lambda: ("", ExitStack()))

    def __enter__(self) -> Self:
        self._free = [*self.shares]
        self._running: dict[Future[Failure | None], tuple[Job, Share | None, ExitStack]] = {}
        self._threads = ThreadPoolExecutor(len(self._free))
        return self

    def __exit__(self, *fault: object) -> None:
        self._wait("")
        self.over.set()  # the children's threads look at it
        self._threads.shutdown()
        self.over.clear()
        for _, _, held in self._running.values():
            held.close()

    def take(self, jobs: Iterable[Job], manner: Manner) -> Iterator[Job]:
        """Make jobs, the earlier ones first, each as soon as it is ready. Yields each when it is over."""
        self.left = [job for job in jobs if manner.wants(job)]
        while self.left or self._running:
            since, begun = time.monotonic(), self.made.total()
            yield from self._look(manner)
            if self._running:
                yield from self._ended()
            elif self.left and begun == self.made.total():
                if manner.ended or not manner.waits:
                    break
                self._wait(self._held)
                rest(since)
        self._wait("")

    def _wait(self, what: str) -> None:
        """Let the watch show what is waited for, until it is something else. Nothing is, where it is empty."""
        before, shown = self._waiting
        if what != before:
            shown.close()
            if what:
                shown.enter_context(self.watch.doing(waiting(what)))
            self._waiting = what, shown

    def _look(self, manner: Manner) -> Iterator[Job]:
        """Begin all jobs that can be begun now, stages before others if they are made beside each other."""
        jobs, self.left, self._held = self.left, [], ""
        if len(self.shares) > 1:
            jobs.sort(key=lambda job: job.kind != "stage")
        for number, job in enumerate(jobs):
            if self._is_crowded(job) or manner.ended:
                self.left.append(job)
            elif job.over() or self._begin(job, manner):
                yield job
            if any(future.done() for future in self._running):
                self.left += jobs[number + 1 :]  # a share is free for an earlier one
                return

    def _is_crowded(self, job: Job) -> bool:
        """Whether a job can't be begun beside those that run."""
        return {"stage": not self._free, "group": bool(self._running)}.get(job.kind, False)

    def _begin(self, job: Job, manner: Manner) -> bool:
        """Begin a job if it is ready and no other process holds it; else it is left. Returns whether it is over."""
        if not job.ready():
            self.left.append(job)
            return False
        with ExitStack() as held:
            try:
                held.enter_context(job.hold())
            except Held as fault:
                self._pass_over(job, manner, str(fault))
                return False
            if job.over():
                return True
            self._wait("")
            self.made[job.kind] += 1
            if job.kind != "stage" or len(self.shares) == 1:
                job.settle(job.make(self.shares[0]))
                return True
            share = self._free.pop(0)
            self._running[self._threads.submit(job.make, share)] = job, share, held.pop_all()
        return False

    def _pass_over(self, job: Job, manner: Manner, reason: str) -> None:
        self.left.append(job)
        if manner.waits and reason not in self._said:
            self.say(f"wait: {reason}")
        self._said.add(reason)
        self._held = self._held or reason

    def _ended(self) -> Iterator[Job]:
        """Wait for the end of jobs, or until the next look if a share is free."""
        done, _ = wait(self._running, LOOK_AGAIN if self._free else None, FIRST_COMPLETED)
        for future in done:
            job, share, held = self._running.pop(future)
            self._free.append(share)
            with held:
                job.settle(future.result())
            yield job
