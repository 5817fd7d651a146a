"""FGVC-Aircraft (Maji et al., 2013) with its official split, as torchvision unpacks it."""

from __future__ import annotations

from pathlib import Path

from bench.interfaces import Context
from datasets.archives import unpacked_inside
from datasets.checks import folder_or_cache
from datasets.files import Listing
from datasets.image_set import Counts, ImageSet, ImageSplits
from datasets.lists import read_lines, read_table

FOLDER = "fgvc-aircraft-2013b"
OFFICIAL = Counts(classes=100, train=6_667, test=3_333)


class Aircraft(ImageSet):
    """FGVC-Aircraft: 100 aircraft variants, 6,667 train (trainval) and 3,333 test photographs (2.75 GB).

    ``data_dir`` holds ``fgvc-aircraft-2013b``; None is the folder ``aircraft`` of the cache. ``download`` fetches a
    missing archive. ``full`` insists on the published numbers. Images are whole, as torchvision's. The publisher
    advises to cut off the copyright notice in the lowest 20 rows, and the ExchNet paper says nothing of it. Train items
    are the database, test items the queries.
    """

    dataset_name = "aircraft"
    holding = f"{FOLDER}/data with variants.txt, images_variant_trainval.txt, images_variant_test.txt and images/"

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
        """The files' hash, or the versioned name of the publisher's archive, of which torchvision has no checksum."""
        if self.data_dir is None or self.download:
            return FOLDER
        return self.files(self.data_dir).fingerprint()

    def files(self, folder: Path) -> ImageSplits:
        """Classes in the order of variants.txt, images as listed: torchvision's order."""
        data = folder / FOLDER / "data"
        if not data.is_dir():
            raise ValueError(
                f"{data}: no such folder. Give --data-dir a folder that holds {self.holding}, "
                "or set download = true to fetch the 2.75 GB archive"
            )
        variants = data / "variants.txt"
        classes = [line for line in read_lines(variants) if line]
        lists = [data / f"images_variant_{split}.txt" for split in ("trainval", "test")]
        train, test = (_listing(path, classes) for path in lists)
        splits = ImageSplits(folder / FOLDER, tuple(classes), train, test)
        if self.full:
            OFFICIAL.check(splits, (variants, lists[0], lists[1]))
        return splits

    def _folder(self, context: Context) -> Path:
        folder = folder_or_cache(self.data_dir, "aircraft", context)
        if self.download and not (folder / FOLDER).is_dir():
            from torchvision import datasets as published

            with unpacked_inside():
                published.FGVCAircraft(folder, split="trainval", annotation_level="variant", download=True)
        return folder


def _listing(path: Path, classes: list[str]) -> Listing:
    """The images of a list; a class that is not among ``classes`` is refused, with its line."""
    number = {name: label for label, name in enumerate(classes)}
    table = read_table(path, "IMAGE_ID VARIANT")
    for image, variant in table.entries.items():
        if variant not in number:
            raise table.fault(image, f"variant {variant!r} is not in {path.parent / 'variants.txt'}")
    images = [path.parent / "images" / f"{image}.jpg" for image in table.entries]
    return Listing(images, [number[variant] for variant in table.entries.values()])
