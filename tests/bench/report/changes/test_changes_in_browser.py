"""``compare --html`` in a browser, from disk and without a network."""

import pandas as pd
import pytest

from bench.records import compare
from bench.report.changes.write import write_changes
from bench.store.entries import Store
from tests.bench.recorded import write

HOSTILE = "<script>document.title = 'run'</script>"
ROWS = "#list tbody tr"
CHARTS = "return document.querySelectorAll('#points.js-plotly-plot').length"
FOCUS = "return document.activeElement.id"
RIGHT, ENTER = "\ue014", "\ue007"


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """The page of two folders with 40 cells, some moved, lost and failed; and its changes as a frame."""
    root = tmp_path_factory.mktemp("changed")
    before, after = root / "before", root / "after"
    for number in range(40):
        factor = {3: 1.4, 8: 0.7, 9: 2.0}.get(number, 1.0)
        quality = {5: 0.9, 8: 0.1}.get(number, 0.5 + number / 100)
        cell = f"Cell({HOSTILE if number == 9 else number}, seed=0)"
        write(before, cell, factor=1 + number / 10, map=0.5 + number / 100)
        write(after, cell, factor=factor * (1 + number / 10), day=2, map=quality)
    write(before, "Cell(lost, seed=0)")
    write(before, "Cell(other, seed=0)", dataset="e")
    write(after, "Cell(other, seed=0)", dataset="e", status="memory", reason="needed too much", timed=False)
    stores = Store(before), Store(after)
    changes = compare.compare(*stores)
    lost = compare.losses(changes, 0.0)
    path = write_changes(root / "changes.html", changes, *stores, lost, "worse, failed or missing")
    table = compare.frame(changes).assign(lost=[one in lost for one in changes])
    return path, table


def column(page, number):
    return page.texts(f"{ROWS} > :nth-child({number})")


def test_it_opens_without_an_error_and_shows_every_change(browser, changed):
    path, table = changed
    page = browser.open(path)
    assert page.errors() == [] and page.evaluate("return document.title") == "What changed from before to after"
    assert len(page.texts(ROWS)) == len(table)
    assert page.until(CHARTS) == 1


@pytest.mark.long
def test_the_filters_leave_what_pandas_does(browser, changed):
    path, table = changed
    judged = table["verdict"].isin(["same", "better", "worse"])
    moved = (table["low"] > 1e-9) | (table["high"] < -1e-9)
    for name, kept in {"moved": moved, "lost": table["lost"], "others": ~judged}.items():
        page = browser.open(path, f"only={name}")
        assert len(page.texts(ROWS)) == kept.sum() > 0
    browser.open(path).click("label:has(#only-moved)")
    assert len(browser.texts(ROWS)) == moved.sum() and "only=moved" in browser.address()


@pytest.mark.long
def test_the_headings_sort_as_pandas_does(browser, changed):
    path, table = changed
    page = browser.open(path, "find=latency")
    times = table[(table["figure"] == "latency_ms_p50") & table["change"].notna()]
    page.click("#sort-change")
    assert column(page, 2)[: len(times)] == times.sort_values("change", kind="stable")["cell"].tolist()
    page.click("#sort-change")
    assert column(page, 2)[: len(times)] == times.sort_values("change", ascending=False, kind="stable")["cell"].tolist()
    assert page.evaluate("return document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "descending"
    assert page.evaluate(FOCUS) == "sort-change"


@pytest.mark.long
def test_the_chart_has_the_cells_that_have_both_figures(browser, changed):
    path, table = changed
    judged = table[table["verdict"].isin(["same", "better", "worse"]) & (table["dataset"] == "d")]
    wide = judged.pivot(index="cell", columns="figure", values="verdict")
    marks = wide.apply(lambda row: "/".join(sorted(set(row) - {"same"})) or "same", axis=1).value_counts()
    page = browser.open(path)
    page.errors()
    counted = "return Object.keys(MARKS).map((mark) => points().filter((one) => one.mark === mark).length)"
    names = ["worse", "better", "better/worse", "same"]
    assert page.evaluate(counted) == [marks.get(name, 0) for name in names] and len(marks) == len(names)
    row = judged[(judged["figure"] == "latency_ms_p50") & (judged["verdict"] != "same")].iloc[0]
    x = page.evaluate("return points().find((p) => p.name === arguments[0]).x", row["cell"])
    assert x["old"] == pytest.approx(row["before"]) and x["now"] == pytest.approx(row["after"])
    assert x["low"] == pytest.approx(min(row["before"] * (1 + row["low"]), row["after"]))
    assert x["high"] == pytest.approx(max(row["before"] * (1 + row["high"]), row["after"]))


@pytest.mark.long
def test_an_address_brings_back_what_was_seen_and_junk_in_it_is_passed_over(browser, changed):
    path, _ = changed
    page = browser.open(path, "set=e&only=lost&sort=cell&dir=down&theme=dark&quality=none&x=%3Cb%3E")
    assert page.text("#count") == "3 rows" or page.evaluate("return state.only") == "lost"
    assert page.evaluate("return state.set") == "e" and page.evaluate("return state.quality") == ""
    assert page.evaluate("return document.documentElement.dataset.theme") == "dark" and page.errors() == []
    assert not page.is_shown("#points-section")
    page.click("#set-d")
    assert page.is_shown("#points-section") and page.until(CHARTS) == 1


@pytest.mark.long
def test_names_stay_text(browser, changed):
    path, _ = changed
    page = browser.open(path, "find=script")
    assert any(HOSTILE in name for name in column(page, 2)) and page.evaluate("return document.title") != "run"
    assert page.evaluate("return document.querySelectorAll('#list script, #points script').length") == 0


@pytest.mark.long
def test_a_point_that_is_clicked_shows_its_cell_in_the_table(browser, changed):
    path, _ = changed
    page = browser.open(path)
    page.evaluate("byId('points').emit('plotly_click', { points: [{ customdata: 0 }] })")
    assert set(column(page, 2)) == {page.evaluate("return DATA.cells[0].name")}


@pytest.mark.long
def test_the_keyboard_reaches_filters_and_headings(browser, changed):
    path, _ = changed
    page = browser.open(path)
    page.evaluate("byId('only-').focus()")
    page.press(RIGHT)
    assert page.evaluate("return state.only") == "moved" and page.evaluate(FOCUS) == "only-moved"
    page.evaluate("byId('sort-cell').focus()")
    page.press(ENTER)
    assert page.evaluate("return state.sort") == "cell"


@pytest.mark.long
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (400, False)])
def test_anybody_can_read_it(browser, changed, width, dark):
    page = browser.open(changed[0], width=width, dark=dark)
    assert page.axe() == [] and page.errors() == []


@pytest.mark.long
def test_nothing_moves_sideways_on_a_narrow_screen(browser, changed):
    page = browser.open(changed[0], width=400)
    assert page.evaluate("return document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(scope="module")
def vague(tmp_path_factory):
    """The page of two cells: one whose interval tells nothing, and one whose interval is wider than the chart."""
    root = tmp_path_factory.mktemp("vague")
    changes = [
        compare.Change("d", "few", "latency_ms_p50", 1.0, 1.1, 0.1, -0.99, 600.0, "same"),
        compare.Change("d", "wide", "latency_ms_p50", 1.0, 1.2, 0.2, -0.8, 5.0, "same"),
        compare.Change("d", "narrow", "latency_ms_p50", 1.0, 0.9, -0.1, -0.15, -0.05, "better"),
    ]
    return write_changes(root / "x.html", changes, Store(root / "a"), Store(root / "b"), [], "none")


@pytest.mark.long
def test_an_interval_that_tells_nothing_is_said_in_words_and_has_no_bar(browser, vague):
    page = browser.open(vague)
    assert page.errors() == []
    rows = dict(zip(column(page, 1), zip(column(page, 6), column(page, 7), strict=True), strict=True))
    assert rows["few"] == ("too few replicates", "not known") and rows["wide"] == ("−80.0 % to +500.0 %", "not moved")
    assert "1 cell has too few replicates or seeds" in page.text("#points-note")
    assert page.evaluate("const [p] = points().filter((p) => p.name === 'few'); return p.y.low === p.y.high")


@pytest.mark.long
def test_a_bar_ends_where_the_chart_does_and_an_arrow_says_so(browser, vague):
    page = browser.open(vague)
    page.until(CHARTS)
    bars = """return byId('points').data.filter((t) => t.error_y).flatMap((t) => t.y.flatMap(
        (y, at) => [y + (t.error_y.array[at] || 0), y - (t.error_y.arrayminus[at] || 0)]))"""
    low, high = (10**end for end in page.evaluate("return byId('points').layout.yaxis.range"))
    ends = page.evaluate(bars)
    assert min(ends) == pytest.approx(low) and max(ends) == pytest.approx(high) and high < 2
    assert page.evaluate("return byId('points').data.at(-1).marker.symbol") == ["triangle-down", "triangle-up"]
    assert page.evaluate("return byId('points').data.at(-1).y") == pytest.approx([low, high])


@pytest.mark.long
@pytest.mark.parametrize(("against", "axes"), [("latency_ms_p50", ["yaxis"]), ("before", ["xaxis", "yaxis"])])
def test_an_axis_of_a_quality_ends_at_one(browser, tmp_path, against, axes):
    changes = [
        compare.Change("d", "cell", "recall_at_10", 1.0, 0.99, -0.01, -0.01, -0.01, "worse"),
        compare.Change("d", "cell", "latency_ms_p50", 1.0, 1.2, 0.2, 0.1, 0.3, "worse"),
    ]
    path = write_changes(tmp_path / "x.html", changes, Store(tmp_path / "a"), Store(tmp_path / "b"), [], "none")
    page = browser.open(path, f"against={against}", width=1280)
    page.until(CHARTS)
    for axis in axes:
        low, high = page.evaluate("return byId('points').layout[arguments[0]].range", axis)
        assert low < 0.99 and high == 1
    assert page.texts("#axes legend") == ["Figure", "Against"]
    top = "return byId('points').querySelector('.main-svg').getBoundingClientRect().top"
    name = "return byId('points').querySelector('.annotation-text').getBoundingClientRect().top"
    assert page.evaluate(name) >= page.evaluate(top)


@pytest.mark.long
def test_on_paper_stands_how_many_rows_are_left_to_the_page_and_no_word_on_its_controls(browser, tmp_path):
    changes = [
        compare.Change("d", f"cell {number}", "map", 1.0, 1.1, 0.1, 0.05, 0.15, "better") for number in range(174)
    ]
    stores = [Store(tmp_path / "a"), Store(tmp_path / "b")]
    page = browser.open(write_changes(tmp_path / "x.html", changes, *stores, [], "none"))
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        said = page.evaluate("return getComputedStyle(byId('more').parentElement, '::after').content")
        assert said == '"74 of 174 are on the page alone."'
        hint = "footer .hint"
        assert "Select a point" in page.text(hint) and not page.is_shown(hint) and page.is_shown("footer .note")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.long
def test_on_a_narrow_screen_every_value_stands_below_its_cell(browser, changed):
    page = browser.open(changed[0], width=400)
    page.evaluate("byId('list').scrollIntoView()")
    assert page.evaluate("const box = byId('list').parentElement; return box.scrollWidth <= box.clientWidth")
    assert page.evaluate(
        "return [...document.querySelectorAll('#list tbody td:not(:empty)')].every("
        "(one) => one.getBoundingClientRect().right <= innerWidth)"
    )


@pytest.mark.long
def test_thousands_of_changes_open_in_a_moment(browser, changed, tmp_path):
    names = pd.Series(range(2000)).astype(str)
    changes = [
        compare.Change("d", f"cell {name}", figure, 1.0, 1.1, 0.1, 0.05, 0.15, verdict)
        for name in names
        for figure, verdict in (("map", "better"), ("latency_ms_p50", "worse"))
    ]
    stores = [Store(tmp_path / "a"), Store(tmp_path / "b")]
    page = browser.open(write_changes(tmp_path / "x.html", changes, *stores, [], "none"))
    assert page.errors() == [] and page.text("#count") == "4,000 rows" and len(page.texts(ROWS)) == 100
    page.click("#more")
    assert len(page.texts(ROWS)) == 4000


@pytest.mark.long
def test_a_quality_is_rounded_down_as_the_command_does_and_a_time_is_not(browser, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    write(before, "Cell(1, seed=0)", factor=1.0, map=0.916_67)
    write(after, "Cell(1, seed=0)", factor=2.0, map=0.29)
    stores = Store(before), Store(after)
    path = write_changes(tmp_path / "x.html", compare.compare(*stores), *stores, [], "worse")
    page = browser.open(path)
    shown = dict(zip(column(page, 2), zip(column(page, 3), column(page, 4), strict=True), strict=True))
    assert shown["mAP"] == ("0.9166", "0.29")
