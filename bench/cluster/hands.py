"""What a Dask worker does for a run: it hands a job to a process of its own, and tells what that process says.

The process is `bench.cli.hand`, which makes jobs by the same code as the command ``work``. A worker's thread only waits
for its lines. When the worker ends, however it ends, the process reads the end of its input, and ends too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

from bench.system.machines import host

Event = dict[str, Any]
"""A line of the process, as JSON: what it says (``event``), with more."""

TOPIC = "bench"
GRACE = 20.0
"""Seconds that a process has to end its children."""


class Died(Exception):
    """The process that makes jobs ended. The message says how."""


class Hand:
    """A process that makes one job after another."""

    def __init__(self, opening: Mapping[str, Any]) -> None:
        """Start it with what it needs to know of the run."""
        folder = Path(opening["folder"])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.cli.hand"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder if folder.is_dir() else None,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
            start_new_session=True,  # Ctrl-C at a terminal is the run's, which decides what ends
        )
        self.hello = self.ask(opening)

    def ask(self, request: Mapping[str, Any], tell: Callable[[Event], object] = lambda event: None) -> Event:
        """The answer to a request. ``tell`` gets all events before it.

        Raises Died.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            event: Event = json.loads(line)
            if event["event"] == "answer":
                return event
            tell(event)
        raise Died(_ended(self._process.wait()))

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def end(self) -> None:
        """End it with its children."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Hands(WorkerPlugin):
    """The processes of one worker, one for each of its threads that makes jobs."""

    name = "bench"

    def __init__(self, opening: Mapping[str, Any]) -> None:
        """``opening``: what a process needs to know of the run."""
        self.opening = dict(opening)

    def setup(self, worker: Worker) -> None:
        """Begin without a process."""
        self._address, self._of = worker.address, worker.state.nthreads
        self._lock, self._idle, self._all = threading.Lock(), [*range(self._of)], dict[int, Hand]()

    def teardown(self, worker: Worker) -> None:
        """End the processes."""
        for hand in self._all.values():
            hand.end()

    def greeted(self) -> Event:
        """The first words of a process, which is started if there is none."""
        number = self._take()
        try:
            return {**self._hand(number).hello, "host": host()}
        except Died as fault:
            return {"unlike": str(fault), "host": host()}
        finally:
            self._idle.append(number)

    def make(self, request: Mapping[str, Any], tell: Callable[[Event], object]) -> Event:
        """Make a job. Returns the answer; it says ``died`` if the process ended.

        The truth about the job is in the store.
        """
        tell({"event": "taken", "host": host(), "worker": self._address})
        number = self._take()
        try:
            hand = self._hand(number)
            if hand.hello["unlike"]:
                return {"event": "answer", "unlike": hand.hello["unlike"], "host": host(), "worker": self._address}
            return hand.ask(request, tell)
        except Died as fault:
            return {"event": "answer", "died": str(fault), "host": host()}
        finally:
            self._idle.append(number)

    def _take(self) -> int:
        with self._lock:
            return self._idle.pop(0)

    def _hand(self, number: int) -> Hand:
        if number not in self._all or self._all[number].gone:
            self._all[number] = Hand({**self.opening, "share": [number, self._of]})
        return self._all[number]


def make(request: Mapping[str, Any]) -> Event:
    """The task: make a job on this worker."""
    worker = get_worker()
    name = request["name"]
    return hands_of(worker).make(request, lambda event: worker.log_event(TOPIC, {**event, "name": name}))


def hands_of(worker: Worker) -> Hands:
    """The processes of a worker."""
    hands = worker.plugins[Hands.name]
    assert isinstance(hands, Hands)
    return hands


def _ended(code: int) -> str:
    """How a process ended, in words."""
    if code < 0:
        with suppress(ValueError):
            return f"the process that made it was ended by {signal.Signals(-code).name}"
    return f"the process that made it ended with exit code {code}"
