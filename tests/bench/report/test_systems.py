"""The layout "systems": the fastest search of each index at equal recall, by layer, held against pandas."""

import pandas as pd

from bench.report import systems
from bench.report.findings import findings
from bench.report.tables import layout_table
from bench.report.text_tables import table_lines
from tests.made_cells import cells, grid, scan, search

INFO = grid("systems")
ENGINE = {"overhead_ms": 0.5, "load_seconds": 12.0, "disk_bytes": 3_000_000}
ROWS = [
    scan(layer="library"),
    search("faiss", 0.85, 0.1, "nprobe = 1", layer="library"),
    search("faiss", 0.92, 0.2, "nprobe = 2", layer="library"),
    search("faiss", 0.95, 0.3, "nprobe = 4", layer="library"),
    search("pgvector", 0.95, 2.0, "ef = 40", layer="server", **ENGINE, server_bytes=50_000_000),
    search("pgvector", 0.995, 4.0, "ef = 200", layer="server", **ENGINE, server_bytes=50_000_000),
    search("sqlite_vec", 1.0, 40.0, layer="embedded", **ENGINE),
    search("chroma", 0.5, 1.0, layer="embedded", **ENGINE),
    search("lancedb", None, 1.0, layer="embedded", status="error"),
]
TIDY = cells(INFO, *ROWS)


def expected(level):
    """Index, setting and time of the fastest at a level, by layer and time."""
    done = TIDY[(TIDY["status"] == "ok") & (TIDY["recall_at_10"] >= level)]
    best = done.sort_values("latency_ms_p50").groupby("index").head(1)
    place = best["layer"].map({"library": 0, "embedded": 1, "server": 2})
    ordered = best.assign(place=place).sort_values(["place", "latency_ms_p50"])
    return ordered[["layer", "index", "latency_ms_p50"]].to_numpy().tolist()


def test_each_index_stands_with_its_fastest_search_that_reaches_the_level():
    for level in systems.LEVELS:
        found = systems.fastest(TIDY, 10, level)
        assert found[["layer", "index", "latency_ms_p50"]].to_numpy().tolist() == expected(level)
    assert [row[1] for row in expected(0.9)] == ["faiss", "linear_scan", "sqlite_vec", "pgvector"]


def test_two_kinds_of_one_index_stand_in_a_row_each():
    kinds = {"graph": (0.95, 2.0), "lists": (0.97, 3.0)}
    rows = [
        search("pgvector", *found, f"{kind}, {ef}", layer="server", build_setting=kind)
        for kind, found in kinds.items()
        for ef in (1, 2)
    ]
    found = systems.fastest(cells(INFO, scan(), *rows), 10, 0.9)
    assert found["setting"].tolist()[1:] == ["graph, 1", "lists, 1"]


def test_a_layer_that_is_not_known_comes_last_and_an_older_record_without_one_is_of_a_library():
    rows = [scan(layer=None), search("a", 1.0, 1.0, layer="edge"), search("b", 1.0, 2.0, layer="server")]
    found = systems.fastest(cells(INFO, *rows), 10, 0.9)
    assert found["layer"].tolist() == ["library", "server", "edge"]


def test_the_table_has_a_row_an_index_and_the_costs_in_their_units():
    table = layout_table(TIDY, INFO)
    rows = table[table["section"].str.endswith("recall@10 of 90 % or more")].set_index("row")
    assert rows["layer"].tolist() == ["library", "library", "embedded", "server"]
    server = rows.loc["pgvector (ef = 40)"]
    assert (server["ms a query"], server["empty query, ms"]) == ("2.00", "0.500")
    assert (server["disk, MB"], server["server, MB"], server["load, s"]) == ("3.00", "50.0", "12.00")
    assert rows.loc["faiss (nprobe = 2)", "disk, MB"] == ""


def test_the_screen_shows_layers_with_their_indexes_below():
    lines = table_lines(TIDY, INFO, 160)
    start = lines.index("512-d features: the fastest search of each index at recall@10 of 90 % or more")
    labels = [line.strip().split("  ")[0] for line in lines[start : lines.index("", start)]]
    expected = ["faiss (nprobe = 2)", "Linear scan", "embedded", "sqlite-vec", "server", "pgvector (ef = 40)"]
    assert labels[labels.index("library") + 1 :] == expected


def test_a_sentence_says_what_a_query_takes_in_each_layer():
    said = findings(TIDY, INFO)
    assert said[0] == (
        "At recall@10 of 90 % or more a query takes 0.200 ms in a library (faiss (nprobe = 2)), 40.0 ms in an embedded "
        "engine (sqlite-vec) and 2.00 ms in a server (pgvector (ef = 40))."
    )
    assert said[1].startswith("At recall@10 of 99 % or more a query takes 10.0 ms in a library (Linear scan)")
    assert said[-1] == "This is about 8 of 9 cells: 8 done, 1 failed."


def test_where_no_search_reaches_the_level_the_best_one_is_named_on_the_screen_and_in_the_files():
    low = cells(INFO, search("a", 0.62, 1.0, layer="server"), search("b", 0.4, 0.5, layer="library"))
    words = "o search reaches 90 % of recall@10; the highest is 62.0 %, a, 1.00 ms, 1,000 queries/s"
    assert findings(low, INFO) == [f"N{words}."]
    assert layout_table(low, INFO)["row"].tolist() == [f"n{words}"]


def test_of_nothing_there_are_no_rows():
    assert systems.fastest(TIDY[TIDY["status"] == "error"], 10, 0.9).empty
    assert isinstance(systems.fastest(TIDY, 10, 1.1), pd.DataFrame)
