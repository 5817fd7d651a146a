import gc
import os
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from bench import measure
from bench.interfaces import Corpus
from bench.measure import (
    OtherLoad,
    check_neighbours,
    machine_rates,
    one_round,
    one_thread,
    overhead_ms,
    sentinel,
    throughput,
    warm_up,
)
from methods.search.libraries import threads

QUERIES = Corpus(np.arange(10, dtype=np.float32)[:, None])


class Recording:
    """An index that notes its calls and waits as long as it is told, call by call."""

    def __init__(self, *milliseconds):
        self.calls, self._milliseconds = [], [*milliseconds] or [0]

    def search(self, queries, k):
        self.calls.append((len(queries), float(queries.features[0, 0]), gc.isenabled()))
        time.sleep(self._milliseconds[min(len(self.calls), len(self._milliseconds)) - 1] / 1e3)
        return np.zeros((len(queries), k), dtype=np.int64)


def test_a_round_asks_the_queries_one_by_one_in_their_order_after_a_warm_up_on_the_same():
    index = Recording()
    found = one_round(index, QUERIES, np.array([7, 2, 5]), k=1)
    assert {size for size, *_ in index.calls} == {1}
    asked = [row for _, row, _ in index.calls]
    assert asked[-3:] == [7, 2, 5] and len(asked) > 3 and set(asked[:-3]) == {7, 2, 5}
    assert len(found.milliseconds) == 3 and found.sentinel_ms > 0


def test_latencies_are_milliseconds_of_the_query_at_their_place():
    warm = [0] * measure.WARM_UP_BLOCK * measure.WARM_UP_BLOCKS
    found = measure.timed(Recording(0, 80, 0), [QUERIES.part(row, row + 1) for row in range(3)], k=1) / 1e6
    assert 80 <= found[1] < 800 and max(found[0], found[2]) < 80
    assert one_round(Recording(*warm, 8), QUERIES, np.arange(3), k=1).cpu_per_wall < 0.9


@pytest.mark.parametrize(
    ("medians", "blocks"),
    [([5, 5], 2), ([5, 5.3, 5.25], 3), ([16, 8, 4, 2, 2.1, 2.1], 5), ([2.0**n for n in range(20)], 10)],
)
def test_a_warm_up_goes_on_until_the_times_stand_still_but_not_for_ever(monkeypatch, medians, blocks):
    times, asked = iter(medians), []

    def timed(index, singles, k):
        asked.append(len(singles))
        return np.full(len(singles), next(times))

    monkeypatch.setattr(measure, "timed", timed)
    assert warm_up(Recording(), [QUERIES.part(0, 1)], k=1) == blocks
    assert asked == [measure.WARM_UP_BLOCK] * blocks


def test_garbage_is_not_collected_while_timing_and_is_afterwards():
    index = Recording()
    one_round(index, QUERIES, np.arange(3), k=1)
    assert not any(enabled for *_, enabled in index.calls) and gc.isenabled()
    throughput(index, QUERIES, k=1, single_thread=False)
    assert not index.calls[-1][2] and gc.isenabled()


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


def test_throughput_is_of_one_call_for_all_queries_after_a_warm_up():
    index = Recording(0, 5)
    neighbours, seconds = throughput(index, QUERIES, k=3, single_thread=False)
    assert neighbours.shape == (10, 3) and 0.005 <= seconds < 1
    assert [size for size, *_ in index.calls] == [10, 10]


@pytest.mark.parametrize(("single", "threads"), [(True, {1}), (False, {2})])
def test_throughput_is_on_all_threads_or_on_one(monkeypatch, single, threads):
    from threadpoolctl import threadpool_limits

    seen = []
    index = Recording()
    monkeypatch.setattr(index, "search", lambda q, k: seen.append({p["num_threads"] for p in threadpool_info()}))
    with threadpool_limits(limits=2):
        throughput(index, QUERIES, k=1, single_thread=single)
    assert seen[-1] == threads


def test_the_threads_that_a_search_takes_show_in_cpu_over_wall(monkeypatch):
    now = {"cpu": 0, "wall": 1}

    def on_three_threads(queries, k):
        now["cpu"] += 3 * 10**9
        now["wall"] += 10**9

    clock = SimpleNamespace(process_time_ns=lambda: now["cpu"], perf_counter_ns=lambda: now["wall"])
    clock.process_time, clock.perf_counter = (lambda: now["cpu"] / 1e9), (lambda: now["wall"] / 1e9)
    monkeypatch.setattr(measure, "time", clock)
    monkeypatch.setattr(measure, "sentinel", lambda: 1.0)
    index = Recording()
    monkeypatch.setattr(index, "search", on_three_threads)
    found = one_round(index, QUERIES, np.arange(3), k=1)
    assert found.cpu_per_wall == pytest.approx(3, rel=1e-3) and found.milliseconds == [1e3] * 3


def test_a_round_that_is_over_at_once_tells_nothing_of_threads(monkeypatch):
    clocks = iter([0, 30_000])  # of CPU time, while 10 µs pass
    walls = iter([0, 0, 5_000, 5_000, 10_000, 10_000])
    clock = SimpleNamespace(process_time_ns=lambda: next(clocks), perf_counter_ns=lambda: next(walls))
    clock.process_time = clock.perf_counter = lambda: 1.0
    monkeypatch.setattr(measure, "time", clock)
    monkeypatch.setattr(measure, "sentinel", lambda: 1.0)
    monkeypatch.setattr(measure, "warm_up", lambda index, singles, k: None)
    monkeypatch.setattr(OtherLoad, "cores", lambda self: 0.0)
    index = Recording()
    monkeypatch.setattr(index, "search", lambda queries, k: None)
    assert one_round(index, QUERIES, np.arange(2), k=1).cpu_per_wall == 0


def others(monkeypatch, busy, own, wall):
    """The load over a time in which all processors were busy so many seconds, and this process so many."""
    moments = iter([(0.0, 100.0, 10.0), (wall, 100.0 + busy, 10.0 + own)])
    monkeypatch.setattr(OtherLoad, "_now", lambda self: next(moments))
    return OtherLoad().cores()


def test_what_others_take_is_all_that_was_busy_but_this_process_in_cores(monkeypatch):
    assert others(monkeypatch, busy=5.0, own=1.0, wall=2.0) == pytest.approx(2.0, abs=0.05)
    assert others(monkeypatch, busy=1.0, own=1.0, wall=2.0) == 0
    assert others(monkeypatch, busy=0.9, own=1.0, wall=2.0) == 0


def test_a_few_ticks_of_the_clock_are_no_load(monkeypatch):
    assert others(monkeypatch, busy=0.03, own=0.005, wall=0.005) == 0


def test_the_sentinel_is_a_time_and_the_loop_itself_takes_next_to_none():
    assert 0 < sentinel() < 1000
    assert 0 < overhead_ms(QUERIES, k=1) < 1


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


def test_missing_neighbours_are_no_fault():
    check_neighbours(np.array([[0, -1], [-1, -1]]), queries=2, k=2, database=9)


def test_the_floor_is_the_larger_of_reading_and_computing():
    rates = machine_rates()
    assert 1e9 < rates.bytes_per_second < 1e12 and 1e9 < rates.flops_per_second < 1e13
    assert rates.floor_ms(rates.bytes_per_second, 0) == pytest.approx(1000)
    assert rates.floor_ms(rates.bytes_per_second, 2 * rates.flops_per_second) == pytest.approx(2000)
