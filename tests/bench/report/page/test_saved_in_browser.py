"""What the page saves, in a headless browser without a network."""

from io import StringIO

import pandas as pd
import pytest

from tests.bench.report.page import made

ENDING = "Without a result"


def mixed(tmp_path):
    """The page of finished searches and of some without a result, the reason of one of which has several lines."""
    cells = pd.concat([made.searches(settings=2), made.failures()], ignore_index=True)
    cells.loc[cells["status"] == "memory", "reason"] = "killed:\n\nneeded 90 % of 20 GB"
    return made.write(cells, tmp_path)


def saved_csv(page):
    return pd.read_csv(StringIO(page.evaluate("return tableAsCsv()")), keep_default_na=False)


def saved_latex(page):
    """The lines of the saved LaTeX table, each as its cells."""
    lines = page.evaluate("return tableAsLatex()").split("\\midrule\n")[1].split("\n\\bottomrule")[0].splitlines()
    assert all(line.endswith(" \\\\") for line in lines)
    return [line.removesuffix(" \\\\").split(" & ") for line in lines]


@pytest.mark.long
def test_a_saved_table_says_of_each_row_without_a_result_why_it_has_none(browser, tmp_path):
    page = browser.open(mixed(tmp_path))
    saved = saved_csv(page).set_index("status")[ENDING]
    assert (saved["ok"] == "").all()
    assert saved["error"] == "error: ValueError: n < 1" and saved[""] == "not run yet"
    assert ENDING not in page.text("#table thead")
    page.go("find=exact")
    assert ENDING not in saved_csv(page).columns


@pytest.mark.long
@pytest.mark.parametrize("write", [mixed, lambda folder: made.write(made.failures(), folder)], ids=["mixed", "failed"])
def test_a_saved_latex_table_has_the_rows_of_the_csv(browser, tmp_path, write):
    page = browser.open(write(tmp_path))
    rows, lines = saved_csv(page), saved_latex(page)
    assert [line[0] for line in lines] == [name.replace("_", "\\_") for name in rows["Method"]]
    reasons = [line[list(rows.columns).index(ENDING)] for line in lines]
    assert [bool(reason) for reason in reasons] == (rows["status"] != "ok").tolist()
    assert any("ValueError: n \\textless{} 1" in reason for reason in reasons)


@pytest.mark.long
def test_a_reason_of_several_lines_is_one_line_of_latex(browser, tmp_path):
    page = browser.open(mixed(tmp_path))
    assert any("memory: killed: needed 90 \\% of 20 GB" in line for line in saved_latex(page))
