"""The page as a reader meets it: opened from a file by a headless Chromium without a network."""

import itertools
from io import StringIO
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest

from bench.report.findings import findings
from bench.report.page.assemble import page_text
from bench.report.tables import complete
from tests.bench.report.page import made

METHOD = ["index", "rerank", "build_setting", "hasher", "variant", "input", "bits", "model", "database_codes"]
CODES_METHOD = ["embedder", "dim", "hasher", "variant", "input", "model", "database_codes"]
COSTS = {
    "latency": ("latency_ms_p50", 1),
    "throughput": ("throughput_qps", -1),
    "memory": ("index_bytes", 1),
    "build": ("build_seconds", 1),
}
QUALITIES = ["recall_at_10", "precision_at_10", "share_of_exact"]
HOSTILE = "<script>alert(1)</script>"
RANKED = "return [...document.querySelectorAll('#slice button')].map((bar) => bar.dataset.key)"
SHORT = "return [...document.querySelectorAll('#short button')].map((button) => button.id)"
OPENED = """new Promise((done) => {
  const look = () => {
    const end = performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd;
    if (end > 0) done(end);
    else setTimeout(look, 10);
  };
  look();
})"""
"""Milliseconds until the page stood there; it is 0 until then."""
COLUMN = """
const heads = [...document.querySelectorAll('#table thead th')];
const at = heads.findIndex((head) => head.textContent.startsWith(arguments[0]));
const rows = [...document.querySelectorAll('#table tbody tr')].filter((row) => !row.className);
return rows.map((row) => row.cells[at].textContent);
"""
HOVERED = """
const [scatter, labels] = [document.getElementById('scatter'), []];
for (const [curveNumber, { meta, text }] of scatter.data.entries()) {
  for (const pointNumber of (text || []).keys()) {
    Plotly.Fx.unhover('scatter');
    Plotly.Fx.hover('scatter', [{ curveNumber, pointNumber }]);
    const found = [...scatter.querySelectorAll('.hoverlayer .hovertext')].map((label) => {
      const { left, right } = label.getBoundingClientRect();
      const lines = [...label.querySelectorAll('.nums tspan.line')].map((line) => line.textContent);
      return { lines, isInside: left >= 0 && right <= innerWidth };
    });
    labels.push([meta, found]);
  }
}
return labels;
"""
"""The label that plotly shows over each point of the scatter chart."""
TICKS = """
return [...document.querySelectorAll('#scatter .xtick text')].map((text) => {
  const { left, right, top, bottom } = text.getBoundingClientRect();
  return [left, right, top, bottom];
}).sort((a, b) => a[0] - b[0]);
"""
WRITTEN = """
return [...document.querySelectorAll('#scatter .annotation-text')].map((text) => {
  const { left, right, top, bottom } = text.getBoundingClientRect();
  return [text.textContent, left, right, top, bottom];
});
"""


@pytest.fixture(scope="module")
def two_features(tmp_path_factory):
    """Searches over features of two dimensions, with failures and variants of codes and indexes."""
    folder = tmp_path_factory.mktemp("two")
    cells = pd.concat([made.searches(dims=(512, 1024), builds=2), made.failures()], ignore_index=True)
    return made.write(cells, folder)


@pytest.fixture(scope="module")
def codes(tmp_path_factory):
    return made.write(made.rankings(), tmp_path_factory.mktemp("codes"), made.CODES)


def published(folder):
    """The page of a search of which a paper says the precision and the time."""
    cells = made.searches(settings=1, methods=("hash_tables",)).assign(bits=32, key_bits=8, candidates=1000)
    return made.write(cells, folder, made.TABLE)


def ranked_by_pandas(path, cost, quality, level, keep=lambda cells: cells, method=METHOD):
    """The keys of the slice, best first, and how many methods fall short, from cells.csv alone."""
    column, sign = cost
    cells = pd.read_csv(path.with_name("cells.csv"))
    done = keep(cells[cells["status"] == "ok"]).dropna(subset=[quality, column])
    done = done.assign(cost=sign * done[column], best=-done[quality])
    reaching = done[done[quality] >= level - 1e-9].sort_values(["cost", "best"], kind="stable")
    first = reaching.groupby(method, dropna=False, sort=False).head(1)
    return first["key"].tolist(), done.groupby(method, dropna=False).ngroups - len(first)


def test_the_page_opens_without_an_error_and_without_a_network(browser, two_features):
    page = browser.open(two_features)
    assert page.text("h1") == made.PARETO.title
    assert page.evaluate("return document.querySelectorAll('#scatter .scatterlayer .trace').length") > 5
    assert page.errors() == []
    resources = page.evaluate("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [one for one in resources if not one.startswith(("data:", "blob:"))] == []


@pytest.mark.long
def test_the_page_opens_on_the_features_with_most_searches(browser, tmp_path):
    few, many = made.searches(1, dims=(512,), methods=("faiss",)), made.searches(3, dims=(1024,))
    page = browser.open(made.write(pd.concat([few, many], ignore_index=True), tmp_path))
    assert page.texts("#features label")[0] == "1024-d triplet"
    assert len(page.texts("#slice button")) > 1


@pytest.mark.long
def test_a_search_that_failed_was_not_timed_on_its_machine(browser, tmp_path):
    cells = pd.concat([made.searches(1), made.failures()], ignore_index=True).assign(machine="AMD EPYC, 2 cores")
    failed, done = cells["key"].iloc[-6], cells["key"].iloc[0]
    page = browser.open(made.write(cells, tmp_path), f"open={failed}")
    assert "failed on" in page.text(".details") and "timed on" not in page.text(".details")
    page.go(f"open={done}")
    assert "timed on" in page.text(".details") and "failed on" not in page.text(".details")


@pytest.mark.long
@pytest.mark.parametrize("features", ["512-d triplet", "1024-d triplet"])
@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("cost", COSTS)
def test_the_slice_ranks_as_pandas_does(browser, two_features, cost, quality, features):
    page = browser.open(two_features)
    dim = int(features.partition("-")[0])
    for level in (0.5, 0.62, 0.7, 0.75, 0.78, 0.85, 0.9, 0.93, 0.95, 0.985):
        page.go(urlencode({"cost": cost, "quality": quality, "features": features, "level": level}))
        shown = float(page.text("#level-out"))
        keys, short = ranked_by_pandas(
            two_features, COSTS[cost], quality, shown, lambda cells, dim=dim: cells[cells["dim"] == dim]
        )
        assert page.evaluate(RANKED) == keys
        assert len(page.evaluate(SHORT)) == min(short, 12)
    assert page.errors() == []


@pytest.mark.long
def test_the_least_level_ranks_every_method_and_shares_above_1_have_heights_of_their_own(browser, tmp_path):
    cells = made.searches(1)
    shares = np.array([1.0, *np.linspace(0.998, 1.007, len(cells) - 1)])
    cells = cells.assign(precision_at_10=0.8 * shares, share_of_exact=shares)
    page = browser.open(made.write(cells, tmp_path), "quality=share_of_exact&level=0.5")
    assert page.text("#level-out") == "0.99" and len(page.evaluate(RANKED)) == cells["index"].nunique()
    heights = page.evaluate("return [0.998, 1, 1.0016, 1.0067].map(height)")
    assert heights == sorted(set(heights))


@pytest.mark.long
def test_a_second_click_on_a_point_undoes_the_first_for_the_chart_stays_where_it_was(browser, two_features):
    page = browser.open(two_features)
    top = "return document.getElementById('scatter').getBoundingClientRect().top + scrollY"
    before = page.evaluate(top)
    page.evaluate("select(currentSet().methods[1].id)")
    assert page.evaluate(top) == before and page.evaluate("return state.selected.length") == 1


@pytest.mark.long
@pytest.mark.parametrize("width", [360, 1000, 1400])
def test_long_names_of_methods_make_no_page_wider_than_the_screen(browser, tmp_path, width):
    cells = made.searches(2)
    faiss = (cells["index"] == "faiss").to_numpy()
    cells.loc[faiss, "build_setting"] = (
        "factory = IVF300,PQ64x4fs,RFlat, train_items = 100000, spherical = true, seed = 0"
    )
    page = browser.open(made.write(cells, tmp_path), width=width)
    widest = "return Math.max(document.documentElement.scrollWidth, document.getElementById('table').offsetWidth)"
    assert page.evaluate(widest) <= page.evaluate("return document.documentElement.clientWidth")


@pytest.mark.long
def test_a_click_on_a_family_leaves_its_methods_alone(browser, two_features):
    page = browser.open(two_features, "level=0.7")
    before = len(page.evaluate(RANKED))
    page.click("#family-graph")
    keys, _ = ranked_by_pandas(
        two_features, COSTS["latency"], "recall_at_10", 0.7,
        lambda cells: cells[(cells["dim"] == 512) & cells["index"].isin(["hnswlib", "pynndescent"])],
    )  # fmt: skip
    assert page.evaluate(RANKED) == keys
    assert 0 < len(keys) < before
    assert "family=graph" in page.address()
    page.click("#family-graph")
    assert len(page.evaluate(RANKED)) == before


@pytest.mark.long
def test_a_click_on_a_length_leaves_codes_of_that_length_alone(browser, two_features):
    page = browser.open(two_features, "level=0.7")
    page.click("#bits-64")
    keys, _ = ranked_by_pandas(
        two_features,
        COSTS["latency"],
        "recall_at_10",
        0.7,
        lambda cells: cells[(cells["dim"] == 512) & (cells["bits"] == 64)],
    )
    assert page.evaluate(RANKED) == keys != []


@pytest.mark.long
def test_the_headline_follows_the_slice_and_says_how_sure_it_is(browser, two_features):
    page = browser.open(two_features, urlencode({"level": 0.9}))
    first = page.texts("#slice .name")[1]
    value = page.texts("#slice button .value")[0].removesuffix(" ms")
    answer = page.text("#answer")
    assert answer.startswith(f"At recall@10 of 0.90 the fastest here is {first}")
    assert f"{value} ms a query" in answer
    assert "lead" in answer
    page.click("#cost-memory + *, label:has(#cost-memory)")
    assert "the smallest here is" in page.text("#answer")


@pytest.mark.long
@pytest.mark.parametrize("head, ascending", [("recall@10", False), ("Time", True), ("Memory", True), ("Batch", False)])
def test_a_heading_sorts_the_table_and_again_the_other_way(browser, two_features, head, ascending):
    page = browser.open(two_features, "all=yes&sort=method")
    names = page.evaluate(
        "return [...document.querySelectorAll('#table thead button')].map((b) => [b.id, b.textContent])"
    )
    name = next(one for one, text in names if text.startswith(head))
    for expected in (ascending, not ascending):
        page.click(f"#{name}")
        values = [float(text.replace(",", "")) for text in page.evaluate(COLUMN, head)]
        assert len(values) == 85
        assert values == sorted(values, reverse=not expected)


@pytest.mark.long
def test_the_table_finds_by_words_and_says_how_many(browser, two_features):
    page = browser.open(two_features)
    page.click("#find")
    page.press("scann 32")
    assert page.text("#count").startswith("2 searches")
    names = page.driver.find_elements("css selector", "#table tbody th")
    assert {name.text for name in names} == {"ScaNN", "ScaNN (factory = F1)"}
    assert "find=scann" in page.address()


def test_what_has_no_result_stands_in_the_table_with_its_reason(browser, two_features):
    page = browser.open(two_features)
    rows = page.texts("#table tr.undone")
    assert len(rows) == 6
    assert any("timeout: stopped after 600 s" in row for row in rows)
    assert any("not run yet" in row for row in rows)


def test_a_row_opens_its_details(browser, two_features):
    page = browser.open(two_features)
    key = page.evaluate(RANKED)[0]
    page.go("all=yes")
    page.click(f"#row-{key}")
    details = page.text(f"#details-{key}")
    for text in (
        key,
        "Some processor",
        "effort",
        "numpy",
        "steady" if "steady" in details else "moved by more than 10 %",
    ):
        assert text in details
    assert page.evaluate("return document.activeElement.id") == f"row-{key}"
    page.click(f"#row-{key}")
    assert not page.is_shown(f"#details-{key}")


def test_a_link_shows_what_was_seen(browser, two_features):
    page = browser.open(two_features)
    page.click("label:has(#cost-throughput)")
    page.click("#preset-0\\.9")
    page.click("#slice li:nth-child(3) button")
    page.click("#sort-memory")
    page.click("#theme")
    address, answer = page.address(), page.text("#answer")
    seen = [
        page.texts("#slice button"),
        page.texts("#table tbody tr"),
        page.evaluate("return document.documentElement.dataset.theme"),
    ]
    page = browser.open(two_features, address.removeprefix("#"))
    again = [
        page.texts("#slice button"),
        page.texts("#table tbody tr"),
        page.evaluate("return document.documentElement.dataset.theme"),
    ]
    assert again == seen
    assert page.text("#answer") == answer
    assert page.evaluate("return document.querySelectorAll('#slice [aria-pressed=true]').length") == 1


@pytest.mark.long
@pytest.mark.parametrize(
    "address",
    [
        "level=NaN&cost=constructor&quality=__proto__&sort=toString&dir=sideways",
        "set=%3Cscript%3E&selected=nobody&open=1&family=&bits=x&features=%00&all=1",
        "%%%&&==&level=1e999&level=",
    ],
)
def test_junk_in_the_address_is_passed_over(browser, two_features, address):
    expected = browser.open(two_features).texts("#slice button")
    page = browser.open(two_features, address)
    assert page.texts("#slice button") == expected
    assert page.errors() == []


@pytest.mark.long
def test_what_makes_no_sense_in_the_address_leaves_it_and_the_rest_stays(browser, two_features):
    page = browser.open(two_features, "family=nobody&level=0.9&open=1&sort=shoe&features=7&level=9&codes=x&cost=memory")
    assert page.address() == "#level=0.9&cost=memory"
    page.go("family=graph&family=furniture&bits=7")
    assert page.address() == "#family=graph"
    page.go("main")
    assert page.address() == "#main"  # a place of the page, to which the skip link leads


@pytest.mark.long
def test_at_400_pixels_names_have_room_beside_reasons_and_no_short_setting_is_broken(browser, two_features):
    page = browser.open(two_features, "all=yes", width=400)
    width = "return document.querySelector('#table tbody th').getBoundingClientRect().width"
    assert page.is_shown("tr.undone") and page.evaluate(width) >= 130
    names = page.evaluate("return [...document.querySelectorAll('#table tbody th')].map((n) => n.textContent)")
    assert any("M\u00a0=\u00a016" in name for name in names)
    assert page.evaluate("return document.documentElement.scrollWidth") <= 400


@pytest.mark.long
@pytest.mark.parametrize("width", [700, 970, 1130])
def test_the_table_is_no_wider_than_the_page(browser, two_features, width):
    page = browser.open(two_features, "all=yes", width=width)
    ends = "return ['table', 'main'].map((id) => document.getElementById(id).getBoundingClientRect().right)"
    table, main = page.evaluate(ends)
    assert table <= main + 1


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 400])
def test_where_nothing_has_a_result_the_head_of_the_table_is_as_wide_as_its_rows(browser, tmp_path, width):
    skipped = made.failures().assign(status="skipped", query_setting=None, setting=None)
    page = browser.open(made.write(skipped, tmp_path), width=width)
    heads = "return [...document.querySelectorAll('#table thead th')].map((n) => n.getBoundingClientRect().width)"
    full = page.evaluate("return document.getElementById('table').getBoundingClientRect().width")
    assert sum(page.evaluate(heads)) == pytest.approx(full, abs=1)
    assert "Without a result" in page.text("#table thead")


@pytest.mark.long
def test_bars_are_printed_and_a_note_stands_only_beside_its_column(browser, tmp_path):
    page = browser.open(published(tmp_path), "quality=recall_at_10")
    assert page.is_shown("#table-note .wide")
    assert "Published" in page.text("#table-note") and "Published" in page.text("#table thead")
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        adjusted = "return getComputedStyle(document.querySelector('#slice .track i')).printColorAdjust"
        assert page.evaluate(adjusted) == "exact"
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    page = browser.open(tmp_path / "report.html", "quality=recall_at_10", width=800)
    assert not page.is_shown("#table-note .wide")


@pytest.mark.long
def test_on_paper_stand_all_columns_and_settings_and_how_many_rows_are_left_to_the_page(browser, two_features):
    page = browser.open(two_features, "cost=build", width=720)
    assert page.is_shown("#slice .setting") and page.is_shown("#table th:has(#sort-build)")
    assert not page.is_shown("#table th:has(#sort-qps)")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert page.is_shown("#slice .setting") and page.is_shown("#table th:has(#sort-qps)")
        done, undone, every = page.evaluate(
            "const { done, undone } = tableRows();"
            "return [cutTo(done).length, cutTo(undone).length, done.length + undone.length]"
        )
        said = page.evaluate("return getComputedStyle(byId('more').parentElement, '::after').content")
        assert said == f'"{every - done - undone} of {every} are on the page alone."'
        assert page.evaluate("return document.documentElement.scrollWidth") <= 720
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.long
def test_the_interval_of_a_figure_stands_at_it_on_hovering_and_the_page_says_so(browser, tmp_path):
    cells = made.searches(1, methods=("faiss",)).assign(latency_ms_low=0.5, latency_ms_high=1.5)
    page = browser.open(made.write(cells.assign(build_seconds_low=2.0, build_seconds_high=3.0), tmp_path))
    row = page.evaluate(
        "const heads = [...document.querySelectorAll('#table thead th')].map((one) => one.textContent);"
        "const cells = [...document.querySelectorAll('#table tbody tr > *')];"
        "return heads.map((head, at) => [head, cells[at].title])"
    )
    titles = {name: title for head, title in row for name in ("Method", "Time", "Build", "Memory") if name in head}
    interval = "95 % interval: "
    assert titles == {"Method": "", "Time": f"{interval}0.500–1.50", "Build": f"{interval}2.00–3.00", "Memory": ""}
    assert "Intervals stand at a figure on hovering" in page.text("#table-note")


@pytest.mark.long
def test_a_setting_is_never_broken_inside_in_a_row_with_or_without_a_result(browser, two_features):
    page = browser.open(two_features, "all=yes", width=800)
    texts = page.evaluate("return [...document.querySelectorAll('#table tbody td.text')].map((one) => one.textContent)")
    assert any("other\u00a0=\u00a00" in text for text in texts) and any(
        "effort\u00a0=\u00a01" in text for text in texts
    )
    assert not any(" = " in text for text in texts)


@pytest.mark.long
def test_a_method_without_the_chosen_cost_is_named_below_the_ranking(browser, codes):
    page = browser.open(codes, "cost=bits&level=0.6")
    listed = page.texts("#slice button .name") + page.texts("#short button")
    assert sorted(listed) == sorted(page.evaluate("return bestRows().map((row) => methodOf(row).name)"))
    quality = page.evaluate("return bestRows().filter((row) => !isNumber(row.bits)).map((row) => share(quality(row)))")
    assert len(quality) == 1 and f"Without a figure of this cost: pretrained (64-d) ({quality[0]})." in page.text(
        "#short"
    )


@pytest.mark.long
def test_of_one_cell_nothing_is_compared_and_its_interval_is_inside_the_axis(browser, tmp_path):
    cells = made.searches(1, methods=("faiss",)).assign(ratio=1.0, ratio_low=1.0, ratio_high=1.0, ratio_to="faiss()")
    cells = cells.assign(loaded=True, latency_ms_p50=0.5, latency_ms_low=0.2, latency_ms_high=1.9)
    page = browser.open(made.write(cells, tmp_path))
    assert "Against" not in page.text("#table-section")
    assert "During the timing other programs kept the machine busy." in page.text("#answer")
    page.until("return !!document.querySelector('#scatter .points path')")
    low, high = page.evaluate("return document.getElementById('scatter').layout.xaxis.range")
    assert 10**low < 0.2 and 10**high > 1.9


@pytest.mark.long
@pytest.mark.parametrize(("times", "is_cut"), [(1.7, False), (6, True)])
def test_the_interval_of_a_bar_is_in_its_track_or_fades_and_is_said_to_go_on(browser, tmp_path, times, is_cut):
    cells = made.searches(1, methods=("faiss",))
    cells["latency_ms_high"] = times * cells["latency_ms_p50"]
    page = browser.open(made.write(cells, tmp_path))
    left, width, cut = page.evaluate(
        "const one = document.querySelector('#slice .track b');"
        "return [parseFloat(one.style.left), parseFloat(one.style.width), one.classList.contains('cut')]"
    )
    assert cut == is_cut and (left + width == pytest.approx(100) if is_cut else left + width < 100)
    assert ("What fades" in page.text("#slice-note")) == is_cut


@pytest.mark.long
@pytest.mark.parametrize("cost", ["latency", "throughput", "build"])
def test_an_interval_that_says_nothing_is_told_by_the_same_words_wherever_one_is_printed(browser, tmp_path, cost):
    cells = made.searches(1, methods=("faiss", "hnswlib"))
    for name in ("latency_ms", "throughput_qps", "build_seconds", "ratio"):
        cells[[f"{name}_low", f"{name}_high"]] = 0.0071, 81_300.0
    page = browser.open(made.write(cells, tmp_path), f"cost={cost}&open={cells['key'][0]}")
    assert set(page.texts("#slice button .range")) == {"too few replicates"}
    assert not page.evaluate("return document.querySelector('#slice .track b')") and "fades" not in page.text("main")
    titles = set(page.evaluate("return [...document.querySelectorAll('#table td')].map((one) => one.title)"))
    assert titles == {"", "95 % interval: too few replicates"}
    assert page.text(".details").count("(too few replicates)") >= 3
    latex, csv, hover = page.evaluate("return [tableAsLatex(), tableAsCsv(), finishedRows().map(hoverText).join()]")
    assert latex.count("too few replicates") >= 6 and "low" in csv.splitlines()[0]
    every = " ".join([page.text("main"), latex, csv, hover])
    assert not any(end in every for end in ("0.00710", "81,300", "81300"))
    page.until("return !!document.querySelector('#scatter .points path')")
    drawn = page.evaluate(
        "return byId('scatter').data.flatMap(({ error_x: bars }) => (bars ? [...bars.array, ...bars.arrayminus] : []))"
    )
    assert drawn and set(drawn) == {0}


@pytest.mark.long
def test_timings_are_counted_of_each_seed_in_the_words_of_the_end_of_a_run(browser, tmp_path):
    cells = made.searches(2, methods=("faiss", "hnswlib"), seeds=(0, 1))
    cells["unstable"] = cells["seed"] == 0
    cells["loaded"] = True
    page = browser.open(made.write(cells, tmp_path), f"open={cells['key'][0]}")
    said = [one for one in findings(complete(cells, made.PARETO), made.PARETO) if one.startswith("During")]
    assert said[0].startswith("During 4 of 8 timings the speed") and said[1].startswith("During all 8 timings other")
    assert " ".join(said) in page.text("#answer")
    assert "moved by more than 10 % in 1 of 2 timings" in page.text(".details")
    assert "kept it busy in all 2 timings" in page.text(".details")


@pytest.mark.long
def test_the_head_has_the_ratio_to_the_digits_of_the_table(browser, tmp_path):
    cells = made.searches(1, methods=("linear_scan", "faiss"))
    own = cells["index"] == "faiss"
    cells.loc[own, ["recall_at_10", "ratio", "ratio_low", "ratio_high"]] = 0.99, 0.8675, 0.847, 0.885
    page = browser.open(made.write(cells, tmp_path), "quality=recall_at_10&level=0.95")
    assert "1.15 times as fast as" in page.text("#answer")
    assert "1.15" in page.texts("#table tbody td")


@pytest.mark.long
def test_a_panel_of_single_seeds_names_the_seed_that_it_shows(browser, tmp_path):
    page = browser.open(made.write(made.searches(1, methods=("faiss",), seeds=(3, 4)), tmp_path))
    head = "const [row] = finishedRows(); return methodHead(row, { [row.keys[1]]: 1 }).textContent"
    assert page.evaluate(head).endswith("effort\u00a0=\u00a01, seed 4")
    note = "const [row] = finishedRows(); return aboutSeeds([[row, 1]], { [row.keys[1]]: 1 })"
    assert "one seed" in page.evaluate(note)
    page = browser.open(made.write(made.searches(1, methods=("faiss",)), tmp_path))
    assert "seed" not in page.evaluate(head.replace("[1]", "[0]")) and page.evaluate(note.replace("[1]", "[0]")) == ""


@pytest.mark.long
def test_a_number_in_a_file_has_no_rounding_of_the_machine(browser, tmp_path):
    page = browser.open(made.write(made.searches(1, methods=("faiss",)), tmp_path))
    values = [0.8929999999999999, 0.9270000000000002, 1 / 3, 25250, 1e-7, "a,b", None]
    shown = page.evaluate("return arguments[0].map(csvValue)", values)
    assert shown == ["0.893", "0.927", "0.333333333333", "25250", "1e-7", '"a,b"', ""]


@pytest.mark.long
@pytest.mark.parametrize("width", [400, 1280])
def test_the_name_of_the_slice_lies_over_no_point(browser, tmp_path, width):
    cells = made.searches(1, methods=("faiss", "hnswlib", "scann"))
    cells["recall_at_10"], cells["latency_ms_p50"] = [0.8, 0.951, 0.99], [0.1, 0.5, 0.12]
    cells[["latency_ms_low", "latency_ms_high"]] = None
    page = browser.open(made.write(cells, tmp_path), "quality=recall_at_10&level=0.95&scale=even", width=width)
    page.until("return !!document.querySelector('#scatter .points path')")
    over = page.evaluate(
        "const boxes = (css) => [...document.querySelectorAll(css)].map((one) => one.getBoundingClientRect());"
        "const named = [...document.querySelectorAll('#scatter .annotation-text')];"
        "const at = named.find((one) => one.textContent.endsWith('0.95')).getBoundingClientRect();"
        "return boxes('#scatter .points path').filter((box) => box.left < at.right && box.right > at.left"
        " && box.top < at.bottom && box.bottom > at.top).length"
    )
    assert over == 0


@pytest.mark.long
def test_a_date_is_in_one_line_and_the_time_of_all_queries_says_of_how_many(browser, tmp_path):
    cells = made.searches(1, methods=("faiss",)).assign(latency_ms_mean=1.21, seconds_all_queries=25_250 * 1.21e-3)
    page = browser.open(made.write(cells, tmp_path), f"open={cells['key'][0]}", width=320)
    assert "all 25,250 queries, one by one" in page.texts(".details dt")
    height, line = page.evaluate(
        "const one = document.querySelector('.details dd .nobreak');"
        "return [one.getClientRects().length, getComputedStyle(one).whiteSpace]"
    )
    assert height == 1 and line == "nowrap"


@pytest.mark.long
def test_no_two_ticks_of_the_quality_are_alike(browser, tmp_path):
    page = browser.open(made.write(made.searches(1, methods=("faiss",)), tmp_path), "stretch=no")
    page.until("return !!document.querySelector('#scatter .points path')")
    ticks = page.evaluate("return [...document.querySelectorAll('#scatter .ytick text')].map((one) => one.textContent)")
    assert len(ticks) == len(set(ticks)) > 1


@pytest.mark.long
def test_the_heading_of_the_table_says_how_many_of_all_it_shows(browser, two_features):
    page = browser.open(two_features)
    shown, every = (len(page.evaluate(f"return {rows}")) for rows in ("chosenRows()", "currentSet().rows"))
    assert 0 < shown < every
    assert page.text("#table-heading") == f"{shown} of {every} searches: those chosen above"


@pytest.mark.long
def test_published_values_stand_beside_each_quality_whichever_is_chosen(browser, tmp_path):
    page = browser.open(published(tmp_path))
    (value,) = pd.read_csv(tmp_path / "cells.csv")["reference_precision_at_10"]
    for chosen in ("recall_at_10", "precision_at_10"):
        page.go(f"quality={chosen}")
        assert page.evaluate(COLUMN, "Published") == [f"{value:.4f}"]


@pytest.mark.long
def test_one_machine_is_said_in_one_way_and_a_moment_in_one_line(browser, tmp_path):
    cells = made.searches().assign(machine="Some processor, 1 core, 23 GiB")
    page = browser.open(made.write(cells, tmp_path))
    assert "Some processor, 1 core, 23 GiB." in page.text("#facts")
    page.click("#table tbody th button")
    details = page.evaluate("return document.querySelector('#table .details').textContent")
    assert "timed onSome processor, 1 core, 23 GiB" in details
    assert "cores in all2" in details and "memory23 GiB" in details and " GB" not in details
    assert "2026-11-25 10:00 UTC" in page.texts("#table .details dd .nobreak")


def test_hostile_names_stay_text_in_the_page_and_in_the_chart(browser, tmp_path):
    cells = pd.concat([made.searches(settings=2), made.failures()], ignore_index=True)
    cells["dataset"] = HOSTILE
    cells.loc[cells["index"] == "faiss", "build_setting"] = f"factory = {HOSTILE}<img src=x onerror=alert(1)>%{{x}}"
    cells.loc[cells["query_setting"].notna(), "query_setting"] += "<b>&amp;</b>"
    cells["reason"] = cells["reason"].fillna("") + HOSTILE
    data = made.data_of(cells, made.GridInfo("<i>", HOSTILE, "pareto", None, "quick", (HOSTILE,)))
    path = tmp_path / "report.html"
    path.write_text(page_text(data), encoding="utf-8")
    page = browser.open(path, "all=yes&level=0.5")
    assert page.text("h1") == HOSTILE
    assert HOSTILE in page.text("#slice")
    assert HOSTILE in page.text("#table")
    assert HOSTILE in page.text("#scatter")
    assert page.evaluate("return document.querySelectorAll('img, #main b b, #main script, header script').length") == 0
    page.evaluate("Plotly.Fx.hover('scatter', [{ curveNumber: 2, pointNumber: 0 }])")
    hover = page.text("#scatter .hoverlayer")
    assert "<b>&amp;</b>" in hover
    assert page.errors() == []


@pytest.mark.long
@pytest.mark.parametrize("width", [1400, 400])
def test_every_point_has_a_short_label_that_fits(browser, two_features, width):
    page = browser.open(two_features, width=width)
    page.until("return !!document.querySelector('#scatter .points path')")
    names = dict(page.evaluate("return currentSet().methods.map(({ id, name }) => [id, name])"))
    labels = page.evaluate(HOVERED)
    assert len(labels) > 50
    for method, found in labels:
        (label,) = found
        assert label["isInside"] and len(label["lines"]) <= 8
        text = " ".join(label["lines"]).replace("\u00a0", " ")
        assert text.startswith(names[method]) and "recall@10" in text and "ms a query (" in text
        assert "option_" not in text
        assert ("depth = " in text) == names[method].startswith(("ScaNN", "faiss", "Hash", "Hamming", "Annoy", "PyNN"))


@pytest.mark.long
def test_no_name_in_a_crowded_chart_stands_on_another_and_a_key_has_them_all(browser, tmp_path):
    page = browser.open(made.write(made.searches(builds=6), tmp_path), width=1400)
    page.until("return !!document.querySelector('#scatter .points path')")
    boxes = page.evaluate(WRITTEN)
    assert len(boxes) > 6
    for one, other in itertools.combinations(boxes, 2):
        apart = one[1] >= other[2] or other[1] >= one[2] or one[3] + 2 >= other[4] or other[3] + 2 >= one[4]
        assert apart, (one, other)
    assert len(page.texts("#key button")) == 43
    assert page.evaluate("return document.getElementById('key').offsetHeight") > 50


@pytest.mark.long
def test_where_all_names_stand_in_the_chart_there_is_no_key(browser, tmp_path):
    page = browser.open(made.write(made.searches(methods=("linear_scan", "annoy")), tmp_path), width=1400)
    page.until("return !!document.querySelector('#scatter .points path')")
    assert page.evaluate("return document.getElementById('key').offsetHeight") <= 1


@pytest.mark.long
@pytest.mark.parametrize(
    "low, high", [(0.0165, 0.0745), (3.1, 3.4), (0.9, 1.05), (0.02, 70), (0.001, 4000), (1, 1.001)]
)
def test_a_logarithmic_axis_has_some_ticks_and_not_many(browser, two_features, low, high):
    page = browser.open(two_features)
    ticks = page.evaluate("return logTicks(arguments[0], arguments[1])", low, high)
    values = ticks["tickvals"]
    assert 4 <= len(values) <= 9 and values == sorted(set(values))
    assert all(low <= value <= high for value in values)
    assert len(set(ticks["ticktext"])) == len(values)


@pytest.mark.long
def test_ticks_of_a_narrow_logarithmic_axis_stand_apart_and_upright(browser, tmp_path):
    cells = made.searches(1, methods=("faiss", "annoy"))
    cells["latency_ms_p50"], cells["latency_ms_low"], cells["latency_ms_high"] = [0.006, 0.0095], 0.0055, 0.0105
    page = browser.open(made.write(cells, tmp_path), width=400)
    page.until("return !!document.querySelector('#scatter .points path')")
    boxes = page.evaluate(TICKS)
    assert len(boxes) > 2 and all(right - left > bottom - top for left, right, top, bottom in boxes)
    assert all(other[0] - one[1] >= 6 for one, other in itertools.pairwise(boxes))


@pytest.mark.long
def test_several_data_sets_are_tabs_and_each_has_its_own_rows(browser, tmp_path):
    cells = pd.concat([made.searches(2, dataset="one"), made.searches(3, dataset="two", seed=1)], ignore_index=True)
    page = browser.open(made.write(cells, tmp_path), "level=0.6")
    assert page.texts("#sets button") == ["one", "two"]
    assert page.text("#count") == "15 searches"
    page.click("#set-two")
    assert page.text("#count") == "22 searches"
    keys, _ = ranked_by_pandas(
        tmp_path / "report.html",
        COSTS["latency"],
        "recall_at_10",
        float(page.text("#level-out")),
        lambda own: own[own["dataset"] == "two"],
    )
    assert page.evaluate(RANKED) == keys


@pytest.mark.long
def test_of_two_machine_classes_the_page_shows_that_with_most_and_the_reader_chooses(browser, tmp_path):
    one, other = made.searches(3).assign(machine="One CPU"), made.searches(2, seed=1).assign(machine="Other CPU")
    one["key"] = "1" + one["key"]
    path = made.write(pd.concat([other, one], ignore_index=True), tmp_path)
    page = browser.open(path, "level=0.6")
    assert page.texts("#machine label") == ["One CPU", "Other CPU"] and page.text("#count") == "22 searches"

    def ranked(machine):
        level = float(page.text("#level-out"))
        cost = COSTS["latency"]
        return ranked_by_pandas(path, cost, "recall_at_10", level, lambda cells: cells[cells["machine"] == machine])[0]

    assert page.evaluate(RANKED) == ranked("One CPU") != []
    page.evaluate("document.getElementById('machine-Other CPU').click()")
    assert page.text("#count") == "15 searches" and "machine=Other" in page.address()
    assert page.evaluate(RANKED) == ranked("Other CPU") != []
    assert page.errors() == []


@pytest.mark.long
def test_of_one_machine_class_there_is_no_choice(browser, two_features):
    page = browser.open(two_features)
    assert page.evaluate("return document.getElementById('machine').hidden")


@pytest.mark.long
def test_where_two_machine_classes_trained_the_times_of_training_are_no_cost(browser, tmp_path):
    cells = made.rankings(seeds=(0,)).assign(training_machine="One CPU")
    page = browser.open(made.write(cells, tmp_path / "one", made.CODES))
    assert "training" in page.texts("#cost label")
    cells.loc[cells["hasher"] == "csq", "training_machine"] = "Other CPU"
    page = browser.open(made.write(cells, tmp_path / "two", made.CODES))
    assert "training" not in page.texts("#cost label")
    assert set(page.evaluate(COLUMN, "Trained on")) == {"One CPU", "Other CPU"}
    assert page.errors() == []


@pytest.mark.long
@pytest.mark.parametrize("level", [0.3, 0.5, 0.6])
def test_where_codes_are_ranked_the_slice_finds_the_shortest(browser, codes, level):
    page = browser.open(codes, urlencode({"cost": "bits", "level": level}))
    cells = pd.read_csv(codes.with_name("cells.csv"))
    means = cells[cells["hasher"].notna()].groupby(["hasher", "bits"])["map"].mean().reset_index()
    reaching = means[means["map"] >= float(page.text("#level-out")) - 1e-9].sort_values(
        ["bits", "map"], ascending=[True, False]
    )
    expected = reaching.groupby("hasher", sort=False).head(1)
    firsts = cells.drop_duplicates(["hasher", "bits"]).set_index(["hasher", "bits"])["key"]
    assert page.evaluate(RANKED) == [firsts[row.hasher, row.bits] for row in expected.itertuples()]


@pytest.mark.long
def test_where_codes_are_ranked_the_headline_names_the_best_at_each_length(browser, codes):
    cells = pd.read_csv(codes.with_name("cells.csv"))
    means = cells[cells["hasher"].notna()].groupby(["hasher", "bits"])["map"].mean().reset_index()
    answer = browser.open(codes).text("#answer")
    for _, own in means.groupby("bits"):
        best = own.loc[own["map"].idxmax()]
        assert f"{np.floor(best['map'] * 1000) / 1000:.3f} at {int(best['bits'])}" in answer
    assert "2 seeds" in answer


@pytest.mark.long
@pytest.mark.parametrize("name", ["one cell", "all failed", "no labels", "never run"])
def test_a_page_with_little_on_it_says_so_without_an_error(browser, tmp_path, name):
    cells = {
        "one cell": made.searches(methods=("linear_scan",)),
        "all failed": made.failures().dropna(subset=["status"]),
        "no labels": made.searches().assign(precision_at_10=np.nan),
        "never run": made.failures().assign(status=None, reason=None),
    }[name]
    page = browser.open(made.write(cells, tmp_path))
    assert page.errors() == []
    expected = {
        "one cell": "At recall@10 of 1.00 the fastest here is Linear scan: 4.00 ms a query.",
        "all failed": "Nothing here has a result: 5 searches ended without one, for the reasons below.",
        "no labels": "At recall@10 of 0.95 the fastest here is",
        "never run": "Nothing here was run yet.",
    }[name]
    assert page.text("#answer").replace("\u00a0", " ").startswith(expected)
    assert page.is_shown("#table tbody tr")
    assert page.is_shown("#slice") == (name in ("one cell", "no labels"))


def test_without_plotly_all_but_the_charts_is_there(browser, tmp_path):
    from bench.report.page.assemble import Shared, script_text, style_text

    (tmp_path / "s.css").write_text(style_text())
    (tmp_path / "s.js").write_text(script_text())
    path = tmp_path / "page.html"
    path.write_text(page_text(made.data_of(made.searches()), Shared("s.css", "s.js", "")))
    page = browser.open(path)
    assert page.is_shown("#scatter-missing")
    assert not any(page.is_shown(css) for css in ("#scatter", "#ecdf", "#stretch-label", "#key"))
    assert len(page.evaluate(RANKED)) > 3
    assert page.errors() == []


@pytest.mark.long
def test_files_hold_what_is_shown(browser, two_features):
    page = browser.open(two_features, urlencode({"find": "scann", "sort": "time", "dir": "up"}))
    lines = page.evaluate("return tableAsCsv()").splitlines()
    cells = pd.read_csv(two_features.with_name("cells.csv"))
    own = cells[(cells["index"] == "scann") & (cells["dim"] == 512)].sort_values("latency_ms_p50")
    heads = lines[0].split(",")
    assert [line.rsplit(",", 1)[1] for line in lines[1:]] == own["key"].tolist()
    assert heads[-2:] == ["status", "key"]
    saved = pd.read_csv(StringIO("\n".join(lines)))
    ends = ["Time, ms, median, low", "Time, ms, median, high"]
    assert saved[ends].to_numpy() == pytest.approx(own[["latency_ms_low", "latency_ms_high"]].to_numpy())
    latex = page.evaluate("return tableAsLatex()")
    assert latex.count("\\\\\n") == 1 + len(own)
    assert "\\begin{tabular}{ll" in latex
    first, *_ = latex.splitlines()
    assert first.startswith("% ann on ") and str(two_features.parent) not in latex and "file:" not in latex
    assert "report.html#" in first and "& interval &" in latex


@pytest.mark.long
def test_a_chart_can_be_kept_as_a_picture(browser, two_features):
    page = browser.open(two_features)
    assert page.is_shown("[data-png=scatter]")
    picture = page.awaited("Plotly.toImage('scatter', { format: 'png', width: 600, height: 400 })")
    assert picture.startswith("data:image/png;base64,")
    assert page.errors() == []


@pytest.mark.long
def test_every_chart_has_a_button_that_saves_it(browser, codes):
    page = browser.open(codes)
    charts = page.evaluate("return [...document.querySelectorAll('.chart')].map((one) => one.id)")
    buttons = page.evaluate("return [...document.querySelectorAll('[data-png]')].map((one) => one.dataset.png)")
    assert sorted(buttons) == sorted(charts) and "ones" in charts


@pytest.mark.long
def test_the_keyboard_alone_chooses_a_level_opens_a_row_and_clears(browser, two_features):
    page = browser.open(two_features)
    page.evaluate("document.getElementById('level').focus()")
    before = float(page.text("#level-out"))
    page.press("\ue012")
    assert float(page.text("#level-out")) == pytest.approx(before - 0.005)
    page.evaluate("document.querySelector('#slice button').focus()")
    page.press("\ue007")
    assert "selected=" in page.address()
    page.press("\ue00c")
    assert "selected=" not in page.address()


@pytest.mark.long
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400], ids=["wide", "narrow"])
@pytest.mark.parametrize("kind", ["searches", "codes"])
def test_axe_finds_no_serious_fault(browser, two_features, codes, kind, width, dark):
    page = browser.open(two_features if kind == "searches" else codes, "", width=width, dark=dark)
    page.click("#table tbody th button")
    page.click("#slice button")
    assert page.axe() == []


@pytest.mark.long
@pytest.mark.parametrize("kind", ["searches", "codes"])
def test_a_page_400_pixels_wide_does_not_scroll_sideways(browser, two_features, codes, kind):
    page = browser.open(two_features if kind == "searches" else codes, "all=yes", width=400)
    page.click("#table tbody th button")
    assert page.evaluate("return document.documentElement.scrollWidth") <= 400


@pytest.mark.long
def test_500_cells_open_in_little_more_time_than_one(browser, tmp_path):
    one = made.write(made.searches(methods=("linear_scan",)), tmp_path / "one")
    many = made.write(made.searches(settings=12, builds=6), tmp_path / "many")
    assert len(pd.read_csv(many.with_name("cells.csv"))) > 500
    times = {path: min(browser.open(path).awaited(OPENED) for _ in range(5)) for path in (one, many)}
    assert times[many] < 6 * times[one]
