import dataclasses
import math
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.records.columns import COLUMNS
from bench.records.frame import VARIANT
from bench.report.figures import write_figures
from bench.report.latex import escape
from bench.report.tables import SETTINGS, write_tables
from bench.report.words import GridInfo
from tests.bench.report.page import made

CANDIDATES = GridInfo("supp_table1", "Look-up & re-ranking", "candidates", "supp_table1", "quick", ("64 x 64 pixels",))
METHODS = GridInfo("paper_table1", "Methods", "methods", "paper_table1", "paper", ())
SCAN = {"index": "linear_scan", "precision_at_10": 0.8, "recall_at_10": 1.0, "seconds_all_queries": 400.0}
BIRDS = {"dataset": "birds", "database_items": 4_089, "queries": 1_944}
TABLES = {
    "index": "hash_tables",
    "hasher": "exchnet",
    "bits": 32,
    "database_codes": "learned",
    "rerank": "float32",
    "key_bits": 16,
    "candidates": 3000,
    "precision_at_10": 0.76,
    "recall_at_10": 0.5,
    "seconds_all_queries": 50.54,
    "latency_ms_mean": 2.0,
    "latency_ms_p50": 1.9,
    "paper_bytes": 303_000,
    "index_bytes": 160_000_000,
}


def frame(*rows: dict[str, object]) -> pd.DataFrame:
    """Cells as the records have them; the settings of hash tables follow from their parameters."""
    common = {"dataset": "food101", "embedder": "triplet", "dim": 512, "k": 10, "seed": 0}
    cells = [common | {"queries": 25_250, "database_items": 75_750, "status": "ok"} | r for r in rows]
    return pd.DataFrame([cell | setting(cell) for cell in cells])


def setting(cell: dict[str, object]) -> dict[str, object]:
    if "key_bits" not in cell:
        return {}
    built = f"L = {cell['key_bits']}"
    return {"setting": f"N = {cell['candidates']}, {built}", "build_setting": built}


def printed(cells: pd.DataFrame, grid: GridInfo, folder: Path) -> pd.DataFrame:
    write_tables(cells, grid, folder)
    return pd.read_csv(folder / "table.csv", dtype=str, keep_default_na=False)


def figure(table: pd.DataFrame, row: str, heading: str) -> dict[str, str]:
    line = table[(table["row"] == row) & (table["figure"] == heading)]
    assert len(line) == 1
    return line.iloc[0].to_dict()


def test_a_cell_shows_ours_the_published_value_and_ours_minus_it(tmp_path):
    table = printed(frame(SCAN, TABLES), CANDIDATES, tmp_path)
    row = "Hash tables (L = 16)"
    assert figure(table, row, "P@10, %")["N = 3000"] == "76.00 (77.69, −1.69)"
    assert figure(table, row, "P@10, % of exact search")["N = 3000"] == "95.0"
    assert figure(table, row, "Recall@10, %")["N = 3000"] == "50.00"
    assert figure(table, row, "Mean time of a query, ms")["N = 3000"] == "2.000 (1.606, +0.394)"


def test_the_linear_scan_stands_on_top_with_one_value_that_is_for_every_n(tmp_path):
    table = printed(frame(TABLES, TABLES | {"candidates": 1000}, SCAN), CANDIDATES, tmp_path)
    assert table.iloc[0].to_dict() == {
        "section": "512-d features: quality",
        "row": "Linear scan",
        "figure": "P@10, %",
        "N = 1000": "80.00",
        "N = 3000": "80.00",
    }
    assert r"\multicolumn{2}{c}{80.00}" in (tmp_path / "table.tex").read_text()
    assert r"\multicolumn{2}{c}{76.00" not in (tmp_path / "table.tex").read_text()  # equal, and yet one of each N


def test_what_failed_and_what_was_not_run_is_visible(tmp_path):
    failed = TABLES | {"candidates": 1000, "status": "timeout", "precision_at_10": None}
    pending = TABLES | {"candidates": 2000, "status": None, "precision_at_10": None}
    cells = frame(SCAN, failed, pending, TABLES, TABLES | {"key_bits": 8, "candidates": 1000})
    table = printed(cells, CANDIDATES, tmp_path)
    sixteen = figure(table, "Hash tables (L = 16)", "P@10, %")
    assert sixteen["N = 1000"] == "timeout (73.11)"
    assert sixteen["N = 2000"] == "– (76.50)"
    assert figure(table, "Hash tables (L = 8)", "P@10, %")["N = 3000"] == "–"


def test_seeds_become_mean_and_standard_deviation_and_a_failed_seed_is_counted(tmp_path):
    seeds = [TABLES | {"seed": s, "precision_at_10": p} for s, p in enumerate([0.75, 0.76, 0.77])]
    lost = TABLES | {"seed": 3, "precision_at_10": None, "status": "error"}
    table = printed(frame(*seeds), CANDIDATES, tmp_path)
    assert figure(table, "Hash tables (L = 16)", "P@10, %")["N = 3000"] == "76.00 ± 1.00 (77.69, −1.69)"
    table = printed(frame(*seeds, lost), CANDIDATES, tmp_path)
    assert figure(table, "Hash tables (L = 16)", "P@10, %")["N = 3000"].startswith("76.00 ± 1.00 [1 error]")


def test_cells_that_differ_by_more_than_the_seed_are_not_averaged(tmp_path):
    table = printed(frame(TABLES, TABLES | {"precision_at_10": 0.5}), CANDIDATES, tmp_path)
    assert figure(table, "Hash tables (L = 16)", "P@10, %")["N = 3000"].startswith("several")


def test_learned_and_encoded_codes_are_two_rows(tmp_path):
    cells = frame(TABLES, TABLES | {"database_codes": "encoded", "precision_at_10": 0.7})
    table = printed(cells, CANDIDATES, tmp_path)
    assert figure(table, "Hash tables (L = 16, learned)", "P@10, %")["N = 3000"].startswith("76.00")
    assert figure(table, "Hash tables (L = 16, encoded)", "P@10, %")["N = 3000"].startswith("70.00")


def test_what_was_published_of_other_data_has_a_line_of_its_own_without_a_difference(tmp_path):
    table = printed(frame(SCAN | BIRDS, TABLES | BIRDS), CANDIDATES, tmp_path)
    row = "Hash tables (L = 16)"
    for heading, ours, theirs in (
        ("P@10, %", "76.00", "77.69"),
        ("Time of a query, ms", "1.900", f"{40.54 / 25.25:.3f}"),
    ):
        assert figure(table, row, heading)["N = 3000"] == ours
        assert figure(table, f"{row} (paper, Food101)", heading)["N = 3000"] == theirs
    assert len(table[table["row"].str.contains("paper")]) == 2
    words = (tmp_path / "table.tex").read_text()
    assert (
        "The data (birds) are not the paper's (Food101: 75,750 database items, 25,250 queries, seen classes)" in words
    )
    assert "lines of its own, named as the paper's data, without a difference" in words and "In brackets" not in words
    tidy = pd.read_csv(tmp_path / "cells.csv")
    assert tidy["reference_compares"].tolist() == [False, False]
    assert tidy["reference_dataset"].tolist()[1:] == ["food101"] and tidy["reference_queries"].tolist()[1:] == [25_250]


def test_a_part_of_the_paper_s_queries_is_not_compared_with_all_of_them(tmp_path):
    table = printed(frame(TABLES | {"queries": 3_000}), CANDIDATES, tmp_path)
    assert figure(table, "Hash tables (L = 16)", "P@10, %")["N = 3000"] == "76.00"
    assert figure(table, "Hash tables (L = 16) (paper, Food101)", "P@10, %")["N = 3000"] == "77.69"


def test_of_two_data_sets_in_a_table_only_the_paper_s_stands_beside_it(tmp_path):
    table = printed(
        frame(TABLES, TABLES | BIRDS, TABLES | BIRDS | {"dataset": "food101", "dim": 1024}), METHODS, tmp_path
    )
    values = dict(zip(table["section"] + " / " + table["row"], table["P@10, %"], strict=True))
    row, paper = "Hash tables (N = 3000, L = 16)", "Hash tables (N = 3000, L = 16) (paper, Food101)"
    assert values == {
        f"512-d features, food101 / {row}": "76.00 (77.69, −1.69)",
        f"512-d features, birds / {row}": "76.00",
        f"512-d features, birds / {paper}": "77.69",
        f"1024-d features, food101 / {row}": "76.00",
        f"1024-d features, food101 / {paper}": "78.06",
    }


def test_methods_on_other_data_have_the_published_methods_below_them(tmp_path):
    table = printed(frame(SCAN | BIRDS, TABLES | BIRDS), METHODS, tmp_path).set_index("row")
    own, paper = (table.loc[f"Hash tables (N = 3000, L = 16){end}"] for end in ("", " (paper, Food101)"))
    assert not own.str.contains(r"\(").any()
    assert [own["Memory as the paper counts, bytes an item"], own["Speed-up"]] == [f"{303_000 / 4_089:.1f}", "7.91"]
    assert paper.drop("section").tolist() == ["77.69", "", f"{40.54 / 25.25:.3f}", "233.85", "4.00", ""]


def test_another_k_has_its_own_columns_and_no_published_figures(tmp_path):
    grid = dataclasses.replace(CANDIDATES, k=5)
    cells = frame(TABLES).rename(columns={"precision_at_10": "precision_at_5", "recall_at_10": "recall_at_5"})
    table = printed(cells, grid, tmp_path)
    assert "(" not in figure(table, "Hash tables (L = 16)", "P@5, %")["N = 3000"]
    assert "precision_at_5" in (tmp_path / "cells.csv").read_text().splitlines()[0]


def test_methods_show_speed_up_over_our_scan_and_both_memories(tmp_path):
    ball = {"index": "ball_tree", "status": "timeout"}
    table = printed(frame(ball, TABLES, SCAN), METHODS, tmp_path).set_index("row")
    assert list(table.index) == ["Linear scan", "Ball tree", "Hash tables (N = 3000, L = 16)"]
    ours = table.iloc[2]
    assert ours["Speed-up"] == "7.91 (233.85)"
    assert ours["Memory as the paper counts, bytes an item"] == "4.00 (4.00, +0.00)"
    assert "counts 101,000 items" in (tmp_path / "table.tex").read_text()
    assert ours["Memory needed, MB"] == "160.000"
    assert table.loc["Ball tree", "P@10, %"] == "timeout (77.22)"
    assert table.loc["Linear scan", "Speed-up"] == "1.00 (1.00)"


def test_speed_up_and_share_are_over_the_scan_of_the_same_dimension(tmp_path):
    wide = {"dim": 1024}
    cells = frame(SCAN, SCAN | wide | {"seconds_all_queries": 800.0, "precision_at_10": 0.4}, TABLES, TABLES | wide)
    write_tables(cells, METHODS, tmp_path)
    tidy = pd.read_csv(tmp_path / "cells.csv")
    assert tidy["share_of_exact"].tolist() == pytest.approx([1, 1, 0.95, 1.9])
    assert tidy["speed_up"].tolist() == pytest.approx([1, 1, 400 / 50.54, 800 / 50.54])


def test_cells_csv_has_every_cell_and_the_agreed_columns_first(tmp_path):
    cells = frame(SCAN, TABLES, TABLES | {"status": "error"}).assign(host="a")
    paths = write_tables(cells, CANDIDATES, tmp_path)
    assert [path.name for path in paths] == ["cells.csv", "table.csv", "table.tex"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
    tidy = pd.read_csv(paths[0])
    assert list(tidy.columns[: len(COLUMNS)]) == [column.at(10).name for column in COLUMNS]
    assert tidy["host"].tolist() == ["a", "a", "a"]
    assert tidy["status"].tolist() == ["ok", "ok", "error"]
    assert 'hash_tables,,float32,3000,"N = 3000, L = 16",L = 16,,' in paths[0].read_text()


def test_a_table_that_fails_leaves_the_one_before_it(tmp_path):
    write_tables(frame(SCAN), CANDIDATES, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (broken := tmp_path / "broken").mkdir()
    (broken / "table.csv").mkdir()
    with pytest.raises(OSError):
        write_tables(frame(SCAN), CANDIDATES, broken)
    assert not [path for path in broken.iterdir() if path.name.startswith(".")]
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path != broken} == before


def test_an_unknown_reference_is_refused_before_anything_is_written(tmp_path):
    grid = GridInfo("x", "X", "methods", "table9", "quick", ())
    with pytest.raises(ValueError, match="table9"):
        write_tables(frame(SCAN), grid, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("dataset", "foreign"), [("food101", False), ("parquet", True), ("synthetic_food101", True)])
def test_the_caption_says_what_was_run_and_whose_data_it_was(tmp_path, dataset, foreign):
    cells = frame(SCAN, TABLES | {"seed": 1}).assign(dataset=dataset)
    write_tables(cells, CANDIDATES, tmp_path)
    words = (tmp_path / "table.tex").read_text()
    assert ("not the paper's" in words) == foreign
    for part in (r"Look-up \& re-ranking.", "75,750 database items, 25,250 queries", "recipe quick", "seeds: 0, 1"):
        assert part in words
    assert "64 x 64 pixels." in words
    assert "has no unit; it is read as seconds for all 25,250 queries" in words


def test_a_grid_without_reference_shows_no_published_values(tmp_path):
    grid = GridInfo("own", "Own", "candidates", None, "quick", ())
    table = printed(frame(SCAN, TABLES), grid, tmp_path)
    assert figure(table, "Hash tables (L = 16)", "P@10, %")["N = 3000"] == "76.00"
    assert "ublished" not in (tmp_path / "table.tex").read_text()


@settings(max_examples=200)
@given(st.text())
def test_escaped_text_holds_no_bare_special_character(words):
    named = r"\\text(backslash|asciitilde|asciicircum|less|greater|bar|quotedbl|asciigrave)\{\}"
    commands = named + r"|\{[\[*]?\}|\\[&%$#_{}]|\$(\\pm|\\times|-)\$"
    rest = re.sub(commands, "", escape(words))
    assert not set(rest) & set("\\&%$#_{}~^\n")
    assert all(ord(character) < 0x180 for character in rest)


def hostile(folder: Path) -> Path:
    grid = GridInfo("g", "50 % of $x_1$ & #2 {a} \\ ~ ^ → µ", "methods", "paper_table1", "quick", ("a_b", "c\n\nd"))
    cells = frame(SCAN, TABLES, {"index": "my_index&co", "status": "out_of_memory"}).assign(dataset="my_data%")
    write_tables(cells, grid, folder)
    return folder / "table.tex"


def test_latex_environments_and_braces_are_balanced_and_rows_equally_long(tmp_path):
    source = hostile(tmp_path).read_text()
    assert re.findall(r"\\begin\{(\w+)\}", source) == re.findall(r"\\end\{(\w+)\}", source)[::-1]
    bare = re.sub(r"\\[{}]", "", source)
    assert bare.count("{") == bare.count("}")
    rows = [line for line in source.splitlines() if line.endswith(r"\\") and r"\multicolumn" not in line]
    assert len(rows) == 6
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {6}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("layout", ["candidates", "methods"])
def test_table_compiles_on_its_own(tmp_path, layout):
    if layout == "methods":
        hostile(tmp_path)
    else:
        cells = [TABLES | {"seed": seed, "candidates": n} for seed in (0, 1) for n in range(1000, 6000, 1000)]
        write_tables(frame(SCAN, *cells), CANDIDATES, tmp_path)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=600)
    assert outcome.returncode == 0, outcome.stdout[-2000:]
    assert "Overfull" not in outcome.stdout
    assert "Output written on table.pdf (1 page" in outcome.stdout


CODES = GridInfo("paper_table2", "Codes", "codes", "paper_table2", "quick", ())
RANKING = {"hasher": "exchnet", "bits": 12, "model": "last", "database_codes": "learned", "map": 0.3, "fit_seconds": 60}
FEATURES = {"embedder": "triplet", "dim": 512, "map": 0.8, "fit_seconds": 7.0}


def rankings(*rows: dict[str, object]) -> pd.DataFrame:
    common = {"dataset": "cub200", "protocol": "seen", "k": 10, "seed": 0, "queries": 5794, "status": "ok"}
    return pd.DataFrame([common | row for row in rows])


def test_codes_are_printed_by_hasher_and_length_beside_the_published_value(tmp_path):
    cells = rankings(RANKING, RANKING | {"bits": 24, "map": 0.6}, RANKING | {"hasher": "adsh", "bits": 24, "map": 0.5})
    table = printed(cells, CODES, tmp_path)
    assert table.to_dict("records") == [
        {
            "section": "cub200: mAP, %",
            "row": "ExchNet",
            "12 bits": "30.00 (25.14, +4.86)",
            "24 bits": "60.00 (58.98, +1.02)",
        },
        {"section": "cub200: mAP, %", "row": "ADSH", "12 bits": "–", "24 bits": "50.00 (50.33, −0.33)"},
        {"section": "cub200: training, s", "row": "ExchNet", "12 bits": "60.0", "24 bits": "60.0"},
        {"section": "cub200: training, s", "row": "ADSH", "12 bits": "–", "24 bits": "60.0"},
    ]


def test_sections_say_what_differs_and_the_oracle_and_unseen_classes_always(tmp_path):
    def sections(*rows):
        table = printed(rankings(*rows), CODES, tmp_path)
        return [name.removesuffix(": mAP, %") for name in dict.fromkeys(table["section"]) if "mAP" in name]

    assert sections(RANKING) == ["cub200"]
    assert sections(RANKING | {"model": "oracle"}) == ["cub200, oracle (best on the test queries)"]
    assert sections(RANKING | {"protocol": "unseen"}) == ["cub200, unseen classes among themselves"]
    assert sections(RANKING, RANKING | {"database_codes": "encoded"}) == [
        "cub200, learned database codes",
        "cub200, encoded database codes",
    ]
    assert sections(RANKING, RANKING | {"protocol": "unseen_all", "dataset": "aircraft", "model": "oracle"}) == [
        "cub200, seen classes, last model",
        "aircraft, unseen classes in the whole database, oracle (best on the test queries)",
    ]


STUDY = GridInfo("fine_grained", "Held out", "models", "fine_grained", "study", ())
HELD_OUT = RANKING | {"hasher": "adsh", "protocol": "seen_seen", "unseen_classes": "the last 0.05", "seed": 0}


def test_a_row_of_models_has_encoded_and_learned_codes_side_by_side_and_the_published_value_at_the_oracle(tmp_path):
    kinds = [(model, codes) for model in ("oracle", "last") for codes in ("learned", "encoded")]
    rows = [HELD_OUT | {"model": model, "database_codes": codes, "map": 0.3} for model, codes in kinds]
    rows += [row | {"protocol": "unseen_all", "map": 0.1} for row in rows]
    table = printed(rankings(*rows), STUDY, tmp_path)
    names = ["seen classes among themselves", "unseen classes in the whole database"]
    assert table["section"].tolist() == [
        f"cub200, {one}: {what}" for what in ("mAP, %", "training, s") for one in names
    ]
    assert list(table.columns) == [
        *("section", "row", "last, encoded", "last, learned", "oracle, encoded", "oracle, learned", "12 bits"),
    ]  # fmt: skip
    seen, unseen, *trained = table.to_dict("records")
    assert seen["row"] == unseen["row"] == "ADSH (12 bits)"
    assert [seen[f"last, {codes}"] for codes in ("encoded", "learned")] == ["30.00", "30.00"]
    assert (seen["oracle, encoded"], seen["oracle, learned"]) == ("30.00", "30.00 (32.00, −2.00)")
    assert unseen["oracle, learned"] == "10.00 (8.80, +1.20)" and seen["12 bits"] == ""
    assert [row["row"] for row in trained] == ["ADSH", "ADSH"] and trained[0]["12 bits"] == "60.0"
    words = (tmp_path / "table.tex").read_text()
    assert "stands beside the oracle" in words and "there is one oracle" in words


def test_published_codes_of_a_data_set_of_another_size_have_a_line_of_their_own(tmp_path):
    rows = [RANKING | {"bits": bits, "database_items": 5_994, "queries": 2_897} for bits in (12, 24)]
    table = printed(rankings(*rows), CODES, tmp_path)
    assert table.iloc[:2].to_dict("records") == [
        {"section": "cub200: mAP, %", "row": "ExchNet", "12 bits": "30.00", "24 bits": "30.00"},
        {"section": "cub200: mAP, %", "row": "ExchNet (paper, CUB200)", "12 bits": "25.14", "24 bits": "58.98"},
    ]
    assert not table["row"].iloc[2:].str.contains("paper").any()
    assert "The data (cub200) are not the paper's" in (tmp_path / "table.tex").read_text()


def test_models_and_database_codes_of_one_training_have_its_time_once(tmp_path):
    learned = RANKING | {"status": "error", "fit_seconds": None}
    rows = [learned, RANKING | {"database_codes": "encoded"}, RANKING | {"model": "oracle"}]
    table = printed(rankings(*rows, *(row | {"seed": 1, "fit_seconds": 62} for row in rows)), CODES, tmp_path)
    assert table.loc[table["section"].str.contains("training"), ["section", "12 bits"]].to_numpy().tolist() == [
        ["cub200: training, s", "61.0 ± 1.4"]
    ]
    words = (tmp_path / "table.tex").read_text()
    assert "training includes its evaluations" in words and "may fall below the last model" in words


def test_the_oracle_is_named_in_a_table_of_searches_too(tmp_path):
    table = printed(frame(SCAN, TABLES | {"model": "oracle"}), METHODS, tmp_path)
    assert table["row"].iloc[1] == "Hash tables (N = 3000, L = 16, oracle (best on the test queries))"


def test_features_that_are_ranked_by_distance_have_a_line_of_one_value(tmp_path):
    table = printed(rankings(RANKING, RANKING | {"bits": 24}, FEATURES), CODES, tmp_path)
    line = table[table["section"] == "cub200, features ranked by distance: mAP, %"]
    assert line.iloc[0].to_dict() == {
        "section": "cub200, features ranked by distance: mAP, %",
        "row": "triplet (512-d)",
        "12 bits": "80.00",
        "24 bits": "80.00",
    }
    alone = printed(rankings(FEATURES), CODES, tmp_path)
    assert alone["features"].tolist() == ["80.00", "7.00"]


def test_a_failed_hasher_is_visible_among_the_codes(tmp_path):
    failed = RANKING | {"hasher": "sdh", "database_codes": "encoded", "status": "error", "map": None}
    table = printed(rankings(RANKING | {"database_codes": "encoded"}, failed), CODES, tmp_path)
    assert table.loc[table["row"] == "SDH", "12 bits"].tolist() == ["error (10.52)", "error"]


def test_variants_and_inputs_of_a_hasher_are_rows_of_their_own(tmp_path):
    rows = [RANKING | {"variant": f"parts={parts}", "map": parts / 10} for parts in (2, 4)]
    table = printed(rankings(*rows), CODES, tmp_path)
    assert table["row"].tolist()[:2] == ["ExchNet (parts=2)", "ExchNet (parts=4)"]
    rows = [RANKING | {"input": name} for name in ("pretrained", "triplet")]
    table = printed(rankings(*rows), CODES, tmp_path)
    assert table["row"].tolist()[:2] == ["ExchNet (of pretrained)", "ExchNet (of triplet)"]


def test_the_spread_of_equal_values_is_zero_and_not_what_rounding_leaves(tmp_path):
    seeds = [TABLES | {"seed": s, "precision_at_10": value} for s, value in enumerate([0.1423, 0.1423 + 3e-17, 0.1423])]
    table = printed(frame(*seeds), CANDIDATES, tmp_path)
    assert figure(table, "Hash tables (L = 16)", "P@10, %")["N = 3000"].startswith("14.23 ± 0.00 ")


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ([[0], [0]], "One seed each: no spread is known."),
        ([[0, 1, 2], [0, 1, 2]], r"Mean $\pm$ standard deviation over 3 seeds. "),
        ([[0, 1, 2], [0]], r"Mean $\pm$ standard deviation over 3 seeds. A value without $\pm$ is of one seed."),
    ],
)
def test_the_caption_says_how_many_seeds_stand_behind_a_value(tmp_path, seeds, words):
    rows = [RANKING | {"hasher": name, "seed": s} for name, own in zip("ab", seeds, strict=True) for s in own]
    write_tables(rankings(*rows), CODES, tmp_path)
    assert words in (tmp_path / "table.tex").read_text()


def test_the_caption_of_codes_says_what_the_published_figures_are(tmp_path):
    write_tables(rankings(RANKING), CODES, tmp_path)
    words = (tmp_path / "table.tex").read_text()
    for part in ("is not stated", "learned database codes, and beside no others: ADSH, ExchNet", "random order"):
        assert part in words
    assert "not the paper's" not in words and "as seconds for all" not in words
    write_tables(rankings(RANKING | {"dataset": "synthetic_food101"}), CODES, tmp_path)
    assert r"The data (synthetic\_food101) are not the paper's" in (tmp_path / "table.tex").read_text()


def test_a_re_ranking_is_named_where_cells_of_its_index_differ_in_it(tmp_path):
    ivf = {"index": "ivfadc", "setting": "nprobe = 8", "query_setting": "nprobe = 8"}
    others = {"rerank": "int8", "candidates": 3000, "setting": "N = 3000, nprobe = 8"}
    table = printed(frame(SCAN, ivf, ivf | others, TABLES), METHODS, tmp_path)
    assert table["row"].tolist() == [
        "Linear scan",
        "IVFADC (nprobe = 8)",
        "IVFADC (N = 3000, nprobe = 8) + int8 re-ranking",
        "Hash tables (N = 3000, L = 16)",
    ]
    # What is published was not re-ranked.
    assert "(" in table["P@10, %"].iloc[1] and "(" not in table["P@10, %"].iloc[2]


def test_rows_of_an_index_stand_in_the_order_of_the_grid(tmp_path):
    other = {"index": "my_index", "precision_at_10": 0.7}
    cells = [other | {"setting": f"ef = {ef}", "query_setting": f"ef = {ef}"} for ef in (100, 20)]
    table = printed(frame(*cells, TABLES | {"key_bits": 8}, TABLES, SCAN), METHODS, tmp_path)
    assert table["row"].tolist() == [
        "Linear scan",
        "my index (ef = 100)",
        "my index (ef = 20)",
        "Hash tables (N = 3000, L = 8)",
        "Hash tables (N = 3000, L = 16)",
    ]


def test_a_cell_that_did_not_get_to_its_features_stands_beside_the_others_of_its_embedder(tmp_path):
    skipped = {"index": "my_index", "dim": None, "status": "skipped"}
    table = printed(frame(SCAN, skipped), METHODS, tmp_path)
    assert table["section"].tolist() == ["512-d features"] * 2
    assert table["P@10, %"].iloc[1] == "skipped"


@pytest.mark.parametrize(
    ("embedders", "words"),
    [
        (["triplet"], "Recall is against exact search by the features' Euclidean distance."),
        ([None], "Recall is against exact search by the codes' Hamming distance, where"),
        (["triplet", None], "distance; of a search on codes only, against exact search by the codes' Hamming distance"),
    ],
)
def test_the_caption_says_what_recall_is_against(tmp_path, embedders, words):
    cells = [TABLES | {"embedder": name, "dim": 512 if name else None} for name in embedders]
    table = printed(frame(*cells), METHODS, tmp_path)
    assert words in (tmp_path / "table.tex").read_text()
    assert ("codes only" in " ".join(table["section"])) == (None in embedders)


PARETO = GridInfo("ann", "Fast", "pareto", None, "quick", ())


def test_the_layout_pareto_prints_the_fastest_search_at_each_level(tmp_path):
    times = {"latency_ms_p50": 10.0, "throughput_qps": 500.0}
    fast = {"latency_ms_p50": 0.5, "throughput_qps": 400.0}
    write_tables(frame(SCAN | times, TABLES | {"recall_at_10": 0.72} | fast), PARETO, tmp_path)
    table = pd.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
    assert table["section"].unique().tolist() == [
        "512-d features: recall@10",
        "512-d features: P@10 over that of exact search",
    ]
    rows = table[table["section"].str.contains("recall")].set_index("row")
    assert rows.loc["70 % or more"].tolist()[1:] == ["Hash tables (N = 3000, L = 16)", "0.500", "Linear scan", "500"]
    assert rows.loc["80 % or more"].tolist()[1:] == ["Linear scan", "10.0", "Linear scan", "500"]
    assert len(pd.read_csv(tmp_path / "pareto.csv")) == 2 * (8 + 5)
    assert "on all threads" in (tmp_path / "table.tex").read_text()


def test_the_fastest_stands_with_its_interval_and_with_how_many_are_as_fast(tmp_path):
    times = {"latency_ms_p50": 1.0, "latency_ms_low": 0.9, "latency_ms_high": 1.1, "throughput_qps": 500.0}
    table = printed(frame(SCAN | times, TABLES | {"recall_at_10": 0.9} | times), PARETO, tmp_path)
    row = table.set_index("row").loc["80 % or more"].tolist()[1:]
    assert row[0].endswith("; not told apart from 1 other") and row[1:] == [
        "1.00 (0.900 to 1.10)",
        "Linear scan",
        "500",
    ]


def test_a_level_that_no_search_reaches_says_none(tmp_path):
    times = {"latency_ms_p50": 0.5, "throughput_qps": 400.0}
    table = printed(frame(TABLES | {"recall_at_10": 0.72} | times), PARETO, tmp_path)
    assert table.set_index("row").loc["99 % or more"].tolist()[1:] == ["none", "", "none", ""]


def test_where_no_search_reaches_any_level_one_row_says_how_near_the_best_comes(tmp_path):
    times = {"latency_ms_p50": 0.5, "throughput_qps": 400.0}
    table = printed(frame(TABLES | {"recall_at_10": 0.32} | times), PARETO, tmp_path)
    assert table["row"].tolist() == [
        "no search reaches 50 % of recall@10; the highest is 32.0 %, "
        "Hash tables (N = 3000, L = 16), 0.500 ms, 400 queries/s"
    ]
    assert "highest is 32.0" in (tmp_path / "table.tex").read_text(encoding="utf-8")


def test_each_layout_prints_its_own_kind_of_cells(tmp_path):
    both = pd.concat([frame(SCAN, TABLES).assign(protocol="seen"), rankings(RANKING)], ignore_index=True)
    assert set(printed(both, METHODS, tmp_path)["row"]) == {"Linear scan", "Hash tables (N = 3000, L = 16)"}
    assert set(printed(both, CODES, tmp_path)["row"]) == {"ExchNet"}


NOTHING = {
    "pending": {"status": None},
    "failed": {"status": "error"},
    "skipped": {"status": "skipped"},
    "done, with nothing measured": {"status": "ok"},
}


@pytest.mark.long
@pytest.mark.parametrize("layout", ["candidates", "methods", "pareto", "systems", "codes"])
@pytest.mark.parametrize("state", NOTHING)
@pytest.mark.parametrize("count", [1, 3])
def test_a_report_of_nothing_or_of_failures_alone_is_a_report(tmp_path, layout, state, count):
    grid = GridInfo("grid", "Nothing yet", layout, None, "quick", ())
    common = {"dataset": "vectors", "protocol": "seen", "seed": 0, "k": 10} | NOTHING[state]
    coded = {"hasher": "itq", "model": "last", "database_codes": "encoded"}
    what = coded if layout == "codes" else {"index": "faiss", "embedder": "identity"}
    cells = pd.DataFrame(
        [common | what | {"bits": 8 * at, "candidates": None, "reason": "why"} for at in range(1, count + 1)]
    )
    cells = cells.reindex(
        columns=[*dict.fromkeys([*cells, "index", "embedder", "rerank", "setting", *VARIANT, *SETTINGS])]
    )
    written = write_tables(cells, grid, tmp_path) + write_figures(cells, grid, tmp_path)
    assert len(pd.read_csv(tmp_path / "cells.csv")) == count and all(path.stat().st_size for path in written)
    table = pd.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
    assert list(table.columns)[:2] == ["section", "row"]
    if NOTHING[state]["status"] in ("error", "skipped") and layout not in ("pareto", "systems"):
        assert (table == NOTHING[state]["status"]).any(axis=None)
    assert (tmp_path / "table.tex").read_text().rstrip().endswith(r"\end{document}")


@pytest.mark.parametrize("words", ["[x]", "*", "a--b", "''", ",,", "<<x>>", "?`", "!`", '"q"', "x\x00y", "a|b"])
def test_what_latex_would_read_as_something_else_is_held_apart(words):
    shown = escape(words)
    assert not re.search(r"^[\[*]|--|''|,,|<|>|`|\||\"|\x00", shown)


def test_the_time_beside_published_means_is_a_mean_and_else_the_median_that_speed_ups_are_of(tmp_path):
    rows = SCAN | {"latency_ms_mean": 16.0, "latency_ms_p50": 8.0, "ratio": 1.0}, TABLES | {"ratio": 0.2375}
    table = printed(frame(*rows), METHODS, tmp_path)
    assert "Mean time of a query, ms" in table and "Time of a query, ms" not in table
    assert "is the mean of single queries" in (tmp_path / "table.tex").read_text(encoding="utf-8")
    table = printed(frame(*(row | BIRDS for row in rows)), METHODS, tmp_path)
    (shown,) = (
        row for _, row in table.iterrows() if row["row"].startswith("Hash tables") and "paper" not in row["row"]
    )
    assert shown["Time of a query, ms"] == "1.900" and float(shown["Speed-up"]) == pytest.approx(1 / 0.2375, rel=1e-3)
    assert "is the median of single queries" in (tmp_path / "table.tex").read_text(encoding="utf-8")


def test_a_quality_is_never_rounded_up_in_a_file(tmp_path):
    rows = SCAN | {"precision_at_10": 1.0}, TABLES | {"precision_at_10": 0.98769}
    table = printed(frame(*rows), METHODS, tmp_path)
    shown = table[table["row"].str.startswith("Hash tables") & ~table["row"].str.contains("paper")]
    (quality,) = {text.split(" ")[0] for text in shown.filter(like="P@10").iloc[0] if text}
    assert quality == "98.76"


@pytest.mark.parametrize("layout", ["methods", "candidates", "systems", "pareto"])
def test_an_interval_that_says_nothing_is_not_printed(layout, tmp_path):
    info, cells = dataclasses.replace(made.PARETO, layout=layout), made.searches()
    for name in ("latency_ms_low", "throughput_qps_low"):
        cells[name] = 1e-4 * cells[name]
    write_tables(cells, info, tmp_path)
    text = (tmp_path / "table.csv").read_text()
    assert "too few replicates" in text and " to " not in text


@pytest.mark.parametrize(
    ("ms", "shown"), [(0.0134567, "0.0135"), (1.9, "1.900"), (0.00066667, "0.000667"), (0.0, "0.000")]
)
def test_a_file_has_three_significant_digits_at_least(ms, shown, tmp_path):
    table = printed(frame(SCAN | {"latency_ms_p50": ms, "latency_ms_mean": ms}), METHODS, tmp_path)
    assert table["Mean time of a query, ms"].iloc[0].split(" ")[0] == shown


@pytest.mark.parametrize("layout", ["methods", "candidates", "systems"])
def test_a_time_has_its_interval_beside_it_in_every_table(layout, tmp_path):
    info = dataclasses.replace(made.PARETO, layout=layout)
    cells = made.searches()
    write_tables(cells, info, tmp_path)
    table = pd.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
    least, known = 2 if layout == "systems" else 3, set()
    for low, high in cells[["latency_ms_low", "latency_ms_high"]].to_numpy():
        digits = max(least, 2 - math.floor(math.log10(low)))
        known.add(f"{low:.{digits}f} to {high:.{digits}f}")
    if layout == "candidates":
        rows = table[table["figure"] == "Time of a query, ms, 95 % interval"]
        found = set(rows.drop(columns=["section", "row", "figure"]).to_numpy().ravel()) - {""}
    else:
        [head] = [
            name
            for name in table
            if name.endswith("ms a query, 95 % interval" if layout == "systems" else "ms, 95 % interval")
        ]
        found = set(table[head]) - {""}
    assert found and found <= known
    assert "95 \\% interval" in (tmp_path / "table.tex").read_text()
