"""Tables of plain text: whole, in lines that fit, whatever stands in them."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from bench.report.text_layout import Row, Table, fitted, flowing, needs, wrapped
from bench.system.wording import printable

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)
names = st.one_of(
    words, st.lists(words, max_size=4).map(" ".join), st.sampled_from(["日本語" * 9, "x" * 90, "a b " * 30])
)


@st.composite
def any_table(draw):
    heads = draw(st.lists(names, min_size=1, max_size=7))
    values = st.one_of(
        st.lists(names, min_size=len(heads), max_size=len(heads)), st.lists(names, min_size=1, max_size=1), st.just([])
    )
    rows = draw(st.lists(st.builds(Row, names, values.map(tuple), st.integers(0, 3)), max_size=6))
    texts = draw(st.sets(st.integers(0, len(heads) - 1)))
    return Table(tuple(heads), tuple(rows), draw(names), draw(names), tuple(texts))


@given(names, st.integers(20, 90))
@example("0\x1f\x1f\x1f\x19 %", 20)
def test_no_word_of_a_flowing_line_is_broken(text, width):
    lines = flowing(f"  {text}", width)
    assert [word for line in lines for word in line.split()] == printable(text).replace("\n", "\\n").split()
    assert all(cell_len(line) <= width or len(line.split(maxsplit=1)) == 1 for line in lines if "=" not in line)


def test_a_flowing_line_keeps_its_own_spaces_and_hangs_below_its_indent():
    assert flowing("[   1.7 s] error: no room in /a/long/path/of/a/file.npy there", 30) == [
        "[   1.7 s] error: no room in",
        "  /a/long/path/of/a/file.npy",
        "  there",
    ]


def squeezed(text):
    return re.sub(r"\s", "", text)


@settings(max_examples=300)
@given(any_table(), st.integers(1, 200))
def test_every_line_fits_and_nothing_is_cut(table, width):
    lines = fitted(table, width)
    assert all(cell_len(line) <= max(width, 20) and line == line.rstrip() for line in lines)
    assert all(line.isprintable() for line in lines)
    shown = "".join(map(squeezed, lines))
    for row in table.rows:
        for text in (row.label, *row.values):
            if text.isascii() and text.isprintable() and len(text.split()) == 1 and len(text) < 15:
                assert squeezed(text) in shown


@settings(max_examples=300)
@given(names, st.integers(3, 80), st.integers(0, 4))
def test_a_text_is_broken_into_lines_and_none_of_it_is_lost(text, width, hanging):
    lines = wrapped(text, width, hanging)
    assert all(cell_len(line) <= max(width, hanging + 2) for line in lines)
    escaped = text.encode("unicode_escape") if not text.isprintable() else None
    assert escaped is not None or squeezed("".join(lines)) == squeezed(text)


def test_a_word_is_broken_only_where_it_is_longer_than_a_line():
    assert wrapped("nearest neighbours in the database", 12) == ["nearest", "neighbours", "in the", "database"]
    assert wrapped("a nearestneighbour", 8, 2) == ["a", "  neares", "  tneigh", "  bour"]


@pytest.mark.parametrize("setting", ["nprobe = 1,", "(ef_construction = 200,", "candidates = 3000"])
def test_a_setting_is_never_broken_inside(setting):
    for width in range(len(setting), 60):
        assert any(setting in line for line in wrapped(f"faiss with factory {setting} and others", width))


TABLE = Table(
    ("1000", "2000"),
    (Row("512-d features"), Row("Linear scan", ("79.0",), 1), Row("Hash tables (L = 16)", ("73.2", "75.1"), 1)),
    corner="P@10, %",
)


def test_numbers_stand_on_the_right_below_their_heading_and_one_for_all_in_the_middle():
    assert fitted(TABLE, 80) == [
        "P@10, %                 1000  2000",
        "512-d features",
        "  Linear scan           <- 79.0 ->",
        "  Hash tables (L = 16)  73.2  75.1",
    ]
    assert needs(TABLE) == 34


def test_where_it_is_too_wide_labels_are_broken_then_columns_are_grouped_then_rows_become_paragraphs():
    broken = fitted(TABLE, 32)
    assert broken[-2:] == ["  Hash tables         73.2  75.1", "    (L = 16)"]
    grouped = fitted(TABLE, 28)
    assert [line for line in grouped if "1000" in line or "2000" in line] == [
        "P@10, %                 1000",
        "P@10, %                 2000",
    ]
    long = Table(("value",), (Row("x" * 30, ("1",)),), "label")
    assert fitted(long, 20) == ["label", "  " + "x" * 18, "  " + "x" * 12, "  value: 1"]


def test_wide_characters_take_two_columns():
    lines = fitted(Table(("n",), (Row("日本", ("1",)), Row("abcd", ("2",))), ""), 80)
    assert lines == ["      n", "日本  1", "abcd  2"]


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31mb", "a\tb", "\u202e"])
def test_what_a_terminal_would_obey_is_an_escape(text):
    (line,) = fitted(Table((), (Row(text),)), 80)
    assert line.isprintable() and "\\" in line
