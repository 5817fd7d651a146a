"""Processes that start in a moment: forked from a server that has imported what the command line imports.

A new interpreter imports torch, pandas, matplotlib and sklearn for seconds before a command begins. The server does it
once for a session of tests. It imports nothing of ``bench.cli``, which looks at the terminal when it is imported, and
starts no thread of torch or numba, so that a fork is as good as a new process. ``/proc`` shows the environment of the
server for each of its forks: what looks for a process by that starts a new one.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

from bench.plugins import registry
from bench.store.identity import room_identity, source_identity
from bench.store.rooms import ROOMS

CHECKOUT = Path(__file__).parents[1]
IMPORTED = (
    *(
        "bench.runs.run",
        "bench.records.book",
        "bench.runs.tuning",
        "bench.records.compare",
        "bench.records.parquet",
        "bench.conformance",
    ),
    *(
        "bench.report.write",
        "bench.report.site.build",
        "bench.report.changes.write",
        "bench.workers.process",
        "bench.runs.worker",
        "bench.workers.serving",
    ),
    *("methods.search.features.kernels.entry", "torch", "fontTools.subset"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf", "faiss", "typer", "rich.progress"),
    *("scipy.stats", "pyarrow.parquet", "plotly", "jinja2", "psutil", "h5py"),
)
"""What the commands take long to import."""

IDENTIFIED = (
    *(
        "datasets.vectors",
        "methods.embedding.identity",
        "methods.search.features.linear_scan",
        "methods.search.codes.hash_tables",
    ),
    *("methods.search.features.rerank", "toy_plugins"),
)
"""Modules of which most runs ask for the source."""


class Forked:
    """A process that the server has forked, with those methods of `subprocess.Popen` that the tests use."""

    def __init__(self, status):
        """``status``: a pipe on which the number of the process comes, and its exit code when it has ended."""
        self._status = status
        self.pid = int(status.readline())
        self.returncode = None

    def wait(self, timeout=None):
        """The exit code, negative for a signal. subprocess.TimeoutExpired: it runs still."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked process", timeout)
            with self._status:
                self.returncode = int(self._status.readline())
        return self.returncode

    def poll(self):
        """The exit code, or None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)

    def send_signal(self, number):
        """Send a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


def start(code, *arguments, environment=None, stdin=None, stdout=None, stderr=None):
    """``python -c CODE ARGUMENTS`` in the checkout, by a fork of the server; streams are descriptors, None /dev/null.

    Where it finds modules, and what libraries read of the environment when they are imported, is the server's.
    """
    environment = dict(os.environ) if environment is None else environment
    asked = {"code": code, "arguments": [*map(str, arguments)], "environment": environment}
    reading, writing = os.pipe()
    with Path(os.devnull).open("r+b", buffering=0) as nothing:
        streams = [nothing.fileno() if one is None else one for one in (stdin, stdout, stderr)]
        socket.send_fds(server()[0], [json.dumps(asked).encode()], [*streams, writing])
    os.close(writing)
    return Forked(os.fdopen(reading, buffering=1))


def run(code, *arguments, timeout=600, **options):
    """The same, finished: a `subprocess.CompletedProcess` of text. subprocess.TimeoutExpired: it was ended."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = start(code, *arguments, stdout=output.fileno(), stderr=errors.fileno(), **options)
        try:
            process.wait(timeout)
        finally:
            process.send_signal(signal.SIGKILL)
        for stream in (output, errors):
            stream.seek(0)
        return subprocess.CompletedProcess(arguments, process.returncode, output.read(), errors.read())


@cache
def server():
    """The connection to the server of this process, and its process, which ends when the connection does."""
    from tests.conftest import PLUGINS, TEST_MARK

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {name: value for name, value in os.environ.items() if name != TEST_MARK}
    environment["PYTHONPATH"] = str(PLUGINS)
    command = [sys.executable, "-m", "tests.warm", str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
    return ours, process


def serve(connection):
    """Fork a process for each request. Returns in such a process, with what is asked of it, or None in the end."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 4)
        if not message:
            return None
        if os.fork() == 0:
            connection.close()
            return json.loads(message) if watched(descriptors) else None
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):  # of processes that have ended before, none is left a zombie
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def watched(descriptors):
    """Fork again: the parent tells how the child ends, the child returns with its streams, and True."""
    *streams, status = descriptors
    child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        os.write(status, f"{child}\n".encode())
        _, ended = os.waitpid(child, 0)
        os.write(status, f"{os.waitstatus_to_exitcode(ended)}\n".encode())
        os._exit(0)
    os.close(status)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    return True


def become(asked):
    """Run what is asked for as the program of this process."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv[:] = ["-c", *asked["arguments"]]
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", 1 if os.isatty(1) else -1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    exec(compile(asked["code"], "<string>", "exec"), {"__name__": "__main__"})


def main():
    """The server; at its end a fork of it."""
    from tests.quick import take_times_quickly

    for name in IMPORTED:
        import_module(name)
    for kind in registry.GROUPS:
        registry.plugins(kind)
    for name in IDENTIFIED:
        source_identity(name)
    take_times_quickly(setattr)
    for room in ROOMS:
        room_identity(room)
    with suppress(ImportError):
        from colorama.initialise import reset_all

        atexit.unregister(reset_all)  # tqdm brings it, by torch: it writes an escape when a command ends without torch
    gc.collect()
    gc.freeze()  # so that a collection in a fork does not copy what is shared
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        become(asked)


if __name__ == "__main__":
    main()
