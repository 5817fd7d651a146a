"""Files of text: what pandas, numpy and Python's csv write is read as it was written, or refused in one line."""

import csv
import io
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from bench.evaluation.evaluate import evaluate
from bench.given.files import arrays_of
from bench.interfaces import Context
from datasets.codes import OwnCodes

NUMBER_OF = count()
NUMBERS = ["1", "01", "1.0", "1e0", "1 000", "0 1"]
MISSING = ["NA", "null", "None", "NaN", "n/a", "nan"]
NAMED = ["golden retriever", "great white shark", "ox", "C", "C#", "F # 1", "x#", "日本", "é", "-", "True"]
WORDS = [*NUMBERS, *MISSING, *NAMED, "a, b", "a; b", "a\tb", 'the "q" x']
NAMES = st.one_of(st.sampled_from(WORDS), st.text(st.sampled_from("ab,;# \t'\"01.é"), min_size=1, max_size=6))


def read(path, rows=None):
    (array,) = arrays_of(path).values()
    return array(rows)


def hardly_a_label(first, *below):
    """Whether the first of these seems to name the others: a text above numbers alone."""
    values = [
        pd.notna(pd.to_numeric(name, errors="coerce")) or name in ("True", "nan", "NaN") for name in (first, *below)
    ]
    return len(values) > 1 and not values[0] and all(values[1:])


def text_of(names, quoting, head=None):
    made = io.StringIO()
    rows = [*([] if head is None else [[head]]), *([name] for name in names)]
    csv.writer(made, quoting=quoting, lineterminator="\n").writerows(rows)
    return made.getvalue()


def held(folder, text, ending="csv"):
    path = Path(folder) / f"{next(NUMBER_OF)}.{ending}"
    path.write_text(text, encoding="utf-8")
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=8), st.sampled_from([None, "label", "class name", "NA", "C#"]))
@example(["a; b", "a; c"], None)
@example(["C#", "C"], None)
def test_quoted_names_are_read_as_they_are_written(tmp_path, names, head):
    if head in names:
        head = None
    assume(head is not None or not hardly_a_label(*names))
    path = held(tmp_path, text_of(names, csv.QUOTE_ALL, head))
    assert read(path, len(names)).ravel().tolist() == names


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(NAMES, min_size=2, max_size=8), st.sampled_from([None, "label", "class name"]))
def test_names_that_stand_in_no_quotes_are_read_as_they_are_written_or_refused(tmp_path, names, head):
    names = [name.strip() or "x" for name in names]
    if head in names:
        head = None
    text = text_of(names, csv.QUOTE_MINIMAL, head)
    path = held(tmp_path, text)
    assume(head is not None or not hardly_a_label(*names))
    try:
        found = read(path, len(names))
    except ValueError as fault:
        lines = text.splitlines()
        is_lost = head is None and lines[0].startswith("#")
        are_columns = min(sum(line.count(one) for line in lines) for one in ";\t") or "0 1" in names or "1 000" in names
        assert is_lost or are_columns, (text, fault)
        assert "\n" not in str(fault)
    else:
        assert found.ravel().tolist() == names or found.ndim == 2  # columns, which are no labels unless of 0 and 1


LISTS = [
    ["C", "C#", "F", "F#", "C"],
    ["NA", "null", "None", "n/a", "NA", "NaN"],
    ["NA", "x", "y"],
    ["golden retriever", "ox", "great white shark"],
    ["great dane", "polar bear", "ox"],
    ["great dane", "polar bear", "red fox"],
    ["ox", "a#", "#b"],
    ["1", "01", "1.0", "1e0", "001"],
    ["unique", "twice", "twice"],
]


@pytest.mark.parametrize("names", LISTS)
@pytest.mark.parametrize("head", ["", "label\n", "# made by hand\n\nclass name\n", "\ufefflabel\n"])
def test_a_name_is_a_class_whether_or_not_a_line_names_the_column(tmp_path, names, head):
    assert read(held(tmp_path, head + "\n".join(names)), len(names)).tolist() == names
    assert read(held(tmp_path, (head + "\n".join(names) + "\n").replace("\n", "\r\n")), len(names)).tolist() == names


def relevant(query, database):
    """Which pairs have equal names."""
    return np.array([[one == two for two in database] for one in query])


@pytest.mark.parametrize("names", [["01", "1", "001"], ["C", "C#", "#"], ["NA", "null", "nan"], ["10", "2", "1"]])
@pytest.mark.parametrize("head", [None, "label"])
def test_figures_of_names_in_files_are_those_of_pairs_with_equal_names(tmp_path, names, head):
    rng = np.random.default_rng(len(names[0]))
    bits = [rng.integers(0, 2, (n, 5)) for n in (4, 30)]
    labels = [["x" if names[0] == "C" else names[1], *rng.choice(names, n - 1)] for n in (4, 30)]
    sources = []
    for values, own in zip(bits, labels, strict=True):
        sources.append(
            (held(tmp_path, pd.DataFrame(values).to_csv(index=False)), held(tmp_path, text_of(own, 0, head)))
        )
    found = evaluate(sources[0][0], sources[1][0], sources[0][1], sources[1][1])
    near = (bits[0][:, None] != bits[1]).sum(axis=2) <= 2
    hits = near & relevant(*labels)
    means = [row.sum() / max(1, all_.sum()) for row, all_ in zip(hits, near, strict=True)]
    assert found.precision_within_2 == pytest.approx(np.mean(means), rel=1e-12)


def test_one_hot_rows_of_two_classes_may_begin_with_0_and_1(tmp_path):
    rows = np.array([[0, 1], [1, 0], [0, 1]])
    for text in (
        "0,1\n1,0\n0,1\n",
        "0,1\n0,1\n1,0\n0,1\n",
        "a,b\n0,1\n1,0\n0,1\n",
        "# x\n0 1\n1 0\n0 1",
        "0;1\n1;0\n0;1\n",
    ):
        assert np.array_equal(read(held(tmp_path, text), 3), rows), text


def test_codes_of_two_bits_that_may_have_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the first line, 0 and 1, may name two columns or be a row; two columns of"):
        read(held(tmp_path, "0,1\n1,0\n"))
    assert read(held(tmp_path, "0,1\n-1,1\n1,1\n")).tolist() == [[-1, 1], [1, 1]]
    assert read(held(tmp_path, "a,b\n0,1\n")).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("text", "rows", "message"),
    [
        ("a\nb\nc\n", 5, "3 lines for 5 items, must be as many, or one more whose first names the columns"),
        ("3\n1\n2\n", 2, "3 lines for 2 items, .*; the first is '3'"),
        ("#a\nb\nb\n", 3, "2 lines for 3 items, .*; the first is 'b'; lines that begin with # above them are comments"),
        ("label\na\n\n", 2, "2 lines and an empty one at the end for 2 items, the first 'label'; must have one more"),
        ("dog\na\n\n", 2, "2 lines and an empty one at the end for 2 items, the first 'dog'; must have one more than"),
        (
            "label\na\nb\n",
            3,
            "3 lines for 3 items, the first 'label'; must have one more than these if",
        ),
        ("kind\n1\n2\n", 3, "3 lines for 3 items, the first 'kind'; must have one more than these if the first names"),
        ("a,b\n1,0\n0,1\n", 3, "3 lines for 3 items, the first 'a,b'; must have one more than these if the first"),
        ("a, b\nc\n", 2, "line 1 has 2 columns, and others have 1; a name with a comma must stand in quotes"),
        ("label\na, b\nc\n", 2, "line 2 has 2 columns, and others have 1; a name with a comma"),
        ("a,1\nb,2,3\n", 2, "line 1 has 2 columns, and others have 1"),
        ("0,1,1\n1,1\n0,1,0\n", 3, "line 2 has 2 columns and the first 3; each line must have as many"),
        (",1,1\n0,1,1\n0,1,0\n", None, "the first line has nothing in column 1; a value must stand there"),
        ("0 1\n\n1 1 0\n", 3, "line 3 has 3 columns and the first 2; each line must have as many"),
        ("0,1,1\n1,,1\n0,1,0\n", 3, "line 2, column 1 is empty; a value must stand there"),
        ('a\n"b\nc\n', 3, "can't be read as .csv: unexpected end of data"),
        ("", 1, "can't be read as .csv: it holds no values"),
        ("# a\n\n", 1, "can't be read as .csv: it holds no values"),
    ],
)
def test_what_is_no_file_of_as_many_labels_is_refused_with_its_cause(tmp_path, text, rows, message):
    with pytest.raises(ValueError, match=rf"{tmp_path}.*{message}") as caught:
        read(held(tmp_path, text), rows)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ['a\n""\nb\n', "a\n\nb\n", 'label\na\n""\nb\n', "label\na\n\nb\n", '""\na\nb\n'])
def test_an_empty_label_is_refused_whether_or_not_a_line_names_the_column(tmp_path, text):
    codes = np.eye(3, dtype=int)
    with pytest.raises(ValueError, match=r"csv: the label at row [01] is empty; a label must be a whole"):
        evaluate(codes, codes, np.arange(3), held(tmp_path, text))


@pytest.mark.parametrize("number", ["%d", "%.18e", "%.6f", "%g"])
@pytest.mark.parametrize("between", [",", ";", "\t", " "])
@pytest.mark.parametrize("head", ["", "x"])
def test_numbers_that_numpy_writes_are_those_that_it_had(tmp_path, number, between, head):
    values = np.random.default_rng(1).integers(-9, 9, (5, 4))
    path = tmp_path / "x.txt"
    names = between.join(f"b{column}" for column in range(4))
    np.savetxt(path, values, fmt=number, delimiter=between, header=names if head else "", comments="", footer="")
    found = read(path)
    assert np.array_equal(found, values) and found.dtype.kind == ("f" if number.endswith(("e", "f")) else "i")
    np.savetxt(path, values, fmt=number, delimiter=between, header="two\nlines", footer="# end, 1 2")
    assert np.array_equal(read(path), values)


@pytest.mark.parametrize("wanted", ["index", "no index", "truth values"])
def test_frames_that_pandas_writes_are_those_that_it_had(tmp_path, wanted):
    rng = np.random.default_rng(2)
    values = rng.random((6, 3)) > 0.5 if wanted == "truth values" else rng.standard_normal((6, 3))
    frame = pd.DataFrame(values, index=[7, 0, 1, 0, 1, 2])
    path = held(tmp_path, frame.to_csv(index=wanted == "index"))
    found = read(path)
    assert np.array_equal(found, values) and found.dtype == values.dtype
    assert np.array_equal(read(path, 6), values)
    named = frame.rename(columns=lambda column: f"b{column}")
    assert np.array_equal(read(held(tmp_path, named.to_csv(index=wanted == "index"))), values)
    labels = pd.Series(["01", "1", "NA", "C#", "x", "x"], name="label", index=frame.index)
    assert read(held(tmp_path, labels.to_csv(index=wanted == "index")), 6).tolist() == labels.tolist()


def test_a_value_that_is_not_finite_stays_among_the_numbers(tmp_path):
    codes = np.eye(2, 3)
    with pytest.raises(ValueError, match="nan at row 1, column 2; a value must be finite"):
        evaluate(held(tmp_path, "1,2,3\n1,2,nan\n"), codes, [0, 1], [0, 1])
    with pytest.raises(ValueError, match="inf at row 1; a label must be a whole number or a text"):
        evaluate(codes, codes, held(tmp_path, "1.0\ninf\n"), held(tmp_path, "1.0\n2.0\n"))


def test_labels_of_a_data_set_of_codes_are_counted_by_its_codes(tmp_path):
    for name in ("query", "database"):
        (tmp_path / f"{name}.csv").write_text("b0,b1,b2\n0,1,1\n1,1,0\n0,0,0\n")
        (tmp_path / f"{name}_labels.csv").write_text("once\nC#\nC\n")
    assert OwnCodes(data_dir=tmp_path).load(Context()).classes == ("C", "C#", "once")
