"""Image files: found below a folder, decoded on access, and all tried once before anything is trained."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Items
from datasets.checks import one_line
from datasets.decoding import decode, suffixes
from datasets.twins import content_hash

CHUNK = 256


def checked_hashes(
    read: Callable[[int], bytes], where: Callable[[int], str], count: int, context: Context
) -> Iterator[bytes]:
    """Content hashes of ``count`` encoded images, each decoded once, on all cores and with progress.

    ``read(position)`` gives an image's bytes, and ``where(position)`` names it in an error.

    Raises ValueError: an image cannot be read or decoded.
    """

    def check(start: int) -> list[bytes]:
        return [_checked_hash(read, where, i) for i in range(start, min(start + CHUNK, count))]

    starts = range(0, count, CHUNK)
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        for hashes in context.track(pool.map(check, starts), "check images", len(starts)):
            yield from hashes
    finally:
        pool.shutdown(cancel_futures=True)


def _checked_hash(read: Callable[[int], bytes], where: Callable[[int], str], position: int) -> bytes:
    from PIL import UnidentifiedImageError

    try:
        content = read(position)
        decode(content, reduced=True)
    except Exception as error:  # a damaged file makes a decoder raise anything
        reason = "no known format" if isinstance(error, UnidentifiedImageError) else one_line(error)
        raise ValueError(f"{where(position)}: not a readable image ({reason})") from error
    return content_hash(content)


@dataclass(frozen=True)
class FileImages:
    """Image files by position."""

    paths: Sequence[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int, /) -> NDArray[np.uint8]:
        return decode(self.paths[position].read_bytes())


@dataclass(frozen=True)
class Listing:
    """The image files of one split with their labels, in order."""

    paths: list[Path]
    labels: list[int]

    def items(self, first_id: int, fingerprint: str) -> Items:
        ids = np.arange(first_id, first_id + len(self.paths), dtype=np.int64)
        labels = np.array(self.labels, dtype=np.int64)
        return Items(ids, labels, fingerprint, images=FileImages(self.paths))

    def hashes(self, context: Context) -> Iterator[bytes]:
        return checked_hashes(
            lambda i: self.paths[i].read_bytes(), lambda i: str(self.paths[i]), len(self.paths), context
        )


def state(path: Path) -> os.stat_result:
    """What the system says of a file: its size, its times of change and more.

    Raises ValueError: the path can't be read, or is not a file.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({getattr(error, 'strerror', error)})") from error
    if not S_ISREG(status.st_mode):
        raise ValueError(f"{path}: cannot be read (not a file)")
    return status


def is_hidden(path: Path, root: Path) -> bool:
    """Whether a path below ``root`` is a system's and not the user's: .DS_Store, __MACOSX and the like."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(root).parts)


def is_image(path: Path) -> bool:
    """Whether a file is an image that can be decoded, by its suffix."""
    return path.suffix.lower() in suffixes()


def files_below(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """All files of a folder and of the folders in it, in the order of names.

    Links are followed, but not back into a folder that holds the link. ``above`` are the folders entered already.

    Raises ValueError: a folder can't be read.
    """
    here = above | {folder.resolve(), *(() if above else folder.resolve().parents)}
    try:
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(f"{folder}: cannot be read ({error.strerror})") from error
    for entry in entries:
        path = Path(entry.path)
        if not entry.is_dir():
            yield path
        elif path.resolve() not in here:
            yield from files_below(path, here)


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder and of the folders in it, without hidden ones, in the order of names."""
    return [path for path in files_below(folder) if is_image(path) and not is_hidden(path, folder)]


def left_out(root: Path, used: Collection[Path]) -> list[str]:
    """A remark on the files below ``root`` that are not ``used``, if there are any: their number by kind."""
    rest = [path for path in files_below(root) if path not in used]
    if not rest:
        return []
    kinds = Counter(_kind(path, root) for path in rest)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    first = rest[0].relative_to(root)
    return [f"Files of the folder that are not used: {len(rest):,} ({counts}), first {first}"]


def _kind(path: Path, root: Path) -> str:
    if is_hidden(path, root):
        return "hidden"
    if is_image(path):
        return "in no split or class"
    return path.suffix.lower() or "without a suffix"
