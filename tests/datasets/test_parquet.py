import json
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
    assert load(tmp_path).classes == ("0", "1", "3")


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


def test_an_image_in_both_files_is_said_and_refused_where_it_is_not_allowed(shards, make):
    folder, train, test = shards
    make.write_parquet(folder / "test-00000-of-00001.parquet", [*test[:4], train[8]], [1, 0, 2, 0, 1], NAMES)
    assert load(folder).shared_with_database == 1
    with pytest.raises(ValueError, match=r"1 of 5 queries .* query item 4 = database item 8"):
        Parquet(data_dir=folder, twins_allowed=0).load(Context())


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
        (
            {"picture": pa.array([b"x"]), "label": pa.array([0])},
            "column image must be binary, or a struct .*; columns: picture: binary; label: int64",
        ),
        ({"image": pa.array(["x"]), "label": pa.array([0])}, "column image must be binary, or a struct"),
        ({"image": pa.array([{"content": b"a"}]), "label": pa.array([0])}, "column image must be binary, or a struct"),
        ({"image": pa.array([{"bytes": "x"}]), "label": pa.array([0])}, "column image must be binary, or a struct"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": pa.array([0.5])}, "column label must be integers or texts"),
        ({"image": pa.array([{"bytes": b"x"}]), "label": pa.array([[0]])}, "column label must be integers or texts"),
        ({"image": pa.array([{"bytes": b"x"}])}, "column label must be integers or texts"),
    ],
)
def test_wrong_columns_are_named(shards, columns, message):
    folder, _, _ = shards
    pq.write_table(pa.table(columns), folder / "test-00000-of-00001.parquet")
    with pytest.raises(ValueError, match=rf"test-00000-of-00001\.parquet: {message}"):
        load(folder)


def write(path, image, label, metadata=None):
    pq.write_table(pa.table({"image": image, "label": label}).replace_schema_metadata(metadata), path)


def binary(contents, kind=None):
    return pa.array(contents, type=kind or pa.binary())


LABELS = {
    "int8": pa.array([3, 1, 3], pa.int8()),
    "uint64": pa.array([2**63 + 3, 1, 2**63 + 3], pa.uint64()),
    "bool": pa.array([True, False, True]),
    "string": pa.array(["b", "a", "b"]),
    "large_string": pa.array(["b", "a", "b"], pa.large_string()),
    "dictionary": pa.array(["b", "a", "b"]).dictionary_encode(),
    "dictionary of integers": pa.array([9, 4, 9]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_are_integers_or_texts_of_any_type(tmp_path, make, kind):
    for split, seed in (("train", 0), ("test", 10)):
        write(tmp_path / f"{split}-0.parquet", binary([make.encoded(seed + i) for i in range(3)]), LABELS[kind])
    dataset = load(tmp_path)
    assert dataset.classes == tuple(str(value) for value in sorted({*LABELS[kind].to_pylist()}))
    assert dataset.split("train").labels.tolist() == dataset.split("query").labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
@pytest.mark.parametrize("struct", [False, True])
def test_images_are_bytes_of_any_type_in_a_struct_or_not(tmp_path, make, kind, struct):
    contents = [make.encoded(i) for i in range(4)]
    for split, part in (("train", contents[:2]), ("test", contents[2:])):
        column = binary(part, kind)
        write(
            tmp_path / f"{split}-0.parquet",
            pa.StructArray.from_arrays([column], ["bytes"]) if struct else column,
            [0, 1],
        )
    dataset = load(tmp_path)
    for split, part in (("train", contents[:2]), ("query", contents[2:])):
        for i, content in enumerate(part):
            assert np.array_equal(dataset.split(split).images[i], make.pixels_of(content))


def test_a_struct_whose_paths_are_all_missing_is_read(tmp_path, make):
    for split, seed in (("train", 0), ("test", 10)):
        images = pa.array([{"bytes": make.encoded(seed + i), "path": None} for i in range(2)])
        assert pa.types.is_null(images.type.field("path").type)
        write(tmp_path / f"{split}-0.parquet", images, [0, 1])
    assert np.array_equal(load(tmp_path).split("query").images[1], make.pixels_of(make.encoded(11)))


@pytest.fixture
def beside(tmp_path, make):
    """A train shard whose second and third images stand in files beside it, and a test shard of paths alone."""
    contents = [make.encoded(i) for i in range(5)]
    for name, content in (
        ("b.png", contents[1]),
        ("in/c.png", contents[2]),
        ("d.png", contents[3]),
        ("e.png", contents[4]),
    ):
        make.write(tmp_path / name, content)
    train = [
        {"bytes": contents[0], "path": "gone.png"},
        {"bytes": None, "path": "b.png"},
        {"bytes": None, "path": "./in/c.png"},
    ]
    write(tmp_path / "train-0.parquet", pa.array(train), [0, 1, 1])
    write(tmp_path / "test-0.parquet", pa.array([{"path": "d.png"}, {"path": "e.png"}]), [1, 0])
    return tmp_path, contents


def test_images_without_bytes_are_read_from_beside_the_file(beside, make):
    folder, contents = beside
    dataset = load(folder)
    images = [*dataset.split("train").images, *dataset.split("query").images]
    assert all(np.array_equal(image, make.pixels_of(content)) for image, content in zip(images, contents, strict=True))
    before = dataset.fingerprint()
    make.write(folder / "in/c.png", make.encoded(77, size=(9, 9)))
    assert Parquet(data_dir=folder).fingerprint() != before
    (folder / "e.png").unlink()
    with pytest.raises(ValueError, match=r"test-0\.parquet, row 1: no image: 'e\.png' cannot be read from beside"):
        load(folder)


@pytest.mark.parametrize("path", ["../b.png", "/etc/hostname", "in/../../b.png", "in/\0"])
def test_a_path_that_leads_out_of_the_folder_is_refused(beside, path):
    folder, _ = beside
    write(folder / "test-0.parquet", pa.array([{"path": "d.png"}, {"path": path}]), [1, 0])
    with pytest.raises(ValueError, match=r"test-0\.parquet, row 1: path .* must lead into "):
        load(folder)


@pytest.mark.parametrize("image", [None, *({"bytes": None, "path": path} for path in (None, "", "gone\n.png", "in"))])
def test_a_row_with_neither_bytes_nor_a_file_is_named_in_one_line(beside, image):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    write(beside[0] / "test-0.parquet", pa.array([{"path": "d.png", "bytes": None}, image], kind), [1, 0])
    with pytest.raises(ValueError, match=r"test-0\.parquet, row 1: no image") as refused:
        load(beside[0])
    assert "\n" not in str(refused.value)


def test_columns_of_other_names_are_read_where_they_are_given(tmp_path, make):
    for split, seed in (("train", 0), ("test", 10)):
        contents = binary([make.encoded(seed + i) for i in range(3)])
        table = pa.table({"img": contents, "fine_label": [5, 2, 2], "coarse_label": [0, 1, 0]})
        pq.write_table(table, tmp_path / f"{split}-0.parquet")
    guessed = load(tmp_path)
    assert guessed.classes == ("2", "5") and guessed.remarks == ("Columns read: img and, as labels, fine_label",)
    fine, coarse = (
        Parquet(data_dir=tmp_path, image_column="img", label_column=f"{name}_label") for name in ("fine", "coarse")
    )
    assert fine.load(Context()).classes == ("2", "5") and coarse.load(Context()).classes == ("0", "1")
    assert guessed.fingerprint() == fine.fingerprint() != coarse.fingerprint()
    assert fine.remarks == coarse.remarks == ()


def test_columns_are_guessed_by_type_and_metadata_where_no_name_is_usual(tmp_path, make):
    info = json.dumps({"info": {"features": {"bird": {"names": ["auk", "owl"], "_type": "ClassLabel"}}}})
    for split in ("train", "test"):
        contents = binary([make.encoded(10 * len(split) + i) for i in range(2)])
        table = pa.table({"id": [3, 4], "photo_of_bird": contents, "bird": [0, 1]})
        pq.write_table(table.replace_schema_metadata({"huggingface": info}), tmp_path / f"{split}.parquet")
    dataset = load(tmp_path)
    assert dataset.classes == ("auk", "owl")
    assert dataset.remarks == ("Columns read: photo_of_bird and, as labels, bird",)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("data/train-00000-of-00001-ab12.parquet", "data/test-00000-of-00001-cd34.parquet"),
        ("train/0000.parquet", "test/0000.parquet"),
        ("default/train/0000.parquet", "default/test/0000.parquet"),
        ("train.parquet", "test.parquet"),
        ("train-0.parquet", "validation-0.parquet"),
        ("data/train-0.parquet", "data/val-0.parquet"),
    ],
)
def test_splits_are_found_in_the_layouts_of_the_hub(tmp_path, make, train, test):
    for name, seeds, labels in ((train, (0, 1, 2), [0, 1, 1]), (test, (3, 4), [1, 0])):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        make.write_parquet(tmp_path / name, [make.encoded(seed) for seed in seeds], labels)
    dataset = load(tmp_path)
    assert dataset.split("database").labels.tolist() == [0, 1, 1] and dataset.split("query").labels.tolist() == [1, 0]
    called = Path(test).name.split("-")[0]
    assert dataset.remarks == ((f"The queries are the split {called}",) if called.startswith("val") else ())


def test_a_split_is_chosen_by_name(tmp_path, make):
    for at, name in enumerate(("train", "test", "extra")):
        contents = [make.encoded(2 * at), make.encoded(2 * at + 1)]
        make.write_parquet(tmp_path / f"{name}-0.parquet", contents, [at, at + 1])
    dataset = Parquet(data_dir=tmp_path, train_split="extra", test_split="train").load(Context())
    assert [dataset.classes[label] for label in dataset.split("database").labels] == ["2", "3"]
    assert dataset.remarks[0] == "Parquet files of the folder that are not used: 1, first test-0.parquet"
    with pytest.raises(ValueError, match=r"no dev-\*\.parquet; it must hold"):
        Parquet(data_dir=tmp_path, test_split="dev").fingerprint()


@pytest.mark.parametrize("name", ["", "..", "/etc", "a/b", "\0", "*"])
def test_a_text_that_is_no_name_of_a_split_is_refused(tmp_path, name):
    for names in ({"train_split": name}, {"test_split": name}):
        with pytest.raises(ValueError, match=r"is no name of a split, as train and validation are"):
            Parquet(data_dir=tmp_path, **names).fingerprint()


def test_several_sets_in_one_folder_are_told_apart_by_the_folder(tmp_path, make):
    for name in ("cifar10", "cifar100"):
        (tmp_path / name).mkdir()
        for split in ("train", "test"):
            make.write_parquet(tmp_path / name / f"{split}-0.parquet", [make.encoded(0), make.encoded(1)], [0, 1])
    with pytest.raises(ValueError, match=r"train-\*\.parquet in several folders \(cifar10, cifar100\); --data-dir"):
        load(tmp_path)
    assert len(load(tmp_path / "cifar10").split("query")) == 2


def test_names_of_classes_that_do_not_occur_are_left_out(tmp_path, make):
    names = [f"class {number}" for number in range(1000)]
    make.write_parquet(tmp_path / "train-0.parquet", [make.encoded(0), make.encoded(1)], [7, 999], names)
    make.write_parquet(tmp_path / "test-0.parquet", [make.encoded(2)], [7], names)
    dataset = load(tmp_path)
    assert dataset.classes == ("class 7", "class 999") and dataset.split("train").labels.tolist() == [0, 1]


def test_queries_of_a_class_that_the_database_lacks_are_said(tmp_path, make):
    make.write_parquet(tmp_path / "train-0.parquet", [make.encoded(0), make.encoded(1)], [0, 3])
    make.write_parquet(tmp_path / "test-0.parquet", [make.encoded(2), make.encoded(3)], [0, 77])
    assert load(tmp_path).remarks == (
        "Query items of classes that the database lacks: 1, the first of '77'; they find nothing",
    )


def test_other_parquet_files_of_the_folder_are_said_not_to_be_used(shards):
    (shards[0] / "validation-0.parquet").write_bytes(b"")
    assert load(shards[0]).remarks == ("Parquet files of the folder that are not used: 1, first validation-0.parquet",)


def test_a_column_that_is_there_twice_and_metadata_that_are_wrong_are_named(shards, make):
    folder, _, test = shards
    path = folder / "test-00000-of-00001.parquet"
    twice = pa.Table.from_arrays([binary(test[:1]), binary(test[:1]), pa.array([0])], ["image", "image", "label"])
    pq.write_table(twice, path)
    with pytest.raises(ValueError, match=r"test-.*: column image must be binary"):
        load(folder)
    wrong = {"[": "has no info", '{"info": {"features": {"label": {"names": 3}}}}': "must be a list of texts"}
    for text, message in wrong.items():
        write(path, binary(test[:1]), pa.array([0]), {"huggingface": text})
        with pytest.raises(ValueError, match=rf"test-.*: schema metadata huggingface.* {message}"):
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


@pytest.mark.long
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
