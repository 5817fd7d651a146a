import json
from itertools import pairwise, permutations

import numpy as np
import pandas as pd
import pytest

from bench.interfaces import Codes
from bench.report.page.panels import rankings
from tests.finished import damage

RANKED = """
[[cells]]
hasher = "toy_guesses"
bits = [4, 8]
model = ["last", "best_on_validation"]
[[cells]]
embedder = "toy_pixels"
"""
TOP = "k = 10\nseeds = [0, 1]"


def expected_curve(query, database, label, labels):
    """Precision and recall among the first n of one query, means over every order that the distances allow."""
    apart = [int((query != one).sum()) for one in database]
    orders = [o for o in permutations(range(len(database))) if all(apart[a] <= apart[b] for a, b in pairwise(o))]
    hits = np.mean([np.cumsum(labels[list(order)] == label) for order in orders], axis=0)
    relevant = (labels == label).sum()
    return hits / np.arange(1, len(database) + 1), hits / relevant if relevant else np.zeros(len(database))


@pytest.mark.parametrize("seed", range(5))
def test_precision_and_recall_are_those_of_every_order_of_the_ties_on_average(seed):
    generator = np.random.default_rng(seed)
    asked, stored = generator.random((3, 3)) < 0.5, generator.random((6, 3)) < 0.5
    of_queries, of_items = generator.integers(3, size=3), generator.integers(3, size=6)
    expected = [expected_curve(one, stored, label, of_items) for one, label in zip(asked, of_queries, strict=True)]
    found = rankings.curves(Codes.pack(asked), Codes.pack(stored), of_queries, of_items)
    assert found["numbers"] == [1, 2, 3, 4, 5, 6]
    for at, name in enumerate(("precision", "recall")):
        np.testing.assert_allclose(found[name], np.mean([one[at] for one in expected], axis=0), rtol=1e-3)


def test_the_numbers_rise_on_a_log_scale_to_all_items_and_hold_the_round_ones():
    codes = Codes.pack(np.random.default_rng(0).random((2500, 16)) < 0.5)
    labels = np.arange(2500) % 5
    numbers = rankings.curves(Codes(codes.words[:3], 16), codes, labels[:3], labels)["numbers"]
    assert numbers == sorted(set(numbers)) and numbers[-1] == 2500 and len(numbers) <= rankings.NUMBERS + 4
    assert {1, 10, 100, 1000} < set(numbers)


def test_recall_never_falls_and_ends_at_one():
    generator = np.random.default_rng(1)
    codes, labels = Codes.pack(generator.random((300, 12)) < 0.5), generator.integers(4, size=300)
    recall = rankings.curves(Codes(codes.words[:20], 12), codes, labels[:20], labels)["recall"]
    assert recall == sorted(recall) and recall[-1] == 1


@pytest.mark.long
def test_map_by_length_is_the_mean_over_the_seeds_with_its_deviation(finish):
    run = finish(RANKED, dataset="toy_clusters", layout="codes", top=TOP)
    found = rankings.panel(run.stored)
    json.dumps(found, allow_nan=False)
    hashed = run.cells[run.cells["hasher"].notna()]
    expected = hashed.groupby(["model", "bits"])["map"].agg(["mean", "std", "count"])
    points = {
        (section["name"], point["bits"]): point
        for section in found["sections"]
        for series in section["series"]
        for point in series["points"]
        if point["bits"] is not None
    }
    assert len(points) == 4
    for (model, bits), row in expected.iterrows():
        words = {"last": "last model", "best_on_validation": "best model on validation"}[model]
        (point,) = [one for (name, length), one in points.items() if words in name and length == bits]
        assert point["map"] == pytest.approx(row["mean"]) and point["spread"] == pytest.approx(row["std"])
        assert point["seeds"] == row["count"] == 2 and point["published"] is None
    features = run.cells[run.cells["hasher"].isna()]
    (section,) = [one for one in found["sections"] if "features" in one["name"]]
    (point,) = section["series"][0]["points"]
    assert point["bits"] is None and point["map"] == pytest.approx(features["map"].mean())


def test_each_point_has_the_curves_of_its_first_seed_by_the_stored_codes(finish):
    run = finish(RANKED, dataset="toy_clusters", layout="codes", top=TOP)
    found = rankings.panel(run.stored)
    hashed = run.cells[run.cells["hasher"].notna()]
    assert set(found["curves"]) == set(hashed[hashed["seed"] == 0]["key"])
    for key, curve in found["curves"].items():
        recorded = hashed.loc[hashed["key"] == key, "precision_at_10"].item()
        assert curve["precision"][curve["numbers"].index(10)] == pytest.approx(recorded, rel=1e-3)
        assert (curve["queries"], curve["drawn"], curve["numbers"][-1]) == (36, 36, 180)


def test_published_values_say_whether_they_are_of_the_same_data(finish):
    run = finish(RANKED, dataset="toy_clusters", layout="codes")
    cells = run.stored.cells
    cells["reference_dataset"] = cells["reference_dataset"].astype(object)
    for bits, value, same in ((4, 0.5, True), (8, 0.75, False)):
        of_length = (cells["bits"] == bits).fillna(False)
        cells.loc[of_length, "reference_map"] = value
        cells.loc[of_length, "reference_compares"] = same
        cells.loc[of_length, "reference_dataset"] = "food101"
    (series, *_) = rankings.panel(run.stored)["sections"][0]["series"]
    assert [(one["bits"], one["published"], one["same_data"]) for one in series["points"]] == [
        (4, 0.5, True),
        (8, 0.75, False),
    ]
    assert series["paper"] == "paper, Food101"


def test_codes_that_are_damaged_are_named_and_map_stays(finish):
    run = finish(RANKED, dataset="toy_clusters", layout="codes")
    damage(run.pipeline.store, "codes")
    found = rankings.panel(run.stored)
    assert found["curves"] == {} and found["missing"] == [{"cells": 4, "reason": "an array that it needs is damaged"}]
    assert len(found["sections"]) == 3


@pytest.mark.long
def test_other_layouts_and_grids_without_a_finished_ranking_have_no_rankings(finish):
    run = finish('[[cells]]\nembedder = "toy_pixels"\nindex = "linear_scan"\n', dataset="toy_clusters")
    assert rankings.panel(run.stored) is None
    run = finish(RANKED, dataset="toy_clusters", layout="codes")
    run.stored.cells["status"] = pd.array(["error"] * len(run.cells), dtype="string")
    assert rankings.panel(run.stored) is None
