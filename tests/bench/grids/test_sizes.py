"""Expressions in the cells of a grid: what they may stand for, their values, and the sizes of built-in grids."""

import math
from dataclasses import replace

import pytest

from bench.grids import grid_file
from bench.grids.cells import from_json, to_json
from bench.grids.expressions import number
from bench.grids.grid_file import Options
from bench.grids.sizes import Sizes, sized
from tests.conftest import CHECKOUT

GRID = """
title = "t"
dataset = "vectors"
recipe = "none"
[[cells]]
embedder = "identity"
hasher = "lsh"
bits = "d / 2"
index = "faiss"
factory = "IVF{4 * sqrt(n)},PQ{d / 4}x4fs"
nprobe = ["n ** 0.25", "2 * n ** 0.25", 5]
rerank = "int8"
candidates = ["sqrt(n)", 40]
[recipes.none]
"""
TABLES = """
[[cells]]
hasher = "lsh"
bits = 64
index = "hash_tables"
key_bits = "bits / 4"
[recipes.none]
"""


@pytest.fixture
def load(tmp_path, vectors_dir):
    def loaded(*changes, settings=()):
        text = GRID.replace("[recipes.none]\n", TABLES)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "g.toml"
        path.write_text(text)
        return grid_file.load(str(path), Options(data_dir=vectors_dir, settings=settings))

    return loaded


ONE = [(TABLES, "[recipes.none]")]


def test_cells_have_the_values_of_their_expressions_for_the_data(load):
    grid = sized(load(*ONE), Sizes({"seen": 10_000}, 32))
    assert grid.sizes_known
    assert {cell.hasher.parameters["bits"] for cell in grid.cells} == {16}
    assert {cell.index.parameters["factory"] for cell in grid.cells} == {"IVF400,PQ8x4fs"}
    assert {(cell.index.parameters["nprobe"], cell.candidates) for cell in grid.cells} == {
        (nprobe, candidates) for nprobe in (10, 20, 5) for candidates in (100, 40)
    }


def test_cells_whose_expressions_have_equal_values_are_one(load):
    grid = load(*ONE, ('["sqrt(n)", 40]', '["sqrt(n)", "n / 100", 100]'))
    assert len(grid.cells) == 9 and len(sized(grid, Sizes({"seen": 10_000}, 32)).cells) == 3


@pytest.mark.parametrize(
    ("old", "new", "values"),
    [
        ('bits = "d / 2"', 'bits = [128, "d"]', {128, 512}),
        ('["sqrt(n)", 40]', '[1000, "sqrt(n)"]', {1000, 100}),
    ],
)
def test_cells_whose_expressions_have_equal_values_for_a_usual_size_alone_are_two(load, old, new, values):
    grid = sized(load(*ONE, ('["n ** 0.25", "2 * n ** 0.25", 5]', "5"), (old, new)), Sizes({"seen": 10_000}, 512))
    assert values in ({cell.hasher.parameters["bits"] for cell in grid.cells}, {cell.candidates for cell in grid.cells})


def test_a_cell_says_what_was_written_and_the_value(load):
    cell = sized(load(*ONE), Sizes({"seen": 10_000}, 32)).cells[0]
    said = cell.describe()
    assert "IVF400,PQ8x4fs" in said and "nprobe=10" in said and "100 candidates" in said
    for text in ("bits = d / 2", "factory = IVF{4 * sqrt(n)},PQ{d / 4}x4fs", "nprobe = n ** 0.25", "= sqrt(n)"):
        assert text in said


def test_a_grid_with_expressions_goes_to_another_process_as_it_is(load):
    grid = load(*ONE)
    again = from_json(to_json(grid))
    assert again == grid and [cell.written for cell in again.cells] == [cell.written for cell in grid.cells]
    assert sized(again, Sizes({"seen": 777}, 16)) == sized(grid, Sizes({"seen": 777}, 16))


def test_a_grid_without_expressions_needs_no_sizes(load):
    assert not load().sizes_known
    plain = load(
        *ONE,
        ('"d / 2"', "16"),
        ("IVF{4 * sqrt(n)},PQ{d / 4}x4fs", "IVF9,Flat"),
        ('["n ** 0.25", "2 * n ** 0.25", 5]', "5"),
        ('["sqrt(n)", 40]', "40"),
    )
    assert plain.sizes_known and plain.cells[0].written == {}


def test_each_protocol_has_its_own_number_of_items(load):
    grid = load(*ONE, ("[[cells]]", '[[cells]]\nprotocol = ["seen", "unseen"]'))
    found = sized(grid, Sizes({"seen": 10_000, "unseen": 2500}, 32))
    factories = {cell.protocol: cell.index.parameters["factory"] for cell in found.cells}
    assert factories == {"seen": "IVF400,PQ8x4fs", "unseen": "IVF200,PQ8x4fs"}


def test_the_dimension_is_the_embedders_where_it_states_one():
    grid = grid_file.load("ann")
    factories = {cell.index.parameters.get("factory") for cell in sized(grid, Sizes({"seen": 75_750}, None)).cells}
    assert {"IVF300,PQ128x4fs,RFlat", "PCA128,IVF300,PQ64x4fs,RFlat"} <= factories


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"bits / 4"',
            '"bits / x"',
            r"number 2: hash_tables: key_bits = 'bits / x': 'x' is not allowed; an expression",
        ),
        ('"bits / 4"', '"bits / 5"', r"number 2: hash_tables: .*key_bits = 13"),
        ('"bits / 4"', '"d / 8 + bits"', r"number 2: hash_tables: key_bits = 80: "),
        ("{d / 4}", "{d // 4}", r"number 1: faiss: factory = .*: in braces, 'd // 4': 'd // 4' is not allowed"),
        ("{d / 4}", "{d / 4", r"number 1: faiss: factory = .*brace"),
        ('"d / 2"', '"half"', r"number 1: lsh: bits = 'half': 'half' is not allowed"),
        ('"d / 2"', '"10 * n"', r"number 1: bits = 10000000: codes have at most 65,536"),
        ('"sqrt(n)"', '"sqrt(m)"', r"number 1: candidates = 'sqrt\(m\)': .*'m' is not allowed"),
        ('"sqrt(n)"', '"1 / (n - n)"', r"number 1: candidates = .*it has no value"),
        ('"sqrt(n)"', '"log2(bits)"', r"number 1: candidates = 6 must be at least k = 10"),
        (
            '"identity"',
            '"truncated"\ndim = "d / 2"',
            r"number 1: truncated: dim = 'd / 2': Input should be a valid int",
        ),
        ('"int8"', '"int8"\nprotocol = "n"', r"number 1: protocol = 'n': allowed are"),
    ],
)
def test_a_wrong_expression_is_refused_before_the_data_are_read(load, old, new, message):
    with pytest.raises(ValueError, match=message) as caught:
        load((old, new))
    assert str(caught.value).isprintable()


def test_a_setting_of_the_command_line_may_be_an_expression(load):
    grid = load(*ONE, settings=["candidates=3 * sqrt(n)", "faiss.nprobe=log2(n)"])
    found = sized(grid, Sizes({"seen": 10_000}, 32))
    assert {(cell.candidates, cell.index.parameters["nprobe"]) for cell in found.cells} == {(300, 13)}
    with pytest.raises(ValueError, match=r"--set 'candidates=3 sqrt\(n\)'"):
        load(settings=["candidates=3 sqrt(n)"])


@pytest.mark.parametrize("value", ["1.5", "'32'", "1e5", "2024-10-11", "12:30:00", "true", "''", "1e999"])
@pytest.mark.parametrize("key", ["candidates", "nprobe"])
def test_a_text_without_a_name_is_no_expression(load, key, value):
    with pytest.raises(ValueError, match=key):
        load(*ONE, settings=[f"{key}={value}"])


def test_a_cell_that_is_wrong_for_the_data_is_named_with_their_size(load):
    grid = load(*ONE, ('["sqrt(n)", 40]', '"sqrt(n)"'))
    with pytest.raises(ValueError, match=r"^g on 49 items: candidates = 7 must be at least k = 10"):
        sized(grid, Sizes({"seen": 49}, 32))


def test_features_whose_dimension_no_one_states_have_no_d(tmp_path):
    path = tmp_path / "g.toml"
    text = GRID.replace('"vectors"', '"synthetic_food101"').replace('"identity"', '"pretrained"\ninput = "pretrained"')
    path.write_text(text)
    with pytest.raises(ValueError, match=r"bits = 'd / 2': d, the dimension of the features, is not known before"):
        grid_file.load(str(path))


def values(grid, name):
    """The values of a parameter of the grid's indexes, by index."""
    found = {}
    for cell in grid.cells:
        if cell.index is not None and name in cell.index.parameters:
            found.setdefault(cell.index.name, set()).add(cell.index.parameters[name])
    return found


def lists_of(grid):
    """The numbers of lists of the grid's inverted files whose lists are k-means cells."""
    found = {int(one.split("IVF")[1].split(",")[0]) for one in values(grid, "factory")["faiss"] if "IVF" in one}
    centroids = values(grid, "centroids")
    return found | centroids["ivfadc"] | centroids["faiss_ondisk"] | values(grid, "cells")["code_cells"]


def test_on_the_75750_items_of_the_default_data_the_built_in_grids_have_the_sizes_of_the_papers_baseline():
    ann, codes = (sized(grid_file.load(name), Sizes({"seen": 75_750}, None)) for name in ("ann", "code_search"))
    assert lists_of(ann) == {300}
    for name in ("centroids", "leaves", "clusters", "cells"):
        assert next(iter(values(ann, name).values())) == {300}, name
    assert values(ann, "nprobe")["faiss"] == {1, 2, 4, 8, 16, 32, 64}
    assert values(ann, "leaves_to_search") == {"scann": {4, 8, 16, 32, 64}}
    assert values(codes, "centroids") == {"faiss_binary": {256}} and values(codes, "nprobe")["faiss_binary"] == {
        4,
        16,
        64,
    }
    assert values(codes, "key_bits")["faiss_binary"] == {16}


@pytest.mark.long
@pytest.mark.parametrize("items", [10**4, 10**5, 10**6, 10**7, 10**8])
def test_at_any_scale_lists_are_long_enough_to_train_and_as_many_as_faiss_advises_from_a_million_on(items):
    """faiss: 4 to 16 sqrt(n) lists, and at least 39 training points a list (its Clustering warns below)."""
    grid = sized(grid_file.load("ann"), Sizes({"seen": items}, None))
    (cells,) = lists_of(grid)
    assert items / cells >= 39 and cells <= 16 * math.sqrt(items)
    assert items < 10**6 or cells >= 0.99 * 4 * math.sqrt(items)
    for index, probes in values(grid, "nprobe").items():
        assert max(probes) <= cells, index


def test_the_table_of_sizes_in_the_docs_is_what_the_expressions_say():
    lines = (CHECKOUT / "docs" / "grids.md").read_text(encoding="utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("| items | cells"))
    header, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[start : start + 8])
    texts = {place: cell.split("`")[1] for place, cell in enumerate(header) if "`" in cell}
    assert len(texts) == 3
    for row in rows[1:]:
        n = int(row[0].replace(",", ""))
        for place, text in texts.items():
            assert int(row[place].replace(",", "")) == number(text, {"n": n, "d": None, "bits": None}), (n, text)
        low, high = row[2].replace(",", "").split(" to ")
        assert (int(low), int(high)) == (round(4 * math.sqrt(n)), round(16 * math.sqrt(n)))


@pytest.mark.long
@pytest.mark.parametrize("items", [30, 100, 1000])
def test_few_items_are_no_reason_to_refuse_a_built_in_grid(items, vectors_dir):
    for name in ("ann", "code_search"):
        for grid in (grid_file.load(name), grid_file.load(name, Options(dataset="vectors", data_dir=vectors_dir))):
            smaller = replace(grid, k=10)
            assert sized(smaller, Sizes({"seen": items}, 16)).cells
