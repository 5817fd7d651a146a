import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.grids.protocols import CLASSES, HELD_OUT, ClassSplit, class_numbers, rows, select

CHOICES = st.sampled_from(["drawn", "last"])
CLASS_SPLITS = st.builds(ClassSplit, st.floats(0.001, 0.999), st.integers(0, 1000), CHOICES)


@given(CLASS_SPLITS, st.integers(3, 300))
def test_at_least_one_class_is_unseen_and_two_are_seen(split, classes):
    unseen = split.unseen(np.arange(classes))
    assert 1 <= len(unseen) <= classes - 2
    assert abs(len(unseen) - split.share * classes) <= 2
    assert len(set(unseen)) == len(unseen) and set(unseen) <= set(range(classes))
    assert np.array_equal(unseen, split.unseen(np.arange(classes)))


@given(CLASS_SPLITS, st.sets(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=30), st.integers(0, 2**32 - 1))
def test_what_labels_are_called_and_how_many_items_they_have_changes_nothing(split, names, seed):
    ascending = np.array(sorted(names), dtype=np.int64)
    labels = np.random.default_rng(seed).permutation(np.concatenate([ascending, ascending[:2], ascending]))
    assert np.array_equal(split.unseen(labels), ascending[split.unseen(np.arange(len(names)))])


@given(CLASS_SPLITS, st.integers(3, 20), st.integers(0, 2**32 - 1))
def test_training_and_unseen_items_share_no_class_and_are_together_all_items(split, classes, seed):
    labels = np.concatenate([np.arange(classes), np.random.default_rng(seed).integers(classes, size=50)])
    unseen = split.unseen(labels)
    trained, asked = (rows("unseen", name, labels, unseen) for name in ("train", "query"))
    assert not set(labels[trained]) & set(labels[asked])
    assert np.array_equal(np.sort(np.concatenate([trained, asked])), np.arange(len(labels)))
    assert set(labels[asked]) == set(unseen)


@given(CLASS_SPLITS, st.integers(0, 2**32 - 1))
def test_the_two_unseen_protocols_differ_in_the_database_alone(split, seed):
    labels = np.concatenate([np.arange(8), np.random.default_rng(seed).integers(8, size=40)])
    unseen = split.unseen(np.arange(8))
    for name in ("train", "query"):
        assert np.array_equal(rows("unseen", name, labels, unseen), rows("unseen_all", name, labels, unseen))
    assert np.array_equal(rows("unseen_all", "database", labels, unseen), np.arange(48))
    assert set(labels[rows("unseen", "database", labels, unseen)]) == set(unseen)


def test_the_seen_protocol_takes_every_row_of_every_split():
    labels = np.array([4, 0, 4])
    for name in CLASSES["seen"]:
        assert rows("seen", name, labels, np.array([4])).tolist() == [0, 1, 2]


@given(CLASS_SPLITS, st.integers(0, 2**32 - 1), st.booleans())
def test_each_protocol_takes_the_items_that_its_words_say(split, seed, several):
    """Item by item: asked is a query of a seen or an unseen class, searched an item of the same kind or any item."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(9), rng.integers(9, size=30)])
    if several:
        sets = np.eye(9, dtype=bool)[labels]
        sets[9:] |= rng.random((30, 9)) < 0.1
        labels, classes = sets, [set(np.flatnonzero(one)) for one in sets]
    else:
        classes = [{one} for one in labels.tolist()]
    unseen = set(split.unseen(labels).tolist())
    is_out = [bool(one & unseen) for one in classes]
    if all(is_out):
        return
    kinds = {"seen": [not out for out in is_out], "unseen": is_out, "all": [True] * len(labels)}
    for protocol, query, database in (
        ("seen_seen", "seen", "seen"),
        ("seen_all", "seen", "all"),
        ("unseen", "unseen", "unseen"),
        ("unseen_all", "unseen", "all"),
    ):
        for name, kind in (("train", "seen"), ("query", query), ("database", database)):
            found = rows(protocol, name, labels, np.array(sorted(unseen)))
            assert found.tolist() == [at for at, taken in enumerate(kinds[kind]) if taken]
    assert set(HELD_OUT) == {"seen_seen", "seen_all", "unseen", "unseen_all"}


@pytest.mark.parametrize(
    ("classes", "share", "seen"),
    [
        *((200, 0.05, 190), (200, 0.15, 170), (200, 0.25, 150)),
        *((101, 0.05, 96), (101, 0.15, 86), (101, 0.25, 76)),
        *((100, 0.05, 95), (292, 0.05, 277), (555, 0.15, 472)),
    ],
)
def test_the_last_classes_are_those_of_the_study(classes, share, seen):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(classes), 2))
    assert ClassSplit(share, 7, "last").unseen(labels).tolist() == list(range(seen, classes))
    assert len(ClassSplit(share, 7).unseen(labels)) == classes - seen


@given(st.sets(st.integers(0, 300), min_size=1, max_size=40))
def test_classes_that_are_named_are_held_out_and_their_names_are_read_back(named):
    split = ClassSplit(0.05, 0, "last", tuple(sorted(named)))
    if len(named) <= 299:
        assert split.unseen(np.arange(301)).tolist() == sorted(named)
    assert class_numbers(split.describe().removeprefix("numbers ")) == tuple(sorted(named))


def test_named_classes_must_be_there_and_leave_two():
    split = ClassSplit(0.05, 0, "last", (3, 9))
    with pytest.raises(ValueError, match=r"class 9 of unseen_numbers has no item; the data have classes 0 to 8"):
        split.unseen(np.arange(9))
    with pytest.raises(ValueError, match=r"names 2 of 3 classes; at least 2 must stay seen"):
        split.unseen(np.array([1, 3, 9]))


@pytest.mark.parametrize("text", ["", "a", "3-", "5-3", "1,,2", "0-999999999", "-1", "1.5", "²"])
def test_what_names_no_class_is_quoted(text):
    with pytest.raises(ValueError, match=r"must (be the number of a class|go up)"):
        class_numbers(text)


def test_a_drawn_split_keeps_the_identity_that_results_of_earlier_revisions_have():
    assert ClassSplit(0.25, 3).identity() == {"share": 0.25, "seed": 3}
    splits = [ClassSplit(0.25, 3), ClassSplit(0.25, 3, "last"), ClassSplit(0.25, 3, "last", (1, 2))]
    assert len({str(one.identity()) for one in splits}) == 3
    assert ClassSplit(0.25, 3, "last").identity() == ClassSplit(0.25, 4, "last").identity()  # no seed draws them


def test_the_share_is_rounded_to_the_nearest_class_and_the_seed_decides_which():
    assert len(ClassSplit(0.25).unseen(np.arange(101))) == 25 and len(ClassSplit(0.25).unseen(np.arange(200))) == 50
    drawn = {tuple(ClassSplit(0.25, seed).unseen(np.arange(101))) for seed in range(5)}
    assert len(drawn) == 5


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_share_that_is_none_or_all_is_refused(share):
    with pytest.raises(ValueError, match=r"unseen_share = .* between 0 and 1"):
        ClassSplit(share)


def test_two_classes_cannot_be_split_and_a_split_without_unseen_items_is_named():
    with pytest.raises(ValueError, match="2 classes can't be split"):
        ClassSplit().unseen(np.array([7, 7, 9]))
    with pytest.raises(ValueError, match=r"'unseen': the query split has no item of the unseen classes"):
        rows("unseen", "query", np.array([0, 1]), np.array([2]))


def test_all_rows_are_not_copied():
    array = np.arange(6).reshape(3, 2)
    assert select(array, np.arange(3)) is array
    assert select(array, np.array([0, 2])).tolist() == [[0, 1], [4, 5]]


@given(CLASS_SPLITS, st.integers(0, 2**32 - 1))
def test_an_item_with_a_set_is_held_out_if_one_of_its_classes_is(split, seed):
    sets = np.random.default_rng(seed).random((40, 9)) < 0.2
    sets[:9] |= np.eye(9, dtype=bool)
    unseen = split.unseen(sets)
    assert np.array_equal(unseen, split.unseen(np.arange(9)))
    held_out = [any(row[label] for label in unseen) for row in sets]
    if not all(held_out):
        assert rows("unseen", "train", sets, unseen).tolist() == [at for at, out in enumerate(held_out) if not out]
    assert rows("unseen", "query", sets, unseen).tolist() == [at for at, out in enumerate(held_out) if out]
    assert len(rows("unseen_all", "database", sets, unseen)) == 40


def test_a_class_that_no_item_has_is_not_drawn():
    sets = np.zeros((6, 8), dtype=bool)
    sets[:, [1, 3, 4]] = True
    assert set(ClassSplit(0.5).unseen(sets)) < {1, 3, 4}
