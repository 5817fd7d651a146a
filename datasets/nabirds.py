"""NABirds (Van Horn et al., CVPR 2015) as it is published: the lists of CUB-200-2011, over a hierarchy of classes."""

from __future__ import annotations

from pathlib import Path

from datasets.cub200 import LISTS, read_by_image
from datasets.image_set import Counts, ImageSet, ImageSplits

OFFICIAL = Counts(classes=555, train=23_929, test=24_633)


class NABirds(ImageSet):
    """NABirds: 555 categories of birds, 23,929 train and 24,633 test photographs.

    ``data_dir`` holds ``nabirds``, the folder of the publisher's archive. Its class ids number a hierarchy of 1,011;
    labels count the 555 that have images. ``full`` insists on the published numbers. Train items are the database, test
    items the queries.
    """

    dataset_name = "nabirds"
    holding = f"nabirds with {LISTS}"

    def __init__(self, *, data_dir: Path | None = None, full: bool = True, twins_allowed: float | None = None) -> None:
        super().__init__(data_dir, twins_allowed)
        self.full = full

    def files(self, folder: Path) -> ImageSplits:
        return read_by_image(self._publishers(folder, "nabirds"), OFFICIAL if self.full else None)
