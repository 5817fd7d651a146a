"""Built-in grids on data of any dimension and size: each search answers, or says what is too small."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.grids import grid_file
from bench.grids.cells import Cell, Grid
from bench.grids.sizes import Sizes, sized
from bench.interfaces import Codes, Context, Corpus, Items
from bench.plugins import registry
from bench.plugins.estimators import as_hasher
from bench.quality.neighbours import check_neighbours
from bench.timing import indexes
from bench.workers.limits import Failure

QUERIES = 10
WITHOUT_THE_DATA = ("is not installed", "finds no GPU")


def loaded(name: str, folder: Path, n: int, dim: int) -> tuple[Grid, np.ndarray, np.ndarray]:
    """The grid on n vectors and QUERIES queries of five clusters, the last column constant and two rows equal."""
    rng = np.random.default_rng(dim)
    labels = rng.integers(0, 5, n + QUERIES)
    vectors = (rng.normal(size=(5, dim))[labels] * 2 + rng.normal(size=(n + QUERIES, dim))).astype(np.float32)
    vectors[:, -1], vectors[1] = 1.5, vectors[0]
    for part, rows in (("train", slice(0, n)), ("test", slice(n, None))):
        np.save(folder / f"{part}.npy", vectors[rows])
        np.save(folder / f"{part}_labels.npy", labels[rows])
    grid = grid_file.load(name, grid_file.Options(dataset="vectors", data_dir=folder))
    return sized(grid, Sizes({"seen": n}, dim)), vectors, labels


def coded(cell: Cell, vectors: np.ndarray, labels: np.ndarray, n: int) -> Codes:
    """The cell's hasher, fitted on the first n vectors, and the codes of all."""
    assert cell.hasher is not None
    hasher: Any = as_hasher(registry.build("hasher", cell.hasher.name, cell.hasher.parameters))
    hasher.fit(Items(np.arange(n), labels[:n], "", vectors=vectors[:n]), Context(seed=cell.seed))
    codes: Codes = hasher.encode(Items(np.arange(len(vectors)), labels, "", vectors=vectors))
    return codes


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("name", "n", "dim"),
    [("supp_table1", 100, 2), ("paper_table1", 100, 3), ("paper_table1", 300, 65), ("code_search", 100, 65)],
)
def test_each_search_of_a_built_in_grid_answers_or_says_what_is_too_small(tmp_path, name, n, dim):
    grid, vectors, labels = loaded(name, tmp_path, n, dim)
    made: dict[str, Codes] = {}
    for cell in grid.cells:
        try:
            if cell.hasher is not None and str(cell.hasher) not in made:
                made[str(cell.hasher)] = coded(cell, vectors, labels, n)
            codes = made.get(str(cell.hasher))
            rows = [None if codes is None else Codes(codes.words[part], codes.bits) for part in parts(n)]
            index = indexes.built(cell, Corpus(vectors[:n], rows[0]))[0]
            indexes.set_query(cell, index)
            check_neighbours(index.search(Corpus(vectors[n:], rows[1]), grid.k), QUERIES, grid.k, n)
        except Exception as fault:
            ended = Failure.of(fault)
            assert ended.status == "skipped", (cell.describe(), ended)
            assert any(word in ended.reason for word in (str(n), str(dim), str(dim - 1), *WITHOUT_THE_DATA))
            assert "\n" not in ended.reason


def parts(n: int) -> tuple[slice, slice]:
    return slice(0, n), slice(n, None)


def test_a_grid_of_image_networks_alone_is_refused_on_vectors(tmp_path):
    with pytest.raises(
        ValueError, match=r"^ablation_exchnet.toml: the data set holds no images, and \[vectors\] leaves every cell out"
    ):
        loaded("ablation_exchnet", tmp_path, 100, 4)


def test_a_given_dimension_that_does_not_fit_is_refused_when_the_grid_is_read():
    with pytest.raises(ValueError, match=r"ivfadc: code_bytes = 8 must divide the features' dimension, 25"):
        grid_file.load("ann", grid_file.Options(settings=["dim=25"]))
