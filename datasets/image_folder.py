"""A folder per class of ordinary image files, split by folder or by a list."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from bench.interfaces import Context, Items, SplitName
from datasets.checks import check_items, needed_folder, pick
from datasets.files import SUFFIXES, Listing, image_files, tree_hash

HOLDING = "train/CLASS/*.jpg and test/CLASS/*.jpg, or CLASS/*.jpg with a split_file"


class ImageFolder:
    """Image files in a folder per class: train/CLASS/ and test/CLASS/, or a split file.

    ``split_file``: lines ``relative/path/of/image train`` or ``... test``, paths relative to the data folder
    and starting with the class; a relative ``split_file`` is looked for in the data folder. Classes are
    sorted by name. Train items are the database, test items the queries.
    """

    train_in_database = True
    content = "images"

    def __init__(self, *, data_dir: Path | None = None, split_file: Path | None = None) -> None:
        self.data_dir = data_dir
        self.split_file = split_file
        self.classes: tuple[str, ...] = ()
        self.shared_with_database = 0
        self._items: dict[str, Items] = {}

    def fingerprint(self) -> str:
        """A hash of the images' names, sizes and times of change. ValueError: as ``load``."""
        root, (_, train, test) = self._list()
        return tree_hash(root, (train, test))

    def load(self, context: Context) -> Self:
        """List the files, decode each once. ValueError names the folder, class, line or image at fault."""
        root, (self.classes, train, test) = self._list()
        fingerprint = tree_hash(root, (train, test))
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

    def _list(self) -> tuple[Path, tuple[tuple[str, ...], Listing, Listing]]:
        root = needed_folder(self.data_dir, HOLDING)
        if self.split_file is not None:
            return root, _by_list(root, root / self.split_file)
        return root, _by_folder(root)


def _by_folder(root: Path) -> tuple[tuple[str, ...], Listing, Listing]:
    """Classes, train and test files of ``train/CLASS/*`` and ``test/CLASS/*``."""
    for name in ("train", "test"):
        if not (root / name).is_dir():
            raise ValueError(f"{root / name}: no such folder; {root} must hold {HOLDING}")
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
    return _labelled(classes, paths["train"], paths["test"])


def _by_list(root: Path, split_file: Path) -> tuple[tuple[str, ...], Listing, Listing]:
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
    return _labelled(classes, list(paths["train"]), list(paths["test"]))


def _labelled(classes: list[str], train: list[Path], test: list[Path]) -> tuple[tuple[str, ...], Listing, Listing]:
    number = {name: label for label, name in enumerate(classes)}
    listings = [Listing(paths, [number[path.parent.name] for path in paths]) for paths in (train, test)]
    return tuple(classes), listings[0], listings[1]
