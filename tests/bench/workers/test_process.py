import dataclasses
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from bench.grids import grid_file
from bench.interfaces import Context, Unavailable
from bench.plugins.choices import Choice
from bench.runs.worker import set_up
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers import limits, process
from bench.workers.forkserver import Forkserver
from bench.workers.in_process import Local
from bench.workers.launch import spawn
from bench.workers.limits import Failure, Limits
from bench.workers.process import Child
from tests.conftest import CHECKOUT, PLUGINS, TEST_MARK, children, marked

pytestmark = pytest.mark.usefixtures("third_party")
GRID = """
title = "Chaos"
dataset = "toy_clusters"
recipe = "r"
[measure]
batch_seconds = 1e-9
[[cells]]
embedder = "identity"
index = "toy_chaos"
[recipes.r]
"""


def open_descriptors():
    """What each descriptor of this process is open on."""
    found = {}
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of the folder itself
            found[one.name] = str(one.readlink())
    return found


@contextmanager
def nothing_left(mark, grace):
    """Of what is started meanwhile, no process lives longer than the grace, in seconds, and no descriptor is left."""
    gc.collect()  # what earlier tests of this process left would close meanwhile
    before, descriptors = {*marked(mark), *children()}, open_descriptors()
    yield
    left = {*marked(mark), *children()} - before
    assert not psutil.wait_procs(left, timeout=grace)[1]
    deadline = time.monotonic() + grace
    while (now := open_descriptors()) != descriptors and time.monotonic() < deadline:
        time.sleep(0.1)
    assert now == descriptors


@pytest.fixture
def mark(monkeypatch):
    """In the environment of whatever the test starts; nothing of that may be left."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv(TEST_MARK, mark)
    with nothing_left(mark, 0):
        yield mark


@pytest.fixture(scope="module")
def shared():
    """A forkserver that all tests share, and the mark in its environment and those of its workers."""
    mark = uuid.uuid4().hex
    with pytest.MonkeyPatch.context() as patch, Forkserver() as server:
        patch.syspath_prepend(str(PLUGINS))
        patch.setenv(TEST_MARK, mark)
        server._ensure()
        patch.undo()
        yield server, mark


@pytest.fixture(params=[pytest.param("spawned", marks=pytest.mark.long), "forked"])
def launch(request):
    """How the processes of workers are started. Of a worker's processes none may be left."""
    if request.param == "spawned":
        request.getfixturevalue("mark")
        yield spawn
        return
    server, mark = request.getfixturevalue("shared")
    with nothing_left(mark, 10):  # in which the monitor of the worker ends
        yield server


def head_of(child):
    """The process of a worker."""
    return psutil.Process(child._process.pid)


@pytest.fixture
def start(tmp_path, launch):
    """Starts a worker on a grid whose only cell has an index, or a hasher, with these parameters."""
    started = []
    (tmp_path / "chaos.toml").write_text(GRID)
    grid = grid_file.load(str(tmp_path / "chaos.toml"))

    def starter(kind=Child, limits=None, hasher=None, say=print, show=lambda *progress: None, **parameters):
        cell = dataclasses.replace(grid.cells[0], index=Choice("toy_chaos", parameters))
        if hasher is not None:
            hashed = {"hasher": Choice("toy_chaos_hasher", hasher), "model": "last", "database_codes": "encoded"}
            cell = dataclasses.replace(cell, embedder=None, index=None, **hashed)
        own = {"launch": launch} if kind is Child else {}
        alone = dataclasses.replace(grid, cells=(cell,))
        worker = kind(set_up(alone, tmp_path, "cpu"), limits or Limits(seconds=60), say, show, **own)
        worker.cell = dataclasses.asdict(cell)
        worker.stage = next(iter(Pipeline(alone, Store(tmp_path), Context()).stages(cell))).key
        started.append(worker)
        return worker

    yield starter
    for worker in started:
        worker.end()


def failure(worker, what, **parameters):
    with pytest.raises(Failure) as caught:
        worker.ask(what, **parameters)
    return caught.value


def test_a_worker_ends_soon_after_its_run_is_over(start):
    over = threading.Event()
    worker = start(limits=Limits(over=over.is_set), at_build="hang")
    head = head_of(worker)
    threading.Timer(0.5, over.set).start()
    assert failure(worker, "build", cell=worker.cell).reason == "the run was ended meanwhile"
    assert worker.gone and not head.is_running()


@pytest.mark.parametrize("kind", [Child, Local])
def test_a_worker_answers_and_its_numbers_are_pythons(start, tmp_path, kind):
    worker = start(kind)
    assert worker.ask("build", cell=worker.cell)["build_seconds"] > 0
    costs = worker.ask("settle", cell=worker.cell)
    assert costs["index_bytes"] == 180 * 16 * 4 and type(costs["index_bytes"]) is int
    answer = worker.ask("answer", cell=worker.cell, path=str(tmp_path / "ids.npy"))
    assert answer["overhead_ms"] > 0 and (tmp_path / "ids.npy").is_file()


@pytest.mark.parametrize("kind", [Child, Local])
@pytest.mark.parametrize(
    ("does", "status", "reason"),
    [
        ("refuse", "error", "RuntimeError: chaos on purpose"),
        ("run_out", "memory", "MemoryError: Unable to allocate 1.00 EiB"),
    ],
)
def test_an_exception_is_a_failure_with_its_traceback_and_the_worker_goes_on(start, kind, does, status, reason):
    worker = start(kind, at_build=does)
    found = failure(worker, "build", cell=worker.cell)
    assert found.status == status and found.reason.startswith(reason)
    assert f"in {does}" in "".join(found.tail) and reason in found.tail[-1]
    assert not worker.gone and worker.ask("labels") is None


class Speechless(Exception):
    def __str__(self):
        raise KeyError("no words")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (RuntimeError("bad \udcff path"), r"RuntimeError: bad \udcff path"),
        (Unavailable("no \udcff"), r"no \udcff"),
        (Speechless(), "Speechless: no message, as KeyError was raised in place of it"),
    ],
)
def test_whatever_a_plugin_raises_is_a_reason_that_can_be_written(fault, reason):
    found = Failure.of(fault)
    assert found.reason == str(found) == reason
    "".join([found.reason, *found.tail]).encode()


@pytest.mark.parametrize(
    ("does", "reason", "word"),
    [
        ("leave", "ended by itself, with exit code 0, before it had answered", ""),
        ("leave_orderly", "ended by itself, with exit code 3, before it had answered", ""),
        ("crash", "ended by SIGSEGV", "Segmentation fault"),
        ("be_killed", "ended by SIGKILL, which the system sends where memory runs out", ""),
        ("close_pipes", "closed the pipe of its answers and stayed", ""),
        ("babble", "wrote into the pipe of its answers: b'hello'", ""),
    ],
)
def test_each_way_to_end_has_its_reason(start, does, reason, word):
    child = start(at_build=does)
    found = failure(child, "build", cell=child.cell)
    assert (found.status, found.reason) == ("error", reason)
    assert word in "\n".join(found.tail) and child.gone
    assert failure(child, "labels").reason == "the process ended with an earlier request"


def test_a_child_that_was_killed_while_it_had_nothing_to_do_is_missed_at_the_next_request(start):
    child = start()
    head_of(child).kill()
    assert failure(child, "labels").reason.startswith("ended by SIGKILL")


@pytest.mark.long
@pytest.mark.parametrize(("does", "heard"), [("hang", True), ("hang_deaf", False)])
def test_a_child_that_hangs_is_ended_and_says_where_it_stood_if_it_can(start, does, heard):
    child = start(limits=Limits(seconds=4), at_build=does)
    found = failure(child, "build", cell=child.cell)
    assert (found.status, found.reason) == ("timeout", "not finished after the 4 s of --timeout")
    assert ("in hang" in "\n".join(found.tail)) == heard and child.gone


@pytest.mark.long
@pytest.mark.parametrize("does", ["eat", "eat_apart"])
def test_a_child_that_takes_too_much_memory_is_ended_wherever_it_takes_it(start, does):
    child = start(limits=Limits(bytes=5 * 10**8), at_build=does)
    found = failure(child, "build", cell=child.cell)
    assert found.status == "memory" and found.reason.endswith("more than the 0.5 GB that it may")


def test_memory_that_processes_share_counts_once(start):
    """Five times 134 MB, and the interpreter."""
    child = start(limits=Limits(bytes=5 * 10**8), at_build="share")
    assert child.ask("build", cell=child.cell)["build_seconds"] > 0.5


@pytest.mark.long
def test_pages_of_a_mapped_file_do_not_count(start):
    child = start(limits=Limits(bytes=3 * 10**8), at_build="map_a_file")
    assert child.ask("build", cell=child.cell)["build_seconds"] > 0.8


def test_without_a_limit_a_child_may_take_what_is_free_when_it_starts(start, monkeypatch):
    monkeypatch.setattr(process, "free_memory", lambda: 3 * 10**8)
    child = start(limits=Limits(), at_build="eat")
    found = failure(child, "build", cell=child.cell)
    assert found.status == "memory" and "the 0.3 GB" in found.reason


def test_a_reserve_is_left_free(monkeypatch):
    memory = psutil.virtual_memory()._replace(total=100 * 2**30, available=50 * 2**30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert limits.free_memory() == 40 * 2**30
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(total=4 * 2**30, available=3 * 2**30))
    assert limits.free_memory() == 2 * 2**30


def test_megabytes_on_standard_output_and_error_are_no_answers_and_are_not_kept(start, monkeypatch):
    monkeypatch.setattr(process, "LOG_BYTES", 2**20)
    child = start(at_build="chatter", at_search="leave")
    assert child.ask("build", cell=child.cell)["build_seconds"] > 0
    monkeypatch.setattr(process, "TICK", 0)
    child.ask("labels")
    assert os.fstat(child._log.fileno()).st_blocks * 512 < 2**20
    found = failure(child, "answer", cell=child.cell, path="/no/such")
    assert "exit code 0" in found.reason and len(found.tail) <= process.TAIL_LINES


def test_what_it_wrote_last_is_in_the_failure(start):
    child = start(at_build="chatter", at_search="leave")
    found = failure(child, "one_by_one", cell=child.cell, others=[], rows=[0])
    assert found.reason.startswith("AttributeError")
    child = start(at_build="chatter", at_search="be_killed")
    child.ask("build", cell=child.cell)
    assert "y" * 2000 in failure(child, "one_by_one", cell=child.cell, others=[], rows=[0]).tail


@pytest.mark.parametrize("does", ["fork", "daemon"])
def test_processes_that_a_plugin_leaves_behind_end_with_the_child(start, does):
    child = start(at_build=does)
    assert child.ask("build", cell=child.cell)["build_seconds"] > 0
    left = head_of(child).children(recursive=True)
    assert len(left) == 2 and any(process.is_running() for process in left)
    child.end()
    assert not psutil.wait_procs(left, timeout=60)[1]


def test_a_forked_process_ends_with_a_child_that_ended_before_it(start):
    child = start(at_build="fork", at_search="leave")
    child.ask("build", cell=child.cell)
    left = [head_of(child), *head_of(child).children(recursive=True)]
    assert len(left) == 3
    assert "exit code 0" in failure(child, "one_by_one", cell=child.cell, others=[], rows=[0]).reason
    assert not psutil.wait_procs(left, timeout=60)[1]


@pytest.mark.parametrize("end", [Child.end, lambda child: head_of(child).kill()])
def test_a_process_that_tidies_up_has_time_for_it(start, end, tmp_path, monkeypatch):
    file = tmp_path / "left"
    file.touch()
    monkeypatch.setattr(process, "GRACE", 0.1)
    child = start(at_build="tidy", file=str(file))
    child.ask("build", cell=child.cell)
    end(child)
    assert failure(child, "labels").status == "error"
    assert not file.exists()


@pytest.mark.long
def test_a_process_that_never_has_done_tidying_up_is_killed(start, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "TIDY", 0.3)
    child = start(at_build="tidy_for_ever", file=str(tmp_path / "left"))
    child.ask("build", cell=child.cell)
    left = head_of(child).children()
    assert left
    child.end()
    assert not psutil.wait_procs(left, timeout=20)[1]


def test_a_plugin_that_comes_back_twice_is_answered_once(start):
    child = start(at_build="fork_and_return")
    assert child.ask("build", cell=child.cell)["build_seconds"] > 0
    assert child.ask("labels") is None
    assert set(child.ask("settle", cell=child.cell)) >= {"index_bytes"}


@pytest.mark.long
def test_requests_and_answers_may_be_larger_than_a_pipe(start):
    child = start()
    child.ask("build", cell=child.cell)
    rows = [number % 36 for number in range(30_000)]
    assert len(str(rows)) > 2**16
    found = child.ask("one_by_one", cell=child.cell, others=[], rows=rows)
    assert len(found["latency_ms"]) == len(rows) and min(found["latency_ms"]) > 0


@pytest.mark.long
def test_a_request_that_is_not_read_times_out(start):
    child = start(limits=Limits(seconds=4))
    head_of(child).suspend()
    assert failure(child, "one_by_one", cell=child.cell, others=[], rows=[0] * 100_000).status == "timeout"


def test_lines_and_progress_come_through_and_a_bar_does_not_outlive_the_child(start):
    said, shown = [], []
    child = start(hasher={"at_step": "leave"}, say=said.append, show=lambda *progress: shown.append(progress))
    assert "exit code 0" in failure(child, "make", cell=child.cell, stage=child.stage).reason
    assert any(line.startswith("load toy_clusters") for line in said)
    steps = [done for description, done, total in shown if (description, total) == ("chaos", 5)]
    assert steps == [0, 1, 2] and shown[-1] == ("chaos", None, None)


@pytest.mark.parametrize("kind", [Child, Local])
def test_a_bar_ends_where_a_stage_raises(start, kind):
    shown = []
    worker = start(kind, hasher={"at_step": "refuse"}, show=lambda *progress: shown.append(progress))
    assert failure(worker, "make", cell=worker.cell, stage=worker.stage).reason == "RuntimeError: chaos on purpose"
    assert shown[-1] == ("chaos", None, 5) and not worker.gone


@pytest.mark.parametrize("kind", [Child, Local])
def test_a_worker_that_cannot_set_up_is_a_failure(start, kind, monkeypatch):
    monkeypatch.setattr("bench.runs.worker.to_json", lambda grid: "{}")
    with pytest.raises(Failure, match="ValidationError") as caught:
        start(kind)
    assert caught.value.status == "error"


@pytest.mark.parametrize("launch", [spawn])
def test_a_process_that_cannot_be_started_is_a_failure(start, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(Failure, match=r"no process can be started: .*/no/such/python"):
        start()


def stops(process):
    """Whether a process is stopped, soon."""
    until = time.monotonic() + 10
    while process.status() != psutil.STATUS_STOPPED and time.monotonic() < until:
        time.sleep(0.01)
    return process.status() == psutil.STATUS_STOPPED


def test_a_paused_child_does_nothing_until_it_is_asked_again_and_can_be_ended(start):
    child = start()
    for _ in range(2):
        child.pause()
        assert stops(head_of(child)) and child.ask("labels") is None
    assert head_of(child).status() != psutil.STATUS_STOPPED
    child.pause()
    head = head_of(child)
    child.end()
    child.pause()
    assert not head.is_running()


def test_a_child_that_was_killed_while_it_was_paused_is_missed_at_the_next_request(start):
    child = start()
    child.pause()
    head_of(child).kill()
    assert failure(child, "labels").reason.startswith("ended by SIGKILL")


def test_ending_twice_is_ending_once_and_an_ended_worker_answers_nothing(start):
    for kind in (Child, Local):
        worker = start(kind)
        worker.end()
        worker.end()
        assert worker.gone and failure(worker, "labels").status == "error"


def test_workers_in_one_process_share_nothing(start):
    first, second = start(Local), start(Local)
    first.ask("build", cell=first.cell)
    assert failure(second, "settle", cell=second.cell).reason.startswith("AttributeError")
    second.end()
    assert first.ask("settle", cell=first.cell)["index_bytes"] == 180 * 16 * 4


PARENT = """
import sys
from dataclasses import asdict
from pathlib import Path
from bench.grids import grid_file
from bench.runs.worker import set_up
from bench.workers.limits import Limits
from bench.workers.process import Child
from bench.workers.forkserver import Forkserver
from bench.workers.launch import spawn
launch = Forkserver() if sys.argv[2] == "forked" else spawn
grid = grid_file.load(sys.argv[1])
child = Child(set_up(grid, Path(sys.argv[1]).parent, "cpu"), Limits(), launch=launch)
print("ready", flush=True)
child.ask("build", cell=asdict(grid.cells[0]))
"""


@pytest.mark.long
@pytest.mark.parametrize("launch", ["spawned", "forked"])
def test_a_child_ends_with_its_parent(tmp_path, mark, launch):
    grid = tmp_path / "chaos.toml"
    grid.write_text(GRID.replace('"toy_chaos"', '"toy_chaos"\nat_build = "hang"'))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(PLUGINS)])}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, grid, launch], env=environment, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout.readline() == b"ready\n"
        time.sleep(0.5)
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) == {"spawned": 1, "forked": 3}[launch]  # the server, a monitor and the worker
        parent.send_signal(signal.SIGKILL)
    assert not psutil.wait_procs(family, timeout=60)[1]


@pytest.mark.parametrize(
    ("limits", "message"),
    [({"seconds": 0}, "a limit of 0 seconds"), ({"bytes": -5}, "-5 bytes"), ({"seconds": float("nan")}, "nan seconds")],
)
def test_a_limit_that_is_none_is_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        Limits(**limits)
