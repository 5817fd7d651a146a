"""CIFAR-10's three protocols on small files of its binary version, written here byte by byte."""

import pickle

import numpy as np
import pytest

from bench.interfaces import Context
from datasets.cifar10 import FOLDER, NAMES, RECORD, TEST, TRAIN, Cifar10

PER_FILE = 40
SMALL = {"full": False, "queries_per_class": 2, "train_per_class": 5}


@pytest.fixture
def images(tmp_path):
    """Six files of 40 images, four of each class; the images as torchvision would show them, and their classes."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6 * PER_FILE, 32, 32, 3), dtype=np.uint8)
    labels = np.tile(np.arange(10), 6 * PER_FILE // 10)
    (tmp_path / FOLDER).mkdir()
    for number, name in enumerate((*TRAIN, TEST)):
        rows = range(number * PER_FILE, (number + 1) * PER_FILE)
        content = b"".join(bytes([labels[row]]) + pixels[row].transpose(2, 0, 1).tobytes() for row in rows)
        (tmp_path / FOLDER / name).write_bytes(content)
    (tmp_path / FOLDER / NAMES).write_text("".join(f"class {number}\n" for number in range(10)) + "\n")
    return pixels, labels


def loaded(folder, protocol, **more):
    return Cifar10(data_dir=folder, protocol=protocol, **(SMALL | more)).load(Context())


def test_images_and_classes_are_those_of_the_files(tmp_path, images):
    dataset = loaded(tmp_path, "II")
    assert dataset.classes == tuple(f"class {number}" for number in range(10))
    for name in ("database", "query"):
        items = dataset.split(name)
        assert np.array_equal(items.images, images[0][items.ids]) and np.array_equal(items.labels, images[1][items.ids])


def test_protocol_one_a_keeps_the_train_items_out_of_the_database(tmp_path, images):
    dataset = loaded(tmp_path, "I(a)")
    query, train, database = (set(dataset.split(name).ids) for name in ("query", "train", "database"))
    assert query | train | database == set(range(240)) and len(query) + len(train) + len(database) == 240
    assert np.bincount(dataset.split("query").labels).tolist() == [2] * 10
    assert np.bincount(dataset.split("train").labels).tolist() == [5] * 10 and not dataset.train_in_database


def test_protocol_one_b_has_them_in_the_database(tmp_path, images):
    dataset, other = loaded(tmp_path, "I(b)"), loaded(tmp_path, "I(a)")
    query, train, database = (set(dataset.split(name).ids) for name in ("query", "train", "database"))
    assert train < database == set(range(240)) - query and not dataset.train_in_database
    for name in ("query", "train"):
        assert np.array_equal(dataset.split(name).ids, other.split(name).ids)


def test_under_protocol_one_b_every_other_image_may_be_trained_on(tmp_path, images):
    dataset = loaded(tmp_path, "I(b)", queries_per_class=4, train_per_class=20)
    assert dataset.train_in_database and len(dataset.split("train")) == 200 and len(dataset.split("query")) == 40
    for protocol, train in (("I(b)", 21), ("I(a)", 20)):
        with pytest.raises(ValueError, match="; 25 are needed"):
            loaded(tmp_path, protocol, queries_per_class=4, train_per_class=train)


def test_protocol_two_is_the_publishers_split(tmp_path, images):
    dataset = loaded(tmp_path, "II")
    assert dataset.split("query").ids.tolist() == list(range(200, 240))
    assert dataset.train_in_database and dataset.split("train").ids.tolist() == list(range(200))


def test_the_whole_set_has_the_fields_numbers():
    """The rows of 60,000 images, of which no file is needed."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 6000)).astype(np.int64)
    sizes = {
        protocol: tuple(map(len, Cifar10(protocol=protocol)._rows(labels, 50_000)))
        for protocol in ("I(a)", "I(b)", "II")
    }
    assert sizes == {"I(a)": (1000, 5000, 54_000), "I(b)": (1000, 5000, 59_000), "II": (10_000, 50_000, 50_000)}


def test_the_name_and_the_fingerprint_tell_the_protocols_and_the_seeds_apart(tmp_path, images):
    names = [Cifar10(protocol=protocol).dataset_name for protocol in ("I(a)", "I(b)", "II")]
    assert names == ["cifar10-Ia", "cifar10-Ib", "cifar10-II"]
    different = [{"protocol": "I(a)"}, {"protocol": "I(b)"}, {"protocol": "II"}, {"seed": 1}, {"train_per_class": 4}]
    assert len({Cifar10(data_dir=tmp_path, **(SMALL | one)).fingerprint() for one in different}) == 5
    alike = [Cifar10(data_dir=tmp_path, **SMALL, protocol="II", seed=seed).fingerprint() for seed in (0, 1)]
    assert alike[0] == alike[1]


@pytest.mark.parametrize(
    ("name", "content", "more", "message"),
    [
        (TEST, b"x" * 3 * RECORD, {"full": True}, r"data_batch_1\.bin: 122,920 bytes, must be 30,730,000"),
        (TEST, b"x" * (RECORD + 1), {}, r"test_batch\.bin: 3,074 bytes, must be a multiple of 3,073"),
        (TEST, b"", {}, r"test_batch\.bin: 0 bytes, must be"),
        (TEST, None, {}, r"test_batch\.bin: no such file"),
        (TRAIN[1], b"\x0a" + b"x" * (RECORD - 1), {}, r"data_batch_2\.bin: class 10 of image 0, must be 0 to 9"),
        (NAMES, b"\xff\xfe\xff", {}, r"batches\.meta\.txt"),
        (NAMES, b"a\nb\n", {}, "item 2 has label 2, not in 0..1"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, images, name, content, more, message):
    path = tmp_path / FOLDER / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        loaded(tmp_path, "II", **more)
    assert "\n" not in str(caught.value)


def test_pickled_batches_are_refused_in_words(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match=r"cifar-10-batches-bin: no such folder.*holds pickles, which are not read"):
        Cifar10(data_dir=tmp_path).fingerprint()


def test_parameters_that_leave_nothing_are_refused(tmp_path, images):
    with pytest.raises(ValueError, match=r"protocol is 'I'; allowed: I\(a\), I\(b\), II"):
        Cifar10(protocol="I")
    with pytest.raises(ValueError, match="queries_per_class is 0; allowed: 1 or more"):
        Cifar10(queries_per_class=0)
    with pytest.raises(
        ValueError, match="class 0 has 24 images, and queries_per_class = 20 and train_per_class = 5 leave"
    ):
        loaded(tmp_path, "I(a)", queries_per_class=20)
