"""Encoded images: decoded when they are asked for, but all tried once before anything is trained on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Items
from datasets.checks import content_hash

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
CHUNK = 256


def decode(content: bytes) -> NDArray[np.uint8]:
    """The pixels of an encoded image, uint8 [height, width, 3], RGB."""
    from PIL import Image

    with Image.open(BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def checked_hashes(
    read: Callable[[int], bytes], where: Callable[[int], str], count: int, context: Context
) -> Iterator[bytes]:
    """Content hashes of ``count`` encoded images, each decoded once, on all cores and with progress.

    ``read(position)`` gives an image's bytes, ``where(position)`` names it in the ValueError raised when it
    cannot be read or decoded.
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
    from PIL import Image, UnidentifiedImageError

    try:
        content = read(position)
        with Image.open(BytesIO(content)) as image:
            image.draft("RGB", (1, 1))  # an eighth of the size: reads all of a JPEG, in less than half the time
            image.load()
    except Exception as error:  # decoders raise whatever a damaged file makes them stumble over
        reason = "no known format" if isinstance(error, UnidentifiedImageError) else error
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
        """The items; ids count from ``first_id``."""
        ids = np.arange(first_id, first_id + len(self.paths), dtype=np.int64)
        labels = np.array(self.labels, dtype=np.int64)
        return Items(ids, labels, fingerprint, images=FileImages(self.paths))

    def hashes(self, context: Context) -> Iterator[bytes]:
        """Content hashes of the files. ValueError: one cannot be read or decoded."""
        return checked_hashes(
            lambda i: self.paths[i].read_bytes(), lambda i: str(self.paths[i]), len(self.paths), context
        )


def image_files(folder: Path) -> list[Path]:
    """The image files straight inside a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
