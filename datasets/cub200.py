"""CUB-200-2011 (Wah, Branson, Welinder, Perona, Belongie, 2011) as published, and the reader of its lists."""

from __future__ import annotations

from pathlib import Path

from datasets.files import Listing
from datasets.image_set import Counts, ImageSet, ImageSplits
from datasets.lists import Table, read_table

LISTS = "images.txt, image_class_labels.txt, train_test_split.txt, classes.txt and images/"
OFFICIAL = Counts(classes=200, train=5_994, test=5_794)


class Cub200(ImageSet):
    """CUB-200-2011: 200 species of birds, 5,994 train and 5,794 test photographs (1.1 GB).

    ``data_dir`` holds ``CUB_200_2011``, the folder of the publisher's archive. ``full`` insists on the published
    numbers. Train items are the database, test items the queries.
    """

    dataset_name = "cub200"
    holding = f"CUB_200_2011 with {LISTS}"

    def __init__(self, *, data_dir: Path | None = None, full: bool = True, twins_allowed: float | None = None) -> None:
        super().__init__(data_dir, twins_allowed)
        self.full = full

    def files(self, folder: Path) -> ImageSplits:
        """Classes in the order of classes.txt, images in that of images.txt."""
        return read_by_image(self._publishers(folder, "CUB_200_2011"), OFFICIAL if self.full else None)


def read_by_image(root: Path, official: Counts | None) -> ImageSplits:
    """The images of ``images.txt``, in its order, with labels and split from the lists beside it.

    The classes are those of ``classes.txt``, in its order, that have an image. A split flag of 1 is train.

    Raises ValueError: a list lacks an image of another, a class or flag is unknown, or a list disagrees with the
    ``official`` numbers. The message names the list and the line.
    """
    images = read_table(root / "images.txt", "IMAGE_ID PATH")
    labels = read_table(root / "image_class_labels.txt", "IMAGE_ID CLASS_ID")
    flags = read_table(root / "train_test_split.txt", "IMAGE_ID IS_TRAIN")
    names = read_table(root / "classes.txt", "CLASS_ID NAME")
    _check_lists(images, labels, flags, names)
    used = set(labels.entries.values())
    classes = [number for number in names.entries if number in used]
    label_of = {number: label for label, number in enumerate(classes)}
    listings = {flag: Listing([], []) for flag in "10"}
    for image, path in images.entries.items():
        listing = listings[flags.entries[image]]
        listing.paths.append(root / "images" / path)
        listing.labels.append(label_of[labels.entries[image]])
    splits = ImageSplits(root, tuple(names.entries[number] for number in classes), listings["1"], listings["0"])
    if official is not None:
        official.check(splits, (labels.path, flags.path, flags.path))
    return splits


def _check_lists(images: Table, labels: Table, flags: Table, names: Table) -> None:
    """Refuse an image that is not in all three lists, and an unknown class or flag."""
    for other in (labels, flags):
        for listed, lacking in ((images, other), (other, images)):
            for image in listed.entries:
                if image not in lacking.entries:
                    raise listed.fault(image, f"image {image} is not in {lacking.path}")
    for image, number in labels.entries.items():
        if number not in names.entries:
            raise labels.fault(image, f"class {number} is not in {names.path}")
    for image, flag in flags.entries.items():
        if flag not in ("0", "1"):
            raise flags.fault(image, f"{flag!r}, must be 1 (train) or 0 (test)")
