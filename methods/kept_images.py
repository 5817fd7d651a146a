"""Resized images in the cache, so that a file is decoded once and not at each pass.

They stand in folders ``pixels/KEY`` of the cache as entries of the store do: arrays with their checksums, written under
another name, renamed when they are whole, and verified before they are used. The key is of all that decides the pixels.
One process of all hosts makes an entry, and others wait for it, by a lease.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Images, Int, Items, Subset
from bench.system.files import DiskFull, checksum, publish, room_for, temporary_folder, write_array, write_text
from bench.system.leases import Leases
from methods.batches import in_order, read_each, read_images
from methods.pixels import Pixels, shrunk
from methods.reading import Preprocessing

KIND, ENTRY = "pixels", "entry.json"
FORMAT = 1
"""Of an entry of the store."""
MADE = 1
"""Of the pixels: raised when this code or `methods.pixels` makes others of the same image."""
BLOCK, SAMPLE = 256, 32
SPACE = 2
"""An entry is made only if the disk has so many times the space that it takes."""


@dataclass(frozen=True)
class Kept:
    """Images one behind the other in ``pixels``: image i starts at ``starts[i]`` and has ``shapes[i]``, [n, 2]."""

    pixels: NDArray[np.uint8]
    shapes: Int
    starts: Int

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, position: int, /) -> Pixels:
        height, width = self.shapes[position].tolist()
        start = int(self.starts[position])
        return self.pixels[start : start + height * width * 3].reshape(height, width, 3)


@dataclass(frozen=True)
class KeptImages:
    """Images that are kept resized in the cache. Where the disk has no room nothing is kept, and a line says so."""

    images: Images
    fingerprint: str
    folder: Path
    context: Context
    _known: dict[str, Kept | None] = field(default_factory=dict)

    def squares(self, size: int, preprocessing: Preprocessing) -> NDArray[np.uint8] | None:
        """The images as `methods.batches.read_images` makes them, uint8 [n, size, size, 3]; None without room."""

        def make(rows: Int) -> list[Pixels]:
            return list(read_images(self.images, rows, size, preprocessing).permute(0, 2, 3, 1).numpy())

        made = self._once({"squares": size, "preprocessing": preprocessing}, make)
        return None if made is None else made.pixels.reshape(-1, size, size, 3)

    def shrunk(self, side: int) -> Kept | None:
        """The images with a shorter side of at most ``side`` pixels; None without room."""

        def make(rows: Int) -> list[Pixels]:
            return read_each(self.images, rows, lambda image, _: shrunk(image, side))

        return self._once({"shrunk": side}, make)

    def _once(self, what: dict[str, Any], make: Callable[[Int], list[Pixels]]) -> Kept | None:
        """The entry; ``make(rows)`` gives its images where it is missing or damaged."""
        libraries = {name: version(name) for name in ("pillow", "torch")}
        meta = {"items": self.fingerprint, "made": MADE, **what, **libraries}
        key = blake2b(json.dumps(meta, sort_keys=True).encode(), digest_size=16).hexdigest()
        if key not in self._known:
            path = self.folder / KIND / key
            self._known[key] = _opened(path) or self._made(path, meta, make)
        return self._known[key]

    def _made(self, path: Path, meta: dict[str, Any], make: Callable[[Int], list[Pixels]]) -> Kept | None:
        lock = self.folder / "locks" / f"{KIND}-{path.name}"
        with Leases().hold(lock, "the resized images", wait=True, say=self.context.say):
            if (there := _opened(path)) is not None:
                return there
            if path.exists():
                self.context.say(f"{path} is damaged; what it holds is made again")
            if (needed := self._needed(make)) * SPACE > shutil.disk_usage(self.folder).free:
                self._say_no_room(needed)
                return None
            plan = in_order(len(self.images), BLOCK)
            blocks = (make(rows) for rows in self.context.track(plan, "keep resized images", len(plan)))
            try:
                _write(path, meta, blocks)
            except DiskFull:
                self._say_no_room(needed)
        return _opened(path)

    def _needed(self, make: Callable[[Int], list[Pixels]]) -> int:
        """The bytes of all images, by those of some."""
        count = len(self.images)
        some = np.unique(np.linspace(0, count - 1, SAMPLE, dtype=np.int64))
        return round(float(np.mean([image.size for image in make(some)])) * count)

    def _say_no_room(self, needed: int) -> None:
        told = f"{len(self.images):,} resized images take {needed / 1e9:.1f} GB"
        self.context.say(f"{told}, and {self.folder} has no room for them: each pass decodes the files again")


def keep(items: Items, context: Context) -> KeptImages | None:
    """The means to keep the items' images resized. None where an array holds them, or nothing may be kept of them."""
    images: Any = items.images
    while isinstance(images, Subset):
        images = images.images
    if isinstance(images, np.ndarray) or context.cache is None or not items.fingerprint or len(items) == 0:
        return None
    assert items.images is not None
    return KeptImages(items.images, items.fingerprint, context.cache, context)


def _opened(path: Path) -> Kept | None:
    """The entry, mapped from its files; None if it is missing or damaged. Its folder's time says when it was used."""
    try:
        sums = json.loads((path / ENTRY).read_text(encoding="utf-8"))["checksums"]
        if any(checksum(path / f"{name}.npy") != total for name, total in sums.items()):
            return None
        pixels = np.load(path / "pixels.npy", mmap_mode="r", allow_pickle=False)
        shapes = np.load(path / "shapes.npy", allow_pickle=False)
    except (OSError, ValueError, KeyError):
        return None
    with suppress(OSError):  # a cache may be read-only
        os.utime(path)
    lengths = shapes.prod(axis=1) * 3
    return Kept(pixels, shapes, np.cumsum(lengths) - lengths)


def _write(path: Path, meta: dict[str, Any], blocks: Iterable[list[Pixels]]) -> None:
    """Write an entry, in place of a damaged one. Raises DiskFull: it does not fit, and nothing has changed."""
    with room_for(path), temporary_folder(path) as folder:
        shapes = _write_pixels(folder / "pixels.npy", blocks)
        sums = {"pixels": checksum(folder / "pixels.npy"), "shapes": write_array(folder / "shapes.npy", shapes)}
        write_text(folder / ENTRY, json.dumps({"format": FORMAT, "meta": meta, "checksums": sums}, indent=1))
        publish(folder, path)


def _write_pixels(path: Path, blocks: Iterable[list[Pixels]]) -> Int:
    """Write images one behind the other, as one array uint8 [bytes]. Returns their heights and widths, int64 [n, 2]."""
    shapes: list[tuple[int, ...]] = []
    with path.open("wb") as file:
        _write_header(file, 0)
        for block in blocks:
            for image in block:
                file.write(np.ascontiguousarray(image).data)
                shapes.append(image.shape[:2])
        # numpy leaves room in the header for an array that grows.
        file.seek(0)
        _write_header(file, sum(height * width * 3 for height, width in shapes))
        file.flush()
        os.fsync(file.fileno())
    return np.array(shapes, dtype=np.int64)


def _write_header(file: Any, count: int) -> None:
    described = {"descr": "|u1", "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, described)
