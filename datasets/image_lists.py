"""Lists of images with sets of classes, as hashing code keeps them: NUS-WIDE, MS-COCO and MIRFLICKR-25K."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Items
from datasets.checks import needed_folder
from datasets.contents import content_hashes
from datasets.files import FileImages, Listing
from datasets.lists import read_lines
from datasets.train_test import TrainTest
from datasets.twins import twins

NAMES = "classes.txt"
HOLDING = (
    "database.txt, test.txt and mostly train.txt, of lines 'PATH 0 1 0 …' with a 0 or 1 for each class, and the images"
)


@dataclass(frozen=True)
class ListedImages:
    """The images of one list, each once, and the classes of each, bool [n, classes]."""

    source: Path
    paths: list[Path]
    sets: NDArray[np.bool_]
    remarks: list[str]


class ImageLists(TrainTest):
    """Images with sets of classes in the lists train.txt, database.txt and test.txt of HashNet and its kin.

    A line is ``PATH 0 1 0 …``. The path is that of whoever wrote the list: of its leading folders those are left out
    that ``data_dir`` does not hold; images may also lie in ``images`` or in a folder of ``folders``. Classes are called
    by the lines of classes.txt, if there is one, or by their places. Without train.txt the train items are the
    database. An image that a list names again is left out, with a remark. Two items are relevant to each other if they
    share a class. ``full`` insists on a number of classes that is known for the data set. ``twins_allowed``: see
    ``TrainTest``.
    """

    content = "images"
    folders: ClassVar[tuple[str, ...]] = ()
    numbers: ClassVar[tuple[int, ...]] = ()

    def __init__(self, *, data_dir: Path | None = None, full: bool = True, twins_allowed: float | None = None) -> None:
        super().__init__(data_dir, twins_allowed)
        self.full = full

    def fingerprint(self) -> str:
        """A hash of the lists, the classes, and the images' names and contents, in order.

        Raises ValueError: a list or an image is missing or can't be read, or a line is wrong.
        """
        return self._fingerprint(self._lists())

    def load(self, context: Context) -> Self:
        lists, source = self._lists(), str(self.data_dir)
        fingerprint = self._fingerprint(lists)
        single = all((listed.sets.sum(axis=1) == 1).all() for listed in lists.values())
        first, made = 0, dict[str, Items]()
        for name, listed in lists.items():
            ids = np.arange(first, first + len(listed.paths), dtype=np.int64)
            labels = listed.sets.argmax(axis=1).astype(np.int64) if single else listed.sets
            made[name] = Items(ids, labels, f"{fingerprint}/{name}", images=FileImages(listed.paths))
            first += len(ids)
        classes = self._names() or tuple(map(str, range(lists["database"].sets.shape[1])))
        database, query = (Listing(lists[name].paths, []).hashes(context) for name in ("database", "test"))
        remarks = [remark for listed in lists.values() for remark in listed.remarks]
        own = made.get("train")
        if own is not None:
            remarks += _twins_in_train(lists, own, made["test"], context)
        return self._keep(source, classes, made["database"], made["test"], (database, query), context, remarks, own)

    def _fingerprint(self, lists: dict[str, ListedImages]) -> str:
        digest = blake2b("\0".join(self._names()).encode(), digest_size=16)
        contents = iter(content_hashes([path for listed in lists.values() for path in listed.paths]))
        for listed in lists.values():
            digest.update(f"\n{listed.source.name} {listed.sets.shape}\n".encode() + listed.sets.tobytes())
            for path in listed.paths:
                digest.update(os.fsencode(f"{path.name}\0{next(contents)}\n"))
        return digest.hexdigest()

    def _names(self) -> tuple[str, ...]:
        """The names of the classes; none if there is no list of them."""
        path = needed_folder(self.data_dir, HOLDING) / NAMES
        return tuple(line for line in read_lines(path) if line) if path.is_file() else ()

    def _lists(self) -> dict[str, ListedImages]:
        folder = needed_folder(self.data_dir, HOLDING)
        names = [name for name in ("database", "test", "train") if name != "train" or (folder / "train.txt").is_file()]
        lists = {name: read_list(folder / f"{name}.txt", (".", "images", *self.folders)) for name in names}
        counts = {name: listed.sets.shape[1] for name, listed in lists.items()}
        if len({*counts.values()}) > 1:
            found = ", ".join(f"{name}.txt {count}" for name, count in counts.items())
            raise ValueError(f"{folder}: the lists have different numbers of classes: {found}")
        if self.full and self.numbers and counts["database"] not in self.numbers:
            right = f"{' or '.join(map(str, self.numbers))} (full = false allows any number)"
            raise ValueError(f"{folder / 'database.txt'}: {counts['database']} classes, must be {right}")
        named = self._names()
        if named and len(named) != counts["database"]:
            raise ValueError(f"{folder / NAMES}: {len(named)} classes, and the lists have {counts['database']}")
        return lists


def _twins_in_train(lists: dict[str, ListedImages], train: Items, test: Items, context: Context) -> list[str]:
    """A remark on queries that stand among the train items outside of the database, whose images are checked."""
    known, listed = {*lists["database"].paths}, lists["train"].paths
    rows = np.array([row for row, path in enumerate(listed) if path not in known], dtype=np.int64)
    if not len(rows):
        return []
    train_hashes, test_hashes = (
        Listing(paths, []).hashes(context) for paths in ([listed[row] for row in rows], lists["test"].paths)
    )
    count = twins(train.take(rows), test, (train_hashes, test_hashes), context).count
    said = f"{count} query items also stand among the train items that are not in the database, to the byte"
    return [said] if count else []


def read_list(path: Path, folders: tuple[str, ...]) -> ListedImages:
    """The images of a list, looked for in ``folders`` of its folder.

    Raises ValueError: the list can't be read or is empty, a line is wrong, or the first image is nowhere.
    """
    names: dict[str, str] = {}
    again, first_again, count = 0, 0, 0
    for number, line in enumerate(read_lines(path), start=1):
        if not line:
            continue
        name, *flags = line.split()
        text = "".join(flags)
        count = count or len(flags)
        if len(flags) != count or count < 2 or len(text) != count or text.strip("01") or "/../" in f"/{name}/":
            raise ValueError(
                f"{path}, line {number}: {_shown(line)}, must be 'PATH 0 1 0 …' with {count or 'its'} classes"
            )
        if name in names:
            again, first_again = again + 1, first_again or number
        names.setdefault(name, text)
    if not names:
        raise ValueError(f"{path}: no image is listed")
    root, dropped = _root(path, next(iter(names)), folders)
    paths = [root.joinpath(*PurePosixPath(name).parts[dropped:]) for name in names]
    flat = np.frombuffer("".join(names.values()).encode(), dtype=np.uint8).reshape(len(names), -1)
    said = f"{path.name} names {again:,} images again, the first in line {first_again}; each counts once"
    return ListedImages(path, paths, flat == ord("1"), [said] if again else [])


def _root(path: Path, name: str, folders: tuple[str, ...]) -> tuple[Path, int]:
    """The folder of a list's images, and how many leading folders of the listed paths lie outside it."""
    parts = PurePosixPath(name).parts
    for dropped in range(name.startswith("/"), len(parts)):
        for folder in folders:
            if path.parent.joinpath(folder, *parts[dropped:]).is_file():
                return path.parent / folder, dropped
    raise ValueError(f"{path}: {name}, the first image, is not below {path.parent}")


def _shown(line: str) -> str:
    return repr(line if len(line) <= 60 else f"{line[:57]}…")


class NUSWide(ImageLists):
    """NUS-WIDE (Chua et al., CIVR 2009): photographs of Flickr with up to 81 concepts, or the 21 most frequent.

    The 21 concepts are those of DeepHash-pytorch's ``nuswide_21``, all 81 those of HashNet's ``nuswide_81``. Lists and
    images as in `ImageLists`.
    """

    dataset_name = "nus_wide"
    numbers = (81, 21)


class Coco(ImageLists):
    """MS-COCO (Lin et al., ECCV 2014): photographs with sets of 80 kinds of objects, in HashNet's lists.

    Lists and images as in `ImageLists`.
    """

    dataset_name = "coco"
    numbers = (80,)


class MirFlickr25K(ImageLists):
    """MIRFLICKR-25K (Huiskes, Lew, MIR 2008): photographs of Flickr with sets of 38 annotations, or of 24.

    The 24 leave out those called "relevant". Lists and images as in `ImageLists`; the images may lie in ``mirflickr``,
    as their publisher's archive unpacks.
    """

    dataset_name = "mirflickr25k"
    folders = ("mirflickr",)
    numbers = (38, 24)
