"""VegFru (Hou, Feng, Wang, ICCV 2017) as published, with its official train and test lists."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from datasets.files import Listing
from datasets.image_set import Counts, ImageSet, ImageSplits
from datasets.lists import Table, read_table

OFFICIAL = Counts(classes=292, train=29_200, test=116_931)


class VegFru(ImageSet):
    """VegFru: 200 vegetables and 92 fruits, 29,200 train and 116,931 test photographs.

    ``data_dir`` holds ``vegfru``, a folder with the publisher's ``vegfru_list``, ``veg200_images`` and
    ``fru92_images``. The 14,600 images of vegfru_val.txt are not used. ``full`` insists on the published numbers. Train
    items are the database, test items the queries.
    """

    dataset_name = "vegfru"
    holding = "vegfru with vegfru_list/vegfru_train.txt and vegfru_test.txt, veg200_images/ and fru92_images/"

    def __init__(self, *, data_dir: Path | None = None, full: bool = True, twins_allowed: float | None = None) -> None:
        super().__init__(data_dir, twins_allowed)
        self.full = full

    def files(self, folder: Path) -> ImageSplits:
        """Classes in the order of their numbers, named by the folder of their images; images as listed."""
        root = self._publishers(folder, "vegfru")
        lists = [read_table(root / "vegfru_list" / f"vegfru_{split}.txt", "PATH LABEL") for split in ("train", "test")]
        names: dict[int, str] = {}
        for table in lists:
            for path, number in table.entries.items():
                names.setdefault(_number(table, path, number), PurePosixPath(path).parent.name)
        label_of = {number: label for label, number in enumerate(sorted(names))}
        train, test = (
            Listing([root / path for path in table.entries], [label_of[int(n)] for n in table.entries.values()])
            for table in lists
        )
        splits = ImageSplits(root, tuple(names[number] for number in label_of), train, test)
        if self.full:
            OFFICIAL.check(splits, (lists[0].path, lists[0].path, lists[1].path))
        return splits


def _number(table: Table, path: str, text: str) -> int:
    """A class's number; a text that is not one is refused, with its line."""
    if not text.isdecimal():
        raise table.fault(path, f"label {text!r}, must be a whole number")
    return int(text)
