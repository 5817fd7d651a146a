import numpy as np
import pytest

from bench.interfaces import Context
from datasets.files import Listing
from datasets.image_set import Counts, ImageSet, ImageSplits

TRAIN, TEST = {"c.png": 1, "a.png": 0, "b.png": 1}, {"e.png": 0, "d.png": 1}


class Toy(ImageSet):
    """A set whose lists are dictionaries of labels by name."""

    holding = "five images"

    def __init__(self, data_dir, train=TRAIN, test=TEST, classes=("ale", "tea")):
        super().__init__(data_dir)
        self.listed = (train, test)
        self.names = classes

    def files(self, folder):
        train, test = (Listing([folder / name for name in names], list(names.values())) for names in self.listed)
        return ImageSplits(folder, self.names, train, test)


@pytest.fixture
def folder(tmp_path, make):
    for seed, name in enumerate([*TRAIN, *TEST]):
        make.write(tmp_path / name, make.encoded(seed))
    return tmp_path


def test_items_are_the_files_as_listed_and_train_is_the_database(folder, make):
    dataset = Toy(folder).load(Context())
    database, query = dataset.split("database"), dataset.split("query")
    assert dataset.classes == ("ale", "tea") and dataset.split("train") is database
    assert database.ids.tolist() == [0, 1, 2] and query.ids.tolist() == [3, 4]
    for items, listed in ((database, TRAIN), (query, TEST)):
        assert items.labels.tolist() == list(listed.values())
        for i, name in enumerate(listed):
            assert np.array_equal(items.images[i], make.pixels_of((folder / name).read_bytes()))


def test_fingerprint_changes_with_a_file_a_label_an_order_a_class_and_a_split(folder, make):
    others = [
        Toy(folder, train={**TRAIN, "a.png": 1}),
        Toy(folder, train=dict(reversed(TRAIN.items()))),
        Toy(folder, classes=("ale", "tee")),
        Toy(folder, train={**TRAIN, "e.png": 0}, test={"d.png": 1}),
    ]
    seen = {dataset.fingerprint() for dataset in (Toy(folder), Toy(folder), *others)}
    make.write(folder / "a.png", make.encoded(99, size=(9, 9)))
    seen.add(Toy(folder).fingerprint())
    assert len(seen) == 6


def test_class_without_a_train_image_is_named(folder):
    with pytest.raises(ValueError, match="class 'tea' has no train image"):
        Toy(folder, train=dict.fromkeys(TRAIN, 0)).load(Context())


def test_missing_and_damaged_images_are_named(folder):
    (folder / "e.png").write_bytes((folder / "e.png").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"e\.png: not a readable image"):
        Toy(folder).load(Context())
    (folder / "b.png").unlink()
    with pytest.raises(ValueError, match=r"b\.png: cannot be read"):
        Toy(folder).fingerprint()


def test_missing_data_folder_says_what_it_must_hold(tmp_path):
    with pytest.raises(ValueError, match="--data-dir is needed: a folder holding five images"):
        Toy(None).load(Context())
    with pytest.raises(ValueError, match="gone: no such folder; it must hold five images"):
        Toy(tmp_path / "gone").fingerprint()


@pytest.mark.parametrize(
    ("official", "message"),
    [
        (Counts(3, 3, 2), r"classes\.txt: 2 classes, must be 3 \(full = false"),
        (Counts(2, 4, 2), r"train\.txt: 3 train images, must be 4 \(full = false"),
        (Counts(2, 3, 1), r"test\.txt: 2 test images, must be 1 \(full = false"),
    ],
)
def test_number_that_is_not_the_published_one_is_named_with_its_list(folder, official, message):
    where = (folder / "classes.txt", folder / "train.txt", folder / "test.txt")
    splits = Toy(folder).files(folder)
    Counts(2, 3, 2).check(splits, where)
    with pytest.raises(ValueError, match=message):
        official.check(splits, where)
