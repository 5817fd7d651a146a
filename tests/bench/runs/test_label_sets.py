"""A run on items with sets of classes: relevant is what shares one, counted here by products of the rows of 0 and 1."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records.frame import frame_of
from bench.report.page.panels import codes as codes_panel
from bench.report.write import write_report
from bench.runs.run import Run
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.in_process import Local
from tests.quick import take_times_quickly

GRID = """
title = "Sets"
dataset = "vectors"
recipe = "none"
unseen_share = 0.3
layout = "codes"
[measure]
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
replicates = 1
[[cells]]
hasher = ["lsh", "itq_cca", "sdh", "ksh"]
bits = 12
[[cells]]
embedder = "identity"
[[cells]]
embedder = "identity"
index = "linear_scan"
[[cells]]
hasher = "lsh"
bits = 12
index = "hamming_scan"
protocol = ["seen", "unseen", "unseen_all"]
[recipes.none.hasher]
anchors = 40
[recipes.none.sdh]
sigma = 10.0
"""
FIGURES = ["map", "map_best", "map_worst", "map_by_index", "precision_at_10", "ndcg_at_10", "recall_at_10"]


def made(classes=6, seed=0):
    """Vectors around the sum of the centres of their classes."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((classes, 8)) * 3
    arrays = {}
    for name, count in (("train", 150), ("test", 20)):
        sets = rng.random((count, classes)) < 0.3
        sets[np.arange(count), rng.integers(classes, size=count)] = True
        arrays[name] = (sets @ centres + rng.standard_normal((count, 8))).astype(np.float32)
        arrays[f"{name}_labels"] = sets
    return arrays


def finish(place, arrays):
    """The cells of a finished run on these arrays, and the run."""
    (place / "data").mkdir()
    for name, array in arrays.items():
        np.save(place / "data" / f"{name}.npy", array)
    (place / "g.toml").write_text(GRID)
    plan = grid_file.load(str(place / "g.toml"), Options(data_dir=place / "data"))
    pipeline = Pipeline(plan, Store(place / "cache"), Context(cache=place / "cache"), lambda _: None)
    run = Run(pipeline, Store(place / "out"), lambda _: None, start=Local)
    with pytest.MonkeyPatch.context() as patch:
        take_times_quickly(patch.setattr)
        assert run.finish() == {}
    return frame_of(pipeline, run.results), run


@pytest.fixture(scope="module")
def arrays():
    return made()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, arrays):
    return finish(tmp_path_factory.mktemp("sets"), arrays)


def test_figures_are_those_of_items_that_share_a_class(finished, arrays):
    cells, _ = finished
    assert (cells["status"] == "ok").all()
    shared = arrays["test_labels"].astype(int) @ arrays["train_labels"].T.astype(int)
    far = ((arrays["test"].astype(np.float64)[:, None] - arrays["train"]) ** 2).sum(axis=2)
    scan = cells[cells["index"] == "linear_scan"].iloc[0]
    nearest = np.argsort(far, axis=1)[:, :10]
    assert scan["precision_at_10"] == pytest.approx((np.take_along_axis(shared, nearest, axis=1) > 0).mean())
    by_features = cells[cells["index"].isna() & cells["hasher"].isna()].iloc[0]
    scores = [average_precision_score(row > 0, -one) for row, one in zip(shared, far, strict=True)]
    assert by_features["map"] == pytest.approx(np.mean(scores))


def test_ndcg_grades_by_the_number_of_shared_classes(finished, arrays):
    cells, run = finished
    at = int(np.flatnonzero(cells["index"].isna() & (cells["hasher"] == "lsh"))[0])
    database, queries = Corpora(run.pipeline).of(run.pipeline.grid.cells[at])
    near = queries.codes.unpack().astype(int) @ database.codes.unpack().T.astype(int)
    shared = arrays["test_labels"].astype(int) @ arrays["train_labels"].T.astype(int)
    # scikit-learn shares the discounts of equal scores among them, which is their expectation.
    expected = ndcg_score(2.0**shared - 1, near, k=10, ignore_ties=False)
    assert cells["ndcg_at_10"].iloc[at] == pytest.approx(expected)


@pytest.mark.long
def test_sets_of_one_class_each_give_the_figures_of_classes_to_the_bit(arrays, tmp_path):
    single = {name: arrays[name].argmax(axis=1) if "labels" in name else arrays[name] for name in arrays}
    one_hot = {name: np.eye(6)[single[name]] if "labels" in name else arrays[name] for name in arrays}
    places = [tmp_path / name for name in ("single", "one_hot")]
    for place in places:
        place.mkdir()
    (first, _), (second, _) = (finish(*one) for one in zip(places, (single, one_hot), strict=True))
    for name in FIGURES:
        assert np.array_equal(first[name].astype(float), second[name].astype(float), equal_nan=True), name


def test_unseen_protocols_hold_out_items_with_an_unseen_class(finished, arrays):
    cells, run = finished
    unseen = run.pipeline.unseen()
    held_out = {name: arrays[f"{name}_labels"][:, unseen].any(axis=1).sum() for name in ("train", "test")}
    rows = cells[cells["protocol"] == "unseen"].iloc[0]
    assert len(unseen) == 2 and rows["database_items"] == held_out["train"] and rows["queries"] == held_out["test"]
    assert cells[cells["protocol"] == "unseen_all"].iloc[0]["database_items"] == 150


def test_the_report_says_that_items_have_sets_and_pairs_that_share_a_class_are_within(finished, arrays, tmp_path):
    _, run = finished
    write_report([run.pipeline], run.results, tmp_path / "report")
    assert "6 classes, of which an item may have several" in (tmp_path / "report" / "report.html").read_text()
    database, queries = Corpora(run.pipeline).of(run.pipeline.grid.cells[0])
    labels = (arrays["train_labels"], arrays["test_labels"])
    found = codes_panel.distances(queries.codes, database.codes, labels)
    apart = (queries.codes.unpack()[:, None] != database.codes.unpack()[None]).sum(axis=2)
    shared = arrays["test_labels"].astype(int) @ arrays["train_labels"].T.astype(int) > 0
    for name, pairs in (("within", apart[shared]), ("between", apart[~shared])):
        assert found[name] == pytest.approx(np.bincount(pairs, minlength=13) / len(pairs), abs=1e-3)
