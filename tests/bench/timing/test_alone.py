"""On a machine one run at a time takes times, whatever folders the runs use."""

import multiprocessing
import os
import stat
import threading
import time

import pytest

from bench.system.leases import Held
from bench.timing import alone
from bench.timing.alone import lock_file, timed_alone


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(alone, "FOLDER", tmp_path)


@pytest.fixture
def start():
    """Starts a process that takes times for so many seconds, and waits until it does."""
    started = []

    def run(seconds):
        ours, theirs = multiprocessing.Pipe()

        def take_times():
            with timed_alone():
                theirs.send("timing")
                time.sleep(seconds)

        process = multiprocessing.get_context("fork").Process(target=take_times)
        process.start()
        started.append(process)
        assert ours.recv() == "timing"
        return process

    yield run
    for process in started:
        process.kill()
        process.join()


def test_a_run_is_told_at_once_that_another_takes_times(start, monkeypatch):
    monkeypatch.setenv("BENCH_HOST", "node7")
    process = start(60)
    with pytest.raises(Held, match="another run takes times on node7"), timed_alone():
        pytest.fail("two take times")
    process.kill()
    process.join()
    with timed_alone():
        pass


def test_it_is_told_which_process_takes_times_where_the_system_says_it(start, tmp_path, monkeypatch):
    process = start(60)
    with pytest.raises(Held, match=rf"another run takes times on .* \(process {process.pid}\)$"), timed_alone():
        pytest.fail("two take times")
    monkeypatch.setattr(alone, "LOCKS", tmp_path / "none")
    with pytest.raises(Held, match=r"another run takes times on [^()]*$"), timed_alone():
        pytest.fail("two take times")


def test_the_lock_dies_with_its_process_and_its_file_stays(start):
    process = start(60)
    process.kill()
    process.join()
    with timed_alone():
        pass
    assert lock_file().is_file()


def test_a_process_that_was_forked_meanwhile_does_not_keep_it():
    with timed_alone():
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        process.start()
    try:
        with timed_alone():
            assert process.is_alive()
    finally:
        process.kill()
        process.join()


def test_threads_of_one_process_exclude_each_other_too():
    inside, refused = threading.Event(), threading.Event()

    def take_times():
        with timed_alone():
            inside.set()
            refused.wait(60)

    thread = threading.Thread(target=take_times)
    thread.start()
    inside.wait(60)
    with pytest.raises(Held), timed_alone():
        pytest.fail("two take times")
    refused.set()
    thread.join()


def test_hosts_that_share_the_folder_of_the_lock_time_at_once(start, monkeypatch):
    monkeypatch.setenv("BENCH_HOST", "node7")
    start(60)
    monkeypatch.setenv("BENCH_HOST", "node8")
    with timed_alone():
        pass


def test_every_user_may_lock_it_whatever_the_mask_of_the_first():
    before = os.umask(0o077)
    try:
        with timed_alone():
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(lock_file().stat().st_mode) == 0o644
    lock_file().chmod(0o444)
    with timed_alone():
        pass


def test_a_lock_that_cannot_be_opened_is_one_line():
    lock_file().symlink_to("/nowhere")
    with pytest.raises(ValueError, match=r"bench-timing-.*\.lock, can't be opened"), timed_alone():
        pytest.fail("no lock")
