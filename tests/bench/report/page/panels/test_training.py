import json

import numpy as np
import pytest

from bench.records import book
from bench.report.page.panels import training
from tests.finished import damage

HELD_OUT = """
[[cells]]
hasher = "toy_guesses"
bits = [4, 8]
learns = true
protocol = ["seen_seen", "unseen_all"]
model = ["last", "oracle"]
database_codes = ["encoded", "learned"]
[[cells]]
hasher = "toy_guesses"
bits = 6
protocol = "seen_seen"
"""
TOP = "k = 10\nseeds = [0, 1]\nunseen_share = 0.35"


@pytest.mark.long
def test_each_training_has_one_curve_for_a_protocol_and_kind_of_codes(finish):
    run = finish(HELD_OUT, dataset="toy_clusters", layout="models", top=TOP)
    found = training.panel(run.stored)
    json.dumps(found, allow_nan=False)
    shown = [(one["name"], one["bits"]) for one in found["series"]]
    names = [f"toy guesses (learns=True), {codes} database codes" for codes in ("encoded", "learned")]
    assert sorted(shown) == sorted((name, bits) for name in names for bits in (4, 8) for _ in range(2))
    cells = run.cells.set_index("key")
    assert {(cells.loc[key, "seed"], cells.loc[key, "model"]) for key in found["curves"]} == {(0, "last")}
    for key, curve in found["curves"].items():
        assert curve["steps"] == [1, 2, 3, 4]
        assert curve["map"][-1] == pytest.approx(cells.loc[key, "map"], rel=1e-3)
        peak = int(np.argmax(curve["map"]))
        assert cells.loc[key, "map_peak"] == pytest.approx(curve["map"][peak], rel=1e-3)
        assert cells.loc[key, "map_peak_step"] == peak + 1
    assert cells.loc[cells["bits"] == 6, "map_peak"].isna().all()


@pytest.mark.long
def test_a_record_that_is_damaged_is_named_and_one_of_an_earlier_revision_has_no_curve(finish):
    run = finish(HELD_OUT, dataset="toy_clusters", layout="models", top=TOP)
    key = next(iter(training.panel(run.stored)["curves"]))
    entry = run.results.read(book.KIND, key)
    run.results.write(book.KIND, key, entry.meta, {name: entry.arrays[name] for name in ("encode_ms",)})
    assert training.panel(run.stored)["missing"] == [{"cells": 1, "reason": "no curve of the training is stored"}]
    damage(run.results, "records")
    assert training.panel(run.stored)["missing"][-1]["reason"] == "an array that it needs is damaged"
    run.stored.cells["map_peak"] = np.nan
    assert training.panel(run.stored) is None
