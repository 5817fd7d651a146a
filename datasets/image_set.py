"""Image files with a split into train and test: the base of the sets of photographs and of a folder of images."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np

from bench.interfaces import Context
from datasets.checks import check_count, needed_folder
from datasets.contents import content_hashes
from datasets.files import Listing
from datasets.train_test import TrainTest


@dataclass(frozen=True)
class ImageSplits:
    """The train and test files below ``root``; a label is a position in ``classes``."""

    root: Path
    classes: tuple[str, ...]
    train: Listing
    test: Listing

    def fingerprint(self) -> str:
        """A hash of the classes, and of the images' names, contents and labels, in order.

        Raises ValueError: an image is missing, or can't be read.
        """
        digest = blake2b(os.fsencode("\0".join(self.classes)), digest_size=16)
        contents = iter(content_hashes([*self.train.paths, *self.test.paths]))
        for listing in (self.train, self.test):
            digest.update(f"\n{len(listing.paths)}\n".encode())
            for path, label in zip(listing.paths, listing.labels, strict=True):
                name = path.relative_to(self.root).as_posix()
                digest.update(os.fsencode(f"{name}\0{next(contents)}\0{label}\n"))
        return digest.hexdigest()


class Counts(NamedTuple):
    """The numbers of classes, train images and test images of a publisher's split."""

    classes: int
    train: int
    test: int

    def check(self, splits: ImageSplits, where: tuple[Path, Path, Path]) -> None:
        """Raises ValueError: the numbers differ; ``where`` are the files that list classes, train and test images."""
        found = (len(splits.classes), len(splits.train.paths), len(splits.test.paths))
        named = ("classes", "train images", "test images")
        for path, number, what, expected in zip(where, found, named, self, strict=True):
            check_count(path, number, what, expected)


class ImageSet(TrainTest, ABC):
    """Train items as database, test items as queries; a subclass's ``files`` lists the images.

    ``data_dir`` holds the files that ``holding`` names.
    """

    content = "images"
    holding: ClassVar[str]

    @abstractmethod
    def files(self, folder: Path) -> ImageSplits:
        """The images of the data folder as their publisher lists them.

        Raises ValueError: a list or folder is wrong; the message names it and the line.
        """

    def unused(self, splits: ImageSplits) -> list[str]:
        """Remarks on files beside the splits; none for a publisher's lists, which say what is used."""
        return []

    def fingerprint(self) -> str:
        return self.files(needed_folder(self.data_dir, self.holding)).fingerprint()

    def load(self, context: Context) -> Self:
        splits = self.files(self._folder(context))
        fingerprint = self.fingerprint()
        database = splits.train.items(0, f"{fingerprint}/train")
        query = splits.test.items(len(database), f"{fingerprint}/query")
        untrained = np.setdiff1d(query.labels, database.labels)
        if len(untrained):
            raise ValueError(f"{splits.root}: class {splits.classes[untrained[0]]!r} has no train image")
        hashes = (splits.train.hashes(context), splits.test.hashes(context))
        remarks = self.unused(splits)
        return self._keep(str(splits.root), splits.classes, database, query, hashes, context, remarks)

    def _folder(self, context: Context) -> Path:
        """The data folder; a set that can be downloaded is downloaded here."""
        return needed_folder(self.data_dir, self.holding)

    def _publishers(self, folder: Path, name: str) -> Path:
        """The publisher's folder inside the data folder, which must be there."""
        if not (folder / name).is_dir():
            raise ValueError(f"{folder / name}: no such folder; --data-dir must hold {self.holding}")
        return folder / name
