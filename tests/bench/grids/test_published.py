import numpy as np
import pandas as pd
import pytest

from bench.grids import grid_file
from bench.grids.grid_file import Options
from bench.grids.published import DATA, SEARCH_KEYS, attach, load_reference, names


def hash_cell(**changes: object) -> dict[str, object]:
    cell = {"index": "hash_tables", "dim": 512, "bits": 32, "key_bits": 16, "candidates": 3000}
    return cell | changes


def test_the_supplementary_table_has_each_of_its_twenty_cells_once():
    table = load_reference("supp_table1")
    cells = {(d, b, n) for d in (512, 1024) for b in (8, 16) for n in (1000, 2000, 3000, 4000, 5000)}
    assert sorted(zip(table["dim"], table["key_bits"], table["candidates"], strict=True)) == sorted(cells)
    assert table["precision_at_10"].between(0.70, 0.80).all()


def test_published_precision_grows_with_candidates_table_length_and_dimension():
    table = load_reference("supp_table1")
    for axis in ("candidates", "key_bits", "dim"):
        for _, line in table.groupby([name for name in ("dim", "key_bits", "candidates") if name != axis]):
            values = line.sort_values(axis)["precision_at_10"]
            assert values.is_monotonic_increasing and values.is_unique
    assert all(line["seconds"].is_monotonic_increasing for _, line in table.groupby(["dim", "key_bits"]))


def test_both_published_tables_agree_on_the_cell_they_share():
    shared = load_reference("supp_table1").query("candidates == 3000 and key_bits == 16")
    paper = load_reference("paper_table1").query("index == 'hash_tables'")
    columns = ["dim", "bits", "key_bits", "candidates", "precision_at_10", "seconds"]
    assert np.array_equal(shared[columns].to_numpy(float), paper[columns].to_numpy(float))


def test_the_printed_speed_ups_follow_from_the_printed_times():
    table = load_reference("paper_table1")
    scan = table[table["index"] == "linear_scan"].set_index("dim")["seconds"]
    assert np.allclose(table["dim"].map(scan) / table["seconds"], table["speed_up"], rtol=5e-4)


def test_the_printed_memory_is_that_of_101000_images():
    table = load_reference("paper_table1").set_index(["index", "dim"])["bytes"]
    assert table["hash_tables", 512] == 101_000 * 32 / 8
    for dim in (512, 1024):
        assert table["linear_scan", dim] == pytest.approx(101_000 * (4 * dim + 4), rel=5e-4)


def test_memory_in_bytes_is_the_printed_memory():
    table = load_reference("paper_table1")
    printed = [float(words.split()[0]) * {"KB": 1e3, "MB": 1e6}[words.split()[1]] for words in table["memory"]]
    assert table["bytes"].to_numpy() == pytest.approx(printed)


def test_paper_table_lists_five_methods_at_two_dimensions():
    table = load_reference("paper_table1")
    methods = {"linear_scan", "ball_tree", "kd_tree", "ivfadc", "hash_tables"}
    assert {(i, d) for i, d in zip(table["index"], table["dim"], strict=True)} == {
        (i, d) for i in methods for d in (512, 1024)
    }
    assert len(table) == 10
    assert table["precision_at_10"].between(0, 1).all()


def test_published_figures_are_set_beside_the_cell_they_belong_to_and_no_other():
    rows = [
        hash_cell(),
        hash_cell(candidates=2500),
        hash_cell(bits=48),
        hash_cell(index="linear_scan", bits=None, key_bits=None, candidates=None),
        hash_cell(dim=64),
    ]
    found = attach(pd.DataFrame(rows, index=[7, 3, 1, 0, 9]), "supp_table1")
    assert found["reference_precision_at_10"].iloc[0] == 0.7769
    assert found["reference_seconds"].iloc[0] == 40.54
    assert found.loc[[3, 1, 0, 9], ["reference_precision_at_10", "reference_seconds"]].isna().all(axis=None)
    assert list(found.index) == [7, 3, 1, 0, 9]


def test_cells_without_code_columns_match_the_methods_that_have_none():
    cells = pd.DataFrame({"index": ["linear_scan", "ivfadc", "hash_tables"], "dim": [1024, 512, 512]})
    found = attach(cells, "paper_table1")
    assert found["reference_bytes"].tolist()[:2] == [414_100_000, 524_500]
    assert np.isnan(found["reference_bytes"].iloc[2])


def test_cells_of_any_column_type_match():
    cells = pd.DataFrame([hash_cell()])
    for kind in ("Int64", "float64", "object"):
        typed = cells.astype(dict.fromkeys(SEARCH_KEYS[1:], kind))
        assert attach(typed, "supp_table1")["reference_seconds"].tolist() == [40.54]


def test_attaching_twice_changes_nothing_and_no_reference_leaves_the_columns_empty():
    once = attach(pd.DataFrame([hash_cell()]), "paper_table1")
    pd.testing.assert_frame_equal(attach(once, "paper_table1"), once)
    none = attach(once, None)
    assert none[["reference_precision_at_10", "reference_seconds"]].isna().all(axis=None)
    assert "reference_bytes" not in none


def test_an_unknown_reference_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match=r"table9.*fine_grained, paper_table1, paper_table2, supp_table1"):
        load_reference("table9")


def test_every_published_figure_says_of_which_data_it_is():
    official = {
        "cub200": (5_994, 5_794),
        "aircraft": (6_667, 3_333),
        "nabirds": (23_929, 24_633),
        "vegfru": (29_200, 116_931),
        "food101": (101 * 750, 101 * 250),
    }
    assert names() == ["fine_grained", "paper_table1", "paper_table2", "supp_table1"]
    for name in names()[1:]:
        table = load_reference(name)
        assert table[DATA].notna().all(axis=None) and (table["protocol"] == "seen").all()
        counts = table["dataset"].map(official)
        assert (counts.str[0] == table["database_items"]).all() and (counts.str[1] == table["queries"]).all()


def test_published_times_are_of_a_query_and_memory_of_an_item():
    table = load_reference("paper_table1").set_index(["index", "dim"])
    assert table.loc[("linear_scan", 512), "ms"] == pytest.approx(9481.03 / 25_250 * 1000)
    assert table.loc[("hash_tables", 1024), "bytes_per_item"] == 4
    assert table.loc[("linear_scan", 1024), "bytes_per_item"] == pytest.approx(4 * 1024 + 4, rel=5e-4)
    assert np.isnan(table.loc[("ivfadc", 512), "bytes_per_item"])  # a codebook, whatever the number of items


OWN = {"dataset": "food101", "database_items": 75_750, "queries": 25_250, "protocol": "seen"}


@pytest.mark.parametrize(
    ("data", "same"),
    [
        ({}, True),
        ({"dataset": "mine", "dataset_plugin": "food101"}, True),
        ({"dataset": "mine", "dataset_plugin": "parquet"}, False),
        ({"dataset": "food101", "dataset_plugin": "parquet"}, True),
        ({"dataset": "food101_64"}, False),
        ({"dataset": "birds", "database_items": 4_089, "queries": 1_944}, False),
        ({"database_items": 75_747}, False),
        ({"queries": 3_000}, False),
        ({"database_items": None, "queries": None}, True),
        ({"protocol": "unseen_all"}, False),
        ({"dataset": "cub200"}, False),
    ],
)
def test_published_figures_compare_with_those_of_the_same_data_alone(data, same):
    found = attach(pd.DataFrame([hash_cell(**OWN) | data, hash_cell(**OWN)]), "supp_table1")
    assert found["reference_compares"].tolist() == [same, True]
    assert found["reference_dataset"].iloc[1] == "food101"


def test_published_codes_of_a_data_set_of_another_size_do_not_compare():
    sizes = {"database_items": 5_994, "queries": 5_794}
    rows = [code_cell(**sizes), code_cell(**sizes | {"queries": 2_897}), code_cell(dataset="birds", **sizes)]
    found = attach(pd.DataFrame(rows), "paper_table2")
    assert found["reference_compares"].tolist() == [True, False, False]
    assert found["reference_map"].fillna(-1).tolist() == [0.2514, 0.2514, -1]


def code_cell(**changes: object) -> dict[str, object]:
    cell = {"dataset": "cub200", "protocol": "seen", "hasher": "exchnet", "bits": 12, "model": "last"}
    return cell | {"database_codes": "learned"} | changes


def test_table_2_has_each_of_its_180_cells_once():
    table = load_reference("paper_table2")
    hashers = ["lsh", "sh", "itq", "sdh", "dpsh", "dsh", "hashnet", "adsh", "exchnet"]
    datasets = ["cub200", "aircraft", "nabirds", "vegfru", "food101"]
    cells = {(d, h, b) for d in datasets for h in hashers for b in (12, 24, 32, 48)}
    assert len(table) == 180
    assert set(zip(table["dataset"], table["hasher"], table["bits"], strict=True)) == cells
    assert table["map"].between(0.005, 0.75).all()
    assert (table.groupby(["dataset", "bits"])["map"].idxmax().map(table["hasher"]) == "exchnet").all()


def test_table_2_has_the_printed_corners():
    table = load_reference("paper_table2").set_index(["dataset", "hasher", "bits"])["map"]
    assert [table["cub200", "lsh", 12], table["cub200", "exchnet", 48]] == [0.0226, 0.7105]
    assert [table["food101", "lsh", 12], table["food101", "exchnet", 48]] == [0.0157, 0.6419]
    assert [table["nabirds", "dpsh", 32], table["vegfru", "sdh", 24]] == [0.0361, 0.1155]


HELD_OUT = ["seen_seen", "seen_all", "unseen", "unseen_all"]
FEW = ["bits=12", "model=last", "protocol=seen_all"]
"""What leaves a tenth of the grid's cells, so that it is read sooner."""


def test_the_study_of_held_out_classes_has_each_of_its_1360_cells_once():
    table = load_reference("fine_grained")
    datasets = ["cub200", "aircraft", "nabirds", "vegfru", "food101"]
    cells = {(d, h, b, p) for d in datasets for h in table["hasher"] for b in (12, 24, 32, 48) for p in HELD_OUT}
    assert len(table) == 1360 == len(cells) and table["hasher"].nunique() == 17
    assert set(zip(table["dataset"], table["hasher"], table["bits"], table["protocol"], strict=True)) == cells
    by = table.set_index(["dataset", "hasher", "bits", "protocol"])["map"].unstack()
    # Items of other classes in the database never help; without them the task of ten classes is an easy one.
    assert (by["seen_all"] <= by["seen_seen"]).all() and (by["unseen_all"] < by["unseen"]).all()
    assert table["map"].between(0.005, 0.9).all() and (table["model"] == "oracle").all()
    assert (table.loc[table["protocol"] == "unseen", "database_codes"] == "encoded").all()
    learned = table.loc[table["database_codes"] == "learned", "hasher"].unique()
    assert {*learned} >= {"fish", "chn", "adsh", "exchnet", "a2_net", "semicon", "agmh", "dahnet"} and len(learned) == 9


def test_the_study_of_held_out_classes_has_the_printed_corners():
    table = load_reference("fine_grained").set_index(["dataset", "hasher", "bits", "protocol"])["map"]
    assert [table["cub200", "csq", 12, one] for one in HELD_OUT] == [0.689, 0.688, 0.230, 0.020]
    assert [table["vegfru", "dahnet", 48, one] for one in HELD_OUT] == [0.880, 0.874, 0.354, 0.078]
    assert [table["aircraft", "exchnet", 48, one] for one in HELD_OUT] == [0.837, 0.813, 0.621, 0.227]
    assert table["nabirds", "dahnet_without_classes", 48, "unseen_all"] == 0.110
    assert table["food101", "dsh", 12, "seen_all"] == 0.252


def test_the_grid_of_the_study_asks_for_the_classes_that_it_held_out():
    table = load_reference("fine_grained")
    for name, split in table.groupby("dataset")["unseen_classes"].unique().items():
        grid = grid_file.load("fine_grained", Options(dataset=name, settings=FEW))
        assert [grid.class_split.describe()] == split.tolist()
        seen = {"cub200": 190, "aircraft": 95, "nabirds": 528, "vegfru": 277, "food101": 96}[name]
        classes = {"cub200": 200, "aircraft": 100, "nabirds": 555, "vegfru": 292, "food101": 101}[name]
        assert len(grid.class_split.unseen(np.arange(classes))) == classes - seen
        hashers = {cell.hasher.name for cell in grid.cells}
        assert hashers - {"class_code", "dpn", "dtsh"} <= {*table["hasher"]}
        assert {"fish", "psldh", "dcdh", "chn", "agmh", "dahnet"} <= hashers


@pytest.mark.parametrize(
    ("share", "seen"), [("0.15", (170, 86, 247, 472, 85)), ("0.25", (150, 76, 217, 417, 75))], ids=str
)
def test_the_studys_other_shares_hold_out_its_numbers_of_classes(share, seen):
    sets = {"cub200": 200, "food101": 101, "vegfru": 292, "nabirds": 555, "aircraft": 100}
    for (name, classes), expected in zip(sets.items(), seen, strict=True):
        grid = grid_file.load("fine_grained", Options(dataset=name, settings=[*FEW, f"unseen_share={share}"]))
        assert classes - len(grid.class_split.unseen(np.arange(classes))) == expected


def study_cell(**changes: object) -> dict[str, object]:
    cell = {"dataset": "cub200", "hasher": "adsh", "bits": 12, "model": "oracle", "unseen_classes": "the last 0.05"}
    return cell | {"protocol": "seen_seen", "database_codes": "learned"} | changes


def test_published_figures_of_held_out_classes_stand_beside_their_protocol_and_their_classes():
    rows = [
        *(study_cell(protocol=one) for one in HELD_OUT),
        study_cell(protocol="unseen", database_codes="encoded"),
        study_cell(model="last"),
        study_cell(unseen_classes="0.25 drawn by seed 0"),
        study_cell(database_items=5_000),
        study_cell(protocol="seen_all", database_items=5_994, queries=5_000),
        study_cell(protocol="seen_all", database_items=5_000),
        study_cell(protocol="seen", unseen_classes=None),
        study_cell(dataset="birds", dataset_plugin="cub200"),
    ]
    found = attach(pd.DataFrame(rows), "fine_grained")
    assert found["reference_map"].fillna(-1).tolist() == [
        *(0.320, 0.315, -1, 0.088), 0.367, -1, -1, 0.320, 0.315, 0.315, -1, 0.320,
    ]  # fmt: skip
    compares = found["reference_compares"].tolist()
    assert compares == [*4 * [True], True, True, False, True, True, False, False, True]


def test_published_map_stands_beside_the_same_data_hasher_and_length_and_no_other():
    rows = [
        code_cell(),
        code_cell(dataset="synthetic_food101"),
        code_cell(bits=16),
        code_cell(protocol="unseen"),
        code_cell(database_codes="encoded"),
        code_cell(hasher="itq", database_codes="encoded"),
        code_cell(model="oracle"),
        code_cell(hasher=None, bits=None, model=None, database_codes=None),
    ]
    found = attach(pd.DataFrame(rows), "paper_table2")["reference_map"]
    assert found.fillna(-1).tolist() == [0.2514, -1, -1, -1, -1, 0.0680, 0.2514, -1]


def test_no_published_search_stands_beside_unseen_classes():
    cells = pd.DataFrame([hash_cell(protocol="seen"), hash_cell(protocol="unseen_all")])
    assert attach(cells, "supp_table1")["reference_seconds"].fillna(-1).tolist() == [40.54, -1]
