"""What recipes say of images: squares of the whole image where networks are small, as published in the recipe paper."""

from functools import cache

import pytest

from bench.grids import grid_file
from bench.plugins import registry

IMAGE_GRIDS = (
    "ablation_exchnet", "candidates", "codebooks", "exchnet_search", "fine_grained", "hashing_small", "naive_baseline",
    "paper_table1", "paper_table2", "supp_table1",
)  # fmt: skip
SETS = ("cub200", "nabirds", "vegfru", "food101")


@cache
def plugins_of(grid, recipe, dataset="synthetic_food101"):
    """The embedders and hashers of a grid's cells, with the parameters of the recipe, by name."""
    cells = grid_file.load(grid, grid_file.Options(recipe=recipe, dataset=dataset)).cells
    chosen = [(kind, choice) for cell in cells for kind, choice in cell.choices() if kind in ("embedder", "hasher")]
    return {choice.name: registry.build(kind, choice.name, choice.parameters) for kind, choice in chosen}


@pytest.mark.long
@pytest.mark.parametrize("recipe", ["quick", "pretrained"])
@pytest.mark.parametrize("grid", IMAGE_GRIDS)
def test_small_networks_see_the_whole_image_and_shifts_of_it(grid, recipe):
    readers = [plugin for plugin in plugins_of(grid, recipe).values() if hasattr(plugin, "preprocessing")]
    assert readers and {plugin.preprocessing for plugin in readers} == {"squash"}
    assert {plugin.augmentation for plugin in readers if hasattr(plugin, "augmentation")} == {"shift"}


@pytest.mark.parametrize("dataset", SETS)
def test_the_recipe_paper_reads_images_as_the_published_codes_do(dataset):
    plugins = plugins_of("hashing_small", "paper", dataset)
    readers = {name: plugin for name, plugin in plugins.items() if hasattr(plugin, "preprocessing")}
    assert {plugin.preprocessing for plugin in readers.values()} == {"crop"}
    without = {name for name, plugin in readers.items() if getattr(plugin, "augmentation", "") == "none"}
    assert without == {"adsh", "dpsh"} and readers["greedy_hash"].augmentation == "random_crop"
    others = {"exchnet", "a2_net", "semicon", "hashnet", "csq", "orthohash", "chn"}
    assert {readers[name].augmentation for name in others} == {"resized_crop"}
    assert {plugin.inference_precision for plugin in readers.values()} == {"32-true"}


@pytest.mark.parametrize("grid", ["hashing_small", "paper_table2", "supp_table1", "paper_table1", "exchnet_search"])
def test_the_recipe_paper_has_the_samples_of_each_set(grid):
    found = {dataset: plugins_of(grid, "paper", dataset)["exchnet"].samples for dataset in SETS}
    assert found == {"cub200": 2000, "nabirds": 4000, "vegfru": 4000, "food101": 2000}


def test_the_recipe_paper_has_semicons_schedule_of_each_set():
    made = {dataset: plugins_of("hashing_small", "paper", dataset)["semicon"] for dataset in SETS}
    found = {name: (one.iterations, one.drop, one.samples, one.learning_rate) for name, one in made.items()}
    assert found == {
        "cub200": (40, 1.0, 2000, 2.5e-4),
        "nabirds": (50, 0.9, 4000, 5e-4),
        "vegfru": (50, 0.9, 4000, 5e-4),
        "food101": (50, 0.9, 2000, 2.5e-4),
    }


def test_deep_rows_of_the_papers_table_have_three_seeds():
    cells = grid_file.load("paper_table2", grid_file.Options(dataset="cub200")).cells
    assert {(cell.hasher.name, cell.seed) for cell in cells if cell.hasher.name == "exchnet"} == {
        ("exchnet", seed) for seed in (0, 1, 2)
    }
