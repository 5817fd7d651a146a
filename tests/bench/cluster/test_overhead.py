"""What the sending of jobs costs: real workers, whose processes only sleep."""

import os
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("distributed")

from distributed import Client

from bench.cluster.afar import Afar
from bench.cluster.engine import Dask
from bench.runs.crew import Job, Manner
from tests.bench.cluster.test_afar import Screen
from tests.workers import WORKER, cluster

pytestmark = [pytest.mark.long, pytest.mark.alone]

SLEEPING = """
import pathlib, time
import bench.cluster.hands as hands
class Sleeping:
    gone = False
    def __init__(self, opening):
        self.opening = opening
        self.hello = {"unlike": None, "machine": "any"}
    def ask(self, request, tell):
        time.sleep(self.opening["seconds"])
        (pathlib.Path(self.opening["folder"]) / request["name"]).touch()
        return {"event": "answer", "over": True, "failed": [], "host": "any"}
    def end(self):
        pass
hands.Hand = Sleeping
"""


def seconds(folder, monkeypatch, workers, jobs, each):
    """The seconds that so many workers take for so many jobs, which sleep for so many seconds each."""
    folder.mkdir()
    monkeypatch.setattr("tests.workers.WORKER", SLEEPING + WORKER)
    hosts = [f"sleeper-{number}-{os.getpid()}" for number in range(workers)]
    grid = SimpleNamespace(dataset_name="d", measure=SimpleNamespace(split="all"))
    run = SimpleNamespace(pipeline=SimpleNamespace(grid=grid), results=None, failed=set(), retry_failed=False)

    def job(name):
        never = lambda *_: pytest.fail("nothing fails, and nothing is made here")  # noqa: E731
        return Job("stage", never, (folder / name).exists, lambda: True, never, never, name)

    with cluster(folder, hosts) as (address, _), Client(address, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=60)
        opening = {"making": {"device": "cpu"}, "seconds": each, "folder": str(folder)}
        engine = Dask(client, opening, print)
        assert engine.hosts == engine.slots == workers and not engine.crowded
        began = time.monotonic()
        with Afar(run, engine, Screen(), lambda hosts: False) as crew:
            assert len([*crew.take([job(f"stage {number}") for number in range(jobs)], Manner())]) == jobs
        taken = time.monotonic() - began
        engine.close()
    return taken


def test_three_workers_are_almost_three_times_as_fast_as_one(tmp_path, monkeypatch):
    one = seconds(tmp_path / "1", monkeypatch, 1, 24, 0.5)
    three = seconds(tmp_path / "3", monkeypatch, 3, 24, 0.5)
    print(f"one {one:.2f} s, three {three:.2f} s, ratio {one / three:.2f}")
    assert one / three >= 2.7


def test_a_job_of_nothing_costs_milliseconds(tmp_path, monkeypatch):
    taken = seconds(tmp_path / "0", monkeypatch, 3, 1000, 0.0)
    print(f"{taken:.2f} ms a job")
    assert taken < 100
