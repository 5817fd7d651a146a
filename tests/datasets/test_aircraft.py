import numpy as np
import pytest

from bench.interfaces import Context
from datasets.aircraft import Aircraft

# In the publisher's order, which is not that of the alphabet; one name holds spaces, one a slash.
LISTS = {
    "variants.txt": "707-320\nCessna 172\nF/A-18\nAn-12\n",
    "images_variant_trainval.txt": "0481847 F/A-18\n0034309 707-320\n1187707 Cessna 172\n0093803 An-12\n",
    "images_variant_test.txt": "1514522 Cessna 172\n0747566 707-320\n",
}


def write(root, make, lists):
    for name, text in lists.items():
        make.write(root / "fgvc-aircraft-2013b/data" / name, text.encode())


@pytest.fixture
def root(tmp_path, make):
    write(tmp_path, make, LISTS)
    for line in (LISTS["images_variant_trainval.txt"] + LISTS["images_variant_test.txt"]).splitlines():
        image = line.split()[0]
        path = tmp_path / f"fgvc-aircraft-2013b/data/images/{image}.jpg"
        make.write(path, make.encoded(int(image), "JPEG", (8, 30)))
    return tmp_path


def write_official(root, make, train=6_667, test=3_333, classes=100):
    """Lists of that many entries, without images."""
    lines = [f"{i:07} Variant {i % classes}\n" for i in range(train + test)]
    variants = "".join(f"Variant {c}\n" for c in range(classes))
    names = ("variants.txt", "images_variant_trainval.txt", "images_variant_test.txt")
    write(root, make, dict(zip(names, (variants, "".join(lines[:train]), "".join(lines[train:])), strict=True)))


def test_order_labels_and_whole_images_are_torchvisions(root):
    published = pytest.importorskip("torchvision").datasets.FGVCAircraft
    dataset = Aircraft(data_dir=root, full=False).load(Context())
    for name, split in (("train", "trainval"), ("query", "test")):
        items, reference = dataset.split(name), published(root, split=split)
        assert list(dataset.classes) == reference.classes
        assert len(items) == len(reference)
        for i, (image, label) in enumerate(reference):
            assert items.labels[i] == label
            assert np.array_equal(items.images[i], np.asarray(image))


def test_fingerprint_changes_when_only_a_label_does(root, make):
    dataset = Aircraft(data_dir=root, full=False)
    before = dataset.fingerprint()
    write(root, make, {"images_variant_test.txt": "1514522 An-12\n0747566 707-320\n"})
    assert dataset.fingerprint() != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1514522\n", r"test\.txt, line 1: '1514522', must be 'IMAGE_ID VARIANT'"),
        ("1514522 An-12\n0747566 Cessna\n", r"test\.txt, line 2: variant 'Cessna' is not in .*variants\.txt"),
        ("1514522 An-12\n1514522 An-12\n", r"test\.txt, line 2: 1514522 was named before, in line 1"),
    ],
)
def test_bad_line_is_named(root, make, text, message):
    write(root, make, {"images_variant_test.txt": text})
    with pytest.raises(ValueError, match=message):
        Aircraft(data_dir=root, full=False).fingerprint()


def test_lists_of_the_published_numbers_are_accepted(tmp_path, make):
    write_official(tmp_path, make)
    splits = Aircraft(data_dir=tmp_path).files(tmp_path)
    assert (len(splits.classes), len(splits.train.paths), len(splits.test.paths)) == (100, 6_667, 3_333)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"train": 3_334}, r"trainval\.txt: 3334 train images, must be 6667"),
        ({"test": 3_334}, r"test\.txt: 3334 test images, must be 3333"),
        ({"classes": 70}, r"variants\.txt: 70 classes, must be 100"),
    ],
)
def test_other_numbers_than_the_published_are_refused(tmp_path, make, numbers, message):
    write_official(tmp_path, make, **numbers)
    with pytest.raises(ValueError, match=message):
        Aircraft(data_dir=tmp_path).fingerprint()


def test_without_data_the_error_says_how_to_get_it(tmp_path):
    for dataset, context in (
        (Aircraft(data_dir=tmp_path), Context()),
        (Aircraft(), Context(cache=tmp_path)),
    ):
        with pytest.raises(ValueError, match=r"fgvc-aircraft-2013b/data with variants\.txt.*download = true"):
            dataset.load(context)
    with pytest.raises(ValueError, match="aircraft: --data-dir is needed where there is no cache"):
        Aircraft().load(Context())


def test_cache_folder_is_used_where_there_is_no_data_dir(root):
    (root / "aircraft").mkdir()
    (root / "fgvc-aircraft-2013b").rename(root / "aircraft" / "fgvc-aircraft-2013b")
    dataset = Aircraft(full=False).load(Context(cache=root))
    assert len(dataset.split("train")) == 4
    assert "2013b" in dataset.fingerprint()


def test_fingerprint_of_the_archive_is_known_before_it_is_fetched(tmp_path, root):
    before = Aircraft(data_dir=tmp_path / "new", full=False, download=True).fingerprint()
    assert Aircraft(data_dir=root, full=False, download=True).fingerprint() == before == Aircraft().fingerprint()


def test_download_is_torchvisions_and_only_where_the_folder_is_missing(tmp_path, root, monkeypatch):
    from torchvision import datasets as published

    asked = []
    monkeypatch.setattr(published, "FGVCAircraft", lambda folder, **options: asked.append((folder, options)))
    Aircraft(data_dir=root, full=False, download=True).load(Context())
    assert asked == []
    with pytest.raises(ValueError, match="no such folder"):
        Aircraft(data_dir=tmp_path / "new", download=True).load(Context())
    assert asked == [(tmp_path / "new", {"split": "trainval", "annotation_level": "variant", "download": True})]
