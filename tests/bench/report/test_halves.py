"""Settings that were chosen on other queries: what the screen, the files and the sentences say of them."""

import re

import pandas as pd
import pytest

from bench.report import halves, pareto, systems
from bench.report.captions import caption
from bench.report.findings import findings
from bench.report.tables import layout_table, write_tables
from bench.report.text_tables import table_lines
from tests.made_cells import cells, grid, scan, search

LAYOUTS = ("pareto", "systems", "methods")
PARETO = grid("pareto")
CLAIMS = re.compile(r"or more|at least|search that reaches a level")


def tuned(row, recall, ms):
    """A row with its figures on the tune half."""
    figures = {
        "recall_at_10": recall,
        "precision_at_10": 0.8 * recall,
        "latency_ms_p50": ms,
        "throughput_qps": 1e3 / ms,
    }
    return row | {f"tune_{name}": figure for name, figure in figures.items()}


def rows():
    """Of ``a`` the setting that is faster on the tune half is slower on the report half, and misses a level there."""
    return [
        tuned(scan(throughput_qps=100.0), 1.0, 10.0),
        tuned(search("a", 0.94, 2.0, "ef = 10", build_setting="M = 8", throughput_qps=500.0), 0.96, 1.0),
        tuned(search("a", 0.97, 1.0, "ef = 20", build_setting="M = 8", throughput_qps=1000.0), 0.98, 1.5),
        tuned(search("b", 0.952, 1.5, "x = 1", throughput_qps=400.0), 0.941, 0.9),
        tuned(search("c", 0.93, 3.0, "y = 1", throughput_qps=300.0), 0.99, 0.5),
    ]


def printed(layout):
    """All words of a grid of that layout: its screen, its files, its caption and its findings."""
    info = grid(layout)
    tidy = cells(info, *rows())
    table = layout_table(tidy, info)
    return [
        "\n".join(table_lines(tidy, info, 80)),
        table.drop(columns="spans").to_csv(index=False),
        caption(tidy, info),
        "\n".join(findings(tidy, info)),
    ]


def test_of_each_method_the_tune_half_chooses_the_setting_and_the_report_half_compares_the_methods():
    points = pareto.means(cells(PARETO, *rows()), 10)
    found = pareto.contenders(points, "recall_at_10", 0.95, "latency_ms_p50")
    assert dict(zip(found["index"], found["setting"].fillna(""), strict=True)) == {
        "linear_scan": "",
        "a": "ef = 10",
        "c": "y = 1",
    }
    assert pareto.fastest(points, "recall_at_10", 0.95, "latency_ms_p50")["index"] == "a"
    assert pareto.fastest(points, "recall_at_10", 0.94, "latency_ms_p50")["index"] == "b"


def test_a_search_that_misses_the_level_stands_with_what_it_reached(tmp_path):
    write_tables(cells(PARETO, *rows()), PARETO, tmp_path)
    table = pd.read_csv(tmp_path / "table.csv", dtype=str).set_index("row")
    row = table[table["section"].str.contains("recall")].loc["95 % on the tune half"]
    assert row["Fastest single queries"] == "a (ef = 10)"
    assert row["Reached in single queries, %"] == "94.0" and row["Reached in batch, %"] == "94.0"
    assert "on the tune half" in (tmp_path / "table.tex").read_text()
    levels = pd.read_csv(tmp_path / "pareto.csv")
    at = levels[(levels["quality"] == "recall_at_10") & (levels["level"] == 0.95)].iloc[0]
    assert (at["reached"], at["tune_reached"], at["chosen"]) == (0.94, 0.96, halves.CHOSEN)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_words_say_that_a_figure_of_the_report_half_reaches_a_level_of_the_tune_half(layout):
    assert not any(CLAIMS.search(words) for words in printed(layout))


@pytest.mark.parametrize("layout", ["pareto", "systems"])
def test_screen_and_files_say_where_settings_were_chosen(layout):
    screen, file, words, _ = printed(layout)
    assert halves.THERE in file
    assert " ".join(screen.split()).count(halves.ABOUT) == words.count(halves.ABOUT) == 1


def test_without_a_tune_half_nothing_is_said_of_halves():
    for layout in LAYOUTS:
        info = grid(layout)
        tidy = cells(info, *({k: v for k, v in row.items() if not k.startswith("tune_")} for row in rows()))
        texts = [*table_lines(tidy, info, 80), caption(tidy, info), *findings(tidy, info)]
        assert not any("half" in text for text in [*texts, layout_table(tidy, info).to_csv()])
        assert "chosen" not in pareto.levels(tidy, 10)


def test_findings_say_what_is_reached_beside_the_level_of_the_tune_half():
    said = findings(cells(PARETO, *rows()), PARETO)
    assert said[0].startswith("Fastest single queries by recall@10 on the tune half, where settings were chosen: ")
    assert "a (M = 8) from 95 to 97 % (2.00 to 1.00 ms; 94.0 to 97.0 % on the report half)" in said[0]
    by_layer = findings(cells(grid("systems"), *rows()), grid("systems"))[0]
    assert by_layer.startswith("At recall@10 of 90 % on the tune half, where settings were chosen, a query takes ")
    close = findings(cells(grid("methods"), *rows()), grid("methods"))[0]
    assert close.startswith("a (ef = 10) is the fastest that reaches 95 % of exact search's P@10 on the tune half: ")
    assert " % on the report half in " in close


def test_where_no_setting_reaches_a_level_on_the_tune_half_the_figure_of_that_half_says_how_near_it_comes():
    low = tuned(search("a", 0.52, 1.0), 0.48, 1.0)
    (said,) = findings(cells(PARETO, low), PARETO)
    assert said.startswith("No search reaches 50 % of recall@10 on the tune half; the highest there is 48.0 %, a, ")


def test_each_index_of_a_system_is_chosen_by_the_tune_half():
    found = systems.fastest(cells(grid("systems"), *rows()), 10, 0.9).set_index("index")
    assert found.loc["a", "setting"] == "ef = 10" and found.loc["a", "recall_at_10"] == 0.94
