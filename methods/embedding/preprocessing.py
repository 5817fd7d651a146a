"""The preprocessing of a frozen image encoder, and what is known of the data that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from bench.interfaces import Float, Images

# What the names of encoders commonly stand for; that test images are among the data is possible and not known here.
KNOWN = (
    ("dinov2", "LVD-142M, web images like those of curated sets, so fine-grained ones may be among them"),
    ("laion", "LAION, images with their captions, which may name the classes"),
    ("openai", "WIT, images with their captions, which may name the classes"),
    *((name, f"{name}, images with their captions, which may name the classes") for name in ("datacomp", "webli")),
    ("in22k", "ImageNet-22k"),
    ("in21k", "ImageNet-21k"),
    ("in12k", "ImageNet-12k"),
    ("in1k", "ImageNet-1k"),
)
CAPTIONED = "images with their captions (WIT or LAION), which may name the classes"


def seen(stated: str, name: str) -> str:
    """The line of a record that says what a backbone has seen: as stated, or as known by its name."""
    found = [data for part, data in KNOWN if part in name.lower()]
    known = "; ".join(found or [CAPTIONED] * ("clip" in name.lower()))
    if not (stated or known):
        return f"pre-training data of {name}: not stated, so queries may be among them; seen = '...' states them"
    return f"pre-training data of {name}: {stated or known}{'' if stated else ' (by its name)'}"


def unit_length(features: Float) -> Float:
    """Features [n, d] at unit length; those of length 0 stay as they are."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True).astype(np.float32)
    lengths[lengths == 0] = 1
    return features / lengths


@dataclass(frozen=True)
class Preprocessing:
    """The shorter side to ``resize`` pixels, a crop of ``size`` from the middle, then (x / 255 - mean) / std.

    ``resize`` = 0 squashes the image to a square of ``size``. ``mean`` and ``std`` are per channel, for 0 to 1.
    """

    size: int
    resize: int
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def read(self, images: Images, rows: range) -> Float:
        """The images at ``rows``: float32 [b, 3, size, size], RGB."""
        pixels = np.stack([self._squared(images[row]) for row in rows]).astype(np.float32)
        mean = np.array(self.mean, np.float32)[:, None, None]
        scaled: Float = (pixels / np.float32(255) - mean) / np.array(self.std, np.float32)[:, None, None]
        return scaled

    def _squared(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 [h, w, 3] -> uint8 [3, size, size]."""
        height, width = image.shape[:2]
        sides = (self.size, self.size)
        if self.resize:
            # Torchvision's rule: the longer side is cut down to a whole number, the offset of the crop is rounded.
            sides = (height * self.resize // min(height, width), width * self.resize // min(height, width))
        batch = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        if (height, width) != sides:
            batch = functional.interpolate(batch, sides, mode=self.interpolation, antialias=True, align_corners=False)
        top, left = (round((side - self.size) / 2) for side in sides)
        cropped: NDArray[np.uint8] = batch[0, :, top : top + self.size, left : left + self.size].numpy()
        return cropped
