"""The class of a machine and the name of its host."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.system import environment, files, machines
from bench.system.machines import NOT_RECORDED, here, host, is_here, machine_class, named

FACTS = {"cpu": "Some CPU @ 2.50GHz", "memory_bytes": 16 * 2**30, "gpu": None}
GPU = "Some GPU 80GB, 535.12"


@pytest.fixture
def of(monkeypatch):
    """The class of a machine with other facts."""

    def told(number=2, **facts):
        monkeypatch.setattr(machines, "machine", lambda: FACTS | facts)
        monkeypatch.setattr(machines, "cores", lambda: number)
        return machine_class()

    return told


def test_a_class_names_processor_cores_memory_and_gpus(of):
    assert of() == "Some CPU @ 2.50GHz, 2 cores, 16 GiB"
    assert of(1, gpu=GPU) == "Some CPU @ 2.50GHz, 1 core, 16 GiB, Some GPU 80GB"
    assert of(gpu="\n".join([GPU, "Other GPU, 1", GPU])).endswith(", 16 GiB, Other GPU, 2 x Some GPU 80GB")
    assert of(gpu="") == of(gpu=None) == of()


def test_what_a_kernel_reserves_and_the_version_of_a_driver_make_no_other_class(of):
    assert of(memory_bytes=16 * 2**30 - 300 * 2**20) == of()
    assert of(gpu=GPU) == of(gpu="Some GPU 80GB, 550.1")
    assert len({of(), of(3), of(cpu="Other"), of(memory_bytes=2**35), of(gpu=GPU)}) == 5


@given(st.text(), st.text())
def test_a_class_is_one_printable_line_with_single_spaces(cpu, gpu):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(machines, "machine", lambda: FACTS | {"cpu": cpu, "gpu": gpu})
        told = machine_class()
    assert told.isprintable() and told == " ".join(told.split()) and told != NOT_RECORDED


def test_the_cores_are_those_that_the_process_may_use():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("the system binds no process to cores")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert ", 1 core, " in machine_class()
        environment.machine.cache_clear()
        assert environment.machine()["usable_cores"] == 1 <= environment.machine()["cores"]
    finally:
        os.sched_setaffinity(0, before)
        environment.machine.cache_clear()
    assert f", {len(before)} core" in machine_class()


@pytest.mark.parametrize(("named_by", "expected"), [("node-7", "node-7"), (" a\nb ", "a b"), ("", None)])
def test_a_host_has_its_own_name_unless_the_environment_gives_one(monkeypatch, named_by, expected):
    monkeypatch.setenv("BENCH_HOST", named_by)
    monkeypatch.setattr(files.platform, "node", lambda: "own")
    assert host() == (expected or "own")


def test_what_is_of_another_host_or_class_or_of_none_is_not_from_here(monkeypatch):
    assert is_here({**here(), "more": 1})
    assert not any(is_here(here() | other) for other in ({"host": "other"}, {"machine": "other"}, {"host": None}))
    assert not is_here({}) and named({}) == {"machine": None, "host": None}
    meta = here()
    monkeypatch.setenv("BENCH_HOST", "another")
    assert not is_here(meta)
