import pytest

from bench.interfaces import Context
from datasets.cub200 import Cub200

# Ids out of the order of names, labels and flags in other orders than the images.
LISTS = {
    "classes.txt": "1 001.Albatross\n2 002.Auklet\n",
    "images.txt": "3 002.Auklet/c.jpg\n1 001.Albatross/a.jpg\n\n2 001.Albatross/b.jpg\n4 002.Auklet/d.jpg\n",
    "image_class_labels.txt": "1 1\n2 1\n3 2\n4 2\n",
    "train_test_split.txt": "4 0\n3 1\n2 0\n1 1\n",
}


@pytest.fixture
def root(tmp_path, make):
    for name, text in LISTS.items():
        make.write(tmp_path / "CUB_200_2011" / name, text.encode())
    for line in filter(None, LISTS["images.txt"].splitlines()):
        number, path = line.split()
        make.write(tmp_path / "CUB_200_2011/images" / path, make.encoded(int(number), "JPEG", (8, 8)))
    return tmp_path


def write_official(root, make, train=5_994, test=5_794, classes=200):
    """Lists of that many entries, without images."""
    images = range(1, train + test + 1)
    lists = {
        "classes": (f"{c} {c:03}.Bird" for c in range(1, classes + 1)),
        "images": (f"{i} {i % classes + 1:03}.Bird/{i}.jpg" for i in images),
        "image_class_labels": (f"{i} {i % classes + 1}" for i in images),
        "train_test_split": (f"{i} {int(i <= train)}" for i in images),
    }
    for name, lines in lists.items():
        make.write(root / "CUB_200_2011" / f"{name}.txt", "\n".join(lines).encode())


def test_flag_1_is_train_and_order_is_that_of_the_images(root):
    dataset = Cub200(data_dir=root, full=False).load(Context())
    train, test = dataset.split("train"), dataset.split("query")
    assert dataset.classes == ("001.Albatross", "002.Auklet")
    assert [path.name for path in train.images.paths] == ["c.jpg", "a.jpg"] and train.labels.tolist() == [1, 0]
    assert [path.name for path in test.images.paths] == ["b.jpg", "d.jpg"] and test.labels.tolist() == [0, 1]


def test_fingerprint_changes_when_only_a_label_does(root, make):
    dataset = Cub200(data_dir=root, full=False)
    before = dataset.fingerprint()
    make.write(root / "CUB_200_2011/image_class_labels.txt", b"1 1\n2 2\n3 2\n4 2\n")
    assert dataset.fingerprint() != before


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("images.txt", "1 a.jpg\n2\n", r"images\.txt, line 2: '2', must be 'IMAGE_ID PATH'"),
        ("images.txt", "1 a.jpg\n2 b.jpg\n3 c.jpg\n", r"labels\.txt, line 4: image 4 is not in .*images\.txt"),
        ("image_class_labels.txt", "1 1\n2 1\n4 2\n", r"images\.txt, line 1: image 3 is not in .*labels\.txt"),
        ("image_class_labels.txt", "1 1\n2 1\n3 5\n4 2\n", r"labels\.txt, line 3: class 5 is not in .*classes\.txt"),
        ("train_test_split.txt", "1 1\n2 0\n3 1\n", r"images\.txt, line 5: image 4 is not in .*split\.txt"),
        ("train_test_split.txt", "1 1\n2 0\n3 1\n4 0\n5 0\n", r"split\.txt, line 5: image 5 is not in .*images\.txt"),
        ("train_test_split.txt", "1 1\n2 0\n3 2\n4 0\n", r"split\.txt, line 3: '2', must be 1 \(train\) or 0 \(test\)"),
        ("train_test_split.txt", "1 1\n2 0\n2 1\n", r"split\.txt, line 3: 2 was named before, in line 2"),
    ],
)
def test_bad_line_is_named(root, make, name, text, message):
    make.write(root / "CUB_200_2011" / name, text.encode())
    with pytest.raises(ValueError, match=message):
        Cub200(data_dir=root, full=False).fingerprint()


def test_lists_of_the_published_numbers_are_accepted(tmp_path, make):
    write_official(tmp_path, make)
    splits = Cub200(data_dir=tmp_path).files(tmp_path)
    assert (len(splits.classes), len(splits.train.paths), len(splits.test.paths)) == (200, 5_994, 5_794)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"train": 5_993}, r"split\.txt: 5993 train images, must be 5994"),
        ({"test": 5_795}, r"split\.txt: 5795 test images, must be 5794"),
        ({"classes": 199}, r"labels\.txt: 199 classes, must be 200"),
    ],
)
def test_other_numbers_than_the_published_are_refused(tmp_path, make, numbers, message):
    write_official(tmp_path, make, **numbers)
    with pytest.raises(ValueError, match=message):
        Cub200(data_dir=tmp_path).fingerprint()


def test_without_data_the_error_says_what_the_folder_must_hold(tmp_path):
    with pytest.raises(ValueError, match=r"--data-dir is needed: a folder holding CUB_200_2011 with images\.txt"):
        Cub200().fingerprint()
    with pytest.raises(
        ValueError, match=r"CUB_200_2011: no such folder; --data-dir must hold CUB_200_2011 with images\.txt"
    ):
        Cub200(data_dir=tmp_path).fingerprint()
    (tmp_path / "CUB_200_2011").mkdir()
    with pytest.raises(ValueError, match=r"CUB_200_2011/images\.txt: cannot be read"):
        Cub200(data_dir=tmp_path).fingerprint()
