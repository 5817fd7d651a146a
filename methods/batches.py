"""Images as batches of tensors: an array is read in bulk, other images are decoded by threads or workers.

All randomness (crop and flip) is a function of a seed and the batch's number, so that neither the number of workers nor
an interruption changes a batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, get_worker_info

from bench.interfaces import Images, Int, Subset

Seed = tuple[int, ...]


def in_order(count: int, batch_size: int) -> list[Int]:
    """All rows 0 to count - 1, in order, in batches of ``batch_size``; the last may be smaller."""
    rows = np.arange(count, dtype=np.int64)
    return [rows[start : start + batch_size] for start in range(0, count, batch_size)]


def shuffled(rows: Int, batch_size: int, rng: np.random.Generator) -> list[Int]:
    """The rows in random order, in batches as equal as possible of at most ``batch_size`` and at least two rows.

    Batch normalisation can't learn from a batch of one: an odd number of rows in pairs has a batch of three.
    """
    return np.array_split(rng.permutation(rows), max(1, min(-(-len(rows) // batch_size), len(rows) // 2)))


def read_images(images: Images, rows: Int, size: int) -> Tensor:
    """The images at ``rows``, resized bilinearly: uint8 [b, 3, size, size], RGB, channels last in memory."""
    source: Any = images
    while isinstance(source, Subset):
        source, rows = source.images, source.rows[rows]
    if isinstance(source, np.ndarray):
        return _resize(np.asarray(source[rows]), size)

    def read(row: int) -> Tensor:
        return _resize(source[row][None], size)

    if get_worker_info() is not None:
        return torch.cat([read(row) for row in rows.tolist()])
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return torch.cat(list(pool.map(read, rows.tolist())))


def augment(batch: Tensor, rng: np.random.Generator) -> Tensor:
    """A random crop of each image, padded by an eighth of its side (mirrored), and a random horizontal flip."""
    pixels = batch.permute(0, 2, 3, 1).numpy()
    count, size = len(pixels), pixels.shape[1]
    margin = size // 8
    padded = np.pad(pixels, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
    tops, lefts = rng.integers(0, 2 * margin + 1, (2, count))
    flips = rng.integers(0, 2, count)
    result = np.empty_like(pixels)
    for place in range(count):
        top, left = tops[place], lefts[place]
        crop = padded[place, top : top + size, left : left + size]
        result[place] = crop[:, ::-1] if flips[place] else crop
    return torch.from_numpy(result).permute(0, 3, 1, 2)


class ImageBatches(Dataset[Tensor]):
    """The batches of a plan (rows per batch); item i is batch i, uint8 [b, 3, size, size]."""

    def __init__(self, images: Images, size: int, plan: Sequence[Int], augment_seed: Seed | None) -> None:
        self.images = images
        self.size = size
        self.plan = plan
        self.augment_seed = augment_seed

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, number: int) -> Tensor:
        batch = read_images(self.images, self.plan[number], self.size)
        if self.augment_seed is None:
            return batch
        return augment(batch, np.random.default_rng((*self.augment_seed, number)))


def load_batches(dataset: ImageBatches, device: torch.device) -> Iterator[Tensor]:
    """The batches in order, on the device. Workers read ahead unless the device is the processor."""
    workers = 0 if device.type == "cpu" else min(8, os.cpu_count() or 1)
    # Without a generator of its own the loader draws a number from torch's global one.
    loader = DataLoader(
        dataset, batch_size=None, num_workers=workers, pin_memory=workers > 0, generator=torch.Generator()
    )
    for batch in loader:
        yield batch.to(device, non_blocking=True)


def _resize(pixels: NDArray[np.uint8], size: int) -> Tensor:
    """uint8 [b, h, w, 3] -> uint8 [b, 3, size, size]."""
    batch = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy()).permute(0, 3, 1, 2)
    if batch.shape[2:] == (size, size):
        return batch
    return functional.interpolate(batch, (size, size), mode="bilinear", antialias=True, align_corners=False)
