import os
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


def test_image_in_both_splits_is_said_and_refused_where_it_is_not_allowed(tree, make):
    make.write(tree / "test/ale/r.png", (tree / "train/tea/b.png").read_bytes())
    assert load(tree).shared_with_database == 1
    with pytest.raises(ValueError, match=r"1 of 2 queries .* query item 0 = database item 3"):
        ImageFolder(data_dir=tree, twins_allowed=0.25).load(Context())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tea/gone.png train", r"line 6: .*tea/gone\.png does not exist"),
        ("ale/unlisted.png validation", "line 6: 'ale/unlisted.png validation', must be"),
        ("ale/unlisted.png", "line 6: 'ale/unlisted.png', must be"),
        ("tea/b.png test", r"line 6: .*tea/b\.png was named before"),
        ("./tea//b.png test", r"line 6: .*tea/b\.png was named before"),
        ("b.png train", "line 6: 'b.png train', must be 'CLASS/image train'"),
        ("../tea/b.png train", r"line 6: '\.\./tea/b\.png train', must be"),
        ("/etc/hostname train", "line 6: '/etc/hostname train', must be"),
        ("train", "line 6: 'train', must be"),
        ("ale train", r"line 6: 'ale train', must be"),
        ("ale/more train", r"line 6: .*ale/more does not exist, or can't be read"),
        (f"tea/{'b' * 5000}.png train", r"line 6: .*\.png does not exist, or can't be read"),
    ],
)
def test_bad_line_of_the_split_file_is_named(listed, line, message):
    (listed / "ale/more").mkdir()
    (listed / "split.txt").write_text(f"{SPLIT}{line}\n")
    with pytest.raises(ValueError, match=message):
        load(listed, Path("split.txt"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_split_files_of_any_system_are_read(tmp_path, make, encoding, end):
    names = {"thé/a.png": "train", "ale/ü b.png": "train", "ale/c.png": "test"}
    for seed, name in enumerate(names):
        make.write(tmp_path / name, make.encoded(seed))
    lines = [f"{name}\t{part} " for name, part in names.items()]
    (tmp_path / "split.txt").write_bytes(end.join([*lines, ""]).encode(encoding))
    dataset = load(tmp_path, Path("split.txt"))
    assert dataset.classes == ("ale", "thé") and dataset.remarks == ()
    assert dataset.split("train").labels.tolist() == [1, 0] and dataset.split("query").labels.tolist() == [0]


def test_the_first_folder_of_a_line_is_its_class(tmp_path, make):
    names = [f"{animal}/{light}/{i}.png" for i in range(3) for animal in ("cat", "dog") for light in ("day", "night")]
    for seed, name in enumerate(names):
        make.write(tmp_path / name, make.encoded(seed))
    lines = [f"./{name} {'test' if '2.png' in name else 'train'}" for name in names]
    (tmp_path / "split.txt").write_text("\n".join(lines))
    dataset = load(tmp_path, Path("split.txt"))
    assert dataset.classes == ("cat", "dog")
    assert dataset.split("train").labels.tolist() == [0, 0, 1, 1] * 2 and dataset.split("query").labels.tolist() == [
        0,
        0,
        1,
        1,
    ]


def test_images_of_every_format_and_in_folders_inside_a_class_are_used_and_hidden_ones_are_not(tmp_path, make):
    forms = {".jpg": "JPEG", ".JPEG": "JPEG", ".jfif": "JPEG", ".jpe": "JPEG", ".gif": "GIF", ".tif": "TIFF"}
    forms |= {".ppm": "PPM", ".avif": "AVIF", ".jp2": "JPEG2000", ".tga": "TGA", ".ico": "ICO"}
    used = {
        f"{kind}/{i}{suffix}": form for i, (suffix, form) in enumerate(forms.items()) for kind in ("ale", "tea/old")
    }
    seed = 0
    for part in ("train", "test"):
        for name, form in used.items():
            seed += 1
            make.write(tmp_path / part / name, make.encoded(seed, form, (16, 16)))
    unused = ["train/ale/._1.jpg", "test/tea/Thumbs.db", "train/.cache/x/1.png", "__MACOSX/train/ale/1.jpg", "LICENSE"]
    unused += ["train/loose.png", "val/ale/1.png", "train/ale/film.mpg"]
    for name in unused:
        make.write(tmp_path / name, b"not read")
    dataset = load(tmp_path)
    assert dataset.classes == ("ale", "tea")
    assert len(dataset.split("train")) == len(dataset.split("query")) == len(used)
    assert np.bincount(dataset.split("train").labels).tolist() == [len(forms)] * 2
    (remark,) = dataset.remarks
    assert remark.startswith("Files of the folder that are not used: 8 (3 hidden, 2 in no split or class, ")
    for counted in ("1 .db", "1 .mpg", "1 without a suffix"):
        assert counted in remark


def test_images_that_the_split_file_does_not_name_are_counted(listed):
    assert load(listed, Path("split.txt")).remarks == (
        "Files of the folder that are not used: 1 (1 in no split or class), first ale/unlisted.png",
    )


def test_links_are_followed_but_not_in_circles(tree):
    (tree / "train/ale/again").symlink_to(tree / "train")
    (tree / "train/ale/self").symlink_to(tree / "train/ale")
    (tree / "train/tea/more").symlink_to(tree / "train/ale", target_is_directory=True)
    dataset = load(tree)
    assert dataset.split("train").labels.tolist() == [0] * 2 + [1] * 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_named(tree):
    (tree / "train/ale/closed").mkdir(mode=0)
    with pytest.raises(ValueError, match=r"ale/closed: cannot be read \(Permission denied"):
        load(tree)


def test_a_pipe_that_is_called_an_image_is_named_and_not_waited_for(tree):
    os.mkfifo(tree / "train/ale/a.png")
    with pytest.raises(ValueError, match=r"train/ale/a\.png: cannot be read \(not a file\)"):
        load(tree)


def test_names_that_are_not_utf_8_are_read(tmp_path, make):
    for seed, name in enumerate((b"train/th\xe9/1.png", b"train/ale/1.png", b"test/th\xe9/2.png")):
        make.write(tmp_path / os.fsdecode(name), make.encoded(seed))
    dataset = load(tmp_path)
    assert [os.fsencode(name) for name in dataset.classes] == [b"ale", b"th\xe9"] and dataset.fingerprint()


def test_class_without_a_train_image_in_the_split_file_is_named(listed):
    (listed / "split.txt").write_text("tea/b.png train\nale/y.png test\n")
    with pytest.raises(ValueError, match="line 2: class 'ale' has no train image"):
        load(listed, Path("split.txt"))


def test_missing_split_file_and_data_dir_are_named(listed):
    with pytest.raises(ValueError, match=r"gone\.txt: no such file"):
        load(listed, Path("gone.txt"))
    with pytest.raises(ValueError, match="--data-dir is needed"):
        ImageFolder().load(Context())
