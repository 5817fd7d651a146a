"""What a process holds and what it may take: pages of mapped files are not held, and a limit of its own counts."""

import mmap
import resource
import subprocess
import sys

import numpy as np
import psutil
import pytest

from bench.system import memory

SIZE = 2**26
COUNTS = [memory.resident_bytes, memory.proportional_bytes]


@pytest.mark.parametrize("count", COUNTS)
def test_pages_of_a_mapped_file_are_not_held_and_those_of_an_array_are(count, tmp_path):
    process = psutil.Process()
    np.save(tmp_path / "x.npy", np.ones(SIZE, np.uint8))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    before, whole = count(process), process.memory_info().rss
    assert int(mapped[::4096].sum()) == SIZE // 4096
    assert process.memory_info().rss - whole > 0.9 * SIZE  # they are in memory all the same
    assert count(process) - before < 0.2 * SIZE
    held = np.frombuffer(mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), np.uint8)  # new pages
    held[:] = 1
    assert 0.9 * SIZE < count(process) - before < 1.2 * SIZE


@pytest.mark.parametrize("count", COUNTS)
def test_a_process_that_has_ended_holds_nothing(count):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(child.pid)
    child.communicate()
    assert count(process) == 0


@pytest.mark.parametrize("count", COUNTS)
def test_where_the_system_does_not_tell_its_nearest_count_is_taken(count, monkeypatch):
    monkeypatch.setattr(memory, "_sum_of", lambda path, names: None)
    assert count(psutil.Process()) > 10**7


def test_a_limit_of_the_process_is_what_is_free(monkeypatch):
    free = memory.free_bytes()
    taken = psutil.Process().memory_info().data
    monkeypatch.setattr(resource, "getrlimit", lambda which: (taken + 10**8, resource.RLIM_INFINITY))
    assert 0.5 * 10**8 < memory.free_bytes() < 1.1 * 10**8 < free
    monkeypatch.setattr(resource, "getrlimit", lambda which: (10**6, 10**6))
    assert memory.free_bytes() == 0
