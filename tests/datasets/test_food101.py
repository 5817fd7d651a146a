import json

import numpy as np
import pytest

from bench.interfaces import Context
from datasets.food101 import ARCHIVE_MD5, Food101

# Out of order on purpose: classes must come sorted, images as listed.
TRAIN = {"waffles": ["waffles/9", "waffles/2"], "apple_pie": ["apple_pie/5", "apple_pie/1", "apple_pie/3"]}
TEST = {"waffles": ["waffles/4"], "apple_pie": ["apple_pie/8", "apple_pie/7"]}


@pytest.fixture
def root(tmp_path, make):
    folder = tmp_path / "food-101"
    for split, names in (("train", TRAIN), ("test", TEST)):
        make.write(folder / "meta" / f"{split}.json", json.dumps(names).encode())
        for name in (name for listed in names.values() for name in listed):
            seed = int.from_bytes(name.encode()[-6:], "big")
            make.write(folder / "images" / f"{name}.jpg", make.encoded(seed, "JPEG"))
    return tmp_path


def load(root, **parameters):
    return Food101(data_dir=root, full=False, **parameters).load(Context())


def test_order_and_labels_are_torchvisions(root):
    published = pytest.importorskip("torchvision").datasets.Food101
    dataset = load(root)
    for name, split in (("train", "train"), ("query", "test")):
        items, reference = dataset.split(name), published(root, split=split)
        assert list(dataset.classes) == reference.classes
        assert len(items) == len(reference)
        for i, (image, label) in enumerate(reference):
            assert items.labels[i] == label
            assert np.array_equal(items.images[i], np.asarray(image))


def test_text_lists_give_the_same_items(root):
    by_json = load(root)
    for split, names in (("train", TRAIN), ("test", TEST)):
        meta = root / "food-101" / "meta"
        (meta / f"{split}.json").unlink()
        lines = [name for listed in names.values() for name in listed]
        (meta / f"{split}.txt").write_text("\n".join(lines) + "\n")
    by_text = load(root)
    assert by_text.classes == by_json.classes
    assert by_text.split("train").fingerprint == by_json.split("train").fingerprint


def test_ids_are_disjoint_and_train_is_the_database(root):
    dataset = load(root)
    assert dataset.split("database") is dataset.split("train")
    assert dataset.split("train").ids.tolist() == [0, 1, 2, 3, 4] and dataset.split("query").ids.tolist() == [5, 6, 7]


def test_fingerprint_changes_when_an_image_does(root, make):
    before = Food101(data_dir=root, full=False).fingerprint()
    make.write(root / "food-101/images/waffles/9.jpg", make.encoded(77, "JPEG", (20, 20)))
    assert Food101(data_dir=root, full=False).fingerprint() != before


def test_full_set_must_have_its_counts(root):
    with pytest.raises(ValueError, match="3 train images of 'apple_pie', must be 750"):
        Food101(data_dir=root).load(Context())


def test_missing_image_is_named_before_anything_is_decoded(root):
    (root / "food-101/images/waffles/2.jpg").unlink()
    with pytest.raises(ValueError, match=r"waffles/2\.jpg: cannot be read"):
        load(root)


def test_damaged_image_is_named(root):
    path = root / "food-101/images/apple_pie/7.jpg"
    path.write_bytes(path.read_bytes()[:-120])
    with pytest.raises(ValueError, match=r"apple_pie/7\.jpg: not a readable image"):
        load(root)


def test_class_of_test_only_is_named(root):
    (root / "food-101/meta/test.json").write_text(json.dumps({**TEST, "soup": ["soup/1"]}))
    with pytest.raises(ValueError, match="class 'soup' of test is not in train"):
        load(root)


@pytest.mark.parametrize("text", ["not json", "[1, 2]", '{"a": 3}'])
def test_damaged_list_is_named(root, text):
    (root / "food-101/meta/test.json").write_text(text)
    with pytest.raises(ValueError, match=r"test\.json: must be an object"):
        load(root)


def test_without_data_the_error_says_how_to_get_it(tmp_path):
    for dataset, context in (
        (Food101(data_dir=tmp_path), Context()),
        (Food101(), Context(cache=tmp_path)),
    ):
        with pytest.raises(ValueError, match=r"food-101/meta.*download = true"):
            dataset.load(context)
    with pytest.raises(ValueError, match="--data-dir is needed where there is no cache"):
        Food101().load(Context())


def test_cache_folder_is_used_where_there_is_no_data_dir(root):
    (root / "food101").mkdir()
    (root / "food-101").rename(root / "food101" / "food-101")
    dataset = Food101(full=False).load(Context(cache=root))
    assert len(dataset.split("train")) == 5
    assert ARCHIVE_MD5 in dataset.fingerprint()


def test_download_is_torchvisions_and_only_where_the_folder_is_missing(tmp_path, root, monkeypatch):
    from torchvision import datasets as published

    asked = []
    monkeypatch.setattr(published, "Food101", lambda folder, download: asked.append((folder, download)))
    load(root, download=True)
    assert asked == []
    with pytest.raises(ValueError, match="no such file"):
        load(tmp_path / "new", download=True)
    assert asked == [(tmp_path / "new", True)]


def test_archive_checksum_is_the_one_torchvision_verifies():
    published = pytest.importorskip("torchvision").datasets.Food101
    assert published._MD5 == ARCHIVE_MD5
