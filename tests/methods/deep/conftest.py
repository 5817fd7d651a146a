"""Toy images that a small network learns in a second, and an interruption."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
import torch

from bench.interfaces import Items

# A run that goes through all of a deep method in about a second.
QUICK = {"backbone": "small", "weights": "none", "image_size": 16, "frozen_trunk": True, "pretrain_epochs": 2}


class Interrupted(Exception):
    """Raised in the middle of a training."""


class InterruptingTrack:
    """A ``track`` that stops the training with ``description`` after some steps, and counts the steps it passed."""

    def __init__(self, description: str, after: int | None) -> None:
        self.description, self.after, self.passed = description, after, 0

    def __call__(self, steps: Iterable, description: str, total: int | None = None) -> Iterable:
        for step in steps:
            if self.description in description:
                if self.passed == self.after:
                    raise Interrupted
                self.passed += 1
            yield step


def draw(count: int, seed: int, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Images of four classes, uint8 [count, size, size, 3], and labels: a square or a cross, in one of two colours."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    images = rng.integers(0, 60, (count, size, size, 3))
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(0, size - 7, 2)
        colour = np.array([220, 60, 40] if label % 2 else [40, 90, 220]) + rng.integers(-20, 20, 3)
        if label < 2:
            image[top : top + 7, left : left + 7] = colour
        else:
            image[top + 3, left : left + 7] = colour
            image[top : top + 7, left + 3] = colour
    return images.astype(np.uint8), labels.astype(np.int64)


def toy_items(count: int, seed: int) -> Items:
    """The toy images as items."""
    images, labels = draw(count, seed)
    return Items(np.arange(count), labels, f"toy-{count}-{seed}", images=images)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Toy batches are too small to share: threads would only wait for each other, long ones on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def train() -> Items:
    return toy_items(160, 0)


@pytest.fixture(scope="session")
def queries() -> Items:
    return toy_items(80, 1)
