"""Forks workers from a process that has imported the slow modules and has started no thread.

A new interpreter imports numba, kernels and faiss for about a second before it can work. The forkserver imports them
once. For each worker it forks a monitor, which forks the worker. The monitor reports the worker's process id and its
end, and reaps it only when this process releases it, so the id is not reused before. Worker, monitor and server end
with this process, however it ends. The forkserver of `multiprocessing` sets no session, no mark in the environment, and
no death with the parent.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from typing import Self

import numpy as np
from threadpoolctl import threadpool_limits

from bench.system.descent import die_with
from bench.workers.launch import MARK, Process, program, spawn

GRACE = 1.0
"""Seconds in which the server must end by itself."""

NO_MARK = "0" * 32
"""The mark in the forkserver's environment. A worker overwrites it with its own mark, which is as long."""


PREPARED = b"prepared"
"""The message that the server sends once, after all imports."""


class Forkserver:
    """A `Launcher` that forks. Without a running server it spawns."""

    def __init__(
        self, imported: Sequence[str] = (), searching: Sequence[str] = (), identified: Sequence[str] = ()
    ) -> None:
        """``imported``: the modules that the server imports, except those that can't be imported.

        ``searching``: modules of plugins, whose imports are selected by `bench.workers.preload`.
        ``identified``: modules of plugins whose `bench.store.identity.source_identity` workers need.
        """
        prepared = {"imported": [*imported], "searching": [*searching], "identified": [*identified]}
        self._prepared = json.dumps(prepared)
        self._open = ExitStack()
        self._control: socket.socket | None = None
        self._is_prepared = False
        self._spawns = sys.platform != "linux"

    def __enter__(self) -> Self:
        """Start nothing yet: the server starts with the first worker."""
        return self

    def __exit__(self, *fault: object) -> None:
        """End the server, and with it all workers that still run."""
        self._spawns = True
        self._control = None
        self._open.close()

    def at_once(self, requests: int, answers: int, log: int, mark: str) -> Process:
        """A `Launcher` that does not wait for the server: it spawns until the server has done all imports."""
        self._ensure()
        if self._control is not None and not self._is_prepared:
            self._is_prepared = bool(select.select([self._control], [], [], 0)[0])
        launch = self if self._is_prepared else spawn
        return launch(requests, answers, log, mark)

    def _ensure(self) -> None:
        if self._control is None and not self._spawns:
            self._control = self._start()

    def __call__(self, requests: int, answers: int, log: int, mark: str) -> Process:
        """See `Launcher`."""
        self._ensure()
        if self._control is not None:
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    socket.send_fds(self._control, [mark.encode()], [requests, answers, log, theirs.fileno()])
                return Forked(ours)
            except (OSError, EOFError):  # the server is gone
                ours.close()
                self._control, self._spawns = None, True
        return spawn(requests, answers, log, mark)

    def _start(self) -> socket.socket:
        """Start the server, and return the socket of its orders."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as undo:
            undo.callback(ours.close)
            with theirs:
                server = subprocess.Popen(
                    [*program(__name__), str(theirs.fileno()), str(os.getpid()), self._prepared],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    env={**os.environ, MARK: NO_MARK},
                )
            self._open.callback(_end, server, ours)
            undo.pop_all()
        return ours


class Forked:
    """A forked worker. Its monitor sends lines: the id of the process, and later its exit code."""

    def __init__(self, monitor: socket.socket) -> None:
        """Raises EOFError: the monitor sends nothing."""
        self._monitor = monitor
        self._read = b""
        self._code: int | None = None
        self.pid = int(self._line(None) or 0)

    def poll(self) -> int | None:
        """See `bench.workers.launch.Process`."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """See `bench.workers.launch.Process`. Releases the process."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("a forked worker", timeout or 0)
        with suppress(OSError):  # closed, or the monitor was killed
            self._monitor.shutdown(socket.SHUT_WR)
            while self._monitor.recv(64):  # until the monitor has reaped the worker
                pass
        self._monitor.close()
        return code

    def send_signal(self, sig: int) -> None:
        """See `bench.workers.launch.Process`."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def _ended(self, timeout: float | None) -> int | None:
        if self._code is None:
            try:
                line = self._line(timeout)
                self._code = None if line is None else int(line)
            except (EOFError, ConnectionError):  # the monitor was killed, and the worker with it
                self._code = -signal.SIGKILL
        return self._code

    def _line(self, timeout: float | None) -> bytes | None:
        """The next line of the monitor. None if it did not come in time.

        Raises EOFError: no line will come.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._read:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._monitor], [], [], left)[0]:
                return None
            block = self._monitor.recv(64)
            if not block:
                raise EOFError("the monitor of a worker has ended")
            self._read += block
        line, _, self._read = self._read.partition(b"\n")
        return line


def _end(server: subprocess.Popen[bytes], control: socket.socket) -> None:
    """End the server. Without orders it ends after its monitors; if a worker still runs, all of them are killed."""
    control.close()
    try:
        server.wait(GRACE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main() -> None:
    """Run the forkserver: do the work that all workers share, then fork a monitor a request, until the parent ends."""
    control, parent, prepared = sys.argv[1:]
    if not die_with(int(parent)):
        return
    import_module("bench.workers.serving")
    _prepare(**json.loads(prepared))
    gc.collect()
    gc.freeze()  # otherwise the collector of each worker would copy shared memory
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # monitors leave no zombies
    with socket.socket(fileno=int(control)) as channel:
        channel.send(PREPARED)
        while True:
            mark, descriptors, *_ = socket.recv_fds(channel, 64, 4)
            if not mark:
                break
            server = os.getpid()
            if os.fork() == 0:
                channel.close()
                _monitor(mark.decode(), server, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
    with suppress(ChildProcessError):  # if no child is left
        os.wait()


def _prepare(imported: list[str], searching: list[str], identified: list[str]) -> None:
    """Import modules, and fill the caches of values that do not change during a run.

    Failures are ignored: the worker that needs the module reports them.
    """
    from bench.store.identity import source_identity
    from bench.system.environment import libraries, machine
    from bench.workers.preload import worth_importing

    for module in [*imported, *worth_importing(searching)]:
        with suppress(Exception):
            import_module(module)
    for module in identified:
        with suppress(Exception):
            source_identity(module)
    machine()
    libraries()


def _monitor(mark: str, server: int, requests: int, answers: int, log: int, line: int) -> None:
    """Fork the worker. Send its id, and its exit code when it ends. Reap it when the parent releases it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not die_with(server):
        os._exit(1)
    monitor = os.getpid()
    waits, marked = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(line)
        os.close(waits)
        _work(mark, monitor, requests, answers, log, marked)
    for descriptor in (requests, answers, log, marked):
        os.close(descriptor)
    os.read(waits, 1)  # returns, with nothing, when the worker has its session and mark, or has ended
    with socket.socket(fileno=line) as heard, suppress(OSError):
        heard.sendall(b"%d\n" % worker)
        how = os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
        assert how is not None
        heard.sendall(b"%d\n" % (how.si_status if how.si_code == os.CLD_EXITED else -how.si_status))
        heard.recv(1)
        os.waitpid(worker, 0)
    os._exit(0)


def _work(mark: str, monitor: int, requests: int, answers: int, log: int, marked: int) -> None:
    """Become a worker like one in a new interpreter, close ``marked``, and serve."""
    code = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.close(nothing)
        os.close(log)
        _write_mark(mark)
        os.close(marked)
        random.seed()
        np.random.seed()  # noqa: NPY002 - plugins may use it, and every worker would draw the same
        # A fork has none of the threads of BLAS. Setting their number makes every BLAS start them now, as an import of
        # numpy and scipy would, and not in the first timed round, where they would spin beside it.
        with threadpool_limits(limits=1):
            pass
        child = import_module("bench.workers.serving")
        child.live(requests, answers, monitor)
        code = 0
    except SystemExit as fault:
        code = fault.code if isinstance(fault.code, int) else int(fault.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(code)


def _write_mark(mark: str) -> None:
    """Put the mark into the environment for started processes, and into the one that the system shows of this one."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    place = getenv(MARK.encode())
    assert place is not None and len(mark) == len(NO_MARK)
    ctypes.memmove(place, mark.encode(), len(mark))
    os.environ[MARK] = mark
