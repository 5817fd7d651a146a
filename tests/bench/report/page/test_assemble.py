import builtins
import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.page import assemble
from bench.report.page.assemble import BLOCK, SCRIPTS, Shared, embedded, filled, page_text, read_payload, write_page
from tests.bench.report.page import made

HOSTILE = [
    *("</script><script>alert(1)</script>", "<!-- <script>", "]]>", "&lt;", "\u2028\u2029", "@@DATA@@", '"\\'),
    *("\ud800", "\x00", "<img src=x onerror=alert(1)>", "${alert(1)}", "%{x}"),
]
MEGABYTE = 1_000_000
texts = st.one_of(st.text(), st.sampled_from(HOSTILE), st.text(alphabet="<>/!-&scripta\u2028\\\"'"))
values = st.recursive(
    st.one_of(
        texts, st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
)


class Elements(HTMLParser):
    """The scripts of a page, and the text of its data, as a browser would split them."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.scripts, self._inside = [], False

    def handle_starttag(self, tag, attributes):
        if tag == "script":
            self.scripts.append([dict(attributes), ""])
            self._inside = True

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "script"

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1][1] += data


def scripts_of(text):
    parser = Elements()
    parser.feed(text)
    return parser.scripts


@given(values)
def test_embedded_data_come_back_and_hold_nothing_that_ends_a_script(value):
    text = embedded(value)
    assert json.loads(text) == value
    assert text.isascii()
    assert not set("<>&") & set(text)


@given(st.lists(texts, min_size=1, max_size=3))
def test_whatever_the_texts_are_the_page_has_its_own_scripts_and_no_others(hostile):
    data = {"grid": {"title": hostile[0], "layout": "pareto"}, "texts": hostile}
    attributes, contents = zip(*scripts_of(page_text(data, Shared("s.css", "s.js", "p.js"))), strict=True)
    assert [one.get("src") for one in attributes] == [None, "s.js", "p.js"]
    assert json.loads(contents[0]) == data


def test_a_place_named_inside_a_part_stays_text():
    assert filled("<@@A@@|@@B@@>", A="@@B@@", B="b") == "<@@B@@|b>"


def test_the_policy_lets_the_page_s_own_scripts_run_and_blocks_every_network():
    text = page_text(made.data_of(made.searches(settings=1)))
    policy = re.search('Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"https?:|\*|unsafe-eval|connect-src", policy)
    own = [content for attributes, content in scripts_of(text) if "type" not in attributes]
    sums = ["'sha256-" + b64encode(sha256(one.encode()).digest()).decode() + "'" for one in own]
    assert policy.partition("script-src ")[2].split() == sums
    assert len(own) == 2


def test_the_page_refers_to_no_other_file():
    text = page_text(made.data_of(made.searches(settings=1)))
    head = text.partition("<body>")[0] + text.partition("<body>")[2].partition(BLOCK[0])[0]
    assert not re.search(r"""(src|href)=["'](?!#)""", head)


def test_a_page_of_a_site_shares_style_script_and_plotly():
    text = page_text(made.data_of(made.searches(settings=1)), Shared("../s.css", "../s.js", ""), "<nav>Up</nav>")
    assert '<link rel="stylesheet" href="../s.css">' in text
    assert "<nav>Up</nav>" in text
    assert len(text) < MEGABYTE


def test_the_data_of_a_written_page_are_read_back(tmp_path):
    data = made.data_of(made.searches(settings=2))
    assert read_payload(write_page(data, tmp_path, print)) == data


@pytest.mark.parametrize(
    "text", ["", "<p>no report</p>", BLOCK[0] + "{" + BLOCK[1], BLOCK[0] + '{"format":99}' + BLOCK[1]]
)
def test_what_is_no_report_is_refused_in_a_line_that_names_the_file(tmp_path, text):
    path = tmp_path / "report.html"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(str(path))) as refused:
        read_payload(path)
    assert "\n" not in str(refused.value)


def test_a_page_that_cannot_be_made_leaves_the_earlier_one_and_nothing_else(tmp_path, monkeypatch):
    before = write_page(made.data_of(made.searches(settings=1)), tmp_path, print).read_bytes()
    monkeypatch.setattr(assemble, "page_text", lambda data: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_page({}, tmp_path, print)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_bytes() == before


def test_without_plotly_the_page_is_written_without_charts_and_one_line_says_so(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name.startswith("plotly"):
            raise ImportError("No module named 'plotly'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    said = []
    path = write_page(made.data_of(made.searches(settings=1)), tmp_path, said.append)
    assert len(said) == 1
    assert "pip install plotly" in said[0]
    assert path.stat().st_size < MEGABYTE


@pytest.mark.long
def test_a_page_of_2000_cells_is_below_8_megabytes(tmp_path):
    cells = made.searches(settings=24, builds=12)
    assert len(cells) > 2000
    assert write_page(made.data_of(cells), tmp_path, print).stat().st_size < 8 * MEGABYTE


def test_every_script_of_the_page_is_in_it_once():
    folder = assemble.files("bench.report.page").joinpath("js")
    assert sorted(f"{name}.js" for name in SCRIPTS) == sorted(path.name for path in folder.iterdir())
