"""Small finished runs for the tests of the panels: on vectors, and on images that the test makes."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.interfaces import Context
from bench.report.page.panels.stored import Stored
from bench.runs.run import Run
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.workers.in_process import Local
from tests.finished import tidy
from tests.quick import take_times_quickly

MEASURE = """
[measure]
replicates = 2
rounds = 2
queries_per_round = 10
batch_seconds = 0.01
"""


def unheard(line):
    pass


@pytest.fixture
def finish(tmp_path, third_party, monkeypatch):
    """Runs a grid of these cells on a data set to its end, on folders of the test's own."""
    take_times_quickly(monkeypatch.setattr)

    def run(cells, dataset="vectors", data_dir=None, layout="pareto", top="k = 5\nseeds = [0]", measure=""):
        path, cache = tmp_path / "grid.toml", tmp_path / "cache"
        head = f'title = "t"\ndataset = "{dataset}"\nrecipe = "r"\nlayout = "{layout}"\n{top}\n'
        path.write_text(f"{head}{MEASURE}{measure}\n{cells}\n[recipes.r]\n")
        cache.mkdir(exist_ok=True)
        plan = grid_file.load(str(path), Options(data_dir=data_dir))
        pipeline = Pipeline(plan, Store(cache, unheard), Context(cache=cache), unheard)
        results = Store(tmp_path / "out", unheard)
        assert Run(pipeline, results, unheard, start=Local).finish() == {}
        cells = tidy(pipeline, results)
        return SimpleNamespace(
            pipeline=pipeline, results=results, cells=cells, stored=Stored(pipeline, results, cells), root=tmp_path
        )

    return run


@pytest.fixture
def image_tree(tmp_path):
    """Makes three classes, one with a hostile name, with 8 images each to search and 4 to search for.

    An image has the class's colour and noise, so that what is near is often, and not always, of the class.
    """
    names = ('<img src=x onerror="alert(1)">', "b & c", "plain")

    def make(spread=90):
        generator = np.random.default_rng(0)
        colours = generator.integers(60, 200, size=(len(names), 3))
        for split, count in (("train", 8), ("test", 4)):
            for name, colour in zip(names, colours, strict=True):
                folder = tmp_path / "images" / split / name
                folder.mkdir(parents=True)
                for number in range(count):
                    noise = generator.integers(-spread, spread + 1, size=(12, 20, 3))
                    pixels = np.clip(colour + noise, 0, 255).astype(np.uint8)
                    Image.fromarray(pixels).save(folder / f"{number}.png")
        return tmp_path / "images"

    return make
