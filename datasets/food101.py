"""Food-101 (Bossard, Guillaumin, Van Gool, ECCV 2014) with its official split, as torchvision unpacks it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Self

from bench.interfaces import Context, Items, SplitName
from datasets.checks import check_items, pick
from datasets.files import Listing, tree_hash

# MD5 of the publisher's archive, which torchvision verifies.
ARCHIVE_MD5 = "85eeb15f3717b99a5da872d97d918f87"
CLASSES, TRAIN_PER_CLASS, TEST_PER_CLASS = 101, 750, 250


class Food101:
    """Food-101: 101 dishes, 75,750 train and 25,250 test photographs (5 GB).

    ``data_dir`` holds ``food-101/meta`` (train and test, .json or .txt) and ``food-101/images/CLASS/ID.jpg``;
    None is the folder ``food101`` of the cache. ``download``: fetch the archive where it is missing.
    ``full``: insist on 101 classes of 750 and 250 images. Train items are the database, test items the
    queries.
    """

    train_in_database = True
    content = "images"

    def __init__(self, *, data_dir: Path | None = None, download: bool = False, full: bool = True) -> None:
        self.data_dir = data_dir
        self.download = download
        self.full = full
        self.classes: tuple[str, ...] = ()
        self.shared_with_database = 0
        self._items: dict[str, Items] = {}

    def fingerprint(self) -> str:
        """A hash of the images' names, sizes and times of change. ValueError: as ``load``.

        Where the images come from the publisher's archive, its MD5 stands for them.
        """
        if self.data_dir is None or self.download:
            return f"food-101-{ARCHIVE_MD5}"
        root = self.data_dir / "food-101"
        return tree_hash(root, self._list(root)[1:])

    def load(self, context: Context) -> Self:
        """List the files, downloaded if need be; decode each once. ValueError: one is missing or damaged."""
        root = self._root(context) / "food-101"
        if self.download and not root.is_dir():
            from torchvision import datasets as published

            published.Food101(root.parent, download=True)
        self.classes, train, test = self._list(root)
        fingerprint = self.fingerprint()
        database = train.items(0, f"{fingerprint}/train")
        query = test.items(len(database), f"{fingerprint}/query")
        self.shared_with_database = check_items(
            str(root), self.classes, database, query, (train.hashes(context), test.hashes(context)), context
        )
        self._items = {"train": database, "database": database, "query": query}
        return self

    def split(self, name: SplitName) -> Items:
        """The items of a split; train is the database."""
        return pick(self._items, name)

    def _root(self, context: Context) -> Path:
        if self.data_dir is not None:
            return self.data_dir
        if context.cache is None:
            raise ValueError("food101: --data-dir is needed where there is no cache folder")
        return context.cache / "food101"

    def _list(self, root: Path) -> tuple[tuple[str, ...], Listing, Listing]:
        """Sorted classes, and train and test files as listed: torchvision's order."""
        train, test = _read_split(root, "train"), _read_split(root, "test")
        classes = sorted({name.partition("/")[0] for name in train})
        for split, names, expected in (("train", train, TRAIN_PER_CLASS), ("test", test, TEST_PER_CLASS)):
            counts = Counter(name.partition("/")[0] for name in names)
            for label in counts:
                if label not in classes:
                    raise ValueError(f"{root / 'meta'}: class {label!r} of test is not in train")
            for label in classes if self.full else ():
                if counts[label] != expected:
                    raise ValueError(
                        f"{root / 'meta'}: {counts[label]} {split} images of {label!r}, must be {expected} "
                        "(full = false allows any number)"
                    )
        if self.full and len(classes) != CLASSES:
            raise ValueError(f"{root / 'meta'}: {len(classes)} classes, must be {CLASSES} (full = false allows any)")
        return tuple(classes), _listing(root, classes, train), _listing(root, classes, test)


def _read_split(root: Path, split: str) -> list[str]:
    """The names CLASS/ID that the split's .json (by class) or .txt (one a line) lists."""
    as_json, as_text = root / "meta" / f"{split}.json", root / "meta" / f"{split}.txt"
    if as_json.is_file():
        try:
            by_class = json.loads(as_json.read_text(encoding="utf-8"))
            return [name for names in by_class.values() for name in names]
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"{as_json}: must be an object of lists of CLASS/ID ({error})") from error
    if as_text.is_file():
        return as_text.read_text(encoding="utf-8").split()
    raise ValueError(
        f"{as_json}: no such file. Give --data-dir a folder that holds food-101/meta and food-101/images, "
        "or set download = true to fetch the 5 GB archive"
    )


def _listing(root: Path, classes: list[str], names: list[str]) -> Listing:
    number = {name: label for label, name in enumerate(classes)}
    labels = [number[name.partition("/")[0]] for name in names]
    return Listing([root / "images" / f"{name}.jpg" for name in names], labels)
