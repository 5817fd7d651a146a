"""The roles of files, by the names under which publishers offer them."""

import pytest

from datasets.roles import by_role, role


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("sift_base.fvecs", "train"),
        ("sift_query.fvecs", "test"),
        ("sift_learn.fvecs", "learn"),
        ("sift_groundtruth.ivecs", "neighbors"),
        ("bigann_base.bvecs", "train"),
        ("base.1B.u8bin.crop_nb_10000000", "train"),
        ("query.public.10K.u8bin", "test"),
        ("query.learn.50M.fbin", "learn"),
        ("base1b.fbin", "train"),
        ("testQuery10K.fbin", "test"),
        ("FB_ssnpp_database.u8bin", "train"),
        ("FB_ssnpp_public_queries.u8bin", "test"),
        ("groundtruth.public.100K.ibin", "neighbors"),
        ("GT.public.1B.ibin", "neighbors"),
        ("train.npy", "train"),
        ("test_labels.npy", "test_labels"),
        ("neighbors", "neighbors"),
        ("learn_neighbors", None),
        ("distances", None),
        ("groundtruth_distances.fvecs", None),
        ("train_distances.npy", None),
        ("latest.npy", None),
        ("ids.npy", None),
    ],
)
def test_the_name_of_a_file_tells_what_it_holds(name, right):
    assert role(name) == right


def test_labels_of_one_split_alone_are_refused():
    with pytest.raises(ValueError, match="X: no test_labels beside the others; both splits have labels, or none"):
        by_role("X", ["train", "test", "train_labels"], {})


def test_several_names_of_one_role_are_refused():
    with pytest.raises(ValueError, match="X: neighbors may be a_gt or b_gt; must be one, or name = its first letters"):
        by_role("X", ["train", "test", "a_gt", "b_gt"], {"train": None, "test": None})


def test_a_name_that_is_the_role_itself_comes_before_others():
    found = by_role("X", ["train.npy", "train_old.npy", "database.npy", "test.npy", "queries.npy"], {})
    assert found == {"train": "train.npy", "test": "test.npy"}
