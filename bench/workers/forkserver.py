"""Workers forked from a process that has imported what takes long and has started no thread.

A new interpreter imports numba, kernels and faiss for about a second before it can work. The forkserver imports them
once. For each worker it forks a monitor, which forks the worker: the monitor tells the worker's number and its end, and
leaves it a zombie until this process lets go of it, so that its number can't be another's. Worker, monitor and server
end with this process, whatever ends it. `multiprocessing` has a forkserver too, which sets neither a session, a mark in
the environment nor a death with the parent.
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

from bench.workers.launch import MARK, Process, program, spawn

KILL_WITH_PARENT = 1
"""Of Linux's prctl: PR_SET_PDEATHSIG."""

GRACE = 1.0
"""Seconds that the server is given to end by itself."""

NO_MARK = "0" * 32
"""What stands in the forkserver's environment; a worker writes its mark, which is as long, over it."""


PREPARED = b"prepared"
"""What the server says once, when it has imported all it should."""


class Forkserver:
    """A `Launcher` that forks. Where there is no server, or no longer, it spawns."""

    def __init__(
        self, imported: Sequence[str] = (), searching: Sequence[str] = (), identified: Sequence[str] = ()
    ) -> None:
        """``imported``: the modules that the server imports; one that can't be imported is passed over.

        ``searching``: the modules of plugins whose imports are worth importing, see `bench.workers.preload`.
        ``identified``: those of plugins whose `bench.store.identity.source_identity` workers ask for.
        """
        prepared = {"imported": [*imported], "searching": [*searching], "identified": [*identified]}
        self._prepared = json.dumps(prepared)
        self._open = ExitStack()
        self._control: socket.socket | None = None
        self._is_prepared = False
        self._spawns = sys.platform != "linux"

    def __enter__(self) -> Self:
        """The server starts with the first worker."""
        return self

    def __exit__(self, *fault: object) -> None:
        """End the server; workers that still run end with it."""
        self._spawns = True
        self._control = None
        self._open.close()

    def at_once(self, requests: int, answers: int, log: int, mark: str) -> Process:
        """A `Launcher` that does not wait for the server: it spawns until that has imported all it should."""
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
    """A worker that was forked. Its monitor says, in lines, the number of the process and then its exit code."""

    def __init__(self, monitor: socket.socket) -> None:
        """Raises EOFError: the monitor has nothing to say."""
        self._monitor = monitor
        self._read = b""
        self._code: int | None = None
        self.pid = int(self._line(None) or 0)

    def poll(self) -> int | None:
        """See `bench.workers.launch.Process`."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """See `bench.workers.launch.Process`. The process is let go of."""
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
        """The next line of the monitor; None: it did not come in time.

        Raises EOFError: none will come.
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
    """Without orders the server ends when its monitors have. Where a worker still runs, all of them are killed."""
    control.close()
    try:
        server.wait(GRACE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main() -> None:
    """The forkserver: find out what every worker would, then fork a monitor for each request, until the parent ends."""
    control, parent, prepared = sys.argv[1:]
    if not _ends_with(int(parent)):
        return
    import_module("bench.workers.serving")
    _prepare(**json.loads(prepared))
    gc.collect()
    gc.freeze()  # or the collector of each worker would copy what all share
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
    with suppress(ChildProcessError):  # where there is none any more
        os.wait()


def _prepare(imported: list[str], searching: list[str], identified: list[str]) -> None:
    """Import modules, and fill the caches of what does not change while a run goes on.

    What fails is passed over: the worker that needs it says so.
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
    """Fork the worker; tell its number, and its exit code when it has one; reap it when nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not _ends_with(server):
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
    os.read(waits, 1)  # nothing: it returns when the worker has its session and its mark, or has ended
    with socket.socket(fileno=line) as heard, suppress(OSError):
        heard.sendall(b"%d\n" % worker)
        how = os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
        assert how is not None
        heard.sendall(b"%d\n" % (how.si_status if how.si_code == os.CLD_EXITED else -how.si_status))
        heard.recv(1)
        os.waitpid(worker, 0)
    os._exit(0)


def _work(mark: str, monitor: int, requests: int, answers: int, log: int, marked: int) -> None:
    """Become a worker as a new interpreter would be one, close ``marked``, and serve."""
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
        # A fork has none of the threads of BLAS. They start now, as where numpy and scipy are imported, and not in the
        # first timed round, where they would spin beside it: setting their number makes every BLAS start them.
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
    """Put the mark into the environment, for processes that are started, and where the system shows it of this one."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    place = getenv(MARK.encode())
    assert place is not None and len(mark) == len(NO_MARK)
    ctypes.memmove(place, mark.encode(), len(mark))
    os.environ[MARK] = mark


def _ends_with(parent: int) -> bool:
    """From here on this process is killed when its parent ends. False: that has happened already."""
    ctypes.CDLL(None).prctl(KILL_WITH_PARENT, signal.SIGKILL)
    return os.getppid() == parent
