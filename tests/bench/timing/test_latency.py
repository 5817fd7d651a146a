import gc
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from bench.grids.cells import Cell, KeyedCell
from bench.interfaces import Corpus
from bench.quality.neighbours import check_neighbours
from bench.runs.remote import Remote
from bench.timing import latency, load
from bench.timing.latency import WARM_UP_BATCH, Sizes, batch_ms, one_by_one, overhead_ms, sizes, warm_up
from bench.timing.load import LOADED, SEEN, OtherLoad, one_thread, sentinel
from bench.timing.machine import machine_rates
from bench.workers.limits import Failure
from methods.search.common.library import threads

QUERIES = Corpus(np.arange(10, dtype=np.float32)[:, None])


class Recording:
    """An index that notes its calls and waits as long as it is told, call by call."""

    def __init__(self, *milliseconds):
        self.calls, self._milliseconds = [], [*milliseconds] or [0]

    def search(self, queries, k):
        self.calls.append((len(queries), float(queries.features[0, 0]), gc.isenabled()))
        time.sleep(self._milliseconds[min(len(self.calls), len(self._milliseconds)) - 1] / 1e3)
        return np.zeros((len(queries), k), dtype=np.int64)


def test_a_turn_asks_the_queries_one_by_one_in_their_order_after_the_others(monkeypatch):
    monkeypatch.setattr(latency, "WARM_SECONDS", 60)  # however long another process keeps the processor
    index = Recording()
    found = one_by_one(index, QUERIES, [4, 1], [7, 2, 5], k=1)
    assert [(size, row) for size, row, _ in index.calls] == [(1, 4), (1, 1), (1, 7), (1, 2), (1, 5)]
    assert len(found.latency_ms) == 3 and found.sentinel_ms > 0
    assert found.wall_ns >= 1e6 * sum(found.latency_ms)


def test_before_slow_queries_come_no_more_others_than_warm_the_caches():
    index = Recording(20)
    one_by_one(index, QUERIES, [4, 1, 3, 8], [7, 2], k=1)
    assert [row for _, row, _ in index.calls] == [4, 7, 2]


def test_latencies_are_milliseconds_of_the_query_at_their_place():
    found = latency.timed(Recording(0, 80, 0), [QUERIES.part(row, row + 1) for row in range(3)], k=1) / 1e6
    assert 80 <= found[1] < 800 and max(found[0], found[2]) < 80


def test_an_index_that_waits_takes_less_than_a_thread():
    found = one_by_one(Recording(8), QUERIES, [], [0, 1, 2], k=1)
    assert found.cpu_ns < 0.9 * found.wall_ns


@pytest.mark.parametrize(
    ("medians", "blocks"),
    [([5, 5], 2), ([5, 5.3, 5.25], 3), ([16, 8, 4, 2, 2.1, 2.1], 5), ([2.0**n for n in range(20)], 10)],
)
def test_a_warm_up_goes_on_until_the_times_stand_still_but_not_for_ever(monkeypatch, medians, blocks):
    times, asked = iter(medians), []

    def timed(index, singles, k):
        asked.append(len(singles))
        return np.full(len(singles), next(times))

    monkeypatch.setattr(latency, "timed", timed)
    assert warm_up(Recording(), [QUERIES.part(0, 1)], k=1) == blocks
    assert asked == [latency.WARM_UP_BLOCK] * blocks


def test_a_warm_up_of_slow_queries_ends_by_the_time(monkeypatch):
    monkeypatch.setattr(latency, "timed", lambda index, singles, k: np.full(len(singles), 30e6 * next(factors)))
    factors = iter([2.0, 1.0])
    assert warm_up(Recording(), [QUERIES.part(0, 1)], k=1) == 1


def test_garbage_is_not_collected_while_timing_and_is_afterwards():
    index = Recording()
    one_by_one(index, QUERIES, [0], [1, 2], k=1)
    size = sizes(index, QUERIES, 1, 1e-9, 1e-9).all_threads
    batch_ms(index, QUERIES, 1, size, [0], seconds=1e-9, alone=False)
    assert not any(enabled for *_, enabled in index.calls) and gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no threads")
def test_what_is_started_on_one_thread_shares_one_cpu_and_is_free_again_outside():
    def seen():
        with ThreadPoolExecutor(1) as pool:  # as libraries do that start threads for a batch
            return pool.submit(os.sched_getaffinity, 0).result(), threads(100)

    before = seen()
    with pytest.raises(KeyError), one_thread():
        cpus, count = seen()
        assert len(cpus) == 1 and count == 1
        raise KeyError
    assert seen() == before


def test_one_thread_holds_inside_and_is_undone_outside():
    import numba

    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    before = [pool["num_threads"] for pool in threadpool_info()]
    with one_thread():
        assert {pool["num_threads"] for pool in threadpool_info()} == {1} and numba.get_num_threads() == 1
    assert [pool["num_threads"] for pool in threadpool_info()] == before
    assert numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS


class Clock:
    """A clock that moves only when an index searches, by so many seconds a call and a query."""

    def __init__(self, monkeypatch, call=0.0, query=0.0):
        self.now, self.call, self.query, self.sizes = 0.0, call, query, []
        monkeypatch.setattr(load, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def search(self, queries, k):
        self.sizes.append(len(queries))
        self.now += self.call + self.query * len(queries)
        return np.zeros((len(queries), k), dtype=np.int64)


MANY = Corpus(np.arange(5000, dtype=np.float32)[:, None])


def sized(clock, seconds):
    clock.sizes.clear()
    return latency._size(clock, MANY, np.arange(5000), 1, seconds, least=100)


def test_a_batch_holds_as_many_queries_as_fill_the_time_as_a_power_of_two(monkeypatch):
    clock = Clock(monkeypatch, query=1e-3)
    assert [sized(clock, seconds) for seconds in (2.048, 2.047, 1.5)] == [2048, 1024, 1024]


def test_a_batch_of_slow_queries_holds_the_least_number_and_one_of_fast_queries_all(monkeypatch):
    assert sized(Clock(monkeypatch, query=1.0), 2.0) == 100
    assert sized(Clock(monkeypatch, query=1e-6), 2.0) == 5000


def test_a_batch_is_sized_by_a_warm_one_and_searched_once_if_it_does_not_last_long(monkeypatch):
    clock = Clock(monkeypatch, query=1e-3)
    sized(clock, 2.048)
    assert clock.sizes == [WARM_UP_BATCH] * 2 + [2048]
    slow = Clock(monkeypatch, query=1.0)
    sized(slow, 2.0)
    assert slow.sizes == [WARM_UP_BATCH] * 2


def test_sizes_are_of_one_thread_and_of_all_after_a_warm_up_of_single_queries(monkeypatch):
    monkeypatch.setattr(latency, "cores", lambda: 3)
    index = Recording()
    assert sizes(index, MANY, 1, 1e-9, 1e-9) == Sizes(one_thread=64, all_threads=192)
    counts = [size for size, *_ in index.calls]
    assert set(counts[:-4]) == {1} and counts[-4:] == [WARM_UP_BATCH] * 4


def test_a_batch_is_searched_in_one_call_after_a_share_of_other_queries():
    index = Recording()
    batch_ms(index, MANY, 1, 64, [3], seconds=1e-9, alone=True)
    order = np.random.default_rng([3]).permutation(5000)
    assert [call[:2] for call in index.calls] == [(8, order[-8]), (64, order[0])]


def test_the_seed_draws_the_batch_and_a_smaller_one_is_its_beginning():
    index = Recording()
    for size, seed in ((64, [0, 1]), (32, [0, 1]), (64, [0, 2])):
        batch_ms(index, MANY, 1, size, seed, seconds=1e-9, alone=True)
    firsts = [first for size, first, _ in index.calls if size >= 32]
    assert firsts[0] == firsts[1] != firsts[2]


def test_a_batch_is_repeated_until_the_time_is_full(monkeypatch):
    clock = Clock(monkeypatch, query=1e-5)
    assert batch_ms(clock, MANY, 1, 5000, [0], seconds=0.12, alone=True) == pytest.approx(0.01)
    assert clock.sizes == [625, 5000, 5000, 5000]


def test_what_a_call_takes_counts_among_its_queries(monkeypatch):
    clock = Clock(monkeypatch, call=1.0, query=1e-3)
    assert batch_ms(clock, MANY, 1, 500, [0], seconds=1e-3, alone=True) == pytest.approx(3.0)


def test_batches_run_on_one_thread_or_on_all(monkeypatch):
    from threadpoolctl import threadpool_limits

    seen = []
    index = Recording()

    def search(queries, k):
        seen.append((len(queries), {pool["num_threads"] for pool in threadpool_info()}))
        return np.zeros((len(queries), k), dtype=np.int64)

    monkeypatch.setattr(index, "search", search)
    with threadpool_limits(limits=2):
        for alone in (True, False):
            batch_ms(index, QUERIES, 1, 10, [0], seconds=1e-9, alone=alone)
    assert [threads for size, threads in seen if size == 10] == [{1}, {2}]


def test_the_threads_that_a_search_takes_show_in_cpu_over_wall(monkeypatch):
    now = {"cpu": 0, "wall": 1}

    def on_three_threads(queries, k):
        now["cpu"] += 3 * 10**9
        now["wall"] += 10**9
        return np.zeros((len(queries), k), dtype=np.int64)

    clock = SimpleNamespace(process_time_ns=lambda: now["cpu"], perf_counter_ns=lambda: now["wall"])
    monkeypatch.setattr(latency, "time", clock)
    monkeypatch.setattr(latency, "sentinel", lambda: 1.0)
    index = Recording()
    monkeypatch.setattr(index, "search", on_three_threads)
    found = one_by_one(index, QUERIES, [5], [0, 1, 2], k=1)
    assert (found.cpu_ns, found.wall_ns, found.latency_ms) == (9 * 10**9, 3 * 10**9, [1e3] * 3)


def test_the_process_of_a_search_is_paused_after_a_batch_on_all_threads_alone():
    done = []
    process = SimpleNamespace(ask=lambda what, **asked: done.append(asked["alone"]), pause=lambda: done.append("pause"))
    cell = KeyedCell(Cell("seen", None, None, None, None, None, None, None, None, 0), "", "")
    for alone in (True, False):
        Remote(process).batch(cell, 64, (0, 1), alone)
    assert done == [True, False, "pause"]


def others(monkeypatch, busy, own, wall):
    """The load over a time in which all processors were busy so many seconds, and this process so many."""
    moments = iter([(-1.0, 100.0, 10.0), (wall - 1.0, 100.0 + busy, 10.0 + own)])
    monkeypatch.setattr(OtherLoad, "_now", lambda self: next(moments))
    monkeypatch.setattr(load, "time", SimpleNamespace(perf_counter=lambda: 10.0, sleep=lambda seconds: None))
    return OtherLoad().cores()


def test_what_others_take_is_all_that_was_busy_but_this_process_in_cores(monkeypatch):
    assert others(monkeypatch, busy=5.0, own=1.0, wall=2.0) == pytest.approx(2.0, abs=0.05)
    assert others(monkeypatch, busy=1.0, own=1.0, wall=2.0) == 0
    assert others(monkeypatch, busy=0.9, own=1.0, wall=2.0) == 0


def test_a_few_ticks_of_the_clock_are_no_load(monkeypatch):
    assert others(monkeypatch, busy=0.03, own=0.005, wall=0.005) == 0


def test_a_turn_waits_for_the_threads_of_an_earlier_batch_to_rest(monkeypatch):
    spent = iter([0.0, 0.005, 0.005, 0.008, 0.008, 0.0081, 9.0])
    slept = []
    clock = SimpleNamespace(process_time=lambda: next(spent), sleep=slept.append)
    monkeypatch.setattr(load, "time", clock)
    load.rest()
    assert len(slept) == 3


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not say what threads do")
def test_a_thread_that_waits_for_a_core_is_waited_for_though_it_uses_none(monkeypatch):
    ended = []

    def spin():
        hashlib.pbkdf2_hmac("sha256", b"", b"", 400_000)
        ended.append(time.perf_counter())

    monkeypatch.setattr(load, "time", SimpleNamespace(process_time=lambda: 0.0, sleep=time.sleep))
    monkeypatch.setattr(load, "RESTS", 10**6)
    spinning = threading.Thread(target=spin)
    spinning.start()
    load.rest()
    rested = time.perf_counter()
    spinning.join()
    assert rested > ended[0] - 10 * load.REST


@contextmanager
def burning(code):
    """A process that keeps a core busy. ``code`` starts it, and prints its id."""
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    busy = int(started.stdout.readline())
    try:
        time.sleep(0.3)
        yield
    finally:
        os.kill(busy, signal.SIGKILL)
        started.communicate()


APART = "import os\nif os.fork(): os._exit(0)\nprint(os.getpid(), flush=True)\nwhile True: pass"
OWN = "import os\nprint(os.getpid(), flush=True)\nwhile True: pass"


def test_a_busy_core_is_seen_however_soon_a_round_is_over():
    with burning(APART):
        assert OtherLoad().cores() > LOADED


def test_what_a_process_started_itself_is_no_load_of_others():
    with burning(OWN):
        assert load._seconds_of_descendants() > 0.1


def test_who_asks_for_short_batches_does_not_wait_until_the_load_of_others_would_show(monkeypatch):
    slept = []
    monkeypatch.setattr(load, "time", SimpleNamespace(perf_counter=lambda: 5.0, sleep=slept.append))
    monkeypatch.setattr(OtherLoad, "_now", lambda self: (5.0, 1.0, 1.0))
    for seconds in (0.01, 7.0):
        with suppress(ZeroDivisionError):  # no time passes by this clock
            OtherLoad(seconds).cores()
    assert slept == [0.01, SEEN]


def test_the_sentinel_is_a_time_and_the_loop_itself_takes_next_to_none():
    assert 0 < sentinel() < 1000
    assert 0 < overhead_ms(Recording(), QUERIES, k=1) < 1


def test_an_empty_query_of_an_engine_is_timed_in_its_stead():
    engine = Recording()
    engine.empty_query = lambda: time.sleep(0.003)
    assert 3 <= overhead_ms(engine, QUERIES, k=1) < 30
    assert engine.calls == []


def test_an_empty_query_is_timed_after_a_rest_and_a_warm_up(monkeypatch):
    done = []
    monkeypatch.setattr(latency, "rest", lambda: done.append("rest"))

    def slow_at_first():
        done.append("asked")
        time.sleep(0.003 if len(done) < 12 else 0)

    engine = Recording()
    engine.empty_query = slow_at_first
    assert overhead_ms(engine, QUERIES, k=1) < 1
    assert done[0] == "rest" and done.count("rest") == 1


@pytest.mark.parametrize(
    ("neighbours", "message"),
    [
        (np.zeros((2, 3), dtype=np.int64), r"int64 \[2, 3\], expected int64 \[2, 2\]"),
        (np.zeros((2, 1), dtype=np.int64), r"int64 \[2, 1\], expected int64 \[2, 2\]"),
        (np.zeros((2, 2), dtype=np.int32), "int32"),
        (np.full((2, 2), np.nan), "float64"),
        (np.array([[0, 9], [1, 2]]), "ids from 0 to 9, expected -1 .. 8"),
        (np.array([[0, -2], [1, 2]]), "ids from -2"),
        (np.array([[0, 1], [2, 2]]), "an id twice"),
    ],
)
def test_a_wrong_answer_is_refused(neighbours, message):
    with pytest.raises(ValueError, match=message):
        check_neighbours(neighbours, queries=2, k=2, database=9)


ANSWERS = {
    "int64 [1, 0]": lambda queries, k: np.zeros((len(queries), 0), dtype=np.int64),
    "int64 [0, 3]": lambda queries, k: np.zeros((0, k), dtype=np.int64),
    "int64 [3]": lambda queries, k: np.zeros(k, dtype=np.int64),
    "int32 [1, 3]": lambda queries, k: np.zeros((len(queries), k), dtype=np.int32),
    "float64 [1, 3]": lambda queries, k: np.zeros((len(queries), k)),
    "NoneType": lambda queries, k: None,
    "list": lambda queries, k: [[0] * k] * len(queries),
}


@pytest.mark.parametrize("got", ANSWERS)
def test_an_answer_to_a_single_query_that_is_none_is_a_failure_wherever_it_is_among_the_timed(got):
    index = Recording()
    index.search = lambda queries, k: (ANSWERS[got] if queries.features[0, 0] == 5 else Recording().search)(queries, k)
    assert len(one_by_one(index, QUERIES, [], [7, 2], k=3).latency_ms) == 2
    with pytest.raises(Failure, match=f"^search of one query returned {re.escape(got)}, expected int64 .1, 3.$"):
        one_by_one(index, QUERIES, [], [7, 2, 5], k=3)


@pytest.mark.parametrize("of", ["the share before it", "the batch"])
def test_an_answer_to_a_batch_that_is_none_is_a_failure(of):
    size = 8 if of == "the share before it" else 64
    index = Recording()
    index.search = lambda queries, k: np.zeros((len(queries), k - (len(queries) == size)), dtype=np.int64)
    with pytest.raises(Failure, match=f"^search of {size} queries returned int64 .{size}, 2., expected"):
        batch_ms(index, MANY, 3, 64, [0], seconds=1e-9, alone=True)


def test_looking_at_an_answer_is_in_no_time_and_no_more_answers_are_kept_than_one(monkeypatch):
    now, alive, kept = 0.0, 0, []

    class Answer(np.ndarray):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def search(queries, k):
        nonlocal now, alive
        now, alive = now + 5, alive + 1
        return np.zeros((len(queries), k), dtype=np.int64).view(Answer)

    def check(answer, queries, k, before=latency.check_answer):
        nonlocal now
        now += 1000
        kept.append(alive)
        before(answer, queries, k)

    monkeypatch.setattr(latency, "check_answer", check)
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter_ns=lambda: now))
    monkeypatch.setattr(load, "time", SimpleNamespace(perf_counter=lambda: now))
    index = SimpleNamespace(search=search)
    assert latency.timed(index, [QUERIES.part(row, row + 1) for row in range(9)], k=2).tolist() == [5] * 9
    assert batch_ms(index, QUERIES, 2, 10, [0], seconds=15, alone=False) == 1e3 * 5 / 10
    assert kept == [1] * (9 + 1 + 3)


def test_missing_neighbours_are_no_fault():
    check_neighbours(np.array([[0, -1], [-1, -1]]), queries=2, k=2, database=9)


def test_the_floor_is_the_larger_of_reading_and_computing():
    rates = machine_rates()
    assert 1e9 < rates.bytes_per_second < 1e12 and 1e9 < rates.flops_per_second < 1e13
    assert rates.floor_ms(rates.bytes_per_second, 0) == pytest.approx(1000)
    assert rates.floor_ms(rates.bytes_per_second, 2 * rates.flops_per_second) == pytest.approx(2000)
