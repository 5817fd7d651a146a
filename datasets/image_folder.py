"""A folder per class of ordinary image files, split by folder or by a list."""

from __future__ import annotations

from pathlib import Path

from datasets.files import SUFFIXES, Listing, image_files
from datasets.image_set import ImageSet, ImageSplits


class ImageFolder(ImageSet):
    """Image files in a folder per class: train/CLASS/ and test/CLASS/, or a split file.

    ``split_file``: lines ``relative/path/of/image train`` or ``... test``, paths relative to the data folder
    and starting with the class; a relative ``split_file`` is looked for in the data folder. Classes are
    sorted by name. Train items are the database, test items the queries.
    """

    holding = "train/CLASS/*.jpg and test/CLASS/*.jpg, or CLASS/*.jpg with a split_file"

    def __init__(self, *, data_dir: Path | None = None, split_file: Path | None = None) -> None:
        super().__init__(data_dir)
        self.split_file = split_file

    def files(self, folder: Path) -> ImageSplits:
        """The images that the split file names, in its order, or those in the folders, in the order of names."""
        if self.split_file is not None:
            return _by_list(folder, folder / self.split_file)
        return _by_folder(folder, self.holding)


def _by_folder(root: Path, holding: str) -> ImageSplits:
    """Classes, train and test files of ``train/CLASS/*`` and ``test/CLASS/*``."""
    for name in ("train", "test"):
        if not (root / name).is_dir():
            raise ValueError(f"{root / name}: no such folder; {root} must hold {holding}")
    classes = sorted(path.name for path in (root / "train").iterdir() if path.is_dir())
    paths = {"train": list[Path](), "test": list[Path]()}
    for name, files in paths.items():
        for folder in sorted(path for path in (root / name).iterdir() if path.is_dir()):
            if folder.name not in classes:
                raise ValueError(f"{folder}: class {folder.name!r} is not in {root / 'train'}")
            found = image_files(folder)
            if not found:
                raise ValueError(f"{folder}: no images in it ({', '.join(sorted(SUFFIXES))})")
            files.extend(found)
    return _labelled(root, classes, paths["train"], paths["test"])


def _by_list(root: Path, split_file: Path) -> ImageSplits:
    """Classes, train and test files named by the lines of a split file, in its order."""
    if not split_file.is_file():
        raise ValueError(f"split_file {split_file}: no such file")
    paths = {"train": dict[Path, int](), "test": dict[Path, int]()}
    for number, line in enumerate(split_file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        name, _, part = line.strip().rpartition(" ")
        path = root / name.strip()
        if part not in paths or not name:
            raise ValueError(f"{split_file}, line {number}: {line!r}, must be 'CLASS/image train' or '... test'")
        if not path.is_file():
            raise ValueError(f"{split_file}, line {number}: {path} does not exist")
        if any(path in files for files in paths.values()):
            raise ValueError(f"{split_file}, line {number}: {path} was named before")
        paths[part][path] = number
    classes = sorted({path.parent.name for path in paths["train"]})
    for path, number in paths["test"].items():
        if path.parent.name not in classes:
            raise ValueError(f"{split_file}, line {number}: class {path.parent.name!r} has no train image")
    return _labelled(root, classes, list(paths["train"]), list(paths["test"]))


def _labelled(root: Path, classes: list[str], train: list[Path], test: list[Path]) -> ImageSplits:
    number = {name: label for label, name in enumerate(classes)}
    listings = [Listing(paths, [number[path.parent.name] for path in paths]) for paths in (train, test)]
    return ImageSplits(root, tuple(classes), *listings)
