"""The grid's table, and its cells one by one, as plain text for a width."""

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from bench.grids.cells import RANKED
from bench.report.text_cells import cell_lines
from bench.report.text_tables import table_lines
from tests.made_cells import FOOD, cells, grid, ranking, scan, search, tables

PAPER = grid("candidates", "supp_table1")
WIDTHS = st.integers(40, 200)


def supp_table1(**more):
    rows = [scan(dim=dim, **more) for dim in (512, 1024)]
    rows += [
        tables(length, n, 2 + n / 1000, 0.7 + n / 1e5, dim=dim, **more)
        for dim in (512, 1024)
        for length in (8, 16)
        for n in range(1000, 6000, 1000)
    ]
    return cells(PAPER, *rows)


def fits(lines, width):
    return all(cell_len(line) <= width and "…" not in line for line in lines)


def fields(line):
    return re.split(r"\s{2,}", line.strip())


def test_candidates_stand_across_and_lengths_down_precision_above_time_in_80_columns():
    lines = table_lines(supp_table1(), PAPER, 80)
    assert fits(lines, 80)
    heads = [fields(line) for line in lines if "at N =" in line]
    assert heads == [
        [f"{figure} at N =", "1000", "2000", "3000", "4000", "5000"]
        for figure in ("P@10, %", "Recall@10, %", "Time of a query, ms")
    ]
    block = lines[: lines.index("")]
    span = f"<{10 * '-'} 80.0 {10 * '-'}>"  # a scan has no N
    assert [fields(line) for line in block[1:]] == [
        row
        for dim in (512, 1024)
        for row in (
            [f"{dim}-d features"],
            ["Linear scan", span],
            ["Hash tables (L = 8)", "71.0", "72.0", "73.0", "74.0", "75.0"],
            ["Hash tables (L = 16)", "71.0", "72.0", "73.0", "74.0", "75.0"],
        )
    ]
    assert not any("published" in line for line in lines)


@pytest.mark.long
def test_the_paper_s_values_stand_in_brackets_where_there_is_room_and_else_below_ours():
    tidy = supp_table1(**FOOD)
    wide, narrow = table_lines(tidy, PAPER, 200), table_lines(tidy, PAPER, 80)
    assert fits(wide, 200) and fits(narrow, 80)
    (sixteen, *_) = [line for line in wide if "(L = 16)" in line]
    assert fields(sixteen)[1] == "71.0 (73.1, −2.1)"
    at = next(at for at, line in enumerate(narrow) if "(L = 16)" in line)
    assert [fields(line)[:2] for line in narrow[at : at + 3]] == [
        ["Hash tables (L = 16)", "71.0"],
        ["published", "73.1"],
        ["difference", "−2.1"],
    ]


@pytest.mark.long
def test_published_values_of_other_data_do_not_stand_beside_ours():
    for width in (80, 200):
        lines = table_lines(supp_table1(), PAPER, width)
        assert not any("published" in line or "73.1" in line for line in lines)


def test_what_nothing_is_known_of_is_left_out_unless_that_is_all():
    unlabelled = {"precision_at_10": None}
    info = grid("candidates")
    lines = table_lines(cells(info, scan(**unlabelled), tables(8, 1000, **unlabelled)), info, 80)
    assert not any("P@10" in line for line in lines) and any("Recall@10" in line for line in lines)
    pending = {"status": None, "recall_at_10": None, "latency_ms_p50": None, **unlabelled}
    lines = table_lines(cells(info, scan(**pending), tables(8, 1000, **pending)), info, 80)
    assert any("P@10" in line for line in lines) and lines[-1] == "– not run, or not measured"


def test_seeds_failures_and_cells_that_share_a_place_are_told():
    seeds = [tables(8, 1000, precision=0.70 + 0.01 * seed, seed=seed) for seed in range(3)]
    lost = tables(8, 1000, seed=3, status="error", precision=None)
    failed = tables(16, 1000, status="timeout", precision=None)
    twice = [tables(8, 2000, precision=0.5), tables(8, 2000, precision=0.6)]
    info = grid("candidates")
    lines = table_lines(cells(info, *seeds, lost, failed, *twice), info, 100)
    eight, sixteen = (next(line for line in lines if f"(L = {length})" in line) for length in (8, 16))
    assert fields(eight)[1:] == ["71.0 ± 1.0 [1 error]", "several"] and fields(sixteen)[1:] == ["timeout", "–"]
    notes = " ".join(lines[-2:])
    assert "standard deviation" in notes and "--cells" in notes


def test_methods_stand_down_and_figures_across():
    info = grid("methods", "paper_table1")
    rows = [scan(index_bytes=2_000_000), search("ivfadc", 0.9, 1.0), tables(16, 3000, paper_bytes=4000)]
    lines = table_lines(cells(info, *rows), info, 100)
    assert fits(lines, 100)
    named = {fields(line)[0]: fields(line)[1:] for line in lines if line.startswith("  ")}
    assert named["IVFADC"][:4] == ["72.0", "90.0", "1.00", "10.0"]
    assert named["Hash tables (N = 3000, L = 16)"][-2:] == ["4.00", "–"]
    assert named["Linear scan"][-1] == "2.00"


def test_the_fastest_at_each_level_stand_with_their_intervals():
    info = grid("pareto")
    rows = [scan(), search("a", 0.75, 1.0, "ef = 10"), search("a", 0.96, 2.0, "ef = 20"), search("b", 0.96, 2.05)]
    lines = table_lines(cells(info, *rows), info, 80)
    assert fits(lines, 80)
    start = lines.index("512-d features: the fastest single queries at each level of recall@10")
    level = {fields(line)[0]: fields(line)[1:] for line in lines[start : lines.index("", start)]}
    assert level["70"] == ["75.0", "1.00", "0.950 to 1.05", "a (ef = 10)"]
    assert level["95"] == ["96.0", "2.00", "1.90 to 2.10", "a (ef = 20); not told apart from 1 other"]
    assert level["99"] == ["100", "10.0", "9.50 to 10.5", "Linear scan"]


def test_a_table_in_which_no_search_reaches_a_level_is_left_out():
    info = grid("pareto")
    low = cells(info, search("a", 0.32, 1.0))
    assert table_lines(low, info, 80) == []
    beside = cells(info, scan(recall_at_10=None), search("a", 0.32, 1.0))
    titles = [line for line in table_lines(beside, info, 200) if "at each level" in line]
    assert len(titles) == 2 and all("P@10 over that of exact search" in title for title in titles)


def test_lengths_stand_across_and_hashers_down_quality_above_training():
    info = grid("codes")
    rows = [ranking("itq", bits, bits / 100) for bits in (12, 24)] + [ranking("lsh", 12, 0.05)]
    features = {"embedder": "triplet", "dim": 512, "map": 0.7, "fit_seconds": 5.0}
    lines = table_lines(cells(info, *rows, features), info, 80)
    assert fields(lines[0]) == ["mAP, %", "12 bits", "24 bits"]
    body = [fields(line) for line in lines]
    assert (
        ["ITQ", "12.0", "24.0"] in body
        and ["LSH", "5.00", "–"] in body
        and ["triplet (512-d)", "<---- 70.0 ---->"] in body
    )
    assert fields(lines[lines.index("") + 1]) == ["training, s", "12 bits", "24 bits"]


def test_several_data_sets_are_sections():
    rows = [ranking("itq", 12, 0.3, dataset=name) for name in ("birds", "plants")]
    lines = table_lines(cells(grid("codes"), *rows), grid("codes"), 80)
    assert {"birds", "plants"} <= set(lines)


def test_models_and_database_codes_stand_across_and_hashers_of_each_length_down():
    info = grid("models")
    kinds = [("last", "encoded", 0), ("last", "learned", 0.1), ("oracle", "encoded", 0.2), ("oracle", "learned", 0.3)]
    adsh = [
        ranking("adsh", bits, bits / 100 + more, model=model, database_codes=codes)
        for model, codes, more in reversed(kinds)
        for bits in (12, 24)
    ]
    csq = [ranking("csq", 12, 0.5), ranking("csq", 12, 0.6, model="best_on_validation")]
    lines = table_lines(cells(info, *adsh, *csq), info, 160)
    assert [fields(line) for line in lines[:3]] == [
        ["best on"],
        ["last,", "last,", "validation,", "oracle,", "oracle,"],
        ["mAP, %", "encoded", "learned", "encoded", "encoded", "learned"],
    ]
    body = [fields(line) for line in lines]
    assert ["ADSH (12 bits)", "12.0", "22.0", "–", "32.0", "42.0"] in body
    assert ["ADSH (24 bits)", "24.0", "34.0", "–", "44.0", "54.0"] in body
    assert ["CSQ (12 bits)", "50.0", "–", "60.0", "–", "–"] in body
    assert fields(lines[lines.index("") + 1]) == ["training, s", "12 bits", "24 bits"]


LAYOUTS = ["candidates", "methods", "pareto", "systems", "codes", "models"]
names = st.sampled_from(
    ["a", "日本語の索引", "x" * 120, "two words", "IVF300,PQ128x4fs,RFlat", "-" * 40, "e\u0301\u0301"]
)
statuses = st.sampled_from(["ok", "ok", "ok", "error", "skipped", None])


@st.composite
def any_cells(draw):
    info = grid(draw(st.sampled_from(LAYOUTS)), draw(st.sampled_from([None, "supp_table1"])))
    rows = []
    for _ in range(draw(st.integers(1, 8))):
        ended = {"status": draw(statuses), "seed": draw(st.integers(0, 2)), "dataset": draw(names)}
        quality = draw(st.sampled_from([None, 0.0, 0.123456, 1.0]))
        ms = draw(st.sampled_from([1e-3, 0.5, 12.0, 9.87e4]))
        if info.layout in RANKED:
            rows.append(ranking(draw(names), draw(st.integers(8, 12)), quality, **ended))
        else:
            setting = draw(st.sampled_from([None, "ef = 10", "k = " + "9" * 60]))
            rows.append(search(draw(names), quality or 0.0, ms, setting, **ended))
    return info, cells(info, *rows)


@pytest.mark.long
@settings(max_examples=60)
@given(any_cells(), WIDTHS)
def test_every_line_of_any_table_fits(made, width):
    info, tidy = made
    assert fits(table_lines(tidy, info, width), width)
    assert fits(cell_lines(tidy, info, width), width)


@pytest.mark.long
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("status", ["ok", "error", "skipped", None])
def test_one_cell_is_a_table_however_it_ended(layout, status):
    info = grid(layout)
    nothing = {"status": status, "reason": None if status == "ok" else "why"}
    row = ranking("itq", 8, 0.5, **nothing) if layout in RANKED else scan(**nothing)
    tidy = cells(info, row)
    for width in (40, 80, 200):
        assert fits(table_lines(tidy, info, width), width)
        shown = " ".join(cell_lines(tidy, info, width))
        assert (status or "pending") in shown


@pytest.mark.long
def test_two_thousand_cells_are_all_there_one_by_one():
    info = grid("candidates")
    tidy = cells(info, *(tables(8, n, 1.0 + n) for n in range(2000)))
    for width in (60, 200):
        lines = cell_lines(tidy, info, width)
        assert fits(lines, width) and sum("N = " in line for line in lines) == 2000


def test_cells_are_rows_where_they_fit_and_else_paragraphs_with_the_reason():
    info = grid("candidates")
    failed = tables(16, 1000, status="error", precision=None, reason="RuntimeError: out of luck")
    tidy = cells(info, scan(), tables(8, 1000), failed)
    rows = cell_lines(tidy, info, 200)
    assert rows[0].startswith("All cells: dataset made, protocol seen, embedder triplet, dim 512")
    assert rows[1].startswith("Cells that have any: hasher exchnet, bits 32") and "hasher" not in rows[0]
    assert len(rows) == 3 + 1 + 3 and fields(rows[4])[-1] == "ok" and fields(rows[6])[-1] == "error"
    paragraphs = " ".join(" ".join(cell_lines(tidy, info, 50)).split())
    assert "2. index hash_tables" in paragraphs and "N = 1000, L = 8" in paragraphs and "P@10, %: 76.0" in paragraphs
    assert "error: RuntimeError: out of luck" in paragraphs


def test_figures_agree_with_the_frame():
    tidy = supp_table1()
    lines = table_lines(tidy, PAPER, 80)
    start = next(at for at, line in enumerate(lines) if line.startswith("Time of a query"))
    shown = [float(field) for line in lines[start + 1 :] if "(L =" in line for field in fields(line)[1:]]
    looked_up = tidy[tidy["index"] == "hash_tables"]
    expected = pd.pivot_table(looked_up, "latency_ms_mean", ["dim", "key_bits"], "candidates").to_numpy().ravel()
    assert shown == pytest.approx(expected.tolist(), rel=0.005)
