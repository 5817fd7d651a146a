"""The site in a browser, from disk and without a network."""

import pandas as pd
import pytest

from bench.report.site.addresses import method_address, report_address
from bench.report.site.build import build_site
from tests.bench.report.page import made

HOSTILE = "<script>document.title = 'run'<|script>"
CLUSTERS = report_address("ann", "clusters")
SCANN = method_address("index", "scann")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    made.write(pd.concat([made.searches(), made.failures()], ignore_index=True), root / "out" / "ann" / "clusters")
    made.write(made.searches(2, dataset=HOSTILE), root / "out" / "ann" / HOSTILE)
    made.write(made.rankings(), root / "out" / "hashing_small" / "birds", made.CODES)
    build_site(root / "out", root / "site", print)
    return root / "site"


@pytest.mark.long
def test_every_page_opens_without_an_error(browser, built):
    for path in sorted(built.rglob("*.html")):
        page = browser.open(path)
        assert page.errors() == [], path
        assert page.evaluate("return document.title") != "run"


@pytest.mark.long
def test_a_report_draws_its_charts_from_the_shared_files(browser, built):
    page = browser.open(built / CLUSTERS)
    assert page.until("return document.querySelectorAll('#scatter.js-plotly-plot').length") == 1
    assert page.evaluate("return colour('accent')")


def test_one_gets_from_the_index_to_a_method_and_into_its_report(browser, built):
    page = browser.open(built / "index.html")
    page.click(f"a[href='{SCANN}']")
    assert page.text("h1") == "scann" or "scann" in page.text("h1").lower()
    page.click("section a")
    assert page.evaluate("return state.selected.length") == 1 and page.errors() == []
    page.click("nav.site a")
    assert page.evaluate("return location.pathname").endswith("/index.html")


def test_a_table_sorts_by_its_numbers(browser, built):
    page = browser.open(built / SCANN)
    numbers = "return [...document.querySelector('tbody').rows].map((row) => Number(row.cells[2].dataset.number))"
    for order in (False, True):
        page.click("thead th:nth-child(3) button")
        assert page.evaluate(numbers) == sorted(page.evaluate(numbers), reverse=order)
    assert page.evaluate("return document.querySelector('[aria-sort]').getAttribute('aria-sort')") == "descending"


@pytest.mark.long
def test_the_chart_of_a_method_has_a_point_for_each_timed_row(browser, built):
    cells = [pd.read_csv(path) for path in built.rglob("ann/*-cells.csv")]
    timed = [one[(one["index"] == "scann") & one["latency_ms_p50"].notna()] for one in cells]
    page = browser.open(built / SCANN)
    times = "return byId('chart').data.map((trace) => [...trace.x].sort((a, b) => a - b))"
    expected = sorted(one["latency_ms_p50"].sort_values().tolist() for one in timed)
    assert sorted(page.evaluate(times)) == [pytest.approx(one) for one in expected]
    page = browser.open(built / method_address("hasher", "itq"), "against=bits&measure=mAP")
    assert page.evaluate("return [...byId('chart').data[0].x]") == [12, 24, 48] and page.errors() == []


@pytest.mark.long
def test_it_is_dark_where_that_is_asked_for(browser, built):
    page = browser.open(built / "index.html", dark=True)
    assert page.evaluate("return document.documentElement.dataset.theme") == "dark"
    page.click("#theme")
    assert page.evaluate("return document.documentElement.dataset.theme") == "light"


@pytest.mark.long
@pytest.mark.parametrize("address", ["index.html", CLUSTERS, SCANN])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (400, False)])
def test_anybody_can_read_it(browser, built, address, width, dark):
    page = browser.open(built / address, width=width, dark=dark)
    assert page.axe() == []
    assert page.evaluate("return document.documentElement.scrollWidth <= innerWidth")


Y_RANGE = "return byId('chart').layout.yaxis.range"


@pytest.mark.long
def test_an_axis_of_shares_ends_at_one(browser, built):
    page = browser.open(built / method_address("index", "linear_scan"))
    page.until("return byId('chart').layout ? 1 : 0")
    low, high = page.evaluate(Y_RANGE)
    assert high == 1 and 0 <= low < 1
    assert page.evaluate("return shareAxis([0.4, 1.02]).range")[1] > 1.02
    assert page.evaluate("return shareAxis([0.2, 0.4]).range")[1] < 0.5


@pytest.mark.long
def test_an_interval_that_says_something_is_whole_in_the_chart(browser, tmp_path):
    cells = made.searches(1, methods=("scann",))
    time = cells["latency_ms_p50"]
    cells["latency_ms_low"], cells["latency_ms_high"] = time / 1.5, time * 5
    made.write(cells, tmp_path / "out" / "ann" / "clusters")
    build_site(tmp_path / "out", tmp_path / "site", print)
    page = browser.open(tmp_path / "site" / SCANN)
    page.until("return byId('chart').layout ? 1 : 0")
    low, high = (10**end for end in page.evaluate("return byId('chart').layout.xaxis.range"))
    assert low < time.min() / 1.5 and high > time.max() * 5


@pytest.mark.long
def test_variants_of_a_method_have_looks_of_their_own(browser, built):
    page = browser.open(built / SCANN)
    page.until("return byId('chart').data ? 1 : 0")
    names = page.evaluate("return methodData.series.map((one) => one.name)")
    looks = page.evaluate("return methodData.series.map((_, at) => JSON.stringify(seriesLook(at)))")
    assert len(page.texts("#chart-key li")) == len(names) == len(set(looks))
    assert (
        len(page.evaluate("return [...new Set([...Array(36).keys()].map((at) => JSON.stringify(seriesLook(at))))]"))
        == 36
    )


@pytest.mark.long
def test_on_a_narrow_screen_every_figure_of_a_method_can_be_seen(browser, built):
    page = browser.open(built / SCANN, width=400)
    assert page.evaluate(
        "return [...document.querySelectorAll('.scroll')].every((one) => one.scrollWidth <= one.clientWidth)"
    )
    cell = "td[data-head='ms a query']"
    assert page.evaluate(f"return getComputedStyle(document.querySelector(\"{cell}\"), '::before').content").startswith(
        '"ms'
    )
