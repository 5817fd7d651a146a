"""Images magnified where a network looks: the second view of CHN.

The places that draw the samples are peaks of the attention, as in Ding et al., "Selective sparse sampling for
fine-grained image recognition", ICCV 2019, and the samples are those of Recasens et al., "Learning to zoom", ECCV 2018.
The numbers are those of CHN's published code, kaiba007/FG-CNET. It samples with a border of half a pixel that is dark;
here an image without peaks stays as it is.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

GRID, PADDING = 31, 30
"""Samples along a side of the coarse grid, and places around it that repeat its border."""
WIDTH = 13
"""Full width at half maximum of the Gaussian by which places draw samples, in places of the grid."""
BASE, RADIUS = 0.09, 0.08
"""Pull of each place, and the spread of that of the highest peak as a share of the grid."""
ROUNDING = 1e-4
"""A peak is higher than the mean by this, so that a flat map has none."""
ALL, BY_CHANCE, HIGHEST = range(3)
"""Which peaks an image keeps: all, each with its height as chance, or the highest."""


def magnified(images: Tensor, attention: Tensor, rng: np.random.Generator) -> Tensor:
    """Images [b, channels, height, width], each magnified around peaks of its attention [b, 1, h, w], of any scale."""
    points = sample_points(pull(attention, rng)).to(images)
    fine = functional.interpolate(points, images.shape[2:], mode="bilinear", align_corners=True)
    return functional.grid_sample(images, fine.permute(0, 2, 3, 1), align_corners=True)


def pull(attention: Tensor, rng: np.random.Generator) -> Tensor:
    """How strongly each place of the grid draws samples, float32 [b, GRID, GRID]: BASE, and a bell at each kept peak.

    A bell is as high as the peak is, over the highest attention, and its variance is in proportion.
    """
    maps = functional.interpolate(attention.detach().float().cpu(), (GRID, GRID), mode="bilinear", align_corners=True)
    heights = (maps / maps.amax((2, 3), keepdim=True).clamp_min(torch.finfo().tiny)).flatten(1)
    rule = torch.from_numpy(rng.integers(0, 3, (len(heights), 1)))
    chance = torch.from_numpy(rng.random(heights.shape))
    highest = torch.arange(GRID**2) == heights.argmax(dim=1, keepdim=True)
    kept = peaks(heights) & ((rule != BY_CHANCE) | (heights > chance)) & ((rule != HIGHEST) | highest)
    image, place = kept.nonzero(as_tuple=True)
    height = heights[image, place][:, None]
    variance = height * (RADIUS * GRID) ** 2
    lines = torch.arange(GRID)
    down, across = ((-((lines - at[:, None]) ** 2) / (2 * variance)).exp() for at in (place // GRID, place % GRID))
    bells = height[:, :, None] * down[:, :, None] * across[:, None]
    return torch.full((len(maps), GRID, GRID), BASE).index_add(0, image, bells)


def peaks(heights: Tensor) -> Tensor:
    """Whether a place of a map [b, GRID * GRID] is above its mean and higher than its eight neighbours, bool.

    Of equal neighbours the first counts.
    """
    maps = heights.view(-1, 1, GRID, GRID)
    _, highest = functional.max_pool2d(maps, 3, stride=1, padding=1, return_indices=True)
    return (highest.flatten(1) == torch.arange(GRID**2)) & (heights > heights.mean(dim=1, keepdim=True) + ROUNDING)


def sample_points(pulls: Tensor) -> Tensor:
    """Where the samples of a grid are taken, x and y from -1 to 1, float32 [b, 2, GRID, GRID].

    A sample is at the mean of the places around it, each weighted by its pull and a Gaussian of its distance. The
    Gaussian is a product of one down and one across, so that two matrices do all sums.
    """
    places = torch.arange(-PADDING, GRID + PADDING)
    distances = places - torch.arange(GRID)[:, None]
    gaussian = torch.exp(-4 * math.log(2) * distances**2 / WIDTH**2) * (distances.abs() <= PADDING)
    repeated = functional.one_hot(places.clamp(0, GRID - 1), GRID).float()
    weights = gaussian @ repeated
    moments = (gaussian * places / (GRID - 1)) @ repeated
    total = weights @ pulls @ weights.T
    points = torch.stack([weights @ pulls @ moments.T / total, moments @ pulls @ weights.T / total], dim=1)
    return (2 * points - 1).clamp(-1, 1)
