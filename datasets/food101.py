"""Food-101 (Bossard, Guillaumin, Van Gool, ECCV 2014) with its official split, as torchvision unpacks it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from bench.interfaces import Context
from datasets.archives import unpacked_inside
from datasets.checks import check_count, folder_or_cache
from datasets.files import Listing
from datasets.image_set import ImageSet, ImageSplits
from datasets.lists import read_lines

# MD5 of the publisher's archive, which torchvision verifies.
ARCHIVE_MD5 = "85eeb15f3717b99a5da872d97d918f87"
CLASSES, TRAIN_PER_CLASS, TEST_PER_CLASS = 101, 750, 250


class Food101(ImageSet):
    """Food-101: 101 dishes, 75,750 train and 25,250 test photographs (5 GB).

    ``data_dir`` holds ``food-101/meta`` (train and test, .json or .txt) and ``food-101/images/CLASS/ID.jpg``; None is
    the folder ``food101`` of the cache. ``download`` fetches a missing archive. ``full`` insists on 101 classes of 750
    and 250 images. Train items are the database, test items the queries.
    """

    dataset_name = "food101"
    holding = "food-101/meta and food-101/images"

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        download: bool = False,
        full: bool = True,
        twins_allowed: float | None = None,
    ) -> None:
        super().__init__(data_dir, twins_allowed)
        self.download = download
        self.full = full

    def fingerprint(self) -> str:
        """The files' hash, or the MD5 of the publisher's archive if the images come from it."""
        if self.data_dir is None or self.download:
            return f"food-101-{ARCHIVE_MD5}"
        return self.files(self.data_dir).fingerprint()

    def files(self, folder: Path) -> ImageSplits:
        """Classes sorted by name, train and test images as listed: torchvision's order."""
        root = folder / "food-101"
        train, test = _read_split(root, "train"), _read_split(root, "test")
        classes = sorted({name.partition("/")[0] for name in train})
        for split, names, expected in (("train", train, TRAIN_PER_CLASS), ("test", test, TEST_PER_CLASS)):
            counts = Counter(name.partition("/")[0] for name in names)
            for label in counts:
                if label not in classes:
                    raise ValueError(f"{root / 'meta'}: class {label!r} of test is not in train")
            for label in classes if self.full else ():
                check_count(root / "meta", counts[label], f"{split} images of {label!r}", expected)
        if self.full:
            check_count(root / "meta", len(classes), "classes", CLASSES)
        return ImageSplits(root, tuple(classes), _listing(root, classes, train), _listing(root, classes, test))

    def _folder(self, context: Context) -> Path:
        folder = folder_or_cache(self.data_dir, "food101", context)
        if self.download and not (folder / "food-101").is_dir():
            from torchvision import datasets as published

            with unpacked_inside():
                published.Food101(folder, download=True)
        return folder


def _read_split(root: Path, split: str) -> list[str]:
    """The names CLASS/ID in the split's .json (by class) or .txt (one a line)."""
    as_json, as_text = root / "meta" / f"{split}.json", root / "meta" / f"{split}.txt"
    if as_json.is_file():
        try:
            by_class = json.loads(as_json.read_bytes())
            return [name for names in by_class.values() for name in names]
        except (ValueError, AttributeError, TypeError, RecursionError) as error:
            raise ValueError(f"{as_json}: must be an object of lists of CLASS/ID ({error})") from error
    if as_text.is_file():
        return [line for line in read_lines(as_text) if line]
    raise ValueError(
        f"{as_json}: no such file. Give --data-dir a folder that holds {Food101.holding}, "
        "or set download = true to fetch the 5 GB archive"
    )


def _listing(root: Path, classes: list[str], names: list[str]) -> Listing:
    number = {name: label for label, name in enumerate(classes)}
    labels = [number[name.partition("/")[0]] for name in names]
    return Listing([root / "images" / f"{name}.jpg" for name in names], labels)
