"""The default data: procedural images at Food-101's scale, so that everything runs without a download.

The classes are fine-grained by construction. All show parts of one vocabulary (``scenes.TYPES`` x ``scenes.VARIANTS``)
on a plate. The variants of its four parts alone define a class, and it differs from the nearest classes in one or two
of them. Place, size, rotation, colour, light, background, occluder, distractors and noise are drawn per image and say
nothing of the class.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Context, Float, Int, Items, SplitName
from bench.system.files import publish, temporary_folder
from datasets import scenes
from datasets.checks import pick
from datasets.train_test import TrainTest
from datasets.twins import content_hash

# Raise this number when the images made from the same parameters change.
FORMAT = 1
BLOCK = 1024
MAX_FAMILY = 67  # a first class, and the 12 + 54 ways to change the variants of one or two of its four parts


class SyntheticFood101(TrainTest):
    """Procedural fine-grained images at Food-101's scale, made in seconds: no download.

    ``class_count``: classes, in families of ``family_size`` that show the same part types in other variants
    ``distractors``: parts per image that are not of its class (0 to 4)
    ``radius_low``, ``radius_high``: bounds of a part's radius as a fraction of the image side
    ``detail``: contrast between variants (0: none, 1: black and white)
    ``colour_jitter``: 0 makes every part darker than its plate, 1 gives it any colour
    ``occlusion``: probability that a blob covers some place
    ``noise``: standard deviation, in units of white
    """

    content = "images"
    check_parameters: ClassVar[dict[str, int]] = {
        "image_size": 16, "class_count": 3, "train_per_class": 6, "query_per_class": 3
    }  # fmt: skip

    def __init__(
        self,
        *,
        image_size: int = 32,
        class_count: int = 101,
        train_per_class: int = 750,
        query_per_class: int = 250,
        seed: int = 0,
        family_size: int = 8,
        distractors: int = 1,
        radius_low: float = 0.13,
        radius_high: float = 0.17,
        detail: float = 0.9,
        colour_jitter: float = 1.0,
        occlusion: float = 0.1,
        noise: float = 0.03,
        twins_allowed: float | None = None,
    ) -> None:
        super().__init__(twins_allowed=twins_allowed)
        _in_range("image_size", image_size, 8, 1024)
        _in_range("class_count", class_count, 2, 10_000)
        _in_range("train_per_class", train_per_class, 1, 1_000_000)
        _in_range("query_per_class", query_per_class, 1, 1_000_000)
        _in_range("seed", seed, 0, 2**63 - 1)
        _in_range("family_size", family_size, max(1, -(-class_count // 495)), MAX_FAMILY)
        _in_range("distractors", distractors, 0, 4)
        _in_range("radius_low", radius_low, 0.02, radius_high)
        _in_range("radius_high", radius_high, radius_low, 0.3)
        _in_range("detail", detail, 0, 1)
        _in_range("colour_jitter", colour_jitter, 0, 1)
        _in_range("occlusion", occlusion, 0, 1)
        _in_range("noise", noise, 0, 1)
        self.image_size = image_size
        self.class_count = class_count
        self.train_per_class = train_per_class
        self.query_per_class = query_per_class
        self.seed = seed
        self.family_size = family_size
        self.distractors = distractors
        self.difficulty = {
            "radius_low": float(radius_low),
            "radius_high": float(radius_high),
            "detail": float(detail),
            "colour_jitter": float(colour_jitter),
            "occlusion": float(occlusion),
            "noise": float(noise),
        }
        self.classes = tuple(f"dish_{number:03d}" for number in range(class_count))
        self._parts: dict[str, Float] = {}

    def fingerprint(self) -> str:
        counts = (self.image_size, self.class_count, self.train_per_class, self.query_per_class)
        identity = (
            FORMAT,
            counts,
            self.seed,
            self.family_size,
            self.distractors,
            sorted(self.difficulty.items()),
        )
        return blake2b(repr(identity).encode(), digest_size=16).hexdigest()

    def load(self, context: Context) -> Self:
        labels = self._labels()
        if context.cache is None:
            images, parts = self._empty(None)
            self._make(labels, images, parts, context)
        else:
            images, parts = self._cached(context.cache, labels, context)
        train, fingerprint = self.class_count * self.train_per_class, self.fingerprint()
        rows = {"train": slice(0, train), "query": slice(train, None)}
        items = {}
        for name, part in rows.items():
            ids = np.arange(len(labels), dtype=np.int64)[part]
            items[name] = Items(ids, labels[part], f"{fingerprint}/{name}", images=images[part])
            self._parts[name] = parts[part]
        self._parts["database"] = self._parts["train"]
        hashes = (_hashes(images[:train]), _hashes(images[train:]))
        return self._keep("synthetic_food101", self.classes, items["train"], items["query"], hashes, context)

    def parts(self, name: SplitName) -> Float:
        """The positions of the parts: float32 [n, 4 + distractors, 4], the class's own four first.

        They are x, y (fractions of the image side from the top left), radius (likewise), and glyph: part type (index
        into ``scenes.TYPES``) * 4 + variant (index into ``scenes.VARIANTS``).
        """
        pick(self._items, name)
        return self._parts[name]

    def _labels(self) -> Int:
        """Labels of all images, train first, each split in random order."""
        labels = []
        for split, count in enumerate((self.train_per_class, self.query_per_class)):
            ordered = np.repeat(np.arange(self.class_count, dtype=np.int64), count)
            labels.append(np.random.default_rng([self.seed, 1, split]).permutation(ordered))
        return np.concatenate(labels)

    def _cached(self, cache: Path, labels: Int, context: Context) -> tuple[NDArray[np.uint8], Float]:
        """Images and part positions, memory-mapped from the cache, and made there first if they are missing."""
        kept = cache / f"synthetic-{self.fingerprint()}"
        if not kept.is_dir():
            with temporary_folder(kept) as made:
                images, parts = self._empty(made)
                self._make(labels, images, parts, context)
                images.flush()  # type: ignore[attr-defined]
                parts.flush()  # type: ignore[attr-defined]
                publish(made, kept)
        return np.load(kept / "images.npy", mmap_mode="r"), np.load(kept / "parts.npy", mmap_mode="r")

    def _empty(self, folder: Path | None) -> tuple[NDArray[np.uint8], Float]:
        """Arrays to fill, in memory or in .npy files of the folder."""
        count = self.class_count * (self.train_per_class + self.query_per_class)
        pixels = (count, self.image_size, self.image_size, 3)
        parts = (count, scenes.CLASS_PARTS + self.distractors, 4)
        if folder is None:
            return np.empty(pixels, dtype=np.uint8), np.empty(parts, dtype=np.float32)
        create = partial(np.lib.format.open_memmap, mode="w+")
        return (
            create(folder / "images.npy", dtype=np.uint8, shape=pixels),
            create(folder / "parts.npy", dtype=np.float32, shape=parts),
        )

    def _make(self, labels: Int, images: NDArray[np.uint8], parts: Float, context: Context) -> None:
        """Draw and render block by block; a block's randomness depends on the seed and its number only."""
        from datasets.render import render

        glyphs = scenes.class_glyphs(self.class_count, self.family_size, self.seed)

        def make(start: int) -> None:
            block = slice(start, start + BLOCK)
            rng = np.random.default_rng([self.seed, 2, start])
            drawn = scenes.draw(glyphs[labels[block]], self.image_size, self.difficulty, self.distractors, rng)
            parts[block] = drawn.parts
            render(drawn, images[block])

        starts = range(0, len(labels), BLOCK)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for _ in context.track(pool.map(make, starts), "synthetic images", len(starts)):
                pass


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; allowed: {low} to {high}")


def _hashes(images: NDArray[np.uint8]) -> Iterable[bytes]:
    return (content_hash(image.tobytes()) for image in images)
