"""Times of two machine classes share no section, front, ratio or finding, and what names no machine still reads."""

from types import SimpleNamespace

import pandas as pd
import pytest

from bench.records.frame import SECTION
from bench.report.captions import caption
from bench.report.figures import finished, panels
from bench.report.findings import findings
from bench.report.pareto import levels
from bench.report.site.methods import MethodPage, Part, Point, chart_data
from bench.report.site.model import Payload, Row
from bench.report.site.overview import machines_of
from bench.report.tables import complete, layout_table, write_tables
from bench.report.text_cells import cell_lines
from bench.report.text_tables import table_lines
from bench.runs import tuning
from bench.system.machines import NOT_RECORDED
from tests.made_cells import cells, grid, ranking, scan, search

ONE, OTHER = "One CPU, 2 cores, 16 GiB", "Other CPU, 64 cores, 512 GiB"
HERE, THERE = {"machine": ONE, "host": "a"}, {"machine": OTHER, "host": "b"}
LAYOUTS = ("candidates", "methods", "pareto", "systems")
PENDING = dict.fromkeys(("precision_at_10", "recall_at_10", "latency_ms_p50", "throughput_qps"))


def rows(ms=2.0, **more):
    """A scan and two settings of an index."""
    settings = [("nprobe = 2", 0.92, ms), ("nprobe = 8", 0.99, 2 * ms)]
    return [scan(**more), *(search("faiss", recall, one, setting, **more) for setting, recall, one in settings)]


def printed(tidy, info):
    return "\n".join(table_lines(tidy, info, 200))


@pytest.mark.long
@pytest.mark.parametrize("layout", LAYOUTS)
def test_of_one_class_everything_reads_as_without_machines(layout):
    info = grid(layout)
    plain, named = cells(info, *rows()), cells(info, *rows(**HERE))
    assert printed(named, info) == printed(plain, info)
    assert layout_table(named, info).equals(layout_table(plain, info))
    assert findings(named, info) == findings(plain, info) and caption(named, info) == caption(plain, info)
    assert cell_lines(named, info, 120) == cell_lines(plain, info, 120)


@pytest.mark.long
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_class_has_sections_of_its_own_which_name_it_and_read_as_they_would_alone(layout):
    info = grid(layout)
    faster = rows(1.0, **THERE)
    both = cells(info, *rows(**HERE), *faster)
    table = layout_table(both, info)
    alone = {ONE: layout_table(cells(info, *rows(**HERE)), info), OTHER: layout_table(cells(info, *faster), info)}
    for machine, expected in alone.items():
        found = table[table["section"].str.contains(machine, regex=False)]
        assert len(found) == len(expected) > 0
        assert found.drop(columns="section").to_numpy().tolist() == expected.drop(columns="section").to_numpy().tolist()
    assert all(f"512-d features, on {machine}" in printed(both, info) for machine in alone)
    said = findings(both, info)
    assert {f"512-d features, on {machine}" for machine in alone} == {one.partition(":")[0] for one in said}
    assert "Searches ran on 2 classes of machines" in caption(both, info)
    assert any(ONE in line for line in cell_lines(both, info, 400))


def test_fronts_levels_and_speed_ups_are_of_one_class_and_shares_of_quality_of_the_features():
    info = grid("pareto")
    dominated = search("faiss", 0.9, 3.0, "nprobe = 1", **THERE)  # a search on the other class is faster and better
    dominated |= {"ratio": None, "ratio_low": None, "ratio_high": None}
    tidy = cells(info, *rows(**HERE), dominated)
    assert tidy["pareto_recall"].tolist() == [True, True, True, True]
    assert cells(info, *rows(**HERE), dominated | HERE)["pareto_recall"].tolist() == [True, True, True, False]
    assert tidy["speed_up"].isna().tolist() == [False, False, False, True]  # its class timed no scan
    assert tidy["share_of_exact"].notna().all()
    reached = levels(tidy, 10).dropna(subset="index").groupby("machine")["setting"].unique()
    assert set(reached[OTHER]) == {"nprobe = 1"} and "nprobe = 1" not in set(reached[ONE])


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (
            2.0,
            "faiss (nprobe = 8) is the fastest that reaches 95 % of exact search's P@10: 99.0 % in 20.0 % of its time",
        ),
        (10.1, "No search that reaches 95 % of exact search's P@10 is told apart from exact search: faiss"),
        (20.0, "No search that reaches 95 % of exact search's P@10 is faster than exact search: faiss"),
    ],
)
def test_a_class_without_a_row_of_exact_search_is_told_by_the_rounds_that_both_shared(ms, words):
    info = grid("methods")
    added = search("faiss", 0.99, ms, "nprobe = 8", **THERE)
    said = findings(cells(info, *rows(**HERE), added), info)
    [own] = [one for one in said if OTHER in one]
    assert words in own and "no interval" not in own


def test_seeds_on_two_classes_share_no_mean():
    info = grid("methods")
    seeds = [search("faiss", 0.9, 1.0, seed=0, **HERE), search("faiss", 0.9, 9.0, seed=1, **THERE)]
    lines = printed(cells(info, *seeds), info)
    assert "1.00" in lines and "9.00" in lines and "±" not in lines
    assert "±" in printed(cells(info, seeds[0], seeds[1] | HERE), info)


def test_what_names_no_machine_is_a_class_of_its_own_and_what_was_not_run_stands_with_most(tmp_path):
    info = grid("methods")
    pending = search("annoy", None, 1.0, status=None) | PENDING
    cells_of = [*rows(), scan(**HERE), search("hnswlib", 0.9, 1.0, **HERE), pending]
    tidy = cells(info, *cells_of)
    assert tidy["machine"].tolist() == [NOT_RECORDED] * 3 + [ONE] * 2 + [NOT_RECORDED]
    assert "512-d features, machine not recorded" in printed(tidy, info)
    write_tables(tidy, info, tmp_path)
    stored = pd.read_csv(tmp_path / "cells.csv")
    assert stored["machine"].isna().tolist() == [False] * 5 + [True]
    assert complete(stored, info)["machine"].tolist() == tidy["machine"].tolist()
    assert cells(info, pending)["machine"].tolist() == [NOT_RECORDED]
    elsewhere = pending | {"dim": 1024}
    assert cells(info, scan(**HERE), elsewhere)["machine"].tolist() == [ONE, ONE]


def test_rankings_share_sections_whoever_judged_them_and_trainings_only_with_their_class():
    info = grid("codes")
    one, other = ({"machine": ONE, "training_machine": ONE}, {"machine": OTHER, "training_machine": OTHER})
    coded = [ranking("itq", 16, 0.5, **one), ranking("lsh", 16, 0.4, **other)]
    table = layout_table(cells(info, *coded), info)
    assert table["section"].tolist() == [
        "made: mAP, %",
        "made: mAP, %",
        f"made, on {ONE}: training, s",
        f"made, on {OTHER}: training, s",
    ]
    judged = [coded[0], coded[1] | {"training_machine": ONE}]
    assert layout_table(cells(info, *judged), info)["section"].nunique() == 2
    assert "Trainings ran on 2 classes of machines" in caption(cells(info, *coded), info)
    assert "classes of machines" not in caption(cells(info, *judged), info)


def test_figures_have_a_panel_for_each_class():
    info = grid("pareto")
    done = finished(cells(info, *rows(**HERE), *rows(**THERE)), info)
    assert panels(done, info) and done.groupby(SECTION, dropna=False).ngroups == 2


def test_a_site_names_the_class_of_a_machine_where_it_is_known():
    about = {"name": "g", "title": "G", "layout": "pareto"}
    payload = Payload(grid=about, environments=[{"cpu": "One CPU"}], sets=[{"id": "d", "name": "d"}])
    first, second, old = (Row(method="m", machine=name, environment=0) for name in (ONE, OTHER, NOT_RECORDED))
    assert machines_of(payload, [first, first]) == [ONE, ONE] and machines_of(payload, [old]) == ["One CPU"]
    assert machines_of(payload, [first, second, old]) == [ONE, OTHER, "machine not recorded"]


def test_the_chart_of_a_method_has_a_series_for_each_class():
    measured = [(1.0, ONE), (2.0, OTHER)]
    points = tuple(Point("m", "", time, None, None, None, machine, {"recall": 0.9}) for time, machine in measured)

    def series(*shown):
        part = Part("Data", "Grid", "", "", (), (), (), shown)
        found = chart_data(MethodPage("index", "m", [part]))["series"]
        return {one["name"]: [point["time"] for point in one["points"]] for one in found}

    assert series(*points) == {f"Data: Grid, {ONE}": [1.0], f"Data: Grid, {OTHER}": [2.0]}
    assert series(points[0]) == {"Data: Grid": [1.0]}


@pytest.mark.parametrize("tuned_on", [HERE, THERE])
def test_times_of_the_tune_half_decide_only_if_the_class_of_the_other_took_them(monkeypatch, tuned_on):
    info = grid("pareto")
    found = [search("faiss", 0.99, 2.0, "a", **HERE), search("faiss", 0.99, 1.0, "b", **HERE)]
    tuned = [row | {"latency_ms_p50": 3.0 - row["latency_ms_p50"]} | tuned_on for row in found]  # the other way round
    halves = {"report": pd.DataFrame(found), "tune": pd.DataFrame(tuned)}
    shared = {"dataset": "made", "protocol": "seen", "k": 10, "seed": 0, "status": "ok"}
    monkeypatch.setattr(tuning, "frame_of", lambda half, _: halves[half.name].assign(**shared))
    tune = SimpleNamespace(name="tune")
    monkeypatch.setattr(tuning, "on", lambda _, split: tune)
    report = SimpleNamespace(name="report", grid=SimpleNamespace(k=10, measure=SimpleNamespace(split="tune/report")))
    tidy = complete(tuning.frame(report, None), info)
    assert tidy["tune_latency_ms_p50"].isna().tolist() == [tuned_on is THERE] * 2
    assert tidy["tune_recall_at_10"].tolist() == [0.99, 0.99]
    by_time = levels(tidy, 10).query("fastest_by == 'latency_ms_p50'").dropna(subset="index")
    assert set(by_time["setting"]) == {"a" if tuned_on is HERE else "b"}
