import numpy as np
import pytest

from bench.interfaces import Items
from datasets.checks import check_items, file_hash, needed_folder


def items(labels, first_id=0):
    labels = np.array(labels, dtype=np.int64)
    return Items(np.arange(first_id, first_id + len(labels)), labels, "x")


def check(database, query, classes=("a", "b")):
    check_items("SOURCE", classes, database, query)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="SOURCE: 1 class: retrieval by label needs at least 2"):
        check(items([0]), items([0], 1), classes=("a",))


@pytest.mark.parametrize("label", [-1, 2])
def test_label_out_of_range_is_named(label):
    with pytest.raises(ValueError, match=rf"query item 1 has label {label}, not in 0\.\.1"):
        check(items([0, 1]), items([0, label], 2))


def test_id_in_both_splits_is_refused():
    with pytest.raises(ValueError, match="1 ids are in database and query, first 2"):
        check(items([0, 1, 0]), items([0], first_id=2))


def test_empty_split_is_refused():
    with pytest.raises(ValueError, match="the query split is empty"):
        check(items([0, 1]), items([], 2))


def test_items_without_labels_need_no_classes():
    check(items([-1, -1]), items([-1], 2), classes=None)


def test_file_hash_depends_on_names_and_contents(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"12")
    second.write_bytes(b"3")
    before = file_hash([first, second])
    assert before == file_hash([first, second]) != file_hash([second, first])
    first.write_bytes(b"1")
    second.write_bytes(b"23")
    assert file_hash([first, second]) != before


def test_missing_data_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="--data-dir is needed: a folder holding THIS"):
        needed_folder(None, "THIS")
    with pytest.raises(ValueError, match=r"gone: no such folder; it must hold THIS"):
        needed_folder(tmp_path / "gone", "THIS")
    (tmp_path / "sift.hdf5").touch()
    with pytest.raises(ValueError, match=r"sift.hdf5: a file; give the folder that it is in, which must hold THIS"):
        needed_folder(tmp_path / "sift.hdf5", "THIS")
