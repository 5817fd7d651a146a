import gc
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from bench.interfaces import Corpus
from bench.measure import Arm, batch, check_neighbours, latency_round, machine_rates, one_thread


class Recording:
    """An index that notes its calls and waits as long as it is told."""

    query_parameters = ("milliseconds",)

    def __init__(self, name, calls):
        self.name, self.calls, self.milliseconds = name, calls, 0

    def set_query(self, milliseconds):
        self.milliseconds = milliseconds

    def search(self, queries, k):
        self.calls.append((self.name, len(queries), float(queries.features[0, 0]), gc.isenabled()))
        time.sleep(self.milliseconds / 1e3)
        return np.zeros((len(queries), k), dtype=np.int64)


def arms(calls, *milliseconds):
    queries = Corpus(np.arange(10, dtype=np.float32)[:, None])
    return [Arm(Recording(chr(65 + i), calls), {"milliseconds": ms}, queries) for i, ms in enumerate(milliseconds)]


@pytest.mark.parametrize(("reverse", "order"), [(False, "AB"), (True, "BA")])
def test_a_round_asks_every_arm_the_same_single_queries_in_abba_order(reverse, order):
    calls = []
    rows = np.array([7, 2, 5])
    results = latency_round(arms(calls, 0, 0), rows, k=1, warm_up=1, reverse=reverse)
    names = "".join(dict.fromkeys(name for name, *_ in calls))
    assert names == order and {size for _, size, *_ in calls} == {1}
    for name in "AB":
        asked = [row for n, _, row, _ in calls if n == name]
        assert asked == [7, 7, 2, 5]
    assert [len(result.milliseconds) for result in results] == [3, 3]


def test_samples_are_milliseconds_in_the_order_of_the_arms_and_of_idle_waiting():
    slow, fast = latency_round(arms([], 8, 0), np.arange(5), k=1, warm_up=0, reverse=True)
    assert 8 <= np.median(slow.milliseconds) < 80 and np.median(fast.milliseconds) < 8
    assert slow.cpu_per_wall < 0.9


def test_garbage_is_not_collected_while_timing_and_is_afterwards():
    calls = []
    latency_round(arms(calls, 0), np.arange(3), k=1, warm_up=0, reverse=False)
    batch(arms(calls, 0)[0], k=1)
    timed = [enabled for _, size, _, enabled in calls if size == 1] + [calls[-1][3]]
    assert not any(timed) and gc.isenabled()


def test_one_thread_holds_inside_and_is_undone_outside():
    import numba

    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    before = [pool["num_threads"] for pool in threadpool_info()]
    with one_thread():
        assert {pool["num_threads"] for pool in threadpool_info()} == {1} and numba.get_num_threads() == 1
    assert [pool["num_threads"] for pool in threadpool_info()] == before
    assert numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS


def test_a_batch_is_one_call_for_all_queries_after_a_warm_up():
    calls = []
    neighbours, seconds = batch(arms(calls, 5)[0], k=3)
    assert neighbours.shape == (10, 3) and 0.005 <= seconds < 1
    assert [size for _, size, *_ in calls] == [10, 10]


@pytest.mark.parametrize(
    ("neighbours", "message"),
    [
        (np.zeros((2, 3), dtype=np.int64), r"int64 \[2, 3\], expected int64 \[2, 2\]"),
        (np.zeros((2, 2), dtype=np.int32), "int32"),
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
