"""Runs plugins in a process of their own, where a crash, a hang or too much memory does no harm to the run.

The parent sends requests and the child answers, in lines of JSON over two pipes. They are not standard input and
output, where a plugin may write anything. A child is the head of a session, and all its descendants have a mark in
their environment, so killing it leaves nothing behind. If the parent dies, the child dies too. A descendant that tidies
up, such as the one that removes the folder of a server, is the last to be killed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

import psutil

from bench.system import memory
from bench.workers.launch import MARK, TIDIES, Launcher, spawn
from bench.workers.limits import Failure, Limits, Say, Show, free_memory

TICK = 0.2
"""Seconds between two checks of a working child's memory and time."""

GRACE = 2.0
"""Seconds in which a dying process must end."""

TIDY = 60.0
"""Seconds in which those that tidy up after it must end: they may remove a large folder, or a table of a server."""

TAIL_LINES, TAIL_BYTES = 30, 2**16
"""The last lines and bytes of a child's output that are kept after its end."""

LOG_BYTES = 2**26
"""The most bytes of a child's standard output and error. Beyond them the output is discarded."""


class Child:
    """A process that answers requests, and meanwhile passes on lines and progress."""

    def __init__(
        self,
        setup: dict[str, Any],
        limits: Limits,
        say: Say = print,
        show: Show = lambda description, done, total: None,
        launch: Launcher = spawn,
    ) -> None:
        """``setup``: the first request, see `bench.workers.serving`. ``launch``: starts the process.

        Raises Failure: the process can't be started, or fails to set up.
        """
        self._seconds, self._over = limits.seconds, limits.over
        self._bytes = free_memory() if limits.bytes is None else limits.bytes
        self._say, self._show = say, show
        self._unfinished: set[str] = set()
        self._mark = uuid.uuid4().hex
        self._read = b""
        self._looked = time.monotonic()
        self.gone = self._paused = False
        self._start(launch)
        try:
            self.ask("set_up", **setup)
        except BaseException:
            self.end()
            raise

    def _start(self, launch: Launcher) -> None:
        """Start the process, with a pipe for requests and one for answers."""
        self._open = ExitStack()
        try:
            with ExitStack() as theirs:
                requests, self._requests = os.pipe()
                theirs.callback(os.close, requests)
                self._open.callback(os.close, self._requests)
                self._answers, answers = os.pipe()
                theirs.callback(os.close, answers)
                self._open.callback(os.close, self._answers)
                self._log = self._open.enter_context(tempfile.TemporaryFile(prefix="bench-child-"))
                self._process = launch(requests, answers, self._log.fileno(), self._mark)
        except OSError as fault:
            self._open.close()
            raise Failure("error", f"no process can be started: {fault}") from fault

    def ask(self, what: str, **parameters: Any) -> Any:
        """The child's answer to a request.

        Raises Failure: the child refused or did not answer. After a timeout or a crash it has ended.
        """
        if self.gone:
            raise Failure("error", "the process ended with an earlier request")
        if self._paused:
            self._paused = False
            self._process.send_signal(signal.SIGCONT)
        deadline = None if self._seconds is None else time.monotonic() + self._seconds
        self._write(json.dumps({"do": what, **parameters}).encode() + b"\n", deadline)
        while True:
            message = self._message(deadline)
            if "say" in message:
                self._say(message["say"])
            elif "show" in message:
                self._progress(*message["show"])
            elif "failed" in message:
                raise Failure(**message["failed"])
            else:
                return message["answer"]

    def _progress(self, description: str, done: int | None, total: int | None) -> None:
        self._unfinished.add(description)
        if done is None:
            self._unfinished.remove(description)
        self._show(description, done, total)

    def _write(self, content: bytes, deadline: float | None) -> None:
        while content:
            self._wait(self._requests, select.POLLOUT, deadline)
            try:  # PIPE_BUF bytes never block.
                content = content[os.write(self._requests, content[: select.PIPE_BUF]) :]
            except BrokenPipeError:
                raise self._ended() from None

    def _message(self, deadline: float | None) -> dict[str, Any]:
        """The next message of the child.

        Raises Failure: there is none.
        """
        while b"\n" not in self._read:
            self._wait(self._answers, select.POLLIN, deadline)
            block = os.read(self._answers, 1 << 20)
            if not block:
                raise self._ended()
            self._read += block
        line, _, self._read = self._read.partition(b"\n")
        with suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict):
                return message
        self.end()
        raise Failure("error", f"wrote into the pipe of its answers: {line[:80]!r}")

    def _wait(self, descriptor: int, event: int, deadline: float | None) -> None:
        """Wait until a pipe is ready.

        Raises Failure: the child has ended, or exceeds its limits of time or memory.
        """
        poll = select.poll()
        poll.register(descriptor, event)
        while True:
            ready = poll.poll(1e3 * TICK)
            if time.monotonic() - self._looked >= TICK:
                self._look(deadline)
            if ready:
                return
            if self._process.poll() is not None and not poll.poll(0):
                raise self._ended()

    def _look(self, deadline: float | None) -> None:
        """Raises Failure: the child exceeds its limits of time or memory, or the run is over, and was ended for it."""
        self._looked = time.monotonic()
        if self._over():
            self.end()
            raise Failure("error", "the run was ended meanwhile")
        if deadline is not None and self._looked > deadline:
            self._process.send_signal(signal.SIGABRT)  # makes it print its stack
            tail = self._last_words()[1]
            raise Failure("timeout", f"not finished after the {self._seconds:g} s of --timeout", tail)
        if self.resident_bytes() > self._bytes and (used := self._taken_bytes()) > self._bytes:
            self.end()
            raise Failure("memory", f"took {used / 1e9:.3g} GB, more than the {self._bytes / 1e9:.3g} GB that it may")
        if 512 * os.fstat(self._log.fileno()).st_blocks > LOG_BYTES:
            self._log.truncate(0)

    def _ended(self) -> Failure:
        """The failure of a child that has ended: how it ended, and its last lines."""
        code, tail = self._last_words()
        if code is None:
            return Failure("error", "closed the pipe of its answers and stayed", tail)
        if code < 0:
            return Failure("error", f"ended by {_signal_name(-code)}", tail)
        return Failure("error", f"ended by itself, with exit code {code}, before it had answered", tail)

    def _last_words(self) -> tuple[int | None, list[str]]:
        """Wait for the child's own end, then kill it. Returns its exit code, None if it stayed, and its last lines."""
        try:
            code = self._process.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            code = None
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - TAIL_BYTES))
        tail = self._log.read().strip(b"\0").decode(errors="replace").splitlines()[-TAIL_LINES:]
        self.end()
        return code, tail

    def pause(self) -> None:
        """Stop the child until it is asked again: threads that wait busily take no time from others."""
        if not self.gone:
            self._paused = True
            self._process.send_signal(signal.SIGSTOP)

    def resident_bytes(self) -> int:
        """The memory of the child and its descendants, by a fast method that counts shared memory more than once."""
        return sum(map(memory.resident_bytes, self._family()))

    def _taken_bytes(self) -> int:
        """The memory of the child and its descendants, by a slow method that counts shared memory once."""
        return sum(map(memory.proportional_bytes, self._family()))

    def _family(self) -> list[psutil.Process]:
        if self._process.poll() is not None:  # its id may be reused by now
            return []
        try:
            head = psutil.Process(self._process.pid)
            return [head, *head.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def end(self) -> None:
        """Kill the child and its descendants. Those that tidy up have TIDY seconds. It may be called again."""
        if self.gone:
            return
        self.gone = True
        family = self._family()
        with suppress(ProcessLookupError, PermissionError):  # its group may be empty
            os.killpg(self._process.pid, signal.SIGKILL)
        _kill(one for one in family if not _tidies(one))
        self._process.wait()
        began = time.monotonic()
        while left := marked(self._mark):
            others = [one for one in left if not _tidies(one)]
            if time.monotonic() - began > (GRACE if len(others) == len(left) else TIDY):
                break
            _kill(others)
            psutil.wait_procs(left, timeout=TICK)
        _kill(left)
        self._open.close()
        for description in self._unfinished:
            self._show(description, None, None)


def marked(mark: str) -> list[psutil.Process]:
    """The processes that have a child's mark, in whatever session."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue


def _tidies(process: psutil.Process) -> bool:
    try:
        return TIDIES in process.environ()
    except psutil.Error:
        return False


def _signal_name(number: int) -> str:
    """The name of a signal. SIGKILL came from outside or from the system."""
    known = {int(one): one.name for one in signal.Signals}
    name = known.get(number, f"signal {number}")
    return f"{name}, which the system sends where memory runs out" if number == signal.SIGKILL else name
