"""Random views of images and of features, as contrastive trainings need two of each item.

The views of images are SimCLR's, with the settings of CIBHash's published code (zexuanqiu/CIBHash). There they are made
image by image, here for a whole batch at once, on its device. All randomness is that of a generator on the processor.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

AREA, ASPECT = (0.5, 1.0), (3 / 4, 4 / 3)
"""The area of a crop over that of the image, and its width over its height."""
STRENGTH, HUE = 0.4, 0.1
"""Brightness, contrast and saturation are multiplied by 1 - STRENGTH to 1 + STRENGTH; hue is turned by a share of the
circle, -HUE to HUE.
"""
RECOLOURED, GREY, BLURRED = 0.7, 0.2, 0.5
"""Shares of the images that are recoloured, without colour, and blurred."""
BLUR = (0.1, 2.0)
"""The standard deviation of the blur over 3 x 3 pixels, in pixels."""
LUMA = (0.299, 0.587, 0.114)


def image_view(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images [b, 3, h, w] of values 0 to 1, each cropped, flipped, recoloured, made grey and blurred at random.

    A crop is no wider and no higher than its image, where torchvision draws again. The order of the changes of colour
    is always the same, and the hue is turned around the grey axis of RGB, in place of HSV's hue.
    """
    return _blurred(_recoloured(_cropped(images, generator), generator), generator)


def without_some(features: Tensor, dropout: float, generator: torch.Generator) -> Tensor:
    """Features [b, d], of which a share is zero at random and the others are divided by the share that is left."""
    kept = torch.rand(features.shape, generator=generator) >= dropout
    return features * kept.to(features.device) / (1 - dropout)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _cropped(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random part of each image, resized bilinearly to the whole, and mirrored in half of the cases."""
    count = len(images)
    area = _uniform(count, *AREA, generator)
    aspect = _uniform(count, math.log(ASPECT[0]), math.log(ASPECT[1]), generator).exp()
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    left, top = (_uniform(count, -1, 1, generator) * (1 - side) for side in (width, height))
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    places = torch.zeros(count, 2, 3)
    places[:, 0, 0], places[:, 0, 2], places[:, 1, 1], places[:, 1, 2] = width * mirror, left, height, top
    grid = functional.affine_grid(places.to(images.device), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _recoloured(images: Tensor, generator: torch.Generator) -> Tensor:
    count, device = len(images), images.device
    chosen, grey = (torch.rand(count, generator=generator) < share for share in (RECOLOURED, GREY))
    factors = [_uniform(count, 1 - STRENGTH, 1 + STRENGTH, generator).where(chosen, torch.ones(())) for _ in range(3)]
    brightness, contrast, saturation = (factor.to(device)[:, None, None, None] for factor in factors)
    hue = _uniform(count, -HUE, HUE, generator).where(chosen, torch.zeros(()))
    images = (images * brightness).clamp(0, 1)
    images = _towards(luma(images).mean((2, 3), keepdim=True), images, contrast)
    images = _towards(luma(images), images, saturation)
    images = torch.einsum("bij,bjhw->bihw", turned(hue).to(device), images).clamp(0, 1)
    return torch.where(grey.to(device)[:, None, None, None], luma(images).expand_as(images), images)


def luma(images: Tensor) -> Tensor:
    """The grey values [b, 1, h, w] of RGB images [b, 3, h, w] (ITU-R BT.601)."""
    weights = torch.tensor(LUMA, device=images.device)[:, None, None]
    return (images * weights).sum(dim=1, keepdim=True)


def turned(shares: Tensor) -> Tensor:
    """Matrices [b, 3, 3] that turn RGB around its grey axis, by shares [b] of the circle (Rodrigues' formula)."""
    angle = (2 * math.pi * shares)[:, None, None]
    axis = torch.full((3, 3), 1 / 3)
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / 3**0.5
    return angle.cos() * torch.eye(3) + (1 - angle.cos()) * axis + angle.sin() * across


def _towards(grey: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    """From grey (factor 0) to the images (factor 1) and beyond."""
    return (grey + factor * (images - grey)).clamp(0, 1)


def _blurred(images: Tensor, generator: torch.Generator) -> Tensor:
    """A Gaussian of 3 x 3 pixels over some of the images."""
    count = len(images)
    chosen = torch.rand(count, generator=generator) < BLURRED
    beside = torch.exp(-0.5 / _uniform(count, *BLUR, generator).square())
    beside = torch.where(chosen, beside / (1 + 2 * beside), 0.0).to(images.device)[:, None, None, None]
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = padded[:, :, 1:-1] * (1 - 2 * beside) + (padded[:, :, :-2] + padded[:, :, 2:]) * beside
    return rows[..., 1:-1] * (1 - 2 * beside) + (rows[..., :-2] + rows[..., 2:]) * beside
