import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.grids.measure import LEAST_REPLICATES
from bench.timing.statistics import (
    CONFIDENCE,
    STOPPED,
    Estimate,
    Shift,
    difference,
    drift,
    judging_level,
    mean_gain,
    over_replicates,
    paired_log_ratio,
    rate,
    ratio,
    typical,
    with_interval,
)

EXPERIMENTS = 3000
few = settings(max_examples=60)
values = st.lists(st.floats(-100, 100).filter(lambda x: x == 0 or abs(x) > 1e-3), min_size=2, max_size=9)


def share_that_holds(truth, estimates):
    return np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])


@pytest.mark.parametrize("replicates", [2, 3, 5, 12])
def test_the_interval_over_replicates_holds_the_truth_as_often_as_it_says(replicates):
    samples = np.random.default_rng(0).normal(7, 2, (EXPERIMENTS, replicates))
    held = share_that_holds(7, [over_replicates(list(sample)) for sample in samples])
    assert CONFIDENCE - 0.015 < held < CONFIDENCE + 0.02


def stopped(samples, reach, confidence):
    """The intervals of those that look after each replicate from the fifth on and stop at that reach or at the end."""
    for sample in samples:
        for count in range(LEAST_REPLICATES, len(sample) + 1):
            estimate = over_replicates(list(sample[:count]), confidence=confidence)
            if estimate.high - estimate.low <= 2 * reach:
                break
        yield estimate


@pytest.mark.parametrize("reach", [0.5, 0.7, 1.0])
def test_an_interval_that_ends_the_measurement_holds_the_truth_as_often_as_it_says(reach):
    samples = np.random.default_rng(2).normal(0, 1, (EXPERIMENTS // 3, 20))
    assert share_that_holds(0, stopped(samples, reach, STOPPED)) > CONFIDENCE - 0.015


def test_the_reach_is_the_share_to_the_wider_side():
    assert Estimate(2.0, 1.0, 3.0).reach == pytest.approx(1.0)
    assert Estimate(2.0, 1.9, 3.0).reach == pytest.approx(0.5)
    assert Estimate(2.0, 0.0, 3.0).reach == math.inf


def times(rng, replicates, factor=1.0, noise=0.05):
    """Milliseconds [replicates, rounds, queries] of builds that differ, on queries that differ."""
    builds = np.exp(rng.normal(0, noise, (replicates, 1, 1)))
    return factor * builds * np.exp(rng.normal(0, 1, (replicates, 3, 10)))


@pytest.mark.parametrize("replicates", [3, 5])
def test_the_interval_of_a_ratio_holds_the_truth_as_often_as_it_says_however_the_queries_differ(replicates):
    rng = np.random.default_rng(1)
    found = []
    for _ in range(EXPERIMENTS // 3):
        shared = times(rng, replicates, noise=0.3)  # the machine's drift, and how hard the queries are
        ours = 1.25 * shared * np.exp(rng.normal(0, 0.05, (replicates, 1, 1)))
        found.append(ratio(ours, shared * np.exp(rng.normal(0, 0.01, shared.shape))))
    assert CONFIDENCE - 0.025 < share_that_holds(1.25, found) < CONFIDENCE + 0.03


def test_rounds_inside_a_replicate_do_not_narrow_the_interval():
    builds = np.array([1.0, 1.1, 1.3])[:, None, None]
    few_rounds, many = (ratio(builds * np.ones((3, n, 5)), np.ones((3, n, 5))) for n in (1, 100))
    assert few_rounds == many and few_rounds.value == pytest.approx(1.1)


@few
@given(values)
def test_the_interval_is_students_of_the_mean_and_holds_the_median(numbers):
    assume(np.std(numbers) > 1e-6)
    found = over_replicates(numbers)
    low, high = scipy.stats.t.interval(0.95, len(numbers) - 1, np.mean(numbers), scipy.stats.sem(numbers))
    middle = np.median(numbers)
    assert found.value == pytest.approx(middle)
    assert (found.low, found.high) == pytest.approx((min(low, middle), max(high, middle)))


@few
@given(values, st.floats(0.1, 10), st.floats(-50, 50))
def test_another_unit_and_another_zero_change_the_interval_with_the_values(numbers, factor, shift):
    plain, moved = over_replicates(numbers), over_replicates([factor * x + shift for x in numbers])
    for name in ("value", "low", "high"):
        assert getattr(moved, name) == pytest.approx(factor * getattr(plain, name) + shift, abs=1e-6)


def test_one_replicate_has_a_value_and_an_endless_interval_and_none_is_refused():
    assert over_replicates([3.0]) == Estimate(3.0, -math.inf, math.inf)
    assert ratio(np.full((1, 2, 2), 3.0), np.ones((1, 2, 2))) == Estimate(pytest.approx(3.0), 0.0, math.inf)
    with pytest.raises(ValueError, match="no replicates"):
        over_replicates([])


def test_a_paired_ratio_is_the_median_over_pairs():
    others = np.array([[1.0, 10.0, 100.0], [2.0, 20.0, 200.0]])
    ours = others * np.array([[2.0, 3.0, 8.0], [3.0, 3.0, 0.1]])
    assert paired_log_ratio(ours, others) == pytest.approx(math.log(3))
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 2\) are not paired"):
        paired_log_ratio(ours, others[:, :2])


def test_what_both_share_cancels():
    shared = times(np.random.default_rng(2), replicates=4).astype(np.float32)
    found = ratio(3 * shared, shared)
    assert (found.value, found.low, found.high) == pytest.approx((3, 3, 3), rel=1e-6)


def test_the_ratio_of_the_others_is_the_inverse():
    rng = np.random.default_rng(3)
    ours, others = times(rng, 5, factor=2.0), times(rng, 5)
    there, back = ratio(ours, others), ratio(others, ours)
    assert (1 / back.value, 1 / back.high, 1 / back.low) == pytest.approx((there.value, there.low, there.high))


def test_drift_is_how_much_longer_the_longest_took():
    assert drift([2.0, 2.0]) == 0 and drift([2.0, 3.0, 2.5]) == 0.5


@few
@given(values, values, st.floats(1e-6, 0.5))
def test_a_difference_of_means_has_welchs_interval_and_p_value(before, after, level):
    assume(np.std(before) > 1e-6 and np.std(after) > 1e-6)
    found = difference(before, after)
    oracle = scipy.stats.ttest_ind(after, before, equal_var=False)
    interval = oracle.confidence_interval(1 - level)
    assert found.value == pytest.approx(np.mean(after) - np.mean(before), abs=1e-9)
    assert found.interval(level) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)
    assert found.is_tested and found.p_value == pytest.approx(oracle.pvalue, rel=1e-6, abs=1e-12)


@few
@given(values)
def test_gains_over_seeds_have_students_interval_and_p_value(gains):
    assume(np.std(gains) > 1e-6)
    found, oracle = mean_gain(gains, 1e-9), scipy.stats.ttest_1samp(gains, 0)
    interval = oracle.confidence_interval(0.95)
    assert found.interval(0.05) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-6, abs=1e-12)


def test_a_difference_to_a_single_replicate_is_endless_and_without_spread_it_is_exact():
    assert difference([1.0], [2.0, 4.0]).interval(0.05) == (-math.inf, math.inf)
    assert difference([1.0, 1.0], [4.0, 4.0]) == Shift(3.0, 0.0)
    for gains in ([0.5], [0.5, 0.5 + 1e-12]):
        assert mean_gain(gains, 1e-9) == Shift(pytest.approx(0.5), 0.0)
    assert not difference([1.0], [2.0, 4.0]).is_tested and not Shift(3.0, 0.0).is_tested


@few
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_what_is_at_the_judging_level_or_below_is_what_benjamini_and_hochberg_call_moved(p_values):
    ranked = sorted(p_values)
    largest = max((p for rank, p in enumerate(ranked, 1) if p <= 0.05 * rank / len(ranked)), default=-1.0)
    level = judging_level(p_values)
    assert [p <= level for p in p_values] == [p <= largest for p in p_values]
    assert 0.05 / len(p_values) <= level <= 0.05 + 1e-12


def test_of_two_hundred_unchanged_figures_none_moves_in_19_runs_of_20_and_a_real_tenth_is_found():
    rng, runs = np.random.default_rng(0), 500
    alarms = found = 0
    for _ in range(runs):
        before, after = rng.normal(0, 0.01, (2, 200, 5))
        unchanged = scipy.stats.ttest_ind(after, before, axis=1, equal_var=False).pvalue
        alarms += bool((unchanged <= judging_level(unchanged.tolist())).any())
        after[0] += np.log(1.1)
        one_moved = scipy.stats.ttest_ind(after, before, axis=1, equal_var=False).pvalue
        found += bool(one_moved[0] <= judging_level(one_moved.tolist()))
    assert alarms / runs <= 0.05 and found / runs >= 0.98


@pytest.mark.long
def test_of_the_intervals_of_what_moved_one_in_twenty_at_most_leaves_out_the_truth():
    rng, truth = np.random.default_rng(0), np.log(1.03)
    wrong = moved = 0
    for _ in range(100):
        shifts = [difference(*rng.normal([[0], [truth]], 0.01, (2, 5))) for _ in range(30)]
        shifts += [difference(*rng.normal(0, 0.01, (2, 5))) for _ in range(30)]
        level = judging_level([shift.p_value for shift in shifts])
        for real, shift in zip([truth] * 30 + [0] * 30, shifts, strict=True):
            low, high = shift.interval(level)
            if low > 0 or high < 0:
                moved, wrong = moved + 1, wrong + (not low <= real <= high)
    assert moved > 1000 and wrong / moved <= 0.05


@pytest.mark.long
@pytest.mark.parametrize("replicates", [3, 5])
def test_the_interval_of_a_typical_time_holds_the_truth_as_often_as_it_says(replicates):
    rng = np.random.default_rng(4)
    found = [typical(7 * np.exp(rng.normal(0, 0.05, (replicates, 1)) + np.zeros(3))) for _ in range(EXPERIMENTS)]
    assert CONFIDENCE - 0.015 < share_that_holds(7, found) < CONFIDENCE + 0.02


@pytest.mark.long
def test_replicates_that_share_a_process_hold_the_truth_too_once_the_interval_is_widened():
    rng, held = np.random.default_rng(0), []
    for _ in range(4000):
        process, within = rng.normal(0, 0.03), rng.normal(0, 0.01, 5)
        narrow, wide = (typical(np.exp(process + within), shared) for shared in (0.0, 0.03))
        held.append((narrow.low <= 1 <= narrow.high, wide.low <= 1 <= wide.high))
    assert np.mean([one for one, _ in held]) < 0.5 and 0.94 < np.mean([one for _, one in held]) < 0.98


def test_a_shift_with_a_known_error_more_has_welch_and_satterthwaites_freedom():
    shift = difference([0.0, 0.1, 0.2], [1.0, 1.3, 1.1])
    wider = shift.with_error(0.05)
    assert wider.value == shift.value and wider.error == pytest.approx(math.sqrt(shift.error**2 + 0.05**2))
    assert wider.freedom == pytest.approx(wider.error**4 / (shift.error**4 / shift.freedom))
    assert difference([1.0, 1.0], [2.0, 2.0]).with_error(0.1).interval(0.05) == pytest.approx((0.804, 1.196), abs=1e-3)


def test_a_typical_time_is_the_median_of_the_replicates_medians():
    found = typical(np.array([[1.0, 2.0, 90.0], [3.0, 4.0, 5.0], [8.0, 8.0, 8.0]]))
    assert found.value == pytest.approx(4) and found.low < 4 < found.high
    assert typical(np.array([2.0])) == Estimate(pytest.approx(2.0), 0.0, math.inf)


def test_a_rate_is_the_inverse_of_a_time_with_its_interval():
    assert rate(Estimate(2.0, 1.0, 4.0), 1000) == Estimate(500, 250, 1000)
    assert rate(Estimate(2.0, 0.0, math.inf), 1000) == Estimate(500, 0, math.inf)
    assert with_interval("qps", Estimate(2.0, 1.0, 4.0)) == {"qps": 2.0, "qps_low": 1.0, "qps_high": 4.0}
