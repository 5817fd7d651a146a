import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.labels import number_classes

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
