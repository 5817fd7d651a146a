"""What the sentences say of a grid's cells, held against pandas on the same frame."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.report.findings import counts, findings, sizes
from tests.made_cells import FOOD, cells, grid, ranking, scan, search, tables

CANDIDATES, METHODS, PARETO, CODES = (grid(layout) for layout in ("candidates", "methods", "pareto", "codes"))


def test_the_search_nearest_to_exact_search_is_named_with_its_share_of_quality_and_time():
    rows = [scan()] + [tables(length, n, n / 2000, 0.70 + n / 1e5) for length in (8, 16) for n in (1000, 5000)]
    rows[-1]["precision_at_10"] = 0.7828
    tidy = cells(CANDIDATES, *rows)
    best = tidy[tidy["rerank"].notna()].sort_values("precision_at_10").iloc[-1]
    exact = tidy[tidy["index"] == "linear_scan"].iloc[0]
    assert 100 * best["precision_at_10"] / exact["precision_at_10"] == pytest.approx(97.85)
    assert best["latency_ms_mean"] / exact["latency_ms_mean"] == 0.25
    assert findings(tidy, CANDIDATES) == [
        "Hash tables (N = 5000, L = 16) reaches 97.8 % of exact search's P@10 in 25.0 % of its time "
        "(23.8 to 26.2 % in the same rounds)."
    ]


def test_each_dimension_has_a_sentence():
    rows = [row(dim=dim) for dim in (512, 1024) for row in (scan, lambda **more: tables(8, 1000, **more))]
    said = findings(cells(CANDIDATES, *rows), CANDIDATES)
    assert [sentence.split(":")[0] for sentence in said] == ["512-d features", "1024-d features"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"ratio_low": 0.9, "ratio_high": 1.1},
            "in a time not told apart from that of exact search (90.0 to 110 % of it in the same rounds)",
        ),
        ({"ratio_low": None, "ratio_high": None}, "in 20.0 % of its time (no interval)"),
        ({"loaded": True}, "timed while the machine was busy"),
        ({"unstable": True}, "timed while the machine's speed moved"),
        ({"ratio_low": 0.01, "ratio_high": 0.9}, "in 20.0 % of its time (too few replicates)"),
        ({"ratio_low": 0.01, "ratio_high": 9.0}, "not told apart from that of exact search (too few replicates)"),
        ({"ratio": 1.4, "ratio_low": 1.3, "ratio_high": 1.5}, "in 140 % of its time (130 to 150 % in the same rounds)"),
    ],
)
def test_a_time_is_said_as_far_as_it_is_known(changed, words):
    said, *_ = findings(cells(CANDIDATES, scan(), tables(8, 1000, **changed)), CANDIDATES)
    assert words in said


def test_the_end_of_a_run_says_during_how_many_timings_the_machine_was_not_steady_or_not_alone():
    steady = {"unstable": False, "loaded": False}
    rows = scan(**steady | {"loaded": True}), tables(8, 1000, **steady), tables(16, 1000, **steady | {"loaded": True})
    said = findings(cells(CANDIDATES, *rows), CANDIDATES)
    assert said[1:] == ["During 2 of 3 timings other programs kept the machine busy."]
    every = findings(cells(CANDIDATES, scan(**steady | {"loaded": True})), CANDIDATES)
    assert every[-1] == "During the timing other programs kept the machine busy."
    both = [tables(number, 1000, **steady | {"loaded": True}) for number in (8, 16, 32)]
    for of, words in ((2, "both"), (3, "all 3")):
        said = findings(cells(CANDIDATES, *both[:of]), CANDIDATES)
        assert said[-1] == f"During {words} timings other programs kept the machine busy."
    assert len(findings(cells(CANDIDATES, scan(**steady), tables(8, 1000, **steady)), CANDIDATES)) == 1
    moved = findings(cells(CANDIDATES, scan(**steady), tables(8, 1000, **steady | {"unstable": True})), CANDIDATES)
    assert moved[1:] == ["During 1 of 2 timings the speed of the machine itself moved by more than 10 %."]


def test_without_labels_recall_stands_for_precision():
    unlabelled = {"precision_at_10": None}
    tidy = cells(CANDIDATES, scan(**unlabelled), tables(8, 1000, recall_at_10=0.9496, **unlabelled))
    (said,) = findings(tidy, CANDIDATES)
    assert "reaches 94.9 % recall@10 in 20.0 % of exact search's time" in said


def test_a_first_search_that_is_not_exact_is_not_called_so():
    unlabelled = {"precision_at_10": None}
    rows = [search("graph", 0.8, 1.0, exact_ms=1.0, **unlabelled), search("tree", 0.9, 2.0, exact_ms=1.0, **unlabelled)]
    (said,) = findings(cells(CANDIDATES, *rows), CANDIDATES)
    assert said == "tree reaches 90.0 % recall@10."


def test_the_fastest_method_that_is_as_good_is_named_with_those_not_told_apart():
    rows = [scan(), search("a", 0.96, 1.0), search("b", 0.97, 1.05), search("c", 0.98, 3.0), search("d", 0.5, 0.1)]
    (said,) = findings(cells(METHODS, *rows), METHODS)
    assert said.startswith(
        "a is among the fastest that reach 95 % of exact search's P@10: 96.0 % in 10.0 % of its time"
    )
    assert said.endswith("; not told apart from b.")
    (said,) = findings(cells(METHODS, scan(), search("a", 0.96, 1.0), search("c", 0.98, 3.0)), METHODS)
    assert said.startswith("a is the fastest that reaches 95 % of exact search's P@10: 96.0 %")


def test_of_too_few_replicates_no_search_is_named_as_fast_or_called_the_fastest():
    vague = {"latency_ms_low": 1e-3, "latency_ms_high": 1e3}
    rows = [scan(), search("a", 0.96, 1.0, **vague), search("b", 0.97, 1.05)]
    (said,) = findings(cells(METHODS, *rows), METHODS)
    assert said.startswith("a is among the fastest that reach 95 %") and "told apart" not in said
    said = findings(cells(PARETO, *rows), PARETO)[0]
    assert said.endswith("; too few replicates at 50, 60, 70, 80, 90 and 95 %, so that others may be as fast.")
    said = findings(cells(PARETO, *(row | vague for row in rows)), PARETO)[0]
    assert said.endswith("; too few replicates, so that others may be as fast.")


def test_no_search_is_called_fastest_that_is_not_told_apart_from_exact_search():
    (said,) = findings(cells(METHODS, scan(), search("a", 0.96, 9.8), search("b", 0.97, 20.0)), METHODS)
    assert said == (
        "No search that reaches 95 % of exact search's P@10 is told apart from exact search: a has 96.0 % in a time "
        "not told apart from that of exact search (93.1 to 103 % of it in the same rounds)."
    )
    paired = search("a", 0.96, 9.8) | {"ratio_low": 0.97, "ratio_high": 0.99}
    (said,) = findings(cells(METHODS, scan(), paired, search("b", 0.97, 20.0)), METHODS)
    assert said.startswith("a is the fastest that reaches")
    assert said.endswith("98.0 % of its time (97.0 to 99.0 % in the same rounds).")


def test_where_no_method_is_as_good_the_nearest_is_named():
    (said,) = findings(cells(METHODS, scan(), search("a", 0.5, 1.0), search("b", 0.7, 2.0)), METHODS)
    assert said.startswith("None reaches 95 % of exact search's P@10: b reaches 70.0 %")
    (said,) = findings(cells(METHODS, scan(), search("a", 0.99, 30.0)), METHODS)
    assert said == "No search that reaches 95 % of exact search's P@10 is faster than exact search."
    (said,) = findings(cells(METHODS, scan(), search("a", 0.99, 10.2)), METHODS)
    assert said.endswith(" is faster than exact search, which is not told apart from a.")
    assert findings(cells(METHODS, scan()), METHODS) == []


sweeps = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.3, 1.0), st.floats(0.01, 9.0)), min_size=1, max_size=12)


@pytest.mark.long
@settings(max_examples=60)
@given(sweeps)
def test_the_fastest_at_each_level_is_that_of_pandas(points):
    rows = [search(name, recall, ms, f"ef = {at}") for at, (name, recall, ms) in enumerate(points)]
    tidy = cells(PARETO, scan(), *rows)
    said = findings(tidy, PARETO)
    assert [sentence.split(" by ")[0] for sentence in said] == ["Fastest single queries", "Fastest batches"]
    named = {}
    for name, first, last in re.findall(r"(a|b|c|Linear scan) (?:from|at) ([\d.]+)(?: to ([\d.]+))? % \(", said[0]):
        for level in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99):
            if float(first) <= 100 * level <= float(last or first):
                named[level] = name.replace("Linear scan", "linear_scan")
    expected = {
        level: tidy.loc[tidy.loc[tidy["recall_at_10"] >= level - 1e-12, "latency_ms_p50"].idxmin(), "index"]
        for level in named
    }
    assert named == expected and len(named) == 8


def test_where_no_search_reaches_any_level_the_best_one_is_named_once():
    rows = [search("a", 0.32, 1.25, "ef = 8", throughput_qps=900.0), search("b", 0.3, 1.0)]
    assert findings(cells(PARETO, *rows), PARETO) == [
        "No search reaches 50 % of recall@10; the highest is 32.0 %, a (ef = 8), 1.25 ms, 900 queries/s."
    ]


def test_levels_that_nothing_reaches_and_others_as_fast_are_named():
    rows = [search("a", 0.92, 1.0), search("b", 0.91, 1.05), search("c", 0.85, 3.0)]
    said = findings(cells(PARETO, *rows), PARETO)[0]
    assert said == (
        "Fastest single queries by recall@10: a from 50 to 90 % (1.00 ms), none reaches 95 %; "
        "not told apart from b at 50, 60, 70, 80 and 90 %."
    )
    one = {"latency_ms_low": None, "latency_ms_high": None}
    said = findings(cells(PARETO, *(row | one for row in rows)), PARETO)[0]
    assert said.endswith("; without intervals, so that others may be as fast.")


def seeds(hasher, bits, mean, spread):
    return [ranking(hasher, bits, mean + spread * step, seed=seed) for seed, step in enumerate((-1, 0, 1))]


def test_the_best_hasher_at_each_length_is_that_of_pandas_and_seeds_decide_what_is_told_apart():
    rows = [*seeds("itq", 12, 0.30, 0.01), *seeds("lsh", 12, 0.29, 0.01), *seeds("lsh", 24, 0.5, 0.001)]
    rows += seeds("itq", 24, 0.3, 0.001)
    tidy = cells(CODES, *rows)
    means = tidy.groupby(["bits", "hasher"])["map"].mean().unstack()
    assert means.idxmax(axis=1).tolist() == ["itq", "lsh"]
    assert findings(tidy, CODES) == [
        "Best mAP: ITQ at 12 bits (30.0 %), LSH at 24 bits (50.0 %); not told apart from LSH at 12 bits."
    ]


def test_of_one_seed_no_lead_is_sure_and_the_oracle_is_no_result():
    rows = [ranking("itq", 12, 0.3), ranking("lsh", 12, 0.2), ranking("lsh", 12, 0.9, model="oracle")]
    said = findings(cells(CODES, *rows), CODES)
    assert said[0] == "Best mAP: ITQ at 12 bits (30.0 %)." and "one seed" in said[1]


def test_the_distance_from_what_was_published_of_the_same_data_is_said():
    info = grid("candidates", "supp_table1")
    rows = [tables(8, 1000, precision=0.70, **FOOD), tables(8, 2000, precision=0.76, **FOOD)]
    tidy = cells(info, *rows)
    apart = 100 * (tidy["precision_at_10"] - tidy["reference_precision_at_10"])
    assert np.round(apart, 2).tolist() == [-0.37, 0.2]
    assert "P@10 less the published value: −0.4 to +0.2 points (2 cells)." in findings(tidy, info)
    elsewhere = findings(cells(info, tables(8, 1000)), info)
    assert not any("published" in sentence for sentence in elsewhere)


def test_what_is_not_finished_is_said():
    rows = [scan(), tables(8, 1000), tables(8, 2000, status="error"), tables(16, 1000, status=None)]
    tidy = cells(CANDIDATES, *rows)
    assert counts(tidy) == "4 cells: 2 done, 1 failed, 1 pending"
    assert findings(tidy, CANDIDATES)[-1] == "This is about 2 of 4 cells: 2 done, 1 failed, 1 pending."
    assert findings(cells(CANDIDATES, tables(8, 1000, status="skipped")), CANDIDATES) == [
        "Nothing is finished that this table shows."
    ]
    assert counts(cells(CANDIDATES, scan())) == "1 cell: 1 done"


def test_how_much_was_searched_is_said():
    rows = [scan(), scan(dataset="other", database_items=75_750, queries=None)]
    assert sizes(cells(CANDIDATES, *rows)) == "1,000 to 75,750 database items, 100 queries"
    assert sizes(cells(CANDIDATES, scan(queries=None, database_items=None))) == ""


@pytest.mark.parametrize("info", [CANDIDATES, METHODS, PARETO, CODES])
def test_cells_of_which_nothing_was_measured_are_no_ground_for_a_sentence(info):
    nothing = dict.fromkeys(["precision_at_10", "recall_at_10", "map", "latency_ms_p50", "throughput_qps", "ratio"])
    rows = [scan() | nothing, tables(8, 1000) | nothing, ranking("itq", 12, None)]
    assert findings(cells(info, *rows), info) == []


@pytest.mark.parametrize("info", [CANDIDATES, METHODS, PARETO])
def test_seeds_are_averaged(info):
    rows = [row(seed=seed) for seed in range(3) for row in (scan, lambda **more: tables(8, 1000, **more))]
    said, one = (findings(cells(info, *chosen), info) for chosen in (rows, rows[:2]))
    assert said == one and said
