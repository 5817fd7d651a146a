"""A machine in shares: what each child may use of it."""

import json
import os
import subprocess
import sys

import pytest

from bench.workers import shares as module
from bench.workers.shares import Share, shares
from tests.conftest import CHECKOUT


@pytest.fixture
def machine(monkeypatch):
    def make(cores, gpus=0):
        monkeypatch.setattr(module, "processors", lambda: [*range(10, 10 + cores)])
        monkeypatch.setattr(module, "visible_gpus", lambda: [str(number) for number in range(gpus)])

    return make


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (2, 2), (7, 3), (16, 4)])
def test_the_processors_are_divided_evenly_and_none_is_shared(machine, cores, count):
    machine(cores)
    parts = shares(count, "auto")
    used = [core for share in parts for core in share.cores]
    assert [len(share.cores) for share in parts] == [cores // count] * count
    assert len({*used}) == len(used) and {*used} <= {*range(10, 10 + cores)}
    assert all(share.gpu is None for share in parts)


def test_each_share_has_a_gpu_of_its_own_where_there_are_some(machine):
    machine(4, gpus=3)
    assert shares(3, "auto") == [Share((10,), "0"), Share((11,), "1"), Share((12,), "2")]
    assert [share.gpu for share in shares(2, "cpu")] == [None, None]
    machine(1, gpus=2)
    assert shares(2, "cuda") == [Share((10,), "0"), Share((10,), "1")]


@pytest.mark.parametrize(
    ("count", "gpus", "reason"),
    [
        (0, 0, "--jobs 0: expected 1 to 4, the number of processors here"),
        (5, 0, "--jobs 5: expected 1 to 4, the number of processors here"),
        (3, 2, "--jobs 3: expected 1 to 2, the number of GPUs here; with --device cpu it is 1 to 4"),
    ],
)
def test_more_shares_than_there_are_processors_or_gpus_are_refused(machine, count, gpus, reason):
    machine(4, gpus)
    with pytest.raises(ValueError, match=f"^{reason}$"):
        shares(count, "auto")


def test_gpus_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 6")
    assert module.visible_gpus() == ["4", "6"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert module.visible_gpus() == ["0", "1"]


TAKES = """
import json, os, sys
import numba, numpy
from bench.workers.shares import Share
Share(tuple(json.loads(sys.argv[1])), "3").take()
from threadpoolctl import threadpool_info
pools = {pool["num_threads"] for pool in threadpool_info()}
said = [sorted(os.sched_getaffinity(0)), sorted(pools), numba.get_num_threads()]
print(json.dumps([*said, os.environ["OMP_NUM_THREADS"], os.environ["CUDA_VISIBLE_DEVICES"]]))
"""


@pytest.mark.long
@pytest.mark.parametrize("asked", ["", "1", "64"])
def test_a_process_and_its_libraries_keep_to_its_share(asked):
    core = max(os.sched_getaffinity(0))
    environment = {**os.environ, "OMP_NUM_THREADS": asked}
    command = [sys.executable, "-c", TAKES, json.dumps([core])]
    said = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert json.loads(said) == [[core], [1], 1, "1", "3"]
