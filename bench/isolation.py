"""A process of its own for whatever a plugin does, so that it can crash, hang or eat memory and cost nothing else.

The parent asks, the child answers, in lines of JSON over two pipes that are neither standard input nor output: a plugin
may write there what it likes. A child is the head of a session, and all its descendants carry a mark in their
environment: killing it leaves nothing behind. If the parent dies, so does the child.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Literal, Protocol

import psutil

MARK = "BENCH_CHILD"
TICK = 0.2
"""Seconds between two looks at a working child's memory and the clock."""

RESERVE = 0.1
"""Of all memory, and at least LEAST_RESERVE bytes: what a child must leave free by default."""

LEAST_RESERVE = 2**30
TAIL_LINES = 12
Status = Literal["error", "timeout", "memory", "skipped"]


class Failure(Exception):
    """Why a request has no answer: a status for the record, the reason in words, and the last lines of a traceback."""

    def __init__(self, status: Status, reason: str, tail: list[str] | None = None) -> None:
        super().__init__(reason)
        self.status: Status = status
        self.reason = reason
        self.tail = tail or []


@dataclass(frozen=True)
class Limits:
    """What a child may take: seconds for one request (None: any), and bytes of memory with all that came of it.

    None for the latter is what is free when it starts, less a reserve: it ends before the machine swaps.
    """

    seconds: float | None = None
    bytes: int | None = None


class Starter(Protocol):
    """Starts what can be asked as a ``Child`` can."""

    def __call__(
        self,
        setup: dict[str, Any],
        limits: Limits,
        say: Callable[[str], None],
        show: Callable[[str, int, int | None], None],
    ) -> Any:
        """A worker that is set up."""
        ...


def free_memory() -> int:
    """What is free now, less a reserve."""
    memory = psutil.virtual_memory()
    return int(memory.available - max(LEAST_RESERVE, RESERVE * memory.total))


class Child:
    """A process that does what it is asked. ``say`` is given lines it wants shown, ``show`` how far a stage has come."""

    def __init__(
        self,
        setup: dict[str, Any],
        limits: Limits,
        say: Callable[[str], None] = print,
        show: Callable[[str, int, int | None], None] = lambda description, done, total: None,
    ) -> None:
        self._limits = Limits(limits.seconds, free_memory() if limits.bytes is None else limits.bytes)
        self._say, self._show = say, show
        self._mark = uuid.uuid4().hex
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self._log: IO[bytes] = tempfile.TemporaryFile(prefix="bench-child-")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.child", str(requests), str(answers), str(os.getpid())],
            pass_fds=(requests, answers),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            env={**os.environ, MARK: self._mark},
        )
        os.close(requests)
        os.close(answers)
        self._read = b""
        self.gone = False
        try:
            self.ask("set_up", **setup)
        except BaseException:
            self.end()
            raise

    def ask(self, what: str, **parameters: Any) -> Any:
        """The child's answer. Failure: it gave none, or refused; after a timeout or a crash it is gone."""
        if self.gone:
            raise Failure("error", "the process ended with an earlier request")
        line = json.dumps({"do": what, **parameters}).encode() + b"\n"
        try:
            _write_all(self._requests, line)
        except BrokenPipeError:
            raise self._ended() from None
        deadline = None if self._limits.seconds is None else time.monotonic() + self._limits.seconds
        while True:
            message = self._message(deadline)
            if "say" in message:
                self._say(message["say"])
            elif "show" in message:
                self._show(*message["show"])
            elif "failed" in message:
                raise Failure(**message["failed"])
            else:
                return message["answer"]

    def _message(self, deadline: float | None) -> dict[str, Any]:
        """The next line of the child. Failure: there is none in time, or within the memory it may take."""
        while b"\n" not in self._read:
            if select.select([self._answers], [], [], TICK)[0]:
                block = os.read(self._answers, 1 << 20)
                if not block:
                    raise self._ended()
                self._read += block
            elif self._process.poll() is not None:
                raise self._ended()
            if deadline is not None and time.monotonic() > deadline:
                self.end()
                raise Failure("timeout", f"not finished after {self._limits.seconds:g} s")
            if self._limits.bytes is not None and (used := self.resident_bytes()) > self._limits.bytes:
                self.end()
                limit = self._limits.bytes
                raise Failure("memory", f"took {used / 1e9:.2f} GB, more than the {limit / 1e9:.2f} GB that it may")
        line, _, self._read = self._read.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def _ended(self) -> Failure:
        """The child is gone: how, and what it said last."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = None
        self._log.seek(0)
        tail = self._log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        self.end()
        if code is None:
            return Failure("error", "closed its end of the pipe and stayed", tail)
        if code < 0:
            return Failure("error", f"ended by {signal.Signals(-code).name}", tail)
        return Failure("error", f"ended by itself, with exit code {code}, before it had answered", tail)

    def resident_bytes(self) -> int:
        """Memory of the child and its descendants."""
        return sum(_resident(process) for process in self._family())

    def _family(self) -> list[psutil.Process]:
        try:
            head = psutil.Process(self._process.pid)
            return [head, *head.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def end(self) -> None:
        """Kill the child and whatever came of it. It may be called again."""
        if self.gone:
            return
        self.gone = True
        family = self._family()
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        for process in [*family, *marked(self._mark)]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        self._process.wait()
        os.close(self._requests)
        os.close(self._answers)
        self._log.close()


def marked(mark: str) -> list[psutil.Process]:
    """The processes that carry a child's mark, wherever they have gone."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
