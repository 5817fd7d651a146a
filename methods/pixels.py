"""Images to the squares of pixels that a network is given: all of an image, its middle, or a part drawn at random.

Middles and parts equal those of torchvision's transforms of Pillow images, to the pixel, and random parts come from the
same draws as torchvision's from a generator with the same seed. An image is uint8 [h, w, 3], RGB.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from methods.reading import Preprocessing

Pixels = NDArray[np.uint8]

# RandomResizedCrop of torchvision: the part's area over the image's, its width over its height, and draws before it
# takes the middle.
AREA, ASPECT, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10


def squash(images: Pixels, size: int) -> Tensor:
    """Whole images [b, h, w, 3] as squares: uint8 [b, 3, size, size], channels last in memory."""
    batch = torch.from_numpy(images if images.flags.writeable else images.copy()).permute(0, 3, 1, 2)
    if batch.shape[2:] == (size, size):
        return batch
    return functional.interpolate(batch, (size, size), mode="bilinear", antialias=True, align_corners=False)


def prepared(image: Pixels, size: int, preprocessing: Preprocessing) -> Pixels:
    """The image as the network sees it after training: uint8 [size, size, 3]."""
    if preprocessing == "squash":
        return squash(image[None], size)[0].permute(1, 2, 0).numpy()
    wide = _with_shorter(image, resized_side(size))
    top, left = (round((side - size) / 2.0) for side in wide.shape[:2])
    return wide[top : top + size, left : left + size]


def resized_side(size: int) -> int:
    """The shorter side of an image before a square is cropped from it: 256 for 224 pixels."""
    return round(size * 8 / 7)


def shrunk(image: Pixels, side: int) -> Pixels:
    """The image with a shorter side of at most ``side`` pixels; a smaller image, and any for 0, as it is."""
    return _with_shorter(image, side) if 0 < side < min(image.shape[:2]) else image


def resized_crop(image: Pixels, size: int, generator: torch.Generator) -> Pixels:
    """A random part of the image, resized and mirrored or not: uint8 [size, size, 3]."""
    top, left, height, width = random_part(image.shape[0], image.shape[1], generator)
    part = image[top : top + height, left : left + width]
    return _mirrored_or_not(_resized(part, size, size), generator)


def random_crop(image: Pixels, size: int, preprocessing: Preprocessing, generator: torch.Generator) -> Pixels:
    """A square from anywhere in the resized image, mirrored or not: uint8 [size, size, 3]."""
    side = resized_side(size)
    wide = _with_shorter(image, side) if preprocessing == "crop" else prepared(image, side, "squash")
    top, left = (_below(length - size + 1, generator) for length in wide.shape[:2])
    return _mirrored_or_not(wide[top : top + size, left : left + size], generator)


def random_part(height: int, width: int, generator: torch.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random part of an image. It is in the middle if no draw fits."""
    low, high = torch.log(torch.tensor(ASPECT)).tolist()
    for _ in range(TRIES):
        area = height * width * torch.empty(1).uniform_(*AREA, generator=generator).item()
        aspect = torch.exp(torch.empty(1).uniform_(low, high, generator=generator)).item()
        across, down = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < across <= width and 0 < down <= height:
            top = _below(height - down + 1, generator)
            return top, _below(width - across + 1, generator), down, across
    narrow, broad = ASPECT
    down = round(width / narrow) if width / height < narrow else height
    across = round(height * broad) if width / height > broad else width
    return (height - down) // 2, (width - across) // 2, down, across


def _below(end: int, generator: torch.Generator) -> int:
    return int(torch.randint(0, end, (1,), generator=generator).item())


def _mirrored_or_not(image: Pixels, generator: torch.Generator) -> Pixels:
    return image[:, ::-1] if torch.rand(1, generator=generator).item() < 0.5 else image


def _with_shorter(image: Pixels, side: int) -> Pixels:
    """The image resized to a shorter side of ``side`` pixels."""
    height, width = image.shape[:2]
    longer = int(side * max(height, width) / min(height, width))
    return _resized(image, side, longer) if height <= width else _resized(image, longer, side)


def _resized(image: Pixels, height: int, width: int) -> Pixels:
    if image.shape[:2] == (height, width):
        return image
    made = Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(made)
