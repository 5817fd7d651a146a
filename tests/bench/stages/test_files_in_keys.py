"""A parameter that names a file: the content is in the keys, and neither the path nor the name."""

import os

import numpy as np
import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.plugins.choices import Choice, keyed_parameters
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store

pytestmark = pytest.mark.usefixtures("third_party")


@pytest.fixture
def features(tmp_path):
    """The features that a grid stores for the embedder with a file of this path, and the number of fits so far."""
    cache = tmp_path / "cache"
    cache.mkdir()

    def made(path):
        cells = f'embedder = "toy_from_file"\npath = "{path}"'
        text = f'title = "t"\ndataset = "toy_clusters"\nrecipe = "r"\n[[cells]]\n{cells}\n[recipes.r]\n'
        (tmp_path / "g.toml").write_text(text)
        grid = grid_file.load(str(tmp_path / "g.toml"), Options())
        pipeline = Pipeline(grid, Store(cache), Context(cache=cache), lambda _: None)
        (cell,) = pipeline.grid.cells
        stored = pipeline.features(cell, cell.embedder).arrays["query"]
        return stored, len((cache / "fits.txt").read_text().splitlines())

    return made


def test_another_file_under_the_same_path_is_fitted_anew(features, tmp_path):
    path = tmp_path / "factor.txt"
    path.write_text("2")
    before, _ = features(path)
    path.write_text("3")
    after, fits = features(path)
    assert fits == 2
    np.testing.assert_allclose(after, before * 1.5)
    path.write_text("2")
    assert features(path)[1] == 2


def test_the_same_file_elsewhere_and_under_another_name_is_not(features, tmp_path):
    paths = [tmp_path / "factor.txt", tmp_path / "elsewhere" / "moved.txt"]
    paths[1].parent.mkdir()
    for path in paths:
        path.write_text("2")
    (before, _), (after, fits) = map(features, paths)
    assert fits == 1 and np.array_equal(before, after)


@pytest.mark.parametrize(
    ("kind", "name", "parameter"),
    [("embedder", "onnx", "path"), ("embedder", "pretrained", "weights"), ("hasher", "dpsh", "weights")],
)
def test_every_built_in_plugin_that_names_a_file_is_known_by_its_content(kind, name, parameter, tmp_path):
    paths = [tmp_path / one for one in ("a", "b", "c")]
    for path, content in zip(paths, "xxy", strict=True):
        path.write_text(content)
    first, same, other = (keyed_parameters(kind, Choice(name, {parameter: str(path)})) for path in paths)
    assert first == same != other


def test_words_and_files_that_are_not_there_stay_as_they_are(tmp_path):
    for given in ({"weights": "imagenet"}, {"weights": str(tmp_path / "missing")}, {"backbone": str(tmp_path)}):
        assert keyed_parameters("hasher", Choice("dpsh", given)) == given
    assert keyed_parameters("hasher", Choice("dpsh", {"bits": 8, "weights": str(tmp_path)}))["weights"] == str(tmp_path)


def test_a_path_from_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model.onnx").write_text("x")
    typed, full = ({"path": path} for path in ("~/model.onnx", os.fspath(tmp_path / "model.onnx")))
    assert keyed_parameters("embedder", Choice("onnx", typed)) == keyed_parameters("embedder", Choice("onnx", full))
