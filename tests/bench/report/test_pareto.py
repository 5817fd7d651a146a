import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records.front import front
from bench.report.pareto import levels, on_front, reach
from bench.report.tables import complete
from bench.report.words import GridInfo

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)
GRID = GridInfo("g", "G", "pareto", None, "quick", ())


def dominates(other, point):
    (cost, quality), (its_cost, its_quality) = other, point
    return cost <= its_cost and quality >= its_quality and (cost < its_cost or quality > its_quality)


@given(points)
def test_the_front_is_what_no_other_point_dominates(found):
    costs, qualities = [cost for cost, _ in found], [quality for _, quality in found]
    expected = [not any(dominates(other, point) for other in found) for point in found]
    assert front(costs, qualities).tolist() == expected


def test_a_value_that_is_not_a_number_has_no_place_on_a_front():
    with pytest.raises(ValueError, match="not a number"):
        front([1.0, np.nan], [1.0, 1.0])


def cells(*rows):
    """Searches with latency 1 / throughput, unless a row says otherwise."""
    common = {"dataset": "d", "protocol": "seen", "embedder": "e", "dim": 8, "seed": 0, "k": 10, "status": "ok"}
    frame = pd.DataFrame([common | row for row in rows])
    return complete(frame, GRID)


def search(index, setting, recall, precision, ms, qps=None, **more):
    return {
        "index": index,
        "setting": setting,
        "recall_at_10": recall,
        "precision_at_10": precision,
        "latency_ms_p50": ms,
        "throughput_qps": qps or 1000 / ms,
        **more,
    }


def test_each_section_and_seed_has_a_front_of_its_own():
    rows = [
        search("a", None, 0.9, 0.5, 1.0),
        search("b", None, 0.8, 0.6, 2.0),
        search("b", None, 0.8, 0.6, 2.0, dim=16),
        search("b", None, 0.7, 0.5, 3.0, seed=1),
        search("c", None, None, None, None, qps=1.0, status="skipped"),
        {"hasher": "h", "bits": 8, "embedder": None},
    ]
    tidy = cells(*rows)
    assert tidy["pareto_recall"].tolist()[:4] == [True, False, True, True]
    assert tidy["pareto_precision"].tolist()[:4] == [True, True, True, True]
    assert tidy[["pareto_recall", "pareto_precision"]].iloc[4:].isna().all(axis=None)


def test_the_front_over_throughput_is_another_one():
    tidy = cells(search("a", None, 0.9, 0.5, 1.0, qps=10), search("b", None, 0.8, 0.6, 2.0, qps=20))
    assert on_front(tidy, "recall_at_10").tolist() == [True, False]
    assert on_front(tidy, "recall_at_10", "throughput_qps").tolist() == [True, True]


def fastest(tidy, quality, level):
    """The settings that are fastest for single queries and in a batch."""
    table = levels(tidy, 10)
    rows = table[(table["quality"] == quality) & (table["level"] == level)].set_index("fastest_by")
    return [rows.loc[by, "setting"] for by in ("latency_ms_p50", "throughput_qps")]


def test_the_fastest_search_that_reaches_a_level_is_named_with_its_setting_and_time():
    tidy = cells(
        search("linear_scan", None, 1.0, 0.8, 10.0),
        search("a", "ef = 10", 0.75, 0.7, 1.0, qps=100),
        search("a", "ef = 20", 0.9, 0.75, 2.0, qps=900),
        search("b", "x = 1", 0.97, 0.8, 3.0, qps=500),
    )
    assert fastest(tidy, "recall_at_10", 0.7) == ["ef = 10", "ef = 20"]
    assert fastest(tidy, "recall_at_10", 0.9) == ["ef = 20", "ef = 20"]
    assert fastest(tidy, "recall_at_10", 0.95) == ["x = 1", "x = 1"]
    assert fastest(tidy, "share_of_exact", 0.9) == ["ef = 20", "ef = 20"]
    assert fastest(tidy, "share_of_exact", 1.0) == ["x = 1", "x = 1"]
    row = levels(tidy, 10).query("quality == 'recall_at_10' and level == 0.97").iloc[0]
    assert (row["index"], row["reached"], row["latency_ms_p50"], row["throughput_qps"]) == ("b", 0.97, 3.0, 500.0)


def test_a_level_that_nothing_reaches_has_an_empty_row_and_precision_needs_an_exact_search():
    table = levels(cells(search("a", "ef = 10", 0.75, 0.7, 1.0)), 10)
    assert set(table["quality"]) == {"recall_at_10"} and len(table) == 8 * 2
    beyond = table[table["level"] > 0.75]
    assert beyond[["index", "setting", "reached", "latency_ms_p50"]].isna().all(axis=None) and len(beyond) == 5 * 2
    assert (table.loc[table["level"] < 0.75, "index"] == "a").all()


def test_levels_are_reached_by_the_mean_over_the_seeds():
    seeds = [
        search("a", "ef = 10", recall, 0.1, ms, seed=s) for s, (recall, ms) in enumerate([(0.94, 1.0), (0.98, 3.0)])
    ]
    exact = [search("linear_scan", None, 1.0, p, 9.0, seed=s) for s, p in enumerate([0.1, 0.7, 0.7])]
    table = levels(cells(*seeds, *exact), 10)
    at = table[(table["level"] == 0.95) & (table["quality"] == "recall_at_10")].iloc[0]
    assert (at["index"], at["reached"], at["latency_ms_p50"]) == ("a", pytest.approx(0.96), 2.0)
    # Exact search reaches its own precision, whatever the rounding of a mean.
    own = table[(table["quality"] == "share_of_exact") & (table["level"] == 1.0)]
    assert own["index"].tolist() == ["linear_scan", "linear_scan"]


def between(low, high, column="latency_ms"):
    return {f"{column}_low": low, f"{column}_high": high}


def test_a_level_says_how_many_others_the_intervals_do_not_tell_from_the_fastest():
    tidy = cells(
        search("a", "fast", 0.9, 0.5, 1.0, **between(0.9, 1.1)),
        search("b", "near", 0.9, 0.5, 1.2, **between(1.05, 1.3)),
        search("c", "slow", 0.9, 0.5, 2.0, **between(1.9, 2.1)),
        search("d", "bad", 0.1, 0.5, 1.0, **between(0.9, 1.1)),
        search("e", "unknown", 0.9, 0.5, 1.0001),
    )
    row = (
        levels(tidy, 10).query("quality == 'recall_at_10' and level == 0.9 and fastest_by == 'latency_ms_p50'").iloc[0]
    )
    assert (row["setting"], row["as_fast"]) == ("fast", 1)
    assert (row["latency_ms_low"], row["latency_ms_high"]) == (0.9, 1.1)


def test_without_an_interval_nothing_is_said_of_others():
    table = levels(cells(search("a", None, 0.9, 0.5, 1.0), search("b", None, 0.9, 0.5, 1.1)), 10)
    assert table["as_fast"].isna().all()


def test_an_interval_that_says_nothing_tells_of_no_others():
    near, vague = between(0.9, 1.1), between(0.01, 50.0)
    rows = [search("a", None, 0.9, 0.5, 1.0, **vague), search("b", None, 0.9, 0.5, 1.05, **near)]
    assert levels(cells(*rows), 10)["as_fast"].isna().all()
    rows = [search("a", None, 0.9, 0.5, 1.0, **near), search("b", None, 0.9, 0.5, 1.05, **vague)]
    by_time = levels(cells(*rows), 10).query("fastest_by == 'latency_ms_p50' and level == 0.9")
    assert by_time["as_fast"].tolist() == [0]


def test_an_interval_reaches_as_far_around_the_time_of_a_batch_as_around_its_rate():
    tidy = cells(
        search("a", None, 0.9, 0.5, 2.0, qps=500, **between(1.5, 4.0), **between(400, 1000, "throughput_qps")),
        search("b", None, 0.9, 0.5, 2.0, qps=500),
    )
    assert reach(tidy, "latency_ms_p50").tolist() == [[0.5, 0], [2.0, 0]]
    assert reach(tidy, "throughput_qps").tolist() == [[1.0, 0], [0.5, 0]]
