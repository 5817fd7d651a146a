"""Takes the jobs of a run on other machines: plans what is ready, hears how it goes, and looks into the store.

The store alone says whether a job is over. A job that came back without an end that the store shows is planned again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from bench.cluster.hands import Event
from bench.records import book
from bench.runs.crew import LOOK_AGAIN, Crew, Job, Kind, Manner
from bench.runs.run import Run
from bench.system.files import DiskFull
from bench.system.leases import stale_seconds
from bench.workers.limits import Failure

TRIES = 3
"""The times that a job is begun whose process or worker dies. After these it has failed."""


class Engine(Protocol):
    """Sends jobs to workers. ``hosts``: their machines. ``crowded``: some of them have several workers."""

    @property
    def hosts(self) -> int:
        """The number of machines."""
        ...

    @property
    def crowded(self) -> bool:
        """Whether some machines have several workers."""
        ...

    def submit(self, name: str, kind: Kind, request: Mapping[str, Any]) -> None:
        """Send a job to the next free worker."""
        ...

    def heard(self, seconds: float) -> Iterator[Event]:
        """What workers said, each with the ``name`` of its job. Waits so long for the first.

        Raises OSError: the cluster is gone.
        """
        ...

    def cancel(self, names: Iterable[str]) -> None:
        """Take back jobs that no worker has begun."""
        ...

    def stop(self) -> None:
        """End whatever is made now."""
        ...


class Screen(Protocol):
    """Shows what workers say."""

    def say(self, line: str) -> None:
        """Show a line."""
        ...

    def hear(self, event: Event) -> None:
        """Show how a job goes on."""
        ...

    def leave(self, name: str) -> None:
        """Show a job no more."""
        ...


@dataclass
class Afar:
    """The crew of a ``run`` whose jobs ``engine`` sends away. ``stay``: whether to wait for the jobs that run on these
    machines when the run is interrupted; it may ask.
    """

    run: Run
    engine: Engine
    screen: Screen
    stay: Callable[[Sequence[str]], bool]
    over: threading.Event = field(default_factory=threading.Event)
    made: Counter[Kind] = field(default_factory=Counter)
    left: list[Job] = field(default_factory=list)
    _flying: dict[str, Job] = field(default_factory=dict)
    _at: dict[str, str] = field(default_factory=dict)
    _deaths: dict[str, list[str]] = field(default_factory=dict)
    _shown_by: dict[str, float] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        if fault[0] is not None:
            self.engine.cancel([name for name in self._flying if name not in self._at])
            self.engine.stop()
            for name in self._flying:
                self.screen.leave(name)
            self._flying.clear()

    def take(self, jobs: Iterable[Job], manner: Manner) -> Iterator[Job]:
        """Make jobs: those without a name here, the others on workers, each as soon as it is ready."""
        self.left = [*jobs]
        with Crew((None,), self.screen.say) as here:
            yield from here.take([job for job in self.left if not job.name], manner)
        self.left = [job for job in self.left if job.name]
        due, stopping = 0.0, False
        while self.left or self._flying:
            try:
                since = time.monotonic()
                if since >= due and self.left:
                    yield from self._look()
                    due = max(since + LOOK_AGAIN, time.monotonic() + (time.monotonic() - since))
                for event in self.engine.heard(LOOK_AGAIN):
                    yield from self._hear(event)
                    due = min(due, time.monotonic()) if event["event"] == "answer" else due
            except KeyboardInterrupt:
                if stopping:
                    raise
                stopping = True
                self._stop()
        if stopping:
            raise KeyboardInterrupt

    def _stop(self) -> None:
        """Take back what is not begun, and wait for the rest or not.

        Raises KeyboardInterrupt: nothing is waited for.
        """
        self.left = []
        waiting = [name for name in self._flying if name not in self._at]
        self.engine.cancel(waiting)
        for name in waiting:
            del self._flying[name]
        if self._flying and not self.stay([self._at[name] for name in self._flying]):
            raise KeyboardInterrupt

    def _look(self) -> Iterator[Job]:
        """Send all jobs that are ready. Yields those that are over."""
        waiting, self.left = self.left, []
        for job in waiting:
            if job.over():
                yield job
            elif time.monotonic() < self._shown_by.get(job.name, 0.0) or not self._has_room(job) or not job.ready():
                self.left.append(job)
            else:
                self._flying[job.name] = job
                self.made[job.kind] += 1
                self.engine.submit(job.name, job.kind, self._request(job))

    def _request(self, job: Job) -> dict[str, Any]:
        grid = self.run.pipeline.grid
        failed = sorted(self.run.failed) if self.run.retry_failed else []
        return {"name": job.name, "dataset": grid.dataset_name, "split": grid.measure.split, "failed": failed}

    def _has_room(self, job: Job) -> bool:
        """Whether a job disturbs nothing. Where a machine has several workers, the cluster can't see to that."""
        if not self.engine.crowded:
            return True
        kinds = Counter(one.kind for one in self._flying.values())
        if job.kind == "group":
            return kinds.total() == kinds["group"] < self.engine.hosts
        return not kinds["group"]

    def _hear(self, event: Event) -> Iterator[Job]:
        name = event["name"]
        if name not in self._flying:
            return
        if event["event"] != "answer":
            if event["event"] == "taken":
                self._taken(name, event["host"])
            self.screen.hear(event)
            return
        job = self._flying.pop(name)
        self._at.pop(name, None)
        self.screen.leave(name)
        if self._is_over(job, event):
            yield job
        else:
            self.left.append(job)

    def _taken(self, name: str, host: str) -> None:
        if name in self._at:
            self.screen.say(f"{self._at[name]}: its worker is gone; what it was making is made again on {host}")
            self.screen.leave(name)
        self._at[name] = host

    def _is_over(self, job: Job, answer: Event) -> bool:
        """Whether the store shows that a job is over, or it has failed by now.

        Raises DiskFull. Raises ValueError: the worker can't make it, for it is not as this machine is.
        """
        if answer.get("unlike"):
            raise ValueError(f"worker {answer['worker']} on {answer['host']}: {answer['unlike']}")
        if answer.get("full"):
            raise DiskFull(f"{answer['host']}: {answer['full']}")
        results = self.run.results
        self.run.failed.update(key for key in answer.get("failed", ()) if book.failure(results, key) is not None)
        if job.over():
            return True
        if answer.get("over"):
            if job.name not in self._shown_by:
                self._shown_by[job.name] = time.monotonic() + stale_seconds()
                return False
            answer = {"died": f"what it made on {answer['host']} is not seen here after {stale_seconds():g} s"}
        if answer.get("died"):
            return self._has_died(job, answer["died"], answer.get("host"), answer.get("final", False))
        if (reason := answer.get("held")) and reason not in self._said:
            self._said.add(reason)
            self.screen.say(f"wait: {reason}")
        return False

    def _has_died(self, job: Job, reason: str, host: str | None, final: bool) -> bool:
        """Note that a job died. Returns whether it has failed by that."""
        deaths = self._deaths.setdefault(job.name, [])
        deaths.append(reason if host is None else f"{reason} on {host}")
        if not final and len(deaths) < TRIES:
            self.screen.say(f"{deaths[-1]}; it is made again")
            return False
        tries = "" if len(deaths) == 1 else f", as {len(deaths)} times"
        job.settle(Failure("error", f"{deaths[-1]}{tries}"))
        del self._deaths[job.name]
        return True
