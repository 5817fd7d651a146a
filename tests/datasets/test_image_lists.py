"""Lists of images with sets of classes, as written by the loops of the code bases that share them."""

import numpy as np
import pytest

from bench.interfaces import Context
from datasets.image_lists import Coco, ImageLists, MirFlickr25K, NUSWide

COUNTS = {"database": 6, "test": 3, "train": 4}


@pytest.fixture
def tree(tmp_path, make):
    """A folder of images, and its lists by the paths that somebody else wrote."""

    def plant(classes=5, written="./data/nuswide_81/images/{}", held="images/{}", seed=0, sets=None):
        rng = np.random.default_rng(seed)
        listed, number = {}, 0
        for name, count in COUNTS.items():
            rows = rng.integers(0, 2, (count, classes)) if sets is None else sets[name]
            listed[name] = rows
            lines = []
            for row in rows:
                image = f"{number}_m.jpg"
                make.write(tmp_path / held.format(image), make.encoded(number, "JPEG"))
                lines.append(" ".join([written.format(image), *map(str, row)]))
                number += 1
            (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")
        return listed

    return plant


def test_items_have_the_sets_of_their_lines(tmp_path, tree):
    listed = tree()
    dataset = ImageLists(data_dir=tmp_path).load(Context())
    for split, name in (("database", "database"), ("query", "test"), ("train", "train")):
        items = dataset.split(split)
        assert items.labels.dtype == np.bool_ and np.array_equal(items.labels, listed[name])
        assert items.images[0].shape == (6, 8, 3)
    assert dataset.classes == ("0", "1", "2", "3", "4") and not dataset.train_in_database
    ids = [dataset.split(name).ids for name in ("database", "query", "train")]
    assert len(np.unique(np.concatenate(ids))) == sum(COUNTS.values())


@pytest.mark.parametrize(
    ("plugin", "classes", "written", "held"),
    [
        (NUSWide, 81, "./data/nuswide_81/images/{}", "images/{}"),
        (NUSWide, 21, "images/{}", "images/{}"),
        (Coco, 80, "/home/someone/dataset/coco/train2014/{}", "train2014/{}"),
        (MirFlickr25K, 38, "{}", "mirflickr/{}"),
        (MirFlickr25K, 24, "{}", "images/{}"),
    ],
)
def test_published_lists_find_their_images(tmp_path, tree, plugin, classes, written, held):
    listed = tree(classes, written, held)
    dataset = plugin(data_dir=tmp_path).load(Context())
    assert np.array_equal(dataset.split("database").labels, listed["database"])
    assert len(dataset.classes) == classes


def test_other_numbers_of_classes_are_refused_unless_they_are_allowed(tmp_path, tree):
    tree(20)
    with pytest.raises(ValueError, match=r"database\.txt: 20 classes, must be 81 or 21 \(full = false allows any"):
        NUSWide(data_dir=tmp_path).fingerprint()
    assert len(NUSWide(data_dir=tmp_path, full=False).load(Context()).classes) == 20


def test_rows_of_one_class_each_are_classes_like_any_other(tmp_path, tree):
    rng = np.random.default_rng(1)
    sets = {
        name: np.eye(4, dtype=int)[np.append(np.arange(2), rng.integers(4, size=n - 2))] for name, n in COUNTS.items()
    }
    tree(4, sets=sets)
    dataset = ImageLists(data_dir=tmp_path).load(Context())
    assert dataset.split("database").labels.tolist() == sets["database"].argmax(axis=1).tolist()
    assert dataset.split("database").labels.dtype == np.int64


def test_classes_are_called_by_a_list_of_their_names(tmp_path, tree):
    tree()
    before = ImageLists(data_dir=tmp_path).fingerprint()
    (tmp_path / "classes.txt").write_text("sky\nsea\ndog\ncat\nman\n")
    dataset = ImageLists(data_dir=tmp_path).load(Context())
    assert dataset.classes == ("sky", "sea", "dog", "cat", "man") and dataset.fingerprint() != before
    (tmp_path / "classes.txt").write_text("sky\nsea\n")
    with pytest.raises(ValueError, match=r"classes\.txt: 2 classes, and the lists have 5"):
        ImageLists(data_dir=tmp_path).fingerprint()


def test_without_train_items_these_are_the_database(tmp_path, tree):
    tree()
    (tmp_path / "train.txt").unlink()
    dataset = ImageLists(data_dir=tmp_path).load(Context())
    assert dataset.train_in_database and dataset.split("train") is dataset.split("database")


def test_an_image_that_is_named_again_counts_once_and_one_of_both_lists_is_a_twin(tmp_path, tree):
    tree()
    path = tmp_path / "test.txt"
    lines = path.read_text().splitlines()
    first = (tmp_path / "database.txt").read_text().splitlines()[0]
    path.write_text("\n".join([*lines, lines[0], first]))
    dataset = ImageLists(data_dir=tmp_path).load(Context())
    assert len(dataset.split("query")) == 4 and dataset.shared_with_database == 1
    assert dataset.remarks[0] == "test.txt names 1 images again, the first in line 4; each counts once"
    with pytest.raises(ValueError, match="1 of 4 queries stand in the database too"):
        ImageLists(data_dir=tmp_path, twins_allowed=0).load(Context())


def test_train_images_outside_of_the_database_are_checked_and_their_twins_are_said(tmp_path, tree, make):
    tree()
    image = tmp_path / "images" / f"{COUNTS['database'] + COUNTS['test']}_m.jpg"
    make.write(image, make.encoded(COUNTS["database"], "JPEG"))
    dataset = ImageLists(data_dir=tmp_path).load(Context())
    said = "1 query items also stand among the train items that are not in the database, to the byte"
    assert dataset.remarks[0] == said
    assert dataset.shared_with_database == 0
    image.write_bytes(b"no image")
    with pytest.raises(ValueError, match=rf"{image.name}: not a readable image"):
        ImageLists(data_dir=tmp_path).load(Context())


def test_queries_without_a_shared_class_are_said(tmp_path, tree):
    sets = {name: np.tile([1, 1, 0], (count, 1)) for name, count in COUNTS.items()}
    sets["test"] = np.array([[0, 0, 1], [1, 0, 1], [0, 0, 0]])
    tree(3, sets=sets)
    told = ImageLists(data_dir=tmp_path).load(Context()).remarks
    assert told == ("Query items that share no class with the database: 2; they find nothing",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"test\.txt: no image is listed"),
        (b"a.jpg 0 1 0 1\nb.jpg 0 1 0\n", r"test\.txt, line 2: 'b\.jpg 0 1 0', must be 'PATH 0 1 0 .' with 4 classes"),
        (b"a.jpg 0 1 0 2\n", r"test\.txt, line 1: 'a\.jpg 0 1 0 2', must be"),
        (b"a.jpg 3\n", r"test\.txt, line 1: 'a\.jpg 3', must be"),
        (b"a.jpg 0 1 nan\n", r"test\.txt, line 1: .* must be"),
        (b"../a.jpg 0 1 0 0 1\n", r"test\.txt, line 1: .* must be"),
        (b"gone.jpg 0 1 0 0 1\n", r"test\.txt: gone\.jpg, the first image, is not below"),
        (b"images/6_m.jpg 0 1 1\n", r"different numbers of classes: database\.txt 5, test\.txt 3"),
        (b"\x80\x04K\x01.", r"test\.txt, line 1: not a text in UTF-8"),
    ],
)
def test_a_wrong_list_is_named_with_its_line(tmp_path, tree, content, message):
    tree()
    (tmp_path / "test.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        ImageLists(data_dir=tmp_path).fingerprint()
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(tmp_path, tree):
    with pytest.raises(ValueError, match=r"--data-dir is needed: a folder holding database\.txt, test\.txt"):
        ImageLists().fingerprint()
    with pytest.raises(ValueError, match=r"database\.txt: cannot be read"):
        ImageLists(data_dir=tmp_path).fingerprint()
    tree()
    (tmp_path / "images" / "7_m.jpg").unlink()
    with pytest.raises(ValueError, match=r"7_m\.jpg: cannot be read"):
        ImageLists(data_dir=tmp_path).fingerprint()
    (tmp_path / "database.txt").unlink()
    (tmp_path / "database.txt").mkdir()
    with pytest.raises(ValueError, match=r"database\.txt: cannot be read"):
        ImageLists(data_dir=tmp_path).fingerprint()
