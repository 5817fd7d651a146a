"""Images as batches of tensors: an array is read in bulk, other images are decoded by threads or workers.

All randomness (crop and flip) is a function of a seed and the batch's number, so that neither the number of workers nor
an interruption changes a batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from bench.interfaces import Images, Int, Subset
from methods.pixels import Pixels, prepared, random_crop, resized_crop, shrunk, squash
from methods.reading import SQUASHED, Preprocessing, Reading

Seed = tuple[int, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """The share of each batch that one rank of a training takes: each ``world``-th item, from item ``rank`` on.

    All ranks take equally many, as exchanges of tensors need. Where ``world`` does not divide the items of a batch, its
    first items are taken again in the end. `methods.training.Training.whole` leaves their second outputs out, so that a
    loss has each item once; the statistics of batch normalisation have these items twice.
    """

    rank: int = 0
    world: int = 1

    def places(self, count: int) -> Int:
        """The places in a batch of ``count`` items, int64 [ceil(count / world)]."""
        return (np.arange(-(-count // self.world) * self.world, dtype=np.int64) % count)[self.rank :: self.world]


ALONE = Share()
"""The share of a training on one device."""


def in_order(count: int, batch_size: int) -> list[Int]:
    """All rows 0 to count - 1, in order, in batches of ``batch_size``; the last may be smaller."""
    rows = np.arange(count, dtype=np.int64)
    return [rows[start : start + batch_size] for start in range(0, count, batch_size)]


def shuffled(rows: Int, batch_size: int, rng: np.random.Generator) -> list[Int]:
    """The rows in random order, in batches as equal as possible of at most ``batch_size`` and at least two rows.

    Batch normalisation can't learn from a batch of one: an odd number of rows in pairs has a batch of three.
    """
    return np.array_split(rng.permutation(rows), max(1, min(-(-len(rows) // batch_size), len(rows) // 2)))


def read_images(images: Images, rows: Int, size: int, preprocessing: Preprocessing = "squash") -> Tensor:
    """The images at ``rows`` as squares: uint8 [b, 3, size, size], RGB, channels last in memory."""
    source, rows = _unwrapped(images, rows)
    if isinstance(source, np.ndarray) and preprocessing == "squash":
        return squash(np.asarray(source[rows]), size)
    return _stacked(read_each(source, rows, lambda image, _: prepared(image, size, preprocessing)))


def read_crops(
    images: Images, rows: Int, size: int, reading: Reading, rng: np.random.Generator, share: Share = ALONE
) -> Tensor:
    """Random crops of a share of the images at ``rows``, each from a generator of its own: as `read_images`."""
    mine = share.places(len(rows))
    seeds = rng.integers(0, 2**63, len(rows))[mine].tolist()

    def crop(image: Pixels, place: int) -> Pixels:
        generator = torch.Generator().manual_seed(seeds[place])
        if reading.augmentation == "random_crop":
            return random_crop(image, size, reading.preprocessing, generator)
        return resized_crop(shrunk(image, reading.cached_side), size, generator)

    return _stacked(read_each(images, rows[mine], crop))


def read_each(images: Images, rows: Int, make: Callable[[Pixels, int], T]) -> list[T]:
    """``make(image, place)`` of each image at ``rows``, by threads unless a worker of a loader does it."""
    source, rows = _unwrapped(images, rows)

    def read(place: int) -> T:
        return make(source[int(rows[place])], place)

    if get_worker_info() is not None:
        return [read(place) for place in range(len(rows))]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(read, range(len(rows))))


def augment(batch: Tensor, rng: np.random.Generator, count: int | None = None, share: Share = ALONE) -> Tensor:
    """A random crop of each image, padded by an eighth of its side (mirrored), and a random horizontal flip.

    The images are a share of a batch of ``count``, by default the whole.
    """
    pixels = batch.permute(0, 2, 3, 1).numpy()
    count, size = len(pixels) if count is None else count, pixels.shape[1]
    margin, mine = size // 8, share.places(count)
    padded = np.pad(pixels, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
    tops, lefts = rng.integers(0, 2 * margin + 1, (2, count))[:, mine]
    flips = rng.integers(0, 2, count)[mine]
    result = np.empty_like(pixels)
    for place in range(len(pixels)):
        top, left = tops[place], lefts[place]
        crop = padded[place, top : top + size, left : left + size]
        result[place] = crop[:, ::-1] if flips[place] else crop
    return torch.from_numpy(result).permute(0, 3, 1, 2)


class ImageBatches(Dataset[Tensor]):
    """The batches of a plan (rows per batch), or a share of each; item i is batch i, uint8 [b, 3, size, size].

    With an ``augment_seed`` the images are changed as ``reading.augmentation`` says.
    """

    def __init__(
        self, images: Images, size: int, plan: Sequence[Int], augment_seed: Seed | None, reading: Reading = SQUASHED,
        share: Share = ALONE,
    ) -> None:  # fmt: skip
        self.images = images
        self.size = size
        self.plan = plan
        self.augment_seed = augment_seed
        self.reading = reading
        self.share = share

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, number: int) -> Tensor:
        rows, reading = self.plan[number], self.reading
        mine = rows[self.share.places(len(rows))]
        if self.augment_seed is None or reading.augmentation == "none":
            return read_images(self.images, mine, self.size, reading.preprocessing)
        rng = np.random.default_rng((*self.augment_seed, number))
        if reading.augmentation == "shift":
            squares = read_images(self.images, mine, self.size, reading.preprocessing)
            return augment(squares, rng, len(rows), self.share)
        return read_crops(self.images, rows, self.size, reading, rng, self.share)


def load_batches(dataset: ImageBatches, device: torch.device) -> Iterator[Tensor]:
    """The batches in order, on the device. Workers read ahead unless the device is the processor."""
    workers = 0 if device.type == "cpu" else min(8, os.cpu_count() or 1)
    # Without a generator of its own the loader draws a number from torch's global one.
    loader = DataLoader(
        dataset, batch_size=None, num_workers=workers, pin_memory=workers > 0, generator=torch.Generator()
    )
    for batch in loader:
        yield batch.to(device, non_blocking=True)


def _unwrapped(images: Images, rows: Int) -> tuple[Any, Int]:
    """The images below all subsets, and the rows there."""
    source: Any = images
    while isinstance(source, Subset):
        source, rows = source.images, source.rows[rows]
    return source, rows


def _stacked(squares: list[Pixels]) -> Tensor:
    """[size, size, 3] each -> [b, 3, size, size]."""
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)
