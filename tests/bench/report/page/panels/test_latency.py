import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records import book
from bench.report.page.panels import latency
from tests.finished import damage

SEARCH = '[[cells]]\nembedder = "identity"\nindex = ["linear_scan", "ball_tree"]\n'


def test_the_shares_rise_from_none_to_all_and_lie_densest_where_the_slow_queries_are():
    steps = np.diff(latency.SHARES)
    assert latency.SHARES[0] == 0 and latency.SHARES[-1] == 1 and (steps > 0).all()
    assert 50 <= len(latency.SHARES) <= 70 and steps[-1] < steps[0] / 10


def test_the_distribution_is_pandas_quantiles_of_all_samples_to_four_digits():
    times = np.random.default_rng(0).lognormal(size=(3, 4, 50)).astype(np.float32)
    found, series = latency.distribution(times), pd.Series(times.reshape(-1).astype(float))
    np.testing.assert_allclose(found["ms"], series.quantile(latency.SHARES), rtol=5.1e-4)
    for name, at in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("slowest", 1)):
        assert found[name] == pytest.approx(series.quantile(at), rel=5.1e-4)
    assert found["samples"] == 600


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40))
def test_quantiles_never_fall_and_reach_from_the_fastest_to_the_slowest(times):
    found = latency.distribution(np.array(times))["ms"]
    assert found == sorted(found)
    assert found[0] == pytest.approx(min(times), rel=5.1e-4) and found[-1] == pytest.approx(max(times), rel=5.1e-4)


@pytest.mark.parametrize(("times", "said"), [([], "no times"), ([1.0, np.nan], "no number")])
def test_times_that_are_none_or_not_numbers_are_refused(times, said):
    with pytest.raises(ValueError, match=said):
        latency.distribution(np.array(times))


def test_each_search_has_the_percentiles_of_its_record(finish, vectors_dir):
    run = finish(SEARCH, data_dir=vectors_dir)
    found = latency.panel(run.stored)
    assert set(found["searches"]) == set(run.cells["key"]) and found["missing"] == []
    for _, row in run.cells.iterrows():
        own = found["searches"][row["key"]]
        for mine, column in (("p50", "latency_ms_p50"), ("p95", "latency_ms_p95"), ("p99", "latency_ms_p99")):
            assert own[mine] == pytest.approx(row[column], rel=1e-6)  # so that both are printed alike


@pytest.mark.long
def test_a_record_without_times_and_a_damaged_one_are_named_and_the_others_shown(finish, vectors_dir):
    run = finish(SEARCH, data_dir=vectors_dir)
    whole, bare = run.cells["key"]
    entry = run.results.read(book.KIND, bare)
    run.results.write(book.KIND, bare, entry.meta, {})
    found = latency.panel(run.stored)
    assert list(found["searches"]) == [whole]
    assert found["missing"] == [{"cells": 1, "reason": "no times of single queries are stored"}]
    damage(run.results, book.KIND)
    found = latency.panel(run.stored)
    assert found["searches"] == {} and sum(one["cells"] for one in found["missing"]) == 2
    assert {"cells": 1, "reason": "an array that it needs is damaged"} in found["missing"]


def test_where_nothing_was_searched_there_is_no_distribution(finish):
    run = finish('[[cells]]\nhasher = "toy_guesses"\n', dataset="toy_clusters", layout="codes")
    assert latency.panel(run.stored) is None
