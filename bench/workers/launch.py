"""How the process of a worker is started: from nothing here, by a fork in `bench.workers.forkserver`."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Protocol

MARK = "BENCH_CHILD"
"""The variable of the environment that tells the processes of one worker from all others."""


class Process(Protocol):
    """A process of a worker. Its methods are those of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, waited for.

        Raises subprocess.TimeoutExpired: it still runs after ``timeout`` seconds.
        """
        ...

    def send_signal(self, sig: int) -> None:
        """Send a signal, if it runs."""
        ...


class Launcher(Protocol):
    """Starts the process of a worker: the head of a session, with ``mark`` as MARK in its environment.

    It reads requests and writes answers at two descriptors, and finds modules where this process does. ``log`` is its
    standard output and error.

    Raises OSError: it can't be started.
    """

    def __call__(self, requests: int, answers: int, log: int, mark: str) -> Process:
        """The process, which has its own copies of the descriptors."""
        ...


def program(module: str) -> list[str]:
    """The start of a command that runs ``main`` of a module, found where this process finds modules."""
    return [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"]


def spawn(requests: int, answers: int, log: int, mark: str) -> Process:
    """A new interpreter. See `Launcher`."""
    return subprocess.Popen(
        [*program("bench.workers.serving"), str(requests), str(answers), str(os.getpid())],
        pass_fds=(requests, answers),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env={**os.environ, MARK: mark},
    )
