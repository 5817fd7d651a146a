import time

import numpy as np

from bench.interfaces import Items
from bench.stages.encoding import encoding
from bench.timing.load import OtherLoad

ITEMS = Items(np.arange(40), np.zeros(40, np.int64), "known", vectors=np.arange(40, dtype=np.float32)[:, None])


def test_items_are_encoded_one_by_one_with_nothing_cached_after_a_warm_up_on_others(monkeypatch):
    monkeypatch.setattr(OtherLoad, "cores", lambda self: 0.0)
    asked = []
    found = encoding(asked.append, ITEMS, replicates=3, seconds=1e-9)
    assert {(len(one), one.fingerprint) for one in asked} == {(1, "")}
    rows = [int(one.ids[0]) for one in asked]
    warm, first = rows[:10], rows[10:20]
    assert rows == 3 * [*warm, *first] and not {*warm} & {*first}
    assert len(found.ms) == 3 and min(found.ms) >= 0 and found.sentinel_drift >= 0


def test_the_time_of_an_encoding_is_that_of_the_median_item():
    slow = iter([0.002] * 10 + [0.002, 0.002, 0.2] * 1000)
    found = encoding(lambda item: time.sleep(next(slow)), ITEMS, replicates=1, seconds=1e-9)
    assert 2 <= found.ms[0] < 100


def test_a_single_item_can_be_encoded():
    assert len(encoding(lambda item: None, ITEMS.take(np.array([0])), 2, 1e-9).ms) == 2


def test_an_encoding_under_load_is_taken_again_and_what_remains_is_noted(monkeypatch):
    load = iter([2.0, 1.0, 0.1])
    monkeypatch.setattr(OtherLoad, "cores", lambda self: next(load))
    assert encoding(lambda item: None, ITEMS, replicates=1, seconds=1e-9).others == 0.1
