"""Starts the process of a worker in a new interpreter. `bench.workers.forkserver` starts it by a fork."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Protocol

MARK = "BENCH_CHILD"
"""The environment variable that marks the processes of one worker."""

TIDIES = "BENCH_TIDIES"
"""The environment variable of a process that removes what a worker leaves, and may end by itself after it."""


class Process(Protocol):
    """A process of a worker. Its methods are those of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """The id of the process."""
        ...

    def poll(self) -> int | None:
        """The exit code, negative for a signal. None while the process runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process. Returns its exit code.

        Raises subprocess.TimeoutExpired: it still runs after ``timeout`` seconds.
        """
        ...

    def send_signal(self, sig: int) -> None:
        """Send a signal, if the process runs."""
        ...


class Launcher(Protocol):
    """Starts the process of a worker: the head of a session, with ``mark`` as MARK in its environment.

    The process reads requests and writes answers at two descriptors, and finds modules where this process does. ``log``
    is its standard output and error.

    Raises OSError: it can't be started.
    """

    def __call__(self, requests: int, answers: int, log: int, mark: str) -> Process:
        """The process, which has its own copies of the descriptors."""
        ...


def program(module: str) -> list[str]:
    """The beginning of a command that runs ``main`` of a module, with the module path of this process."""
    return [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"]


def spawn(requests: int, answers: int, log: int, mark: str) -> Process:
    """Start the process in a new interpreter. See `Launcher`."""
    return subprocess.Popen(
        [*program("bench.workers.serving"), str(requests), str(answers), str(os.getpid())],
        pass_fds=(requests, answers),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env={**os.environ, MARK: mark},
    )
