from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.given.labels import check_labels, number_classes, of_one_kind, read_labels

NUMBERS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20)
KINDS = st.sampled_from(["i8", "u8"])


def typed(labels, kind):
    return np.array(labels, dtype="u8" if max(labels) >= 2**63 else kind)


@given(NUMBERS, NUMBERS, KINDS, KINDS)
def test_each_item_keeps_its_class_whatever_its_number(database, query, kind, other):
    classes, *found = number_classes("X", typed(database, kind), typed(query, other))
    assert list(classes) == [str(label) for label in sorted({*database, *query})]
    for labels, expected in zip(found, (database, query), strict=True):
        assert labels.dtype == np.int64 and [classes[label] for label in labels] == [str(label) for label in expected]


def test_texts_name_classes_in_their_own_order():
    classes, database, query = number_classes("X", *(np.array(a, dtype=object) for a in (["b", "a", "b"], ["c"])))
    assert classes == ("a", "b", "c") and database.tolist() == [1, 0, 1] and query.tolist() == [2]


def test_names_stand_at_their_labels_and_those_that_do_not_occur_are_left_out():
    classes, database, query = number_classes("X", np.array([3, 1]), np.array([1]), ("a", "b", "c", "d"))
    assert classes == ("b", "d") and database.tolist() == [1, 0] and query.tolist() == [0]


@pytest.mark.parametrize(
    ("query", "names", "message"),
    [
        ([0, 0, -1], (), "X: query item 2 has label -1, must be 0 or more"),
        ([0, 2], ("a", "b"), r"X: query item 1 has label 2, must be in 0\.\.1, the classes with a name"),
        ([0, -1], ("a", "b"), r"X: query item 1 has label -1, must be in 0\.\.1"),
        (np.array(["a"], dtype=object), (), "labels of one split are texts, and of the other numbers"),
    ],
)
def test_a_label_that_is_none_is_named(query, names, message):
    with pytest.raises(ValueError, match=message):
        number_classes("X", np.array([0, 1]), np.array(query), names)


def test_a_label_beyond_what_memory_could_count_to_is_a_class_like_any_other():
    classes, *_ = number_classes("X", np.array([5_000_000, 2**40, 2**62]), np.array([5_000_000]))
    assert classes == ("5000000", str(2**40), str(2**62))


@pytest.mark.parametrize("kind", ["?", "u1", "i8", "f4"])
def test_rows_of_zeros_and_ones_are_sets_of_classes(kind):
    sets = [np.array([[1, 1, 0], [0, 0, 0]]), np.array([[0, 1, 1]])]
    classes, database, query = number_classes("X", *(one.astype(kind) for one in sets))
    assert classes == ("0", "1", "2") and database.dtype == query.dtype == np.bool_
    assert np.array_equal(database, sets[0]) and np.array_equal(query, sets[1])
    assert number_classes("X", *sets, ("a", "b", "c"))[0] == ("a", "b", "c")


def test_rows_of_one_class_each_are_labels():
    classes, database, query = number_classes("X", np.eye(4)[[3, 1, 1]], np.eye(4)[[1]])
    assert classes == ("1", "3") and database.tolist() == [1, 0, 0] and query.tolist() == [0]
    assert database.dtype == np.int64


def test_sets_of_other_classes_are_refused():
    with pytest.raises(ValueError, match=r"labels \[3, 4\] and \[1, 5\] are not of the same classes"):
        number_classes("X", np.ones((3, 4)), np.ones((1, 5)))


@pytest.mark.parametrize(
    ("labels", "count", "message"),
    [
        (np.array([[0, 1], [2, 0]]), 2, "X: 2 at row 1, column 0; a set of classes is of 0 and 1"),
        (np.array([[0, np.nan], [1, 0]]), 2, "X: nan at row 0, column 1; a set of classes"),
        (np.ones((3, 2)), 2, "X: 3 labels for 2 items"),
        (np.ones((3, 2, 2)), 3, r"X: float64 \[3, 2, 2\], must be integers or texts \[n\], or 0 and 1"),
        (np.ones(3, complex), 3, r"X: complex128 \[3\], must be integers or texts"),
        (np.array([["a", "b"]] * 2), 2, r"X: <U1 \[2, 2\], must be integers or texts \[n\], or 0 and 1"),
    ],
)
def test_what_is_no_array_of_labels_is_named(labels, count, message):
    with pytest.raises(ValueError, match=message):
        read_labels("X", labels, count)


def test_columns_and_rows_of_whole_numbers_are_labels():
    for shape in ((3,), (3, 1), (1, 3)):
        assert read_labels("X", np.array([4.0, 0.0, 7.0]).reshape(shape), 3).tolist() == [4, 0, 7]
    assert read_labels("X", np.array([[0, 1, 1]]), 1).tolist() == [[0, 1, 1]]


@given(
    st.lists(st.integers(-3, 3), min_size=2, max_size=9),
    st.sampled_from(["i1", "i8", "f4", "f8", "U", "O"]),
    st.sampled_from([(-1,), (-1, 1), (1, -1)]),
)
def test_labels_of_every_kind_and_form_say_which_items_are_of_one_class(numbers, kind, shape):
    read = read_labels("X", np.array(numbers).astype(kind).reshape(shape), len(numbers))
    _, found, _ = number_classes("X", read, read, signed=True)
    assert np.array_equal(found[:, None] == found, np.equal.outer(numbers, numbers))


SPELLINGS = ["1", "01", "001", "1.0", "1e0", "+1", "-0", "0", "0.0", "2", "2.5", "2.50", "nan", "NaN", "inf", "1_0"]


def of_kind(first, second):
    return of_one_kind(("query", "database"), (np.array(first), np.array(second)))


@given(st.lists(st.sampled_from(SPELLINGS), min_size=1, max_size=6))
def test_texts_of_several_spellings_are_as_many_classes_as_there_are_texts(texts):
    every = [*texts, *SPELLINGS]
    query, database = of_kind(texts, every)
    _, found, other = number_classes("X", database, query, signed=True)
    assert np.array_equal(other[:, None] == found, [[one == two for two in every] for one in texts])


@pytest.mark.parametrize(
    ("query", "database", "numbers"),
    [
        (["10", "2", "-1"], ["2", "2", "0"], ([10, 2, -1], [2, 2, 0])),
        (["10", "2"], ["2.0", "0.0"], ([10, 2], [2, 0])),
        (["1.000000000000000000e+00", "1.000000000000000000e+01"], [10, 1], ([1, 10], [10, 1])),
        ([2, 1], ["1", "3"], ([2, 1], [1, 3])),
        ([str(2**63), "1"], ["-1"], ([2**63, 1], [-1])),
    ],
)
def test_texts_that_are_whole_numbers_on_both_sides_are_numbers(query, database, numbers):
    found = of_kind(query, database)
    assert all(one.dtype.kind in "iu" for one in found) and tuple(one.tolist() for one in found) == numbers


@pytest.mark.parametrize(
    ("query", "database"),
    [(["1"], ["01", "1"]), (["1"], ["1", "None"]), (["1", "1.0"], ["1"]), ([str(2**64)], ["1"]), (["2.5"], ["1"])],
)
def test_where_one_split_has_names_the_texts_of_both_are_names_as_written(query, database):
    assert [one.tolist() for one in of_kind(query, database)] == [query, database]


def test_what_is_no_finite_number_among_numbers_is_named():
    with pytest.raises(ValueError, match=r"^query: nan at row 1; a label must be a whole number or a text"):
        of_kind(["1.0", "nan"], ["1.0", "2.0"])


@pytest.mark.parametrize(
    ("labels", "fits"),
    [
        (np.arange(3), True),
        (np.arange(3, dtype="u1"), True),
        (np.eye(3, 2), True),
        (np.eye(3, 2, dtype=bool), True),
        (np.arange(3.0), False),
        (np.zeros(3, dtype=bool), False),
        (np.array(["a", "b", "c"]), False),
        (np.arange(4), False),
        (np.full((3, 2), 2), False),
    ],
)
def test_metrics_take_integers_and_sets_of_classes_alone(labels, fits):
    with nullcontext() if fits else pytest.raises(ValueError, match=r"^query: "):
        check_labels("query", labels, 3, "iu")


def test_a_label_that_is_not_finite_is_named_and_none_are_too_few():
    with pytest.raises(ValueError, match="X: nan at row 1; a label must be a whole number"):
        read_labels("X", np.array([1, np.nan]), 2)
    with pytest.raises(ValueError, match="0 labels for 0 items, must be as many, and at least one"):
        check_labels("X", np.array([], dtype=np.int64), 0)
