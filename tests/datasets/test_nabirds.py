import pytest

from bench.interfaces import Context
from datasets.nabirds import NABirds

# 0 and 295 are inner nodes of the hierarchy; only 817 and 1010 have images. Ids have dashes, file names none.
LISTS = {
    "classes.txt": "0 Birds\n295 Blackbirds and Orioles\n817 Oak Titmouse\n1010 Verdin (Adult male)\n",
    "images.txt": (
        "0000139e-21dc 1010/0000139e21dc.jpg\n000a1b2c-3d4e 0817/000a1b2c3d4e.jpg\n"
        "00f0-0001 0817/00f00001.jpg\n00f0-0002 1010/00f00002.jpg\n"
    ),
    "image_class_labels.txt": "0000139e-21dc 1010\n000a1b2c-3d4e 817\n00f0-0001 817\n00f0-0002 1010\n",
    "train_test_split.txt": "0000139e-21dc 1\n000a1b2c-3d4e 1\n00f0-0001 0\n00f0-0002 0\n",
}


def write_official(root, make, train=23_929, test=24_633):
    """Lists of 1,011 classes, the last 555 with images, and of that many images, without the images."""
    images = range(train + test)
    lists = {
        "classes": (f"{c} Bird {c}" for c in range(1_011)),
        "images": (f"{i:04}-{i} {456 + i % 555:04}/{i}.jpg" for i in images),
        "image_class_labels": (f"{i:04}-{i} {456 + i % 555}" for i in images),
        "train_test_split": (f"{i:04}-{i} {int(i < train)}" for i in images),
    }
    for name, lines in lists.items():
        make.write(root / "nabirds" / f"{name}.txt", "\n".join(lines).encode())


def test_labels_count_the_classes_that_have_images(tmp_path, make):
    for name, text in LISTS.items():
        make.write(tmp_path / "nabirds" / name, text.encode())
    for seed, line in enumerate(LISTS["images.txt"].splitlines()):
        make.write(tmp_path / "nabirds/images" / line.split()[1], make.encoded(seed, "JPEG", (8, 8)))
    dataset = NABirds(data_dir=tmp_path, full=False).load(Context())
    train, test = dataset.split("train"), dataset.split("query")
    assert dataset.classes == ("Oak Titmouse", "Verdin (Adult male)")
    assert [path.stem for path in train.images.paths] == ["0000139e21dc", "000a1b2c3d4e"]
    assert train.labels.tolist() == [1, 0] and test.labels.tolist() == [0, 1]


def test_lists_of_the_published_numbers_are_accepted(tmp_path, make):
    write_official(tmp_path, make)
    splits = NABirds(data_dir=tmp_path).files(tmp_path)
    assert (len(splits.classes), len(splits.train.paths), len(splits.test.paths)) == (555, 23_929, 24_633)
    assert set(splits.train.labels) == set(splits.test.labels) == set(range(555))


def test_other_numbers_than_the_published_are_refused(tmp_path, make):
    write_official(tmp_path, make, train=23_928)
    with pytest.raises(ValueError, match=r"nabirds/train_test_split\.txt: 23928 train images, must be 23929"):
        NABirds(data_dir=tmp_path).fingerprint()


def test_without_data_the_error_says_what_the_folder_must_hold(tmp_path):
    with pytest.raises(ValueError, match=r"--data-dir is needed: a folder holding nabirds with images\.txt"):
        NABirds().fingerprint()
    with pytest.raises(ValueError, match="nabirds: no such folder; --data-dir must hold nabirds with"):
        NABirds(data_dir=tmp_path).fingerprint()
