from pathlib import Path

import numpy as np
import pytest

from bench.interfaces import Context
from datasets.image_folder import ImageFolder

FILES = {
    "train/tea/b.png": 0,
    "train/tea/a.JPG": 1,
    "train/ale/z.bmp": 2,
    "train/ale/y.webp": 3,
    "test/tea/q.jpeg": 4,
    "test/ale/r.png": 5,
}
FORMS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".webp": "WEBP"}
SPLIT = "tea/b.png train\nale/z 1.png train\ntea/a.png test\n\nale/y.png train\n"


@pytest.fixture
def tree(tmp_path, make):
    for name, seed in FILES.items():
        make.write(tmp_path / name, make.encoded(seed, FORMS[Path(name).suffix.lower()]))
    make.write(tmp_path / "train/ale/notes.txt", b"no image")
    return tmp_path


@pytest.fixture
def listed(tmp_path, make):
    for seed, name in enumerate(("tea/b.png", "ale/z 1.png", "tea/a.png", "ale/y.png", "ale/unlisted.png")):
        make.write(tmp_path / name, make.encoded(seed))
    (tmp_path / "split.txt").write_text(SPLIT)
    return tmp_path


def load(folder, split_file=None):
    return ImageFolder(data_dir=folder, split_file=split_file).load(Context())


def test_folders_give_classes_and_splits_in_the_order_of_names(tree, make):
    dataset = load(tree)
    database, query = dataset.split("train"), dataset.split("query")
    assert dataset.classes == ("ale", "tea")
    assert database.labels.tolist() == [0, 0, 1, 1] and query.labels.tolist() == [0, 1]
    assert database.ids.tolist() == [0, 1, 2, 3] and query.ids.tolist() == [4, 5]
    names = ["train/ale/y.webp", "train/ale/z.bmp", "train/tea/a.JPG", "train/tea/b.png"]
    for i, name in enumerate(names):
        assert np.array_equal(database.images[i], make.pixels_of((tree / name).read_bytes()))
        assert database.images[i].dtype == np.uint8 and database.images[i].shape == (6, 8, 3)


def test_split_file_gives_splits_in_its_own_order(listed, make):
    dataset = load(listed, Path("split.txt"))
    database, query = dataset.split("train"), dataset.split("query")
    assert dataset.classes == ("ale", "tea")
    assert database.labels.tolist() == [1, 0, 0] and query.labels.tolist() == [1]
    for i, name in enumerate(("tea/b.png", "ale/z 1.png", "ale/y.png")):
        assert np.array_equal(database.images[i], make.pixels_of((listed / name).read_bytes()))


def test_fingerprint_changes_with_a_file_a_name_and_a_split(tree, listed, make):
    seen = {ImageFolder(data_dir=tree).fingerprint(), ImageFolder(data_dir=tree).fingerprint()}
    make.write(tree / "train/tea/b.png", make.encoded(99, size=(9, 9)))
    seen.add(ImageFolder(data_dir=tree).fingerprint())
    (tree / "train/tea/b.png").rename(tree / "train/tea/c.png")
    seen.add(ImageFolder(data_dir=tree).fingerprint())
    assert len(seen) == 3
    by_list = ImageFolder(data_dir=listed, split_file=Path("split.txt"))
    before = by_list.fingerprint()
    (listed / "split.txt").write_text(SPLIT.replace("ale/y.png train", "ale/y.png test"))
    assert by_list.fingerprint() != before


@pytest.mark.parametrize("name", ["train", "test"])
def test_missing_folder_is_named(tmp_path, make, name):
    other = {"train": "test", "test": "train"}[name]
    make.write(tmp_path / other / "tea" / "a.png", make.encoded(0))
    with pytest.raises(ValueError, match=rf"{name}: no such folder; .* must hold train/CLASS"):
        load(tmp_path)


def test_class_of_test_that_is_not_in_train_is_named(tree, make):
    make.write(tree / "test/water/a.png", make.encoded(7))
    with pytest.raises(ValueError, match=r"class 'water' is not in .*train"):
        load(tree)


def test_one_class_is_refused(tmp_path, make):
    make.write(tmp_path / "train/tea/a.png", make.encoded(0))
    make.write(tmp_path / "test/tea/b.png", make.encoded(1))
    with pytest.raises(ValueError, match="1 class: retrieval by label needs at least 2"):
        load(tmp_path)


def test_class_folder_without_images_is_named(tree):
    (tree / "train/empty").mkdir()
    with pytest.raises(ValueError, match=r"train/empty: no images in it"):
        load(tree)


def test_unreadable_image_is_named(tree, make):
    make.write(tree / "test/ale/r.png", make.encoded(5)[:60])
    with pytest.raises(ValueError, match=r"test/ale/r\.png: not a readable image"):
        load(tree)


def test_image_in_both_splits_is_a_leak(tree, make):
    make.write(tree / "test/ale/r.png", (tree / "train/tea/b.png").read_bytes())
    with pytest.raises(ValueError, match=r"1 of 2 queries .* query item 0 = database item 3"):
        load(tree)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tea/gone.png train", r"line 6: .*tea/gone\.png does not exist"),
        ("ale/unlisted.png validation", "line 6: 'ale/unlisted.png validation', must be"),
        ("ale/unlisted.png", "line 6: 'ale/unlisted.png', must be"),
        ("tea/b.png test", r"line 6: .*tea/b\.png was named before"),
    ],
)
def test_bad_line_of_the_split_file_is_named(listed, line, message):
    (listed / "split.txt").write_text(f"{SPLIT}{line}\n")
    with pytest.raises(ValueError, match=message):
        load(listed, Path("split.txt"))


def test_class_without_a_train_image_in_the_split_file_is_named(listed):
    (listed / "split.txt").write_text("tea/b.png train\nale/y.png test\n")
    with pytest.raises(ValueError, match="line 2: class 'ale' has no train image"):
        load(listed, Path("split.txt"))


def test_missing_split_file_and_data_dir_are_named(listed):
    with pytest.raises(ValueError, match=r"gone\.txt: no such file"):
        load(listed, Path("gone.txt"))
    with pytest.raises(ValueError, match="--data-dir is needed"):
        ImageFolder().load(Context())
