from pathlib import Path

import pytest

from bench import grid as grids
from bench.grid import Options

FILE = """
title = "t"
dataset = "synthetic_food101"
recipe = "quick"
seeds = [0, 1]
[measure]
rounds = 2
[measure.synthetic_food101]
queries = 7
[[cells]]
embedder = "triplet"
dim = [512, 1024]
hasher = "exchnet"
bits = [32]
index = "hash_tables"
key_bits = [8, 16]
[recipes.quick.triplet]
backbone = "resnet18"
[recipes.paper]
"""


@pytest.fixture
def file(tmp_path):
    def write(text=FILE, *changes):
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "g.toml"
        path.write_text(text)
        return str(path)

    return write


def test_a_grid_is_the_product_of_its_lists_and_seeds(file):
    cells = grids.load(file()).cells
    seen = {
        (c.seed, c.embedder.parameters["dim"], c.hasher.parameters["bits"], c.index.parameters["key_bits"])
        for c in cells
    }
    assert seen == {(s, d, 32, b) for s in (0, 1) for d in (512, 1024) for b in (8, 16)} and len(cells) == 8
    assert all(c.embedder.parameters["backbone"] == "resnet18" for c in cells)


def test_a_recipe_has_a_table_for_one_data_set(file, tmp_path):
    path = file(FILE, ('"resnet18"', '"resnet18"\n[recipes.quick.triplet.synthetic_food101]\nmargin = 0.7'))
    assert {c.embedder.parameters["margin"] for c in grids.load(path).cells} == {0.7}
    other = grids.load(path, Options(dataset="parquet", data_dir=tmp_path))
    assert all("margin" not in c.embedder.parameters for c in other.cells)


def test_measure_has_a_table_for_one_data_set(file, vectors_dir):
    assert grids.load(file()).measure.queries == 7
    other = grids.load(file(), Options(dataset="vectors", data_dir=vectors_dir))
    assert other.measure.queries == 0 and other.measure.rounds == 2


def test_options_stand_over_the_file(file):
    settings = ["bits=64", "triplet.margin=0.5", "measure.queries=9", "k=5"]
    grid = grids.load(file(), Options(recipe="paper", seed=3, settings=settings))
    assert {c.seed for c in grid.cells} == {3} and grid.k == 5 and grid.measure.queries == 9
    assert all(c.hasher.parameters == {"bits": 64} and c.embedder.parameters["margin"] == 0.5 for c in grid.cells)
    assert all("backbone" not in c.embedder.parameters for c in grid.cells)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds =", "sedes =", r"g\.toml: unknown key 'sedes'; did you mean 'seeds'"),
        ("key_bits =", "key_bit =", r"g\.toml: \[\[cells\]\] number 1: unknown key 'key_bit'; did you mean 'key_bits'"),
        ('"exchnet"', '"exchnt"', r"number 1: unknown hasher 'exchnt'; did you mean 'exchnet'"),
        ("[32]", "[12]", r"number 1: hash_tables: bits = 12 .*key_bits = 8"),
        ("[512, 1024]", '["big"]', r"number 1: triplet: dim = 'big': Input should be a valid integer"),
        ("recipe =", "x = 1\nrecipe =", r"unknown key 'x'"),
        ('"quick"', '"qick"', r"unknown recipe 'qick'; did you mean 'quick'.*paper"),
        ("rounds = 2", "rounds = 0", r"g\.toml: \[measure\] rounds = 0 must be at least 1"),
        ("rounds = 2", "runds = 2", r"\[measure\]: unknown key 'runds'; did you mean 'rounds'"),
        ("quick.triplet]", "quick.tripled]", r"\[recipes.quick\]: unknown key 'tripled'; did you mean 'triplet'"),
        ("measure.synth", "measure.sinth", r"\[measure\]: unknown key 'sinthetic_food101'; did you mean 'synthetic"),
        (
            '"resnet18"',
            '"resnet18"\n[recipes.quick.triplet.vektors]\ndim = 8',
            r"\[recipes.quick.triplet\]: .* 'vectors'",
        ),
        ("[recipes.paper]", "[recipes.paper]\n[datasets.vektors]", r"\[datasets\]: .*did you mean 'vectors'"),
        ('index = "hash_tables"', "", r"number 1: key 'index' is missing"),
        ("bits = [32]", 'bits = [32]\ndatabase_codes = "lerned"', r"database_codes = 'lerned': allowed are"),
        ("backbone =", "backbon =", r"unknown parameter 'backbon' of triplet; did you mean 'backbone'"),
        ('title = "t"', "title = 3", r"g\.toml: title = 3: Input should be a valid string"),
        ("[0, 1]", '["a"]', r"g\.toml: seeds = \['a'\]"),
        ('title = "t"', 'title = "t', r"not valid TOML"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_value_the_place_and_what_is_allowed(file, old, new, message):
    with pytest.raises(ValueError, match=message) as caught:
        grids.load(file(FILE, (old, new)))
    assert "\n" not in str(caught.value).strip() or "TOML" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(settings=["nonsense"]), "--set 'nonsense': expected key=value"),
        (Options(settings=["key_bit=8"]), "--set 'key_bit=8'.*did you mean 'key_bits'"),
        (Options(settings=["exchnt.bits=8"]), "unknown plugin 'exchnt'; did you mean 'exchnet'"),
        (Options(dataset="food102"), "unknown dataset 'food102'; did you mean 'food101'"),
        (Options(data_dir=Path("/somewhere")), "--data-dir '/somewhere': data set 'synthetic_food101' reads no folder"),
    ],
)
def test_a_wrong_option_is_named(file, options, message):
    with pytest.raises(ValueError, match=message):
        grids.load(file(), options)


@pytest.mark.parametrize("name", ["supp_table", "../supp_table1", "/etc/passwd", "", "missing.toml"])
def test_an_unknown_grid_name_is_refused(name):
    with pytest.raises(ValueError, match=r"grid"):
        grids.load(name)


@pytest.mark.parametrize("name", sorted(grids.names()))
def test_every_built_in_grid_is_valid_in_all_its_recipes(name):
    for recipe in ("paper", "quick", "pretrained"):
        assert grids.load(name, Options(recipe=recipe)).cells


def test_supp_table1_has_the_papers_cells():
    cells = grids.load("supp_table1").cells
    tables = [c for c in cells if c.index.name == "hash_tables"]
    assert len(tables) == 20 and len(cells) == 22
    assert {c.index.parameters["candidates"] for c in tables} == {1000, 2000, 3000, 4000, 5000}
