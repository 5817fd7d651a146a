"""Runs of one grid on several hosts: on one folder, and each on a folder of its own before one object store."""

import threading
import time

import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records import book
from bench.records.frame import frame_of
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store import remote as module
from bench.store.entries import ENTRY, Store
from bench.store.remote import ObjectStore, Unreachable
from bench.timing import alone
from bench.timing.alone import timed_alone
from bench.workers.in_process import Local
from tests.conftest import bench

SETTINGS = ("candidates=20", "key_bits=8")
"""They leave two cells of the small grid."""


@pytest.fixture(autouse=True)
def timing_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(alone, "FOLDER", tmp_path)


@pytest.fixture
def make_run(tmp_path, vectors_dir, small_grid, third_party, monkeypatch):
    """A run of the small grid on a host, on the folders of that name; ``behind``: the object store, if any."""
    monkeypatch.setattr(module, "LISTED", 0.0)

    def make(host, behind=None, said=None, start=Local):
        plan = grid_file.load(str(small_grid), Options(data_dir=vectors_dir, settings=SETTINGS))
        say = (lambda line: None) if said is None else said.append
        inside = (lambda name: None) if behind is None else behind.inside
        cache = Store(tmp_path / host / "cache", say, inside("cache"))
        cache.root.mkdir(parents=True, exist_ok=True)
        pipeline = Pipeline(plan, cache, Context(cache=cache.root), say)
        return Run(pipeline, Store(tmp_path / host / "out", say, inside("results")), say, start=start)

    return make


@pytest.fixture
def there(tmp_path):
    return ObjectStore(f"file://{tmp_path}/there", pauses=())


def records(run):
    """The texts of all records."""
    keys = run.results.keys("records")
    return {key: (run.results.path("records", key) / ENTRY).read_text() for key in keys}


def refused(*_, **__):
    pytest.fail("a process was started, though all is made")


def test_what_one_host_has_made_another_fetches_and_makes_nothing(make_run, there):
    first = make_run("one", there)
    assert first.finish() == {} and len(records(first)) == 2
    second = make_run("two", there, start=refused)
    assert not second.plan().units and second.finish() == {}
    assert (frame_of(second.pipeline, second.results)["status"] == "ok").all()
    assert records(second) == records(first)


@pytest.mark.long
def test_a_run_uploads_what_its_folders_hold_and_the_object_store_lacks(make_run, there):
    alone_run = make_run("one")
    alone_run.finish()
    again = make_run("one", there, start=refused)
    book.mark(again.pipeline, again.results)
    assert again.finish() == {}
    second = make_run("two", there, start=refused)
    assert second.finish() == {} and records(second) == records(alone_run)


@pytest.mark.long
def test_an_object_store_that_goes_away_fails_no_cell_and_the_run_goes_on_later(make_run, there, monkeypatch):
    left, asked, ends = [0], ObjectStore._ask, 0

    def until_it_goes_away(self, request):
        if not left[0]:
            raise Unreachable(f"{self.url} can't be reached (tried 7 times): reset by peer")
        left[0] -= 1
        return asked(self, request)

    monkeypatch.setattr(ObjectStore, "_ask", until_it_goes_away)
    while not left[0]:
        left[0] = 25 * ends
        run = make_run("one", there)
        try:
            book.mark(run.pipeline, run.results)
            assert run.finish() == {}
        except Unreachable:
            ends += 1
        else:
            break
    assert ends >= 3
    assert all(entry.meta["row"]["status"] == "ok" for _, entry in book.every(make_run("one").results))
    left[0] = -1
    assert make_run("two", there, start=refused).finish() == {}


@pytest.mark.long
def test_a_run_waits_for_the_group_that_another_host_times_and_for_the_times_on_its_own(make_run, monkeypatch):
    said, run = [], make_run("one")
    key = run._schedule.group_key([cell for cell in run.cells if cell.cell.index is not None])
    assert key == run._schedule.group_key(run.cells[:1])
    held, free = threading.Event(), threading.Event()

    def another_host():
        with Store(run.results.root).hold("replicates", key), timed_alone():
            held.set()
            free.wait(60)

    other = threading.Thread(target=another_host)
    other.start()
    assert held.wait(60)

    def say(line):
        said.append(line)
        if line.startswith("wait"):
            assert run.results.keys("replicates") == []
            free.set()

    waiting = make_run("one", said=type("", (), {"append": staticmethod(say)}))
    began = time.monotonic()
    assert waiting.finish() == {} and time.monotonic() - began < 60
    other.join()
    assert [line for line in said if line.startswith("wait")] == [
        next(line for line in said if f"is making {run.results.root}/replicates/{key}" in line)
    ]


@pytest.mark.long
def test_two_hosts_run_a_grid_by_the_command_line_over_a_real_server_of_s3(tmp_path, small_grid, vectors_dir):
    pytest.importorskip("s3fs", reason="the extra [cluster] brings a client of S3")
    server = pytest.importorskip("moto.server", reason="the extra [test] brings a server of S3")
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    variables = {
        **{"AWS_ENDPOINT_URL": "http://{}:{}".format(*running.get_host_and_port()), "AWS_ACCESS_KEY_ID": "any"},
        **{"AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"},
    }
    common = ("--grid", small_grid, "--data-dir", vectors_dir, *[word for one in SETTINGS for word in ("--set", one)])
    try:
        import boto3

        boto3.client("s3", endpoint_url=variables["AWS_ENDPOINT_URL"], region_name="us-east-1",
                     aws_access_key_id="any", aws_secret_access_key="any").create_bucket(Bucket="bucket")  # fmt: skip
        found = []
        for host in ("one", "two"):
            where = ("--out", tmp_path / host / "out", "--cache-dir", tmp_path / host / "cache")
            done = bench("run", *common, *where, "--remote", "s3://bucket/x", variables=variables)
            assert done.returncode == 0, done.stderr
            results = Store(tmp_path / host / "out")
            found.append({key: results.meta("records", key) for key in results.keys("records")})
        assert found[0] == found[1] and len(found[0]) == 2
        wrong = bench("run", *common, *where, "--remote", "s3://missing/x", variables=variables)
        assert wrong.returncode == 2 and len(wrong.stderr.splitlines()) == 1, wrong.stderr
        assert "s3://missing/x can't be written: The specified bucket does not exist" in wrong.stderr
    finally:
        running.stop()
