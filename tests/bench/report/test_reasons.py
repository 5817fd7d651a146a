from bench.records.book import FAILED
from bench.report.reasons import collapses, reasons, remarks
from tests.made_cells import cells, grid, ranking, scan, search

INFO = grid("pareto")
MISSING = {"status": "skipped", "reason": "annoy is not installed: pip install -e '.[ann]'"}


def test_one_missing_library_is_one_line_with_its_plugin_and_its_cells():
    rows = [scan(), *(search("annoy", None, 1.0, f"search_k = {k}", **MISSING) for k in range(5))]
    rows.append(search("hnswlib", None, 1.0, status="skipped", reason="hnswlib is not installed"))
    assert reasons(cells(INFO, *rows), ["skipped"]) == [
        "5 cells of annoy: annoy is not installed: pip install -e '.[ann]'",
        "1 cell of hnswlib: hnswlib is not installed",
    ]


def test_a_failure_is_due_to_the_plugin_that_nothing_finished_has():
    failed = {"embedder": "broken", "status": "error", "reason": "RuntimeError: no"}
    rows = [scan(), search("tree", 0.9, 1.0), scan() | failed, search("tree", None, 1.0) | failed]
    assert reasons(cells(INFO, *rows), FAILED) == ["2 cells of broken: RuntimeError: no"]
    coded = [ranking("itq", 8, 0.1), ranking("lsh", 8, None, status="memory", reason="too much")]
    assert reasons(cells(INFO, *coded), FAILED) == ["1 cell of lsh: too much"]


def test_a_failure_is_due_to_the_plugin_that_was_at_work_where_that_is_known():
    lost = {"status": "timeout", "reason": "not finished in 5 s"}
    searches = [
        scan(**lost, due_to="linear_scan"),
        *(search("a", None, 1.0, f"m = {m}", **lost, due_to="a") for m in "12"),
    ]
    codes = [ranking("itq", bits, None, **lost, due_to="itq") for bits in (8, 16)]
    assert reasons(cells(INFO, *searches, *codes), FAILED) == [
        "1 cell of linear_scan: not finished in 5 s",
        "2 cells of a: not finished in 5 s",
        "2 cells of itq: not finished in 5 s",
    ]
    assert reasons(cells(INFO, *searches, *(one | {"due_to": None} for one in codes)), FAILED)[2:] == [
        "2 cells of itq: not finished in 5 s"
    ]


def test_where_it_is_known_of_some_cells_alone_the_others_stand_with_them_if_the_same_plugin_explains_them():
    rows = [
        scan(),
        search("annoy", None, 1.0, "a", **MISSING),
        search("annoy", None, 1.0, "b", **MISSING, due_to="annoy"),
    ]
    assert reasons(cells(INFO, *rows), ["skipped"]) == [f"2 cells of annoy: {MISSING['reason']}"]


def test_where_no_plugin_explains_it_all_are_named():
    lost = {"status": "timeout", "reason": "not finished in 5 s"}
    rows = [scan(), search("a", 0.9, 1.0), scan(**lost), search("a", None, 1.0, **lost)]
    assert reasons(cells(INFO, *rows), FAILED) == ["2 cells of linear_scan, a: not finished in 5 s"]


def test_the_cells_that_failed_are_told_from_the_others_of_their_plugin_a_few_by_name():
    lost = {"status": "timeout", "reason": "too long"}
    rows = [
        *(search("hnswlib", 0.9, 1.0, f"ef = {ef}") for ef in (10, 20)),
        *(search("hnswlib", None, 1.0, f"ef = {ef}", **lost) for ef in range(100, 115)),
    ]
    assert reasons(cells(INFO, *rows), FAILED) == [
        "15 cells of hnswlib (ef = 100; ef = 101; ef = 102 and 12 more): too long"
    ]


def test_one_column_says_which_cells_failed_where_it_tells_them_apart_and_else_all_that_differ():
    lost = {"status": "memory", "reason": "too much"}
    rows = [ranking("lsh", bits, 0.1, seed=seed) for bits in (8, 16) for seed in (0, 1)]
    rows += [ranking("lsh", 64, None, seed=seed, **lost) for seed in (0, 1)]
    assert reasons(cells(INFO, *rows), FAILED) == ["2 cells of lsh (64 bits): too much"]
    rows += [ranking("lsh", 128, 0.1, seed=0), ranking("lsh", 128, None, seed=1, **lost)]
    assert reasons(cells(INFO, *rows), FAILED) == [
        "3 cells of lsh (64 bits, seed 0; 64 bits, seed 1; 128 bits, seed 1): too much"
    ]


def test_remarks_are_grouped_each_by_itself():
    rows = [
        ranking("itq", 8, 0.1, remarks="itq: 16 dimensions; itq: 40 items"),
        ranking("itq", 12, 0.1, remarks="itq: 16 dimensions"),
        ranking("lsh", 12, 0.1),
    ]
    assert remarks(cells(INFO, *rows)) == ["2 cells of itq: 16 dimensions", "1 cell of itq: 40 items"]


def test_a_remark_with_a_semicolon_of_its_own_stays_one():
    told = "sigma = 0.4 of the anchors; give sigma to keep it; path = a; b"
    search_of_few = "candidates = 50: all 40 items"
    rows = [ranking("sdh", 8, 0.1, remarks=f"sdh: {told}; sdh: 40 anchors; {search_of_few}")]
    assert remarks(cells(INFO, *rows)) == [f"1 cell of sdh: {one}" for one in (told, "40 anchors", search_of_few)]


def coded(hasher, bits, constant, distinct, **more):
    """A ranking of which the codes are known."""
    columns = {"constant_bits": constant, "distinct_codes": distinct, "database_classes": 20}
    return ranking(hasher, bits, 0.1, **(columns | more))


def test_codes_that_collapsed_are_grouped_by_what_is_wrong():
    rows = [
        coded("dpsh", 12, 12, 1),
        coded("dpsh", 12, 12, 1, seed=1),
        coded("csq", 12, 3, 500),
        coded("sign", 12, 1, 7),
        coded("lsh", 12, 0, 20),
    ]
    assert collapses(cells(INFO, *rows)) == [
        "2 cells of dpsh: all database codes are equal",
        "1 cell of csq: 3 of 12 bits are the same in all database codes",
        "1 cell of sign: 1 of 12 bits is the same in all database codes",
        "1 cell of sign: the database of 20 classes has 7 codes that differ",
    ]


def test_codes_that_are_as_many_as_their_bits_or_items_allow_did_not_collapse():
    short = coded("lsh", 4, 0, 16)
    single = coded("lsh", 12, 12, 1, database_items=1)
    unlabelled = coded("lsh", 12, 0, 7, database_classes=None)
    failed = ranking("lsh", 12, None, status="error")
    assert collapses(cells(INFO, short, single, unlabelled, failed, scan())) == []


def test_without_reasons_there_are_no_lines():
    assert reasons(cells(INFO, scan()), FAILED) == [] and remarks(cells(INFO, scan())) == []
    assert collapses(cells(INFO, scan())) == []
    assert reasons(cells(INFO, scan(status="error", reason=None)), FAILED) == [
        "1 cell of linear_scan: no reason is known"
    ]
