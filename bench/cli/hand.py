"""The process in which a worker of a cluster makes jobs: ``python -m bench.cli.hand``.

Lines of JSON come and go. The first that comes says of which run the jobs are (`bench.cli.afar.opening`), each other
names a job. What goes are events, the last for each line an answer. At the end of its input it ends with its children.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TextIO

from bench.cli.chosen import Chosen
from bench.cli.making import Making
from bench.cluster.alike import apart, unlike
from bench.plans.units import Planned, Unit
from bench.runs.crew import Crew, Manner
from bench.runs.run import Run
from bench.runs.tuning import Tuned
from bench.system.files import DiskFull
from bench.system.machines import host, machine_class
from bench.system.wording import one_line
from bench.workers.shares import Share, shares

PATIENCE = 30.0
"""Seconds for which a job waits that another process holds, or whose input is not seen here. Then it is sent back."""

IDLE = 900.0
"""Seconds without a request after which the process ends. It is started again when it is needed."""

UNASKED = 0.5
"""Seconds in which a process that waits for a request sees that there are no more, and ends by itself."""

INTERRUPTED = 5.0
"""Seconds between two interrupts of what goes on when nobody asks any more."""

STEP_SECONDS = 0.2
"""The least seconds between two events of one stage's progress."""


@dataclass
class Telling:
    """The screen of a run elsewhere: what is shown goes there as events."""

    stream: TextIO
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told: dict[str, float] = field(default_factory=dict)

    def tell(self, event: str, **more: Any) -> None:
        """Send an event. Raises KeyboardInterrupt: nobody hears it any more, so all that is made is given up."""
        with self._lock:
            try:
                self.stream.write(json.dumps({"event": event, **more}, default=str) + "\n")
                self.stream.flush()
            except OSError as fault:  # as an OSError it would be the failure of a cell
                raise KeyboardInterrupt from fault

    def say(self, line: str) -> None:
        """Tell a line."""
        self.tell("say", line=line)

    def detail(self, line: str) -> None:
        """Tell a line of detail."""
        self.tell("detail", line=line)

    def show(self, description: str, done: int | None, total: int | None) -> None:
        """Tell the progress of a stage, not too often."""
        now = time.monotonic()
        if done in (None, 0, total) or now - self._told.get(description, 0.0) >= STEP_SECONDS:
            self._told[description] = now
            self.tell("step", description=description, done=done, total=total)

    def track(self, steps: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        """The steps, told as a stage."""
        if total is None and isinstance(steps, Sized):
            total = len(steps)
        self.show(description, 0, total)
        try:
            for done, step in enumerate(steps):
                yield step
                self.show(description, done + 1, total)
        finally:
            self.show(description, None, total)

    def planned(self, units: Iterable[Planned]) -> None:
        """The run that plans knows."""

    @contextmanager
    def doing(self, unit: Unit, counts: bool = True) -> Iterator[None]:
        """Tell the beginning and the end of a unit."""
        self.tell("begin", unit=asdict(unit), counts=counts)
        well = False
        try:
            yield
            well = True
        finally:
            self.tell("end", well=well)

    def ended(self, cell: str) -> None:
        """The run that plans sees it in the store."""


@dataclass
class Jobber:
    """Makes jobs of these runs, stages on a ``share`` of this machine."""

    runs: list[Tuned]
    telling: Telling
    share: Share | None

    @cached_property
    def _crews(self) -> dict[Share | None, Crew]:
        return {share: Crew((share,), self.telling.say) for share in {self.share, None}}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make a job if it is not over. Returns whether it is, and the records of the cells that failed by that.

        Raises DiskFull.
        """
        run, name = self._half(request), str(request["name"])
        if run is None:
            return {"over": False}
        run.failed.update(request["failed"])
        before = set(run.failed)
        if name.startswith("group "):
            vars(run).pop("jobs", None)  # its judges keep features and codes
        if name not in run.jobs:
            return {"unlike": f"it plans other work ({name} is unknown): are the files of its data set the same?"}
        crew = self._crews[self.share if name.startswith("stage ") else None]
        with crew:
            over = [*crew.take([run.jobs[name]], Manner(until=time.monotonic() + PATIENCE))]
        return {"over": bool(over), "failed": sorted(run.failed - before)}

    def _half(self, request: dict[str, Any]) -> Run | None:
        """The run of a request's half of the queries. None: the half before it is not seen to be finished."""
        tuned = next(one for one in self.runs if one.run.pipeline.grid.dataset_name == request["dataset"])
        if tuned.tuning is None:
            return tuned.run
        if request["split"] == "tune":
            return tuned.tuning
        if tuned.tuning.unfinished and not tuned.run.retry_failed:
            return None
        return tuned.report


def serve(opening: dict[str, Any], requests: SimpleQueue[dict[str, Any] | None], telling: Telling) -> None:
    """Answer requests until there are no more."""
    greeting = {"unlike": None, "host": host(), "machine": machine_class()}
    told = apart(opening["tokens"]) or unlike(opening["plugins"], opening["harness"])
    if told is not None:
        telling.tell("answer", **{**greeting, "unlike": told})
        return
    said = dict(opening["chosen"])
    said |= {name: Path(said[name]) for name in ("out", "cache_dir", "data_dir") if said[name] is not None}
    chosen, making = Chosen(**said), Making(**opening["making"])
    number, of = opening["share"]
    try:
        parts = shares(of, making.device) if of > 1 else [None]
        plans = chosen.plans()
        making.check(chosen, plans)
        with making.begun(chosen, plans, Manner(), telling, parts) as runs:
            telling.tell("answer", **greeting)
            jobber = Jobber(runs, telling, parts[number])
            while (request := requests.get(timeout=IDLE)) is not None:
                telling.tell("answer", **_answered(jobber, request), host=host(), worker="here")
    except Empty:
        return
    except (ValueError, OSError) as fault:
        telling.tell("answer", **{**greeting, "unlike": one_line(str(fault))})


def _answered(jobber: Jobber, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return jobber.answer(request)
    except DiskFull as fault:
        return {"full": one_line(str(fault))}
    except Exception as fault:
        return {"died": f"{type(fault).__name__}: {one_line(str(fault))}"}


def main() -> None:
    """Serve until standard input ends. Then the next request is None, for who waits for one, and whatever else goes on
    is interrupted, again and again, since an interrupt just before a wait does not end it.
    """
    telling = Telling(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what others print is no event
    signal.signal(signal.SIGINT, signal.default_int_handler)
    requests: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        requests.put(None)
        time.sleep(UNASKED)
        while True:  # whatever is made is given up, and its children end
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(INTERRUPTED)

    try:
        threading.Thread(target=read, daemon=True).start()
        if (opening := requests.get()) is not None:
            serve(opening, requests, telling)
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
