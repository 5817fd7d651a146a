"""The page where settings were chosen on other queries, or where intervals say nothing."""

import pytest

from bench.report import halves
from tests.bench.report.page import made

LISTED = "return [...document.querySelectorAll('#slice button .got')].map((one) => parseFloat(one.textContent))"


def split(folder):
    """Searches that reach less on the report half than on the tune half, but for one that reaches more."""
    cells = made.searches(2, methods=("linear_scan", "faiss", "hnswlib"))
    for name in ("recall_at_10", "precision_at_10", "latency_ms_p50", "throughput_qps"):
        cells[f"tune_{name}"] = cells[name]
    exact = cells["index"] == "linear_scan"
    cells.loc[~exact, "tune_recall_at_10"] = [0.95, 0.96, 0.91, 0.94]
    cells.loc[~exact, "recall_at_10"] = [0.93, 0.94, 0.92, 0.952]
    return made.write(cells, folder)


@pytest.mark.long
def test_the_page_says_on_which_queries_a_level_is_reached_and_what_is_reached_on_the_others(browser, tmp_path):
    page = browser.open(split(tmp_path), "level=0.95")
    answer = page.text("#answer")
    assert answer.startswith(
        "Of the settings chosen on the tune half for recall@10 of 0.95, the fastest here is faiss "
    )
    assert "It has recall@10 of 0.930 on the report half." in answer
    assert page.text("label[for=level]") == "At least 0.95 on the tune half"
    assert page.evaluate(LISTED) == [0.93, 1.0]
    below = "Below 0.95 at every setting on the tune half: hnswlib (M = 16) (at most 0.940 there)."
    assert page.text("#short") == below
    assert page.text("#reach-text") == "only what reaches 0.95 on the report half"
    assert halves.ABOUT in page.text("#slice-note")
    assert page.errors() == []


@pytest.mark.long
@pytest.mark.parametrize("width", [400, 1280])
def test_what_is_reached_stands_beside_a_level_of_other_queries_at_every_width(browser, tmp_path, width):
    page = browser.open(split(tmp_path), "level=0.95", width=width)
    assert page.is_shown("#slice button .got")
    assert page.evaluate("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.long
def test_without_a_tune_half_the_page_says_nothing_of_halves(browser, tmp_path):
    page = browser.open(made.write(made.searches(2, methods=("linear_scan", "faiss")), tmp_path), "level=0.8")
    assert "half" not in page.text("#answer") + page.text("#slice-section")
    assert page.text("label[for=level]") == "At least 0.80"


@pytest.mark.long
@pytest.mark.parametrize("which", [("faiss",), ("linear_scan",), ("faiss", "linear_scan")])
def test_an_interval_that_says_nothing_is_not_drawn_and_tells_nothing_of_a_lead(browser, tmp_path, which):
    cells = made.searches(1, methods=("linear_scan", "faiss")).assign(recall_at_10=1.0)
    vague = cells["index"].isin(which)
    cells.loc[vague, "latency_ms_low"] = cells["latency_ms_p50"] / 1000
    page = browser.open(made.write(cells, tmp_path), "level=0.5")
    assert page.texts("#slice button .range").count("too few replicates") == len(which)
    assert len(page.texts("#slice .track b")) == 2 - len(which)
    own, other = "It has too few replicates, so nothing says how sure its lead is.", "1 other has too few replicates."
    assert (own if "faiss" in which else other) in page.text("#answer")
