import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.interfaces import Context
from datasets.parquet import Parquet

NAMES = ("pie", "cake", "soup")


@pytest.fixture
def shards(tmp_path, make):
    """Two train shards (7 and 4 images) and a test shard (5), JPEG and PNG; gives the folder and the contents."""
    train = [make.encoded(i, "JPEG" if i % 2 else "PNG", size=(5 + i, 9)) for i in range(11)]
    test = [make.encoded(100 + i) for i in range(5)]
    make.write_parquet(tmp_path / "train-00000-of-00002.parquet", train[:7], [2, 0, 1, 1, 0, 2, 2], NAMES)
    make.write_parquet(tmp_path / "train-00001-of-00002.parquet", train[7:], [0, 0, 1, 2], NAMES)
    make.write_parquet(tmp_path / "test-00000-of-00001.parquet", test, [1, 0, 2, 0, 1], NAMES)
    return tmp_path, train, test


def load(folder):
    return Parquet(data_dir=folder).load(Context())


def test_images_and_labels_come_in_the_order_of_the_shards(shards, make):
    folder, train, test = shards
    dataset = load(folder)
    database, query = dataset.split("database"), dataset.split("query")
    assert dataset.classes == NAMES
    assert database.labels.tolist() == [2, 0, 1, 1, 0, 2, 2, 0, 0, 1, 2]
    assert query.labels.tolist() == [1, 0, 2, 0, 1]
    assert database.ids.tolist() == list(range(11)) and query.ids.tolist() == list(range(11, 16))
    for items, contents in ((database, train), (query, test)):
        assert len(items.images) == len(contents)
        for i, content in enumerate(contents):
            assert items.images[i].dtype == np.uint8
            assert np.array_equal(items.images[i], make.pixels_of(content))


def test_grey_and_palette_images_come_as_rgb(shards, make):
    from io import BytesIO

    from PIL import Image

    folder, _, _ = shards
    contents = []
    for mode in ("L", "P", "RGBA"):
        buffer = BytesIO()
        Image.fromarray(make.pixels_of(make.encoded(7))).convert(mode).save(buffer, format="PNG")
        contents.append(buffer.getvalue())
    make.write_parquet(folder / "test-00000-of-00001.parquet", contents, [0, 1, 2], NAMES)
    assert {load(folder).split("query").images[i].shape for i in range(3)} == {(6, 8, 3)}


def test_classes_are_numbers_where_the_metadata_have_no_names(tmp_path, make):
    make.write_parquet(tmp_path / "train-0.parquet", [make.encoded(0), make.encoded(1)], [0, 3])
    make.write_parquet(tmp_path / "test-0.parquet", [make.encoded(2)], [1])
    assert load(tmp_path).classes == ("0", "1", "2", "3")


def test_fingerprint_follows_the_content_not_the_place(shards, make, tmp_path_factory):
    folder, train, _ = shards
    before = Parquet(data_dir=folder).fingerprint()
    copy = tmp_path_factory.mktemp("copy")
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert Parquet(data_dir=copy).fingerprint() == before
    make.write_parquet(folder / "train-00001-of-00002.parquet", train[7:], [0, 0, 1, 1], NAMES)
    assert Parquet(data_dir=folder).fingerprint() != before


def test_splits_have_fingerprints_of_their_own(shards):
    dataset = load(shards[0])
    assert dataset.split("train").fingerprint != dataset.split("query").fingerprint


@pytest.mark.parametrize("row", [0, 2, 3])
@pytest.mark.parametrize("damage", ["no image", "truncated"])
def test_undecodable_image_is_named_by_file_and_row(shards, make, damage, row):
    folder, train, _ = shards
    contents = train[7:]
    contents[row] = b"no image" if damage == "no image" else make.encoded(9, "JPEG", (64, 64))[:-200]
    make.write_parquet(folder / "train-00001-of-00002.parquet", contents, [0, 0, 1, 2], NAMES)
    with pytest.raises(ValueError, match=rf"train-00001-of-00002\.parquet, row {row}: not a readable image"):
        load(folder)


def test_leak_between_the_files_is_found(shards, make):
    folder, train, test = shards
    make.write_parquet(folder / "test-00000-of-00001.parquet", [*test[:4], train[8]], [1, 0, 2, 0, 1], NAMES)
    with pytest.raises(ValueError, match=r"1 of 5 queries .* query item 4 = database item 8"):
        load(folder)


def test_label_beyond_the_names_is_refused(shards, make):
    folder, _, test = shards
    make.write_parquet(folder / "test-00000-of-00001.parquet", test, [1, 0, 3, 0, 1], NAMES)
    with pytest.raises(ValueError, match="query item 2 has label 3"):
        load(folder)


def test_other_class_names_in_another_shard_are_refused(shards, make):
    folder, train, _ = shards
    make.write_parquet(folder / "train-00001-of-00002.parquet", train[7:], [0, 0, 1, 2], ("x", "y", "z"))
    with pytest.raises(ValueError, match=r"train-00001.*class names differ from those of .*train-00000"):
        load(folder)


def test_other_class_names_in_test_are_refused(shards, make):
    folder, _, test = shards
    make.write_parquet(folder / "test-00000-of-00001.parquet", test, [1, 0, 2, 0, 1], ("cake", "pie", "soup"))
    with pytest.raises(ValueError, match="class names of test differ from those of train"):
        load(folder)


def test_missing_value_is_named_by_row(shards, make):
    folder, _, test = shards
    make.write_parquet(folder / "test-00000-of-00001.parquet", test, [1, 0, None, 0, 1], NAMES)
    with pytest.raises(ValueError, match=r"test-00000-of-00001\.parquet, row 2: no label"):
        load(folder)
    make.write_parquet(folder / "test-00000-of-00001.parquet", [*test[:3], None, None], [1, 0, 1, 0, 1], NAMES)
    with pytest.raises(ValueError, match=r"test-00000-of-00001\.parquet, row 3: no image"):
        load(folder)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"picture": pa.array([b"x"]), "label": pa.array([0])}, "column image must be a struct"),
        ({"image": pa.array([b"x"]), "label": pa.array([0])}, "column image must be a struct"),
        ({"image": pa.array([{"path": "a"}]), "label": pa.array([0])}, "column image must be a struct"),
        ({"image": pa.array([{"bytes": "x"}]), "label": pa.array([0])}, "bytes of column image must be binary"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": pa.array(["a"])}, "column label must hold integers"),
        ({"image": pa.array([{"bytes": b"x"}])}, "column label must hold integers"),
    ],
)
def test_wrong_columns_are_named(shards, columns, message):
    folder, _, _ = shards
    pq.write_table(pa.table(columns), folder / "test-00000-of-00001.parquet")
    with pytest.raises(ValueError, match=rf"test-00000-of-00001\.parquet: {message}"):
        load(folder)


def test_file_that_is_no_parquet_is_named(shards):
    (shards[0] / "test-00000-of-00001.parquet").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"test-00000-of-00001\.parquet: not a readable Parquet file"):
        load(shards[0])


def test_missing_shards_and_folder_are_named(shards):
    with pytest.raises(ValueError, match="--data-dir is needed"):
        Parquet().fingerprint()
    (shards[0] / "test-00000-of-00001.parquet").unlink()
    for method in (Parquet(data_dir=shards[0]).fingerprint, lambda: load(shards[0])):
        with pytest.raises(ValueError, match=r"no test-\*\.parquet"):
            method()


@pytest.mark.skipif("BENCH_DATA" not in os.environ, reason="BENCH_DATA names no folder with food101_64, grocery_96")
def test_real_sets_have_their_published_counts():
    root = Path(os.environ.get("BENCH_DATA", ""))
    food = load(root / "food101_64")
    per_class = np.bincount(food.split("train").labels)
    assert len(per_class) == len(food.classes) == 101
    assert per_class.min() >= 713 and per_class.max() == 750
    assert food.classes[0] == "apple_pie"
    assert (len(food.split("train")), len(food.split("query"))) == (75_709, 25_247)
    assert food.split("query").images[25_246].shape == (64, 64, 3)
    assert food.shared_with_database == 22
    grocery = load(root / "grocery_96")
    assert (len(grocery.split("train")), len(grocery.split("query"))) == (2_936, 2_485)
    assert len(grocery.classes) == 81 and grocery.split("train").images[0].shape == (96, 96, 3)
