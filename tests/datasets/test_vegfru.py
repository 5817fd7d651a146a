import pytest

from bench.interfaces import Context
from datasets.vegfru import VegFru

TRAIN = "veg200_images/fennel/v_2.jpg 1\nveg200_images/aloe/v_1.jpg 0\nfru92_images/acorn/f_1.jpg 200\n"
TEST = "fru92_images/acorn/f_2.jpg 200\nveg200_images/aloe/v_4.jpg 0\n"
VAL = "veg200_images/aloe/v_3.jpg 0\n"


@pytest.fixture
def root(tmp_path, make):
    for split, text in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        make.write(tmp_path / f"vegfru/vegfru_list/vegfru_{split}.txt", text.encode())
    for seed, line in enumerate((TRAIN + TEST).splitlines()):
        make.write(tmp_path / "vegfru" / line.split()[0], make.encoded(seed, "JPEG", (8, 8)))
    return tmp_path


def write_official(root, make, train=29_200, test=116_931, classes=292):
    """Lists of that many entries, without images."""
    for split, count in (("train", train), ("test", test)):
        lines = (f"veg200_images/{i % classes}/{split}_{i}.jpg {i % classes}" for i in range(count))
        make.write(root / f"vegfru/vegfru_list/vegfru_{split}.txt", "\n".join(lines).encode())


def test_classes_are_in_the_order_of_their_numbers_and_images_as_listed(root):
    dataset = VegFru(data_dir=root, full=False).load(Context())
    train, test = dataset.split("train"), dataset.split("query")
    assert dataset.classes == ("aloe", "fennel", "acorn")
    assert [path.name for path in train.images.paths] == ["v_2.jpg", "v_1.jpg", "f_1.jpg"]
    assert train.labels.tolist() == [1, 0, 2] and test.labels.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("split", "line", "message"),
    [
        ("train", "veg200_images/aloe/v_9.jpg", r"train\.txt, line 4: .*must be 'PATH LABEL'"),
        ("train", "veg200_images/aloe/v_9.jpg aloe", r"train\.txt, line 4: label 'aloe', must be a whole number"),
        ("test", "veg200_images/aloe/v_9.jpg -1", r"test\.txt, line 3: label '-1', must be a whole number"),
        ("test", "veg200_images/aloe/v_4.jpg 0", r"test\.txt, line 3: .*v_4\.jpg was named before, in line 2"),
    ],
)
def test_bad_line_is_named(root, split, line, message):
    path = root / f"vegfru/vegfru_list/vegfru_{split}.txt"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=message):
        VegFru(data_dir=root, full=False).fingerprint()


def test_lists_of_the_published_numbers_are_accepted(tmp_path, make):
    write_official(tmp_path, make)
    splits = VegFru(data_dir=tmp_path).files(tmp_path)
    assert (len(splits.classes), len(splits.train.paths), len(splits.test.paths)) == (292, 29_200, 116_931)


@pytest.mark.long
@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"train": 43_800, "test": 292}, r"vegfru_train\.txt: 43800 train images, must be 29200"),
        ({"test": 292}, r"vegfru_test\.txt: 292 test images, must be 116931"),
        ({"test": 292, "classes": 200}, r"vegfru_train\.txt: 200 classes, must be 292"),
    ],
)
def test_other_numbers_than_the_published_are_refused(tmp_path, make, numbers, message):
    write_official(tmp_path, make, **numbers)
    with pytest.raises(ValueError, match=message):
        VegFru(data_dir=tmp_path).fingerprint()


def test_without_data_the_error_says_what_the_folder_must_hold(tmp_path):
    with pytest.raises(ValueError, match=r"--data-dir is needed: a folder holding vegfru with vegfru_list/"):
        VegFru().fingerprint()
    with pytest.raises(ValueError, match="vegfru: no such folder; --data-dir must hold vegfru with"):
        VegFru(data_dir=tmp_path).fingerprint()
