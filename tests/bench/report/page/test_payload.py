import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bench.report.page.assemble import embedded
from bench.report.page.payload import payload
from bench.report.tables import complete
from tests.bench.report.page import made

FIGURES = [
    "recall_at_10",
    "precision_at_10",
    "share_of_exact",
    "latency_ms_p50",
    "latency_ms_high",
    "throughput_qps_low",
]


def only_set(data):
    (found,) = data["sets"]
    return found


def test_every_figure_of_a_row_is_the_cell_s_own():
    cells = made.searches()
    tidy = complete(cells, made.PARETO).set_index("key")
    rows = only_set(made.data_of(cells))["rows"]
    assert [row["keys"] for row in rows] == [[key] for key in cells["key"]]
    for row in rows:
        (key,) = row["keys"]
        assert {name: row[name] for name in FIGURES} == tidy.loc[key, FIGURES].to_dict()


def test_cells_that_differ_by_seed_are_one_row_of_means_with_their_spread():
    cells = made.rankings(seeds=(0, 1, 2))
    found = only_set(made.data_of(cells, made.CODES))["rows"]
    coded = cells[cells["hasher"].notna()]
    expected = coded.groupby(["hasher", "bits"], sort=False)["map"].agg(["mean", "std"]).reset_index(drop=True)
    rows = [row for row in found if "bits" in row]
    assert [row["map"] for row in rows] == pytest.approx(expected["mean"].tolist(), rel=1e-12)
    assert [row["spread"]["map"] for row in rows] == pytest.approx(expected["std"].tolist(), rel=1e-12)
    assert all(row["seeds"] == [0, 1, 2] and len(row["keys"]) == 3 for row in rows)


def test_the_mean_of_a_row_is_over_the_seeds_that_finished():
    cells = made.rankings(seeds=(0, 1), bits=(12,))
    failed = (cells["hasher"] == "csq") & (cells["seed"] == 1)
    cells.loc[failed, ["status", "map"]] = ["timeout", np.nan]
    row = next(row for row in only_set(made.data_of(cells, made.CODES))["rows"] if row["method"] == "csq")
    assert (row["status"], row["failed"]) == ("ok", 1)
    assert row["map"] == cells.loc[(cells["hasher"] == "csq") & (cells["seed"] == 0), "map"].item()


def test_what_failed_stands_with_its_status_and_reason_and_without_figures():
    rows = only_set(made.data_of(made.failures()))["rows"]
    assert [row["status"] for row in rows] == ["error", "timeout", "memory", "skipped", "pruned", ""]
    assert rows[1]["reason"] == "stopped after 600 s"
    assert not any("recall_at_10" in row or "latency_ms_p50" in row for row in rows)


def test_a_method_is_what_settings_after_the_build_differ_in():
    methods = only_set(made.data_of(made.searches(settings=4, builds=2)))["methods"]
    names = [method["name"] for method in methods]
    assert names.count("hnswlib (M = 16)") == names.count("hnswlib (M = 32)") == 1
    assert len({method["id"] for method in methods}) == len(methods) == 15


def test_methods_of_a_family_share_a_hue_and_no_other_has_it():
    methods = only_set(made.data_of(made.searches()))["methods"]
    hues = pd.DataFrame(methods).groupby("family")["hue"].unique()
    assert all(len(found) == 1 for found in hues)
    assert len({int(found[0]) for found in hues}) == len(hues)


LOOK = ["hue", "shade", "shape", "dotted", "open"]


def coded_searches():
    """Scans of the codes of two hashers in three lengths, beside many variants of all indexes."""
    scans = [
        made.searches(1, ("hamming_scan",)).assign(hasher=hasher, bits=bits)
        for hasher in ("itq", "sdh")
        for bits in (32, 48, 96)
    ]
    cells = pd.concat([*scans, made.searches(2, builds=6)], ignore_index=True)
    return cells.assign(key=[f"{place:032x}" for place in range(len(cells))])


def test_no_two_methods_look_alike():
    methods = pd.DataFrame(only_set(made.data_of(coded_searches()))["methods"])
    assert len(methods) > 45
    assert not methods.duplicated(LOOK).any()


def test_up_to_four_methods_of_a_family_differ_by_their_marks_without_colour():
    cells = made.searches(1, ("faiss", "scann"), builds=2)
    methods = pd.DataFrame(only_set(made.data_of(cells))["methods"])
    assert len(methods) == 4 and methods["family"].nunique() == 1
    assert not methods.duplicated(["shape", "dotted"]).any()


def test_hollow_are_codes_shorter_than_the_longest_of_their_index_and_nothing_else():
    methods = pd.DataFrame(only_set(made.data_of(coded_searches()))["methods"])
    longest = methods.groupby("index")["bits"].transform("max")
    assert methods["open"].tolist() == (methods["bits"] < longest).tolist()
    assert 0 < methods["open"].sum() < methods["bits"].notna().sum()


def test_a_level_that_nobody_chose_is_one_of_the_grid_s_own_quality():
    searched = only_set(made.data_of(made.searches()))["measures"]
    assert [(one["id"], one["level"]) for one in searched[:1]] == [("recall_at_10", 0.95)]
    ranked = only_set(made.data_of(made.rankings(), made.CODES))["measures"]
    best = made.rankings()["map"].max()
    assert ranked[0]["id"] == "map"
    assert 0.8 * best < ranked[0]["level"] <= best


def test_two_methods_reach_the_first_level_in_the_view_that_is_shown_first():
    cells = made.searches(1, ("linear_scan", "hash_tables"), dims=(512, 1024))
    found = (cells["index"] == "hash_tables").to_numpy()
    cells.loc[found & (cells["dim"] == 512).to_numpy(), "recall_at_10"] = 0.9499
    cells.loc[found & (cells["dim"] == 1024).to_numpy(), "recall_at_10"] = 0.9501
    (level,) = [one["level"] for one in only_set(made.data_of(cells))["measures"] if one["id"] == "recall_at_10"]
    assert level == 0.9


def test_without_labels_there_is_no_precision():
    measures = only_set(made.data_of(made.searches().assign(precision_at_10=np.nan)))["measures"]
    assert [one["id"] for one in measures] == ["recall_at_10"]


def test_data_sets_are_apart_and_machines_stand_once():
    cells = pd.concat([made.searches(dataset="one"), made.searches(dataset="two")], ignore_index=True)
    data = made.data_of(cells)
    assert [(one["id"], len(one["rows"])) for one in data["sets"]] == [("one", 43), ("two", 43)]
    assert len(data["environments"]) == 1


def test_published_values_stand_beside_and_say_whether_they_compare():
    cells = made.searches(settings=1, methods=("hash_tables",))
    cells = cells.assign(bits=32, key_bits=8, candidates=1000)
    row = only_set(payload(made.TABLE, complete(cells, made.TABLE), {}))["rows"][0]
    assert row["reference_precision_at_10"] > 0.5
    assert row["reference_compares"] is False
    assert row["reference_name"] == "Food101"


def test_a_note_goes_with_its_own_data_set():
    cells = made.searches()
    about = {name: replace(one, notes=["No labels"]) for name, one in made.about(cells).items()}
    assert only_set(payload(made.PARETO, complete(cells, made.PARETO), about))["notes"] == ["No labels"]


@pytest.mark.parametrize(
    "cells", [made.searches(), made.rankings(), made.failures()], ids=["searches", "codes", "failed"]
)
def test_the_data_are_json_without_a_number_that_json_lacks(cells):
    data = made.data_of(cells, made.CODES if "map" in cells else made.PARETO)
    assert json.loads(embedded(data)) == data


def test_seeds_that_two_machine_classes_timed_are_two_rows_and_hosts_of_one_class_are_named():
    cells = made.searches(1, ("faiss",), seeds=(0, 1, 2)).assign(host=["a", "b", "c"], machine=["One", "One", "Two"])
    first, second = only_set(made.data_of(cells))["rows"]
    assert (first["machine"], first["seeds"], first["hosts"]) == ("One", [0, 1], ["a", "b"])
    assert (second["machine"], second["seeds"], second["hosts"]) == ("Two", [2], ["c"])
    assert first["latency_ms_p50"] == pytest.approx(cells["latency_ms_p50"][:2].mean())


def test_rankings_share_a_row_whoever_judged_them_but_no_time_if_two_machine_classes_trained_them():
    cells = made.rankings(bits=(12,)).assign(machine="judge", training_machine="One")
    cells.loc[(cells["hasher"] == "csq") & (cells["seed"] == 1), ["machine", "training_machine"]] = ["other", "Two"]
    rows = {row["method"]: row for row in only_set(made.data_of(cells, made.CODES))["rows"]}
    assert rows["csq"]["seeds"] == [0, 1] and rows["csq"]["trainers"] == ["One", "Two"]
    assert "fit_seconds" not in rows["csq"] and rows["itq"]["fit_seconds"] > 0
    assert rows["csq"]["map"] == pytest.approx(cells.loc[cells["hasher"] == "csq", "map"].mean())
    assert {row["machine"] for row in rows.values()} == {""}
