"""A run on a data set of codes: grids written for hashers search these codes, and are judged by Hamming distance."""

import numpy as np
import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.records.frame import frame_of
from bench.report.tables import complete
from bench.report.words import GridInfo
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.in_process import Local
from tests.quick import take_times_quickly

BITS, K = 24, 10
GRID = """
title = "Codes"
dataset = "synthetic_food101"
recipe = "none"
k = 10
[measure]
rounds = 1
queries_per_round = 5
batch_seconds = 0.01
replicates = 1
[[cells]]
hasher = "itq"
input = "triplet"
dim = 8
bits = [32, 64]
index = ["hamming_scan", "asymmetric_scan"]
[[cells]]
hasher = "exchnet"
bits = 32
database_codes = "learned"
index = "hash_tables"
key_bits = [8, 16]
mode = "tables"
"""
RANKINGS = """
[[cells]]
hasher = "dpsh"
bits = [16, 32]
model = ["last", "oracle"]
"""
END = """
[recipes.none]
[vectors]
triplet = "identity"
dpsh = ""
"""
RERANKED = """
[[cells]]
embedder = "triplet"
hasher = "itq"
input = "triplet"
bits = 32
index = "hamming_scan"
rerank = "float32"
candidates = [10, 200]
"""


@pytest.fixture(scope="module")
def arrays():
    """Codes near three centres, and vectors whose order is another."""
    rng = np.random.default_rng(0)
    labels = {"query_labels": rng.integers(3, size=30), "database_labels": rng.integers(3, size=200)}
    centres = rng.integers(0, 2, (3, BITS))
    codes = {name: centres[labels[f"{name}_labels"]] ^ (rng.random((len(labels[f"{name}_labels"]), BITS)) < 0.2)
             for name in ("query", "database")}  # fmt: skip
    vectors = {f"{name}_vectors": rng.standard_normal((len(codes[name]), 6)) for name in codes}
    return codes | labels | vectors


@pytest.fixture(scope="module")
def folder(arrays, tmp_path_factory):
    """The codes packed, with labels and vectors; in ``bare`` without."""
    folder = tmp_path_factory.mktemp("own") / "mine"
    for place, names in ((folder, arrays), (folder / "bare", ("query", "database"))):
        place.mkdir()
        for name in names:
            array = arrays[name]
            np.save(place / f"{name}.npy", np.packbits(array, axis=1) if name in ("query", "database") else array)
    return folder


def planned(place, data_dir, text):
    path = place / "g.toml"
    path.write_text(text)
    return grid_file.load(str(path), Options(dataset="codes", data_dir=data_dir))


def finished(place, plan):
    """The finished run of a grid."""
    pipeline = Pipeline(plan, Store(place / "cache"), Context(cache=place / "cache"), lambda _: None)
    run = Run(pipeline, Store(place / "out"), lambda _: None, start=Local)
    with pytest.MonkeyPatch.context() as patch:
        take_times_quickly(patch.setattr)
        assert run.finish() == {}
    return run


@pytest.fixture(scope="module")
def cells(folder):
    run = finished(folder, planned(folder, folder, GRID + RANKINGS + RERANKED + END))
    return frame_of(run.pipeline, run.results)


def hamming(arrays):
    return (arrays["query"][:, None] != arrays["database"][None]).sum(axis=2)


def test_every_hasher_stands_for_the_given_codes_and_each_cell_is_run_once(cells):
    assert (cells["hasher"] == "given").all() and cells["input"].isna().all()
    assert cells["index"].fillna("").tolist() == [
        "hamming_scan",
        "hash_tables",
        "hash_tables",
        "",
        *2 * ["hamming_scan"],
    ]
    assert cells["status"].tolist() == ["ok", "ok", "skipped", "ok", "ok", "ok"]
    assert (cells.loc[cells["status"] == "ok", "bits"] == BITS).all()
    assert "bits = 24 is not a multiple of key_bits = 16" in cells["reason"].iloc[2]


def test_given_codes_cost_nothing_that_is_known(cells):
    ready = cells[cells["status"] == "ok"]
    assert ready["fit_seconds"].isna().all() and ready["encode_ms"].isna().all()


def test_a_grid_that_reads_real_values_alone_is_refused_with_the_reason(folder, tmp_path):
    text = GRID.split("[[cells]]")[0] + '[[cells]]\nhasher = "itq"\nbits = 32\nindex = "asymmetric_scan"\n'
    with pytest.raises(
        ValueError, match=r"holds codes alone, and \[vectors\] leaves every cell out, or it reads the real"
    ):
        planned(tmp_path, folder, text + END)


def test_recall_and_precision_are_those_of_a_sort_by_hamming_distance(cells, arrays):
    nearest = np.argsort(hamming(arrays), axis=1, kind="stable")[:, :K]
    right = arrays["database_labels"][nearest] == arrays["query_labels"][:, None]
    scan, tables = cells.iloc[0], cells.iloc[1]
    assert scan["recall_at_10"] == 1 and scan["precision_at_10"] == pytest.approx(right.mean())
    assert 0.5 < tables["recall_at_10"] <= 1
    assert scan["map"] == tables["map"] == cells["map"].iloc[3]


def test_re_ranking_is_judged_by_the_vectors(cells, arrays):
    few, every = cells[cells["rerank"].notna()].sort_values("candidates")["recall_at_10"]
    vectors = [arrays[f"{name}_vectors"].astype(np.float32).astype(np.float64) for name in ("query", "database")]
    far = ((vectors[0][:, None] - vectors[1][None]) ** 2).sum(axis=2)
    exact, near = (np.argsort(one, axis=1, kind="stable")[:, :K] for one in (far, hamming(arrays)))
    shared = np.mean([len(np.intersect1d(*pair)) / K for pair in zip(exact, near, strict=True)])
    assert every == 1 and few == pytest.approx(shared) and few < 0.5


@pytest.mark.long
def test_codes_without_labels_and_vectors_are_re_ranked_by_their_bits(folder, tmp_path):
    with pytest.raises(ValueError, match=r"a ranking .* needs labels, and the data set has none"):
        planned(tmp_path, folder / "bare", GRID + RANKINGS + END)
    run = finished(tmp_path, planned(tmp_path, folder / "bare", GRID + RERANKED + END))
    cells = frame_of(run.pipeline, run.results)
    assert (cells.loc[cells["index"] == "hamming_scan", "recall_at_10"] == 1).all()
    assert "precision_at_10" not in cells and cells["map"].isna().all()
    info = GridInfo("g", "Codes", "pareto", None, "none", (), K)
    assert (complete(cells, info)["bits"] == BITS).all() and (cells["status"] == "skipped").any()


@pytest.mark.parametrize("grid", ["code_search", "supp_table1", "ann", "candidates", "paper_table1", "hashing_small"])
def test_built_in_grids_take_codes(folder, grid):
    plan = grid_file.load(grid, Options(dataset="codes", data_dir=folder))
    assert {cell.hasher.name for cell in plan.cells if cell.hasher is not None} == {"given"}
    assert {cell.embedder.name for cell in plan.cells if cell.embedder is not None} <= {"identity"}


def test_given_codes_are_asked_of_a_data_set_that_has_them(vectors_dir, tmp_path):
    (tmp_path / "g.toml").write_text(
        'title = "t"\ndataset = "vectors"\nrecipe = "r"\n[recipes.r]\n[[cells]]\nhasher = "given"\n'
        'index = "hamming_scan"\n'
    )
    with pytest.raises(
        ValueError, match="hasher = 'given' passes on the codes of a data set, and this one holds vectors"
    ):
        grid_file.load(str(tmp_path / "g.toml"), Options(data_dir=vectors_dir))


@pytest.mark.parametrize(("place", "dim"), [("", 6), ("bare", BITS)])
def test_expressions_know_the_length_of_the_codes_and_the_dimension_of_their_vectors(folder, tmp_path, place, dim):
    text = """
[[cells]]
embedder = "triplet"
dim = 8
index = "faiss"
factory = "PCA{d / 2},IVF{sqrt(n) / 4},Flat"
[[cells]]
hasher = "itq"
input = "triplet"
bits = 32
index = "hash_tables"
key_bits = "bits / 3"
"""
    plan = planned(tmp_path, folder / place, GRID.split("[[cells]]")[0] + text + END)
    run = finished(tmp_path, plan).sized()
    frame = frame_of(run.pipeline, run.results)
    assert frame["status"].tolist() == ["ok", "ok"]
    assert [cell.index.parameters for cell in run.pipeline.grid.cells] == [
        {"factory": f"PCA{dim // 2},IVF4,Flat", "seed": 0},
        {"key_bits": BITS // 3},
    ]
