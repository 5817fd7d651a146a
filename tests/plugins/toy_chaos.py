"""Plugins that misbehave in every way that a process can."""

import faulthandler
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import psutil

from bench.interfaces import Codes

kept = []


def crash():
    """End by a segmentation fault."""
    faulthandler._sigsegv()


def leave():
    """End without a word, and as if all were well."""
    os._exit(0)


def leave_orderly():
    """End as a script does."""
    sys.exit(3)


def be_killed():
    """End as the kernel ends a process where memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_maker():
    """Kill the process of a cluster's worker in which jobs are made."""
    for process in psutil.Process().parents():
        if "bench.cli.hand" in process.cmdline():
            process.kill()
    hang()


def hang():
    """Never come back."""
    while True:
        time.sleep(60)


def hang_deaf():
    """Never come back, nor listen."""
    signal.signal(signal.SIGABRT, signal.SIG_IGN)
    hang()


def eat():
    """Allocate without end."""
    eaten = []
    while True:
        eaten.append(np.ones(2**22))
        time.sleep(0.01)


def eat_apart():
    """Allocate without end, in a process that has left the family."""
    subprocess.run([sys.executable, "-c", DAEMON + "import toy_chaos; toy_chaos.eat()"], check=True)
    hang()


def share():
    """Fork processes that share what was allocated."""
    kept = np.ones(2**24)
    for _ in range(4):
        if os.fork() == 0:
            hang()
    time.sleep(0.5)
    del kept


def map_a_file():
    """Read all of a file of 400 MB that is mapped."""
    with tempfile.TemporaryFile() as file:
        file.truncate(4 * 10**8)
        mapped = np.memmap(file, np.uint8, "r")
        mapped[:: mmap.PAGESIZE].sum()
        time.sleep(0.8)


def close_pipes():
    """Close whatever is open, and stay."""
    os.closerange(3, 65536)
    hang()


def babble():
    """Write into every pipe there is."""
    for descriptor in range(3, 65536):
        try:
            os.write(descriptor, b"hello\n")
        except OSError:
            continue


def chatter():
    """Write megabytes where people read."""
    for number in range(2000):
        print(f"line {number}", "x" * 2000)
        print("y" * 2000, file=sys.stderr)


def fork():
    """Leave a process behind that has a session of its own."""
    if os.fork() == 0:
        os.setsid()
        hang()


def fork_and_return():
    """Come back twice."""
    os.fork()


DAEMON = f"""
import os, sys
sys.path[:] = {sys.path!r}
if os.fork():
    os._exit(0)
os.setsid()
"""


def daemon():
    """Leave a process behind that has a session, a parent and an environment of its own."""
    code = DAEMON + "import toy_chaos; toy_chaos.hang()"
    subprocess.run([sys.executable, "-c", code], env={}, check=True)


def tidy(seconds=0.5):
    """Leave a process behind that removes a file some time after the end of this one."""
    code = f"import os, sys, time; sys.stdin.read(); time.sleep({seconds}); os.unlink(os.environ['TOY_FILE'])"
    environment = {**os.environ, "BENCH_TIDIES": "1"}
    kept.append(
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env=environment, start_new_session=True)
    )


def tidy_for_ever():
    """Leave a process behind that never has done removing it."""
    tidy(600)


def refuse():
    """Raise."""
    raise RuntimeError("chaos on purpose")


def run_out():
    """Raise what a failed allocation raises."""
    np.empty(2**60, dtype=np.uint8)


def nothing():
    """Behave."""


class Chaos:
    """Brute force that does ``at_build`` and ``at_search``, functions of this module, and spoils its answer."""

    reads = ("features",)
    query_parameters = ("at_search", "spoil")

    def __init__(self, *, at_build: str = "nothing", at_search: str = "nothing", spoil: str = "", file: str = ""):
        """``spoil``: nan, double, shape, few, range, list or objects. ``file``: what `tidy` removes."""
        self.at_build, self.at_search, self.spoil, self.file = at_build, at_search, spoil, file

    def build(self, database):
        os.environ["TOY_FILE"] = self.file
        globals()[self.at_build]()
        self._rows = database.features
        return self

    def set_query(self, at_search, spoil):
        self.at_search, self.spoil = at_search, spoil

    def search(self, queries, k):
        globals()[self.at_search]()
        distances = ((queries.features[:, None] - self._rows) ** 2).sum(axis=2)
        near = np.argsort(distances, axis=1, kind="stable")[:, :k]
        return {"": near, **self._spoilt(near)}[self.spoil]

    def _spoilt(self, near):
        return {
            "nan": np.full(near.shape, np.nan),
            "double": np.repeat(near[:, :1], near.shape[1], axis=1),
            "shape": near.T,
            "few": near[:, :-1],
            "range": near + len(self._rows),
            "list": near.tolist(),
            "objects": near.astype(object),
        }

    def size_bytes(self):
        return np.int64(self._rows.nbytes)


class ChaosHasher:
    """A hasher that does something at its third step, and whose codes are of half the items."""

    database_codes_ = None

    def __init__(self, *, bits: int = 8, at_step: str = "nothing"):
        self.bits, self.at_step = bits, at_step

    def fit(self, train, context):
        for step in context.track(range(5), "chaos", 5):
            time.sleep(0.25)
            if step == 2:
                globals()[self.at_step]()
        return self

    def encode(self, items):
        return Codes.pack(np.ones((len(items) // 2, self.bits)))


class ChaosEmbedder:
    """An embedder whose features are not numbers."""

    def __init__(self, *, dim: int = 4):
        self.dim = dim

    def fit(self, train, context):
        return self

    def embed(self, items):
        return np.full((len(items), self.dim), np.nan, dtype=np.float32)
