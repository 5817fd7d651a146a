import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.grids import grid_file
from bench.grids.cells import Cell, Grid, from_json, to_json
from bench.grids.grid_file import Options
from bench.grids.measure import Measure
from bench.grids.protocols import ClassSplit
from bench.plugins.choices import Choice
from bench.store.identity import digest

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
    cells = grid_file.load(file()).cells
    seen = {
        (c.seed, c.embedder.parameters["dim"], c.hasher.parameters["bits"], c.index.parameters["key_bits"])
        for c in cells
    }
    assert seen == {(s, d, 32, b) for s in (0, 1) for d in (512, 1024) for b in (8, 16)} and len(cells) == 8
    assert all(c.embedder.parameters["backbone"] == "resnet18" for c in cells)


def test_a_recipe_has_a_table_for_one_data_set(file, tmp_path):
    path = file(FILE, ('"resnet18"', '"resnet18"\n[recipes.quick.triplet.synthetic_food101]\nmargin = 0.7'))
    assert {c.embedder.parameters["margin"] for c in grid_file.load(path).cells} == {0.7}
    other = grid_file.load(path, Options(dataset="parquet", data_dir=tmp_path))
    assert all("margin" not in c.embedder.parameters for c in other.cells)


def test_a_recipe_has_a_table_for_a_kind_of_plugins_that_each_takes_its_own_keys_from(file):
    shared = '"resnet18"\n[recipes.quick.hasher]\nsamples = 50\nepochs = 7\n[recipes.quick.exchnet]\nepochs = 9'
    cells = grid_file.load(file(FILE, ('"resnet18"', shared), ('"exchnet"', '["exchnet", "dpsh"]'))).cells
    found = {c.hasher.name: c.hasher.parameters for c in cells}
    assert found["exchnet"] == {"samples": 50, "epochs": 9, "bits": 32} and found["dpsh"] == {"epochs": 7, "bits": 32}
    assert all("epochs" not in c.embedder.parameters for c in cells)
    with pytest.raises(ValueError, match=r"recipes.quick.hasher\]: unknown key 'smaples'; did you mean 'samples'"):
        grid_file.load(file(FILE, ('"resnet18"', '"resnet18"\n[recipes.quick.hasher]\nsmaples = 50')))


def test_a_precision_is_a_share_or_its_text_in_percent(file):
    for value in ("0.025", '"2.5%"', '"2.5 %"'):
        assert grid_file.load(file(), Options(settings=[f"measure.precision={value}"])).measure.precision == 0.025


def test_measure_has_a_table_for_one_data_set(file, vectors_dir):
    assert grid_file.load(file()).measure.queries == 7
    other = grid_file.load(file(), Options(dataset="vectors", data_dir=vectors_dir))
    assert other.measure.queries == 0 and other.measure.rounds == 2


def test_options_stand_over_the_file(file):
    settings = ["bits=64", "triplet.margin=0.5", "measure.queries=9", "k=5"]
    grid = grid_file.load(file(), Options(recipe="paper", seed=3, settings=settings))
    assert {c.seed for c in grid.cells} == {3} and grid.k == 5 and grid.measure.queries == 9
    assert all(c.hasher.parameters == {"bits": 64} and c.embedder.parameters["margin"] == 0.5 for c in grid.cells)
    assert all("backbone" not in c.embedder.parameters for c in grid.cells)


def test_several_values_given_to_a_plugin_are_refused_with_the_setting_that_takes_them(file):
    with pytest.raises(
        ValueError, match=r"margin = \[1, 2\].*; several values .* of the cells: --set 'margin=\[1,2\]'"
    ):
        grid_file.load(file(), Options(settings=["triplet.margin=[1,2]"]))


@pytest.mark.parametrize("setting", ["key_bits=[8,16", "key_bits=[8 16]", "triplet.margin=[1,"])
def test_what_begins_as_a_list_and_is_none_is_refused_with_how_one_is_written(file, setting):
    with pytest.raises(ValueError, match=r'; a list is written as \[4, 8\] or \["a", "b"\]'):
        grid_file.load(file(), Options(settings=[setting]))


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
        ("rounds = 2", "precision = '3'", r"precision = '3': must be a share, as 0\.03 or \"3%\""),
        (
            "rounds = 2",
            "precision = '300%'",
            r"precision = 3\.0 must be at least 0 and less than 1, as 0\.03 or \"3%\"",
        ),
        (
            "rounds = 2",
            "precision = 0.1\nleast_replicates = 4",
            r"least_replicates = 4 must be from 5 to replicates = 10",
        ),
        ("rounds = 2", "precision = 0.1\nreplicates = 4", r"least_replicates = 5 must be from 5 to replicates = 4"),
        ("rounds = 2", "runds = 2", r"\[measure\]: unknown key 'runds'; did you mean 'rounds'"),
        ("quick.triplet]", "quick.tripled]", r"\[recipes.quick\]: unknown key 'tripled'; did you mean 'triplet'"),
        ("measure.synth", "measure.sinth", r"\[measure\]: unknown key 'sinthetic_food101'; did you mean 'synthetic"),
        (
            '"resnet18"',
            '"resnet18"\n[recipes.quick.triplet.vektors]\ndim = 8',
            r"\[recipes.quick.triplet\]: .* 'vectors'",
        ),
        ("[recipes.paper]", "[recipes.paper]\n[datasets.vektors]", r"\[datasets\]: .*did you mean 'vectors'"),
        (
            'index = "hash_tables"\nkey_bits = [8, 16]',
            "",
            r"number 1: .* by an embedder: name exactly one",
        ),
        ("bits = [32]", 'bits = [32]\ndatabase_codes = "lerned"', r"database_codes = 'lerned': allowed are"),
        ("backbone =", "backbon =", r"unknown parameter 'backbon' of triplet; did you mean 'backbone'"),
        ('title = "t"', "title = 3", r"g\.toml: title = 3: Input should be a valid string"),
        ("[0, 1]", '["a"]', r"g\.toml: seeds = \['a'\]"),
        ('title = "t"', 'title = "t', r"not valid TOML"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_value_the_place_and_what_is_allowed(file, old, new, message):
    with pytest.raises(ValueError, match=message) as caught:
        grid_file.load(file(FILE, (old, new)))
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
        grid_file.load(file(), options)


@pytest.mark.parametrize("name", ["supp_table", "../supp_table1", "/etc/passwd", "", "missing.toml"])
def test_an_unknown_grid_name_is_refused(name):
    with pytest.raises(ValueError, match=r"grid"):
        grid_file.load(name)


@pytest.mark.parametrize("name", sorted(grid_file.names()))
def test_every_built_in_grid_is_valid_in_all_its_recipes(name):
    for recipe in ("paper", "quick", "pretrained"):
        assert grid_file.load(name, Options(recipe=recipe)).cells


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(grid_file.names()))
def test_every_built_in_grid_is_the_same_in_another_process(name):
    grid = grid_file.load(name)
    assert from_json(to_json(grid)) == grid


parameters = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), parameters, max_size=4), st.sampled_from([None, "ünïcode\n"]))
def test_whatever_a_parameter_holds_another_process_reads_the_same(values, reference):
    cell = Cell("seen", None, None, Choice("h", values), "last", "encoded", Choice("i"), None, None, 3)
    cells = (cell, dataclasses.replace(cell, candidates=7))
    grid = Grid(
        "n", "t", Choice("d", values), "name", "r", "methods", reference, 10, ClassSplit(0.5, 1), Measure(5), cells
    )
    assert from_json(to_json(grid)) == grid


def test_a_tuple_among_the_parameters_becomes_a_list_and_keeps_the_cells_identity():
    cell = Cell("seen", None, None, None, None, None, Choice("i", {"sizes": (1, 2)}), None, None, 0)
    grid = Grid("n", "t", Choice("d"), "d", "r", "methods", None, 10, ClassSplit(), Measure(), (cell,))
    (read,) = from_json(to_json(grid)).cells
    assert read.index.parameters == {"sizes": [1, 2]}
    assert digest(dataclasses.asdict(read)) == digest(dataclasses.asdict(cell))


def test_supp_table1_has_the_papers_cells():
    cells = grid_file.load("supp_table1").cells
    tables = [c for c in cells if c.index.name == "hash_tables"]
    assert len(tables) == 20 and len(cells) == 22
    assert {c.candidates for c in tables} == {1000, 2000, 3000, 4000, 5000}
    assert {c.rerank.name for c in tables} == {"float32"}


def test_paper_table1_re_ranks_the_other_methods_beside_the_papers_rows():
    found = [(c.index.name, c.candidates) for c in grid_file.load("paper_table1").cells]
    others = ("ball_tree", "kd_tree", "ivfadc")
    wanted = {("linear_scan", None), ("hash_tables", 3000), *((name, n) for name in others for n in (None, 3000))}
    assert set(found) == wanted and len(found) == 2 * len(wanted)


RANKINGS = """
title = "t"
dataset = ["toy_clusters", "vectors"]
recipe = "quick"
seeds = [0, 1, 2]
[[cells]]
hasher = "toy_medians"
bits = [8, 12]
[[cells]]
protocol = ["seen", "unseen", "unseen_all"]
hasher = "toy_guesses"
model = ["last", "oracle"]
seeds = [7]
[[cells]]
embedder = "toy_pixels"
[recipes.quick]
[datasets.vectors]
data_dir = "/no/such"
"""


@pytest.fixture
def rankings(file, third_party):
    return lambda *changes: file(RANKINGS, *changes)


def test_without_an_index_a_cell_ranks_by_a_hasher_or_by_an_embedder(rankings):
    grid = grid_file.load(rankings())
    assert grid.layout == "codes" and all(cell.index is None for cell in grid.cells)
    assert len(grid.cells) == 2 * 3 + 3 * 2 + 3
    medians, guesses, pixels = grid.cells[0], grid.cells[6], grid.cells[-1]
    assert (medians.protocol, medians.model, medians.database_codes, medians.embedder) == (
        "seen", "last", "encoded", None,
    )  # fmt: skip
    assert (guesses.protocol, guesses.model) == ("seen", "last")
    assert (pixels.hasher, pixels.model, pixels.database_codes) == (None, None, None)


def test_the_seeds_of_a_block_stand_over_the_grids_and_the_command_line_over_both(rankings):
    def seeds(**options):
        cells = grid_file.load(rankings(), Options(**options)).cells
        return {c.seed for c in cells if c.hasher and c.hasher.name == "toy_guesses"}, {c.seed for c in cells}

    assert seeds() == ({7}, {0, 1, 2, 7})
    assert seeds(seed=4) == ({4}, {4})
    assert seeds(settings=["seeds=[5]"]) == ({5}, {5})


def test_a_grid_may_name_several_data_sets_and_is_about_one_at_a_time(rankings):
    path = rankings()
    assert grid_file.dataset_names(path) == ["toy_clusters", "vectors"]
    assert grid_file.load(path).dataset.name == "toy_clusters"
    one = Options(dataset="vectors", settings=["vectors.data_dir='/other'", "toy_clusters.seed=3"])
    assert grid_file.dataset_names(path, one) == ["vectors"]
    assert grid_file.load(path, one).dataset.parameters == {"data_dir": "/other"}
    assert grid_file.load(path, Options(settings=one.settings)).dataset.parameters == {"seed": 3}


def test_a_key_speaks_of_a_plugin_in_each_of_its_roles(file, third_party):
    blocks = '[[cells]]\nembedder = "toy_pixels"\ninput = "toy_pixels"\nhasher = "toy_medians"\nindex = "linear_scan"\n'
    path = file(RANKINGS, (RANKINGS[RANKINGS.index("[[cells]]") : RANKINGS.index("[recipes")], blocks + "dim = 5\n"))
    cell = grid_file.load(path).cells[0]
    assert cell.embedder.parameters == cell.input.parameters == {"dim": 5}
    assert [role for role, _ in cell.choices()] == ["embedder", "input", "hasher", "index"]


def test_unseen_share_and_split_seed_are_the_grids(rankings):
    assert grid_file.load(rankings()).class_split == ClassSplit(0.25, 0)
    grid = grid_file.load(rankings(("recipe =", "unseen_share = 0.5\nsplit_seed = 3\nrecipe =")))
    assert grid.class_split == ClassSplit(0.5, 3)


def test_the_last_classes_are_named_by_data_set_and_share(rankings):
    top = 'unseen_share = 0.05\nunseen_classes = "last"\nrecipe ='
    named = ("[recipes.quick]", '[unseen_numbers.toy_clusters]\n"0.05" = "1-2, 5"\n"0.250" = "4"\n[recipes.quick]')
    path = rankings(("recipe =", top), named)
    assert grid_file.load(path).class_split == ClassSplit(0.05, 0, "last", (1, 2, 5))
    assert grid_file.load(path, Options(settings=["unseen_share=0.25"])).class_split.numbers == (4,)
    assert grid_file.load(path, Options(settings=["unseen_share=0.15"])).class_split == ClassSplit(0.15, 0, "last")
    assert grid_file.load(path, Options(settings=["unseen_classes=drawn"])).class_split == ClassSplit(0.05)
    assert grid_file.load(path, Options(dataset="vectors")).class_split == ClassSplit(0.05, 0, "last")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('embedder = "toy_pixels"', "", r"number 3: without an index .* exactly one of the two"),
        ('hasher = "toy_medians"', 'hasher = "toy_medians"\nembedder = "toy_pixels"', r"number 1: .* exactly one"),
        ('embedder = "toy_pixels"', 'embedder = "toy_pixels"\nmodel = "last"', r"model = 'last' without a hasher"),
        ('"toy_pixels"', '"toy_pixels"\ndatabase_codes = "encoded"', r"database_codes = 'encoded' without a hasher"),
        ('"toy_pixels"', '"toy_pixels"\ninput = "toy_pixels"', r"input = 'toy_pixels' without a hasher"),
        ('"unseen_all"]', '"zero_shot"]', r"'zero_shot': allowed are 'seen', 'seen_seen', .*, 'unseen_all'"),
        ("recipe =", 'unseen_classes = "first"\nrecipe =', r"unseen_classes = 'first': allowed are 'drawn', 'last'"),
        ("[recipes.quick]", '[unseen_numbers.toy]\n"0.1" = "1"\n[recipes.quick]', r"unseen_numbers.*'toy'"),
        ("[recipes.quick]", '[unseen_numbers.vectors]\n"5" = "1"\n[recipes.quick]', r"'5' must be a share"),
        ("[recipes.quick]", '[unseen_numbers.vectors]\n"0.1" = "x"\n[recipes.quick]', r"'x' must be the number"),
        ('"oracle"]', '"best"]', r"model = 'best': allowed are 'last', 'best_on_validation', 'oracle'"),
        ("bits = [8, 12]", 'model = "oracle"', r"number 1: model = 'oracle': toy_medians offers 'last'"),
        (
            '"oracle"]',
            '"best_on_validation"]\nvalidation = false',
            r"model = 'best_on_validation': toy_guesses offers 'last', 'oracle'",
        ),
        ('"oracle"]', '"oracle"]\ndatabase_codes = "learned"', r"'learned' with protocol = 'unseen': .* 'encoded'"),
        ('"toy_clusters", "vectors"', '"synthetic_food101"', r"'toy_medians' reads vectors .* images; .*input ="),
        ('"toy_clusters", "vectors"', '"toy_clusters", "toy_clusters"', r"g\.toml: dataset = \[.* each once"),
        ('["toy_clusters", "vectors"]', "[]", r"g\.toml: dataset = \[\]: must name at least one"),
        ("seeds = [7]", 'seeds = ["a"]', r"number 2: seeds = \['a'\]"),
        ("recipe =", "unseen_share = 1.5\nrecipe =", r"g\.toml: unseen_share = 1.5 must lie between 0 and 1"),
        ("recipe =", "split_seed = -1\nrecipe =", r"g\.toml: split_seed = -1 must be at least 0"),
        ("recipe =", 'layout = "methods"\nrecipe =', r"layout = 'methods' shows cells with an index"),
    ],
)
def test_what_is_wrong_with_a_ranking_is_said_before_anything_runs(rankings, old, new, message):
    with pytest.raises(ValueError, match=message):
        grid_file.load(rankings((old, new)))


def test_the_layout_codes_needs_a_cell_without_an_index(file):
    with pytest.raises(ValueError, match=r"layout = 'codes' shows cells without an index"):
        grid_file.load(file(FILE, ("recipe =", 'layout = "codes"\nrecipe =')))


SEARCH = """
title = "t"
dataset = "toy_clusters"
recipe = "r"
k = 5
[[cells]]
embedder = "toy_pixels"
hasher = "toy_signs"
index = "toy_scan"
field = "codes"
rerank = "toy_reranker"
candidates = [5, 20]
[recipes.r]
[recipes.r.reranker]
step = 0.5
"""


@pytest.fixture
def search(file, third_party):
    return lambda *changes: file(SEARCH, *changes)


def test_a_cell_names_a_re_ranking_and_how_many_candidates_it_has(search):
    cells = grid_file.load(search()).cells
    assert [(c.rerank.name, c.rerank.parameters, c.candidates) for c in cells] == [
        ("toy_reranker", {"step": 0.5}, 5),
        ("toy_reranker", {"step": 0.5}, 20),
    ]
    assert "candidates" not in cells[0].index.parameters


def test_a_search_on_codes_needs_no_embedder(search):
    changes = (('embedder = "toy_pixels"\n', ""), ('rerank = "toy_reranker"\ncandidates = [5, 20]\n', ""))
    cell = grid_file.load(search(*changes)).cells[0]
    assert (cell.embedder, cell.rerank, cell.candidates) == (None, None, None)
    real = grid_file.load(search(*changes, ('"codes"', '"real_codes"'))).cells[0]
    assert real.index.parameters["field"] == "real_codes"


ALONE = ('rerank = "toy_reranker"\ncandidates = [5, 20]\n', "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([('embedder = "toy_pixels"\n', "")], r"rerank = 'toy_reranker' orders by features: key 'embedder' is missing"),
        ([('embedder = "toy_pixels"\n', ""), ALONE, ('"codes"', '"features"')], r"reads features: .*'embedder' is mis"),
        ([('hasher = "toy_signs"\n', "")], r"index = 'toy_scan' reads codes: key 'hasher' is missing"),
        ([('hasher = "toy_signs"\n', ""), ('"codes"', '"real_codes"')], r"reads codes: key 'hasher' is missing"),
        ([('"toy_signs"', '"toy_guesses"'), ('"codes"', '"real_codes"')], r"real codes, .*'toy_guesses' .*encode_real"),
        ([('"toy_signs"', '"toy_medians"'), ('"codes"', '"real_codes"')], r"real codes, .*'toy_medians' .*encode_real"),
        ([("[5, 20]", "[4, 20]")], r"number 1: candidates = 4 must be at least k = 5"),
        ([("[5, 20]", "5.5")], r"number 1: candidates = 5.5: Input should be a valid integer"),
        ([("candidates = [5, 20]\n", "")], r"rerank = 'toy_reranker': key 'candidates' is missing"),
        ([('rerank = "toy_reranker"\n', "")], r"candidates = 5 without rerank"),
        ([('index = "toy_scan"\nfield = "codes"\n', "")], r"name exactly one of the two"),
        (
            [('embedder = "toy_pixels"\n', ""), ('index = "toy_scan"\nfield = "codes"\n', "")],
            r"without an index, whose",
        ),
        ([('"toy_reranker"', '"toy_rerank"')], r"unknown reranker 'toy_rerank'; did you mean 'toy_reranker'"),
    ],
)
def test_a_part_that_is_missing_behind_an_index_is_named(search, changes, message):
    with pytest.raises(ValueError, match=message):
        grid_file.load(search(*changes))


def test_an_index_that_names_its_own_candidates_is_not_re_ranked(search, monkeypatch):
    path = search()
    monkeypatch.setattr("toy_plugins.Scan.query_parameters", ("candidates",))
    with pytest.raises(ValueError, match=r"'toy_scan' has a parameter 'candidates' of its own"):
        grid_file.load(path)


def test_an_index_that_lacks_a_library_here_is_no_fault_of_the_grid(search):
    cells = grid_file.load(search(("field =", 'needed_by = "check"\nfield ='))).cells
    assert len(cells) == 2


def test_the_recipes_of_another_grid_stand_behind_its_own(file):
    own = '[recipes.quick.triplet]\nbackbone = "resnet18"\n[recipes.paper]'
    changed = (own, own.replace('backbone = "resnet18"', "margin = 0.3"))
    lent = file(FILE, (own, ""), ('recipe = "quick"', 'recipe = "quick"\nrecipes_of = "supp_table1"'))
    theirs = grid_file.load("supp_table1").cells[0].embedder
    assert grid_file.load(lent).cells[0].embedder == theirs
    mixed = file(FILE, changed, ('recipe = "quick"', 'recipe = "quick"\nrecipes_of = "supp_table1"'))
    embedder = grid_file.load(mixed).cells[0].embedder
    assert embedder.parameters == theirs.parameters | {"margin": 0.3}
    with pytest.raises(ValueError, match="recipes_of = 'sup_table1': unknown grid; did you mean 'supp_table1'"):
        grid_file.load(file(FILE, ('recipe = "quick"', 'recipe = "quick"\nrecipes_of = "sup_table1"')))


@pytest.fixture
def on_vectors(vectors_dir):
    return Options("vectors", vectors_dir)


@pytest.mark.parametrize("name", ["ann", "code_search", "candidates"])
def test_grids_of_searches_take_vectors_as_they_are(name, on_vectors):
    cells = grid_file.load(name, on_vectors).cells
    choices = {choice.name for cell in cells for _, choice in cell.choices()}
    assert len(cells) > 20 and {"identity", "itq"} <= choices and not {"triplet", "exchnet", "class_code"} & choices
    assert "learned" not in {cell.database_codes for cell in cells}
    images = grid_file.load(name).cells
    assert {cell.index.name for cell in cells} == {cell.index.name for cell in images}


STANDING_IN = '[vectors]\ntriplet = "identity"\nexchnet = "lsh"\n[recipes.quick.triplet]'


def test_what_stands_in_has_the_parameters_that_it_knows(file, on_vectors):
    lent = file(FILE, ("[recipes.quick.triplet]", STANDING_IN))
    cells = grid_file.load(lent, on_vectors).cells
    assert [cell.embedder for cell in cells] == [Choice("identity")] * 4  # dim is no axis: two seeds, two key_bits
    assert [cell.hasher for cell in cells] == [Choice("lsh", {"bits": 32})] * 4
    assert {cell.embedder.name for cell in grid_file.load(lent).cells} == {"triplet"}


def test_cells_whose_plugin_nothing_stands_in_for_are_left_out(file, on_vectors):
    block = (
        '[[cells]]\nembedder = "triplet"\ndim = 8\nindex = "linear_scan"\n[vectors]\ntriplet = "identity"\nexchnet = ""'
    )
    path = file(FILE, ("[recipes.quick.triplet]", f"{block}\n[recipes.quick.triplet]"))
    assert [cell.index.name for cell in grid_file.load(path, on_vectors).cells] == ["linear_scan"] * 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('triplett = "identity"', r"\[vectors\]: unknown key 'triplett'; did you mean 'triplet'"),
        ('triplet = "identty"', r"\[vectors\]: triplet: unknown embedder 'identty'; did you mean 'identity'"),
        ('triplet = "itq"', r"\[vectors\]: triplet: unknown embedder 'itq'"),
    ],
)
def test_a_stand_in_that_is_none_is_refused(file, line, words):
    with pytest.raises(ValueError, match=words):
        grid_file.load(file(FILE, ("[recipes.quick.triplet]", f"[vectors]\n{line}\n[recipes.quick.triplet]")))
