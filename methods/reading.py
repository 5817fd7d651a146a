"""How items are read by a network: the pixels that it is given, and the precision of its arithmetic.

This module is cheap to import: the parameters of a plugin are of these types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Preprocessing = Literal["crop", "squash"]
"""Images to squares. "crop": the shorter side is resized to 8/7 of the size, and the middle is cropped. At 224 pixels
that is Resize(256) and CenterCrop(224) of torchvision, of whose weights it is the test, and of the published codes of
deep hashing. "squash": the whole image is resized to the square.
"""
Augmentation = Literal["resized_crop", "random_crop", "shift", "none"]
"""Train images, at random; each but "none" also mirrors half of them. "resized_crop": a part of 8 to 100 % of the area,
resized (RandomResizedCrop of torchvision). "random_crop": as "crop", but cropped anywhere. "shift": the square, shifted
by up to an eighth of its side; what is left free shows its own mirror image.
"""
Precision = Literal["32-true", "bf16-mixed", "tf32"]
"""The arithmetic of a network. "32-true": float32. "bf16-mixed": bfloat16 for products. "tf32": float32 whose factors a
GPU rounds to 10 bits; a processor has no such thing, and keeps float32.
"""


@dataclass(frozen=True)
class Reading:
    """How a network reads items.

    ``cached_side``: a resized crop is of an image with a shorter side of at most so many pixels, which is kept between
        passes; 0 crops images as they are, and each pass decodes them. Images that are smaller are the same for both.
    ``inference_precision``: when items are coded or embedded, after training or in it. Float32 agrees best between
        devices.
    """

    preprocessing: Preprocessing = "squash"
    augmentation: Augmentation = "shift"
    cached_side: int = 0
    inference_precision: Precision = "32-true"


SQUASHED = Reading()
