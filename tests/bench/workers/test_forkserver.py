"""Workers that are forked. What they must do as spawned ones do is in tests/bench/workers/test_process.py."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from importlib.metadata import entry_points
from pathlib import Path

import psutil
import pytest

from bench.workers.forkserver import Forkserver
from bench.workers.launch import MARK
from bench.workers.preload import own_modules, worth_importing
from bench.workers.process import marked
from tests.conftest import children

linux = pytest.mark.skipif(sys.platform != "linux", reason="the forkserver needs Linux")


@pytest.fixture
def worker():
    """Starts a worker by a launcher; it ends when its pipe of requests is closed."""
    opened = []

    def start(launch):
        requests, ours = os.pipe()
        theirs, answers = os.pipe()
        with tempfile.TemporaryFile() as log:
            process = launch(requests, answers, log.fileno(), uuid.uuid4().hex)
        os.close(requests)
        os.close(answers)
        opened.extend([ours, theirs])
        return process, ours

    yield start
    for descriptor in opened:
        os.close(descriptor)


def modules_of(process):
    """What a process has mapped, by file name."""
    return {Path(one.path).name for one in psutil.Process(process.pid).memory_maps()}


@linux
def test_workers_share_one_server_that_has_imported_for_them(worker):
    others = children()
    with Forkserver(["no_such_module", "faiss"]) as launch:
        first, second = worker(launch)[0], worker(launch)[0]
        (server,) = children() - others
        assert {first.pid, second.pid} <= {one.pid for one in server.children(recursive=True)}
        assert any("faiss" in name for name in modules_of(first))
        assert first.poll() is None and second.poll() is None
    assert children() <= others


@linux
def test_a_worker_is_the_head_of_a_session_and_shows_its_mark(worker):
    with Forkserver() as launch:
        process, _ = worker(launch)
        assert os.getsid(process.pid) == process.pid
        mark = psutil.Process(process.pid).environ()[MARK]
        assert [one.pid for one in marked(mark)] == [process.pid]
        assert Path(f"/proc/{process.pid}/fd/0").readlink() == Path(os.devnull)


@linux
def test_a_worker_that_ended_keeps_its_number_until_it_is_let_go_of(worker):
    with Forkserver() as launch:
        process, _ = worker(launch)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=60) == -signal.SIGTERM and process.poll() == -signal.SIGTERM
        deadline = time.monotonic() + 60
        while psutil.pid_exists(process.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not psutil.pid_exists(process.pid)
        other, _ = worker(launch)
        os.kill(other.pid, signal.SIGKILL)
        while other.poll() is None:
            time.sleep(0.01)
        assert psutil.Process(other.pid).status() == psutil.STATUS_ZOMBIE
        with pytest.raises(subprocess.TimeoutExpired):
            worker(launch)[0].wait(timeout=0.01)


@linux
def test_where_the_server_was_killed_workers_are_spawned(worker):
    others = children()
    with Forkserver() as launch:
        forked, _ = worker(launch)
        (server,) = children() - others
        server.kill()
        assert forked.wait(timeout=60) == -signal.SIGKILL
        spawned, _ = worker(launch)
        assert isinstance(spawned, subprocess.Popen) and spawned.poll() is None
        spawned.kill()
        spawned.wait()


@linux
def test_workers_do_not_draw_the_same_random_numbers():
    """Of the generators that are global: a new interpreter seeds them by chance, and a fork would inherit them."""
    code = """
import os, random
import numpy as np
from bench.workers import forkserver
seen = set()
for _ in range(3):
    read, write = os.pipe()
    if os.fork() == 0:
        forkserver._write_mark = lambda mark: None
        class Serving:
            @staticmethod
            def live(*_):
                os.write(write, f"{random.random()} {np.random.random()}".encode())
        forkserver.import_module = lambda name: Serving
        forkserver._work("", 0, 0, 0, os.open(os.devnull, os.O_WRONLY), os.open(os.devnull, os.O_WRONLY))
    seen |= set(os.read(read, 100).split())
print(len(seen))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "6\n"


@linux
def test_a_forked_worker_has_the_threads_of_every_blas_before_it_is_asked_for_anything():
    code = """
import os
import numpy, scipy.linalg
from threadpoolctl import threadpool_limits
from bench.workers import forkserver
read, write = os.pipe()
if os.fork() == 0:
    forkserver._write_mark = lambda mark: None
    class Serving:
        @staticmethod
        def live(*_):
            before = len(os.listdir("/proc/self/task"))
            with threadpool_limits(limits=1):
                os.write(write, f"{before} {len(os.listdir('/proc/self/task'))}".encode())
    forkserver.import_module = lambda name: Serving
    forkserver._work("", 0, 0, 0, os.open(os.devnull, os.O_WRONLY), os.open(os.devnull, os.O_WRONLY))
print(os.read(read, 100).decode())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before == after


def test_only_what_takes_no_thread_of_its_own_is_imported_ahead():
    points = {point.name: point for point in entry_points(group="bench.indexes")}
    tables = worth_importing(own_modules([points["hash_tables"]], "bench"))
    assert {"methods.search.codes.hash_tables", "methods.search.codes.kernels.lookup", "numba"} <= {*tables}
    assert worth_importing(own_modules([points["torch_scan"]], "bench")) == []
    assert own_modules([points["hash_tables"]], "another") == []
    code = f"""
import importlib, os, sys, threading
import numpy
for name in {worth_importing(own_modules(points.values(), "bench"))}:
    importlib.import_module(name)
assert threading.active_count() == 1 and "torch" not in sys.modules
if os.fork() == 0:  # BLAS's threads, the only ones, do not outlive a fork
    os._exit(len(os.listdir("/proc/self/task")))
assert os.waitstatus_to_exitcode(os.wait()[1]) == 1
"""
    if sys.platform == "linux":
        subprocess.run([sys.executable, "-c", code], check=True)


@linux
def test_what_need_not_wait_is_spawned_until_the_server_is_prepared_and_then_forked(worker, tmp_path, monkeypatch):
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Forkserver(["slow_module"]) as launch:
        first = worker(launch.at_once)[0]
        assert isinstance(first, subprocess.Popen)
        assert not isinstance(worker(launch)[0], subprocess.Popen)  # which waits for the server
        assert not isinstance(worker(launch.at_once)[0], subprocess.Popen)
        first.kill()
        first.wait()
