"""One process of several, on any hosts, makes an entry; whoever dies, stops or leaves a file behind blocks nobody."""

import multiprocessing
import os
import random
import signal
import socket
import time
from functools import partial

import numpy as np
import pytest

from bench.store.entries import Store
from bench.system import leases
from bench.system.leases import BEATS, STALE, Held, stale_seconds

SHORT = 1.2
"""Seconds after which a lease is free in most of these tests."""
KEYS = 20
EXCHANGE = "filelock._soft._exclusive._recovery.exchange_names"
"""What exchanges two names, which NFS and Lustre refuse."""

HERE = os.uname().nodename


def hold(root, host, seconds, lines):
    """Hold an entry on a host of this name, then write it. What is said goes to a pipe."""
    socket.gethostname = lambda: host
    store = Store(root, lines.send)
    with store.hold("k", "a"):
        lines.send("held")
        time.sleep(seconds)
        store.write("k", "a", {"by": host}, {})
    lines.send("ended")


@pytest.fixture
def start():
    """Starts a function in a process of its own, which is killed in the end."""
    started = []

    def run(function, *arguments):
        process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
        process.start()
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.join()


@pytest.fixture
def holder(store, start):
    """Another process that holds an entry for so many seconds, on this host or on one of another name."""

    def run(seconds, host=HERE):
        ours, theirs = multiprocessing.Pipe()
        process = start(hold, store.root, host, seconds, theirs)
        process.lines = ours
        assert ours.recv() == "held"
        return process

    return run


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setenv("BENCH_STALE", str(SHORT))


@pytest.fixture(params=["names are exchanged", "names are not exchanged"])
def exchange(request, monkeypatch):
    """A folder on a local disk, and one on a file system like NFS."""
    if request.param == "names are not exchanged":
        monkeypatch.setattr(EXCHANGE, lambda source, target: False)


def lease(store):
    return store.root / "locks" / "k-a"


def seconds_to_hold(store):
    began = time.monotonic()
    with store.hold("k", "a"):
        return time.monotonic() - began


def test_whoever_wants_an_entry_that_another_process_makes_waits_and_says_so_in_one_line(store, said, holder):
    holder(0.5)
    store.once("k", "other", lambda: ({}, {}))
    assert not said
    entry = store.once("k", "a", lambda: pytest.fail("made again"))
    assert entry.meta == {"by": HERE}
    assert said == [f"wait: another run on {HERE} is making {store.root}/k/a"]
    assert not list((store.root / "locks").iterdir())


def test_whoever_does_not_want_to_wait_is_told_at_once_what_is_held_and_where(store, said, holder):
    holder(60, "node7")
    began = time.monotonic()
    with pytest.raises(Held, match=rf"another run on node7 is making {store.root}/k/a"), store.hold("k", "a", False):
        pytest.fail("two hold it")
    with store.hold("k", "b", wait=False):
        pass
    assert time.monotonic() - began < 1 and said == []


@pytest.mark.parametrize("looked_after", [True, False])
def test_a_lease_dies_at_once_with_its_process_on_this_host(store, said, holder, exchange, looked_after):
    process = holder(60)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    if looked_after:
        process.join()
    assert lease(store).is_file()
    with store.hold("k", "a", wait=False):
        assert not said
    assert not list((store.root / "locks").iterdir())


def test_the_death_of_another_host_is_noticed_after_the_stated_time_by_no_clock_but_ones_own(
    store, said, holder, short, exchange
):
    process = holder(60, "node7")
    process.kill()
    process.join()
    os.utime(lease(store), (time.time() + 3600,) * 2)  # the clock of its server is an hour ahead
    assert SHORT <= seconds_to_hold(store) < SHORT + 3
    assert said == [f"wait: another run on node7 is making {store.root}/k/a"]


@pytest.mark.long
def test_who_only_looks_from_time_to_time_notices_it_too(store, holder, short, exchange):
    process = holder(60, "node7")
    process.kill()
    process.join()
    refused, began = 0, time.monotonic()
    while time.monotonic() - began < 10 * SHORT:
        try:
            with store.hold("k", "a", wait=False):
                break
        except Held:
            refused += 1
            time.sleep(0.2)
    assert refused >= 3 and SHORT <= time.monotonic() - began < SHORT + 3


@pytest.mark.long
def test_a_living_holder_on_another_host_keeps_it_for_as_long_as_it_lives(store, holder, short, exchange):
    holder(3 * SHORT, "node7")
    assert seconds_to_hold(store) > 2.5 * SHORT
    assert store.meta("k", "a") == {"by": "node7"}


def test_a_stopped_process_loses_it_and_harms_nothing_when_it_goes_on(store, holder, short):
    process = holder(0.2)
    os.kill(process.pid, signal.SIGSTOP)
    with store.hold("k", "a"):
        os.kill(process.pid, signal.SIGCONT)
        assert "gave no sign of life" in process.lines.recv() and process.lines.recv() == "ended"
        with pytest.raises(Held), Store(store.root).hold("k", "a", wait=False):
            pytest.fail("it has taken the lease of another with it")
        store.write("k", "a", {"by": "the other"}, {})
    assert store.read("k", "a").meta == {"by": "the other"} and not list((store.root / "locks").iterdir())


@pytest.mark.parametrize("content", [b"", b"filelock/2\npid=", b"\xff\x00"])
def test_a_file_that_was_left_behind_in_any_form_does_not_block_for_ever(store, short, content):
    lease(store).parent.mkdir(parents=True)
    lease(store).write_bytes(content)
    assert seconds_to_hold(store) < SHORT + 4


def test_a_holder_shows_that_it_lives_from_one_thread_that_wakes_twice_a_minute():
    assert STALE / BEATS == 30


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan", ""])
def test_a_wrong_time_is_refused_in_words(text, monkeypatch):
    monkeypatch.setenv("BENCH_STALE", text)
    with pytest.raises(ValueError, match=f"BENCH_STALE='{text}': expected seconds"):
        stale_seconds()
    monkeypatch.delenv("BENCH_STALE")
    assert stale_seconds() == STALE


def make_all(root, log):
    """Want all entries, and note each that is made."""
    store = Store(root, lambda line: None)

    def make(key):
        with log.open("a") as file:
            file.write(f"{key}\n")
        time.sleep(0.03)
        return {"key": key}, {"x": np.full(1000, key)}

    for key in range(KEYS):
        store.once("k", str(key), partial(make, key))


def made(log):
    return [int(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_of_several_processes_that_want_all_entries_one_makes_each(store, tmp_path, start):
    processes = [start(make_all, store.root, tmp_path / "log") for _ in range(3)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 3
    assert sorted(made(tmp_path / "log")) == list(range(KEYS))


def test_after_any_kill_every_entry_that_is_seen_is_whole_and_nobody_waits_for_the_dead(
    store, tmp_path, start, short
):  # who is killed between making a file and naming itself in it is waited for, as one of another host
    moments, log, kills = random.Random(0), tmp_path / "log", 0
    while len(store.keys("k")) < KEYS:
        process = start(make_all, store.root, log)
        process.join(moments.uniform(0, 0.2) * 1.1**kills)  # however slow the machine is, one gets far enough
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
        for key in store.keys("k"):
            assert (store.read("k", key).arrays["x"] == int(key)).all()
    assert kills >= 3 and len(made(log)) <= KEYS + kills


def test_the_name_of_this_host_is_found_as_leases_have_it(store):
    with store.hold("k", "a"):
        assert f"host={leases._own_name()}\n" in lease(store).read_text()
