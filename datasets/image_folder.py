"""A folder per class of ordinary image files, split by folder or by a list."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from datasets.decoding import suffixes
from datasets.files import Listing, image_files, is_hidden, left_out, state
from datasets.image_set import ImageSet, ImageSplits
from datasets.lists import read_lines


class ImageFolder(ImageSet):
    """Image files in a folder per class: train/CLASS/ and test/CLASS/, or a split file.

    Files of every format that Pillow decodes are used, also in folders inside a class's; hidden ones are not.
    ``split_file`` has lines ``relative/path/of/image train`` or ``... test``. The paths are relative to the data folder
    and start with the class. A relative ``split_file`` is looked for in the data folder. Classes are sorted by name.
    ``remarks`` tell the unused files of the folder. Train items are the database, test items the queries.
    ``twins_allowed``: see ``TrainTest``.
    """

    holding = "train/CLASS/*.jpg and test/CLASS/*.jpg, or CLASS/*.jpg with a split_file"

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        split_file: Path | None = None,
        twins_allowed: float | None = None,
    ) -> None:
        super().__init__(data_dir, twins_allowed)
        self.split_file = split_file

    def files(self, folder: Path) -> ImageSplits:
        """The images of the split file, in its order, or those of the folders, in the order of names."""
        if self.split_file is not None:
            return _by_list(folder, folder / self.split_file)
        return _by_folder(folder, self.holding)

    def unused(self, splits: ImageSplits) -> list[str]:
        lists = [] if self.split_file is None else [splits.root / self.split_file]
        return left_out(splits.root, {*splits.train.paths, *splits.test.paths, *lists})


def _by_folder(root: Path, holding: str) -> ImageSplits:
    """Classes, train and test files of ``train/CLASS/*`` and ``test/CLASS/*``."""
    for name in ("train", "test"):
        if not (root / name).is_dir():
            raise ValueError(f"{root / name}: no such folder; {root} must hold {holding}")
    classes = [folder.name for folder in _class_folders(root / "train")]
    listings = {"train": Listing([], []), "test": Listing([], [])}
    for name, listing in listings.items():
        for folder in _class_folders(root / name):
            if folder.name not in classes:
                raise ValueError(f"{folder}: class {folder.name!r} is not in {root / 'train'}")
            found = image_files(folder)
            if not found:
                raise ValueError(f"{folder}: no images in it ({', '.join(sorted(suffixes()))})")
            listing.paths.extend(found)
            listing.labels.extend([classes.index(folder.name)] * len(found))
    return ImageSplits(root, tuple(classes), listings["train"], listings["test"])


def _class_folders(folder: Path) -> list[Path]:
    """The folders in a folder, without hidden ones, in the order of names."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path, folder))
    except OSError as error:
        raise ValueError(f"{folder}: cannot be read ({error.strerror})") from error


def _by_list(root: Path, split_file: Path) -> ImageSplits:
    """Classes, train and test files named by the lines of a split file, in its order."""
    if not split_file.is_file():
        raise ValueError(f"split_file {split_file}: no such file")
    named = {"train": dict[PurePosixPath, int](), "test": dict[PurePosixPath, int]()}
    for number, line in enumerate(read_lines(split_file), start=1):
        if line:
            where = f"{split_file}, line {number}"
            name, part = _entry(root, where, line)
            if any(name in names for names in named.values()):
                raise ValueError(f"{where}: {root / name} was named before")
            named[part][name] = number
    classes = sorted({name.parts[0] for name in named["train"]})
    label = {name: position for position, name in enumerate(classes)}
    for name, number in named["test"].items():
        if name.parts[0] not in label:
            raise ValueError(f"{split_file}, line {number}: class {name.parts[0]!r} has no train image")
    train, test = (
        Listing([root / name for name in names], [label[name.parts[0]] for name in names]) for names in named.values()
    )
    return ImageSplits(root, tuple(classes), train, test)


def _entry(root: Path, where: str, line: str) -> tuple[PurePosixPath, str]:
    """The image of a line, relative to ``root``, and its split; a line without either is refused."""
    text, part = line.rsplit(maxsplit=1) if len(line.split(maxsplit=1)) > 1 else (line, "")
    name = PurePosixPath(text)
    if part not in ("train", "test") or len(name.parts) < 2 or name.is_absolute() or ".." in name.parts:
        raise ValueError(f"{where}: {line!r}, must be 'CLASS/image train' or '... test'")
    try:
        state(root / name)
    except ValueError as error:
        raise ValueError(f"{where}: {root / name} does not exist, or can't be read") from error
    return name, part
