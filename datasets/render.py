"""The renderer of the synthetic images: signed distances of twelve shapes, compiled, free of the GIL."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float
from datasets.scenes import VARIANTS, Scenes

_VARIANTS = len(VARIANTS)
# Every shape lies within this many radii of its part's centre.
REACH = 1.05


def render(scenes: Scenes, out: NDArray[np.uint8]) -> None:
    """Draw the scenes into ``out`` (uint8 [m, size, size, 3])."""
    _render(
        scenes.parts,
        scenes.angles,
        scenes.colours,
        scenes.discs,
        scenes.surfaces,
        scenes.light,
        scenes.waves,
        scenes.noise,
        out,
    )


@numba.njit(cache=True, nogil=True)
def _box(u: float, v: float, half_width: float, half_height: float) -> float:
    return max(abs(u) - half_width, abs(v) - half_height)


@numba.njit(cache=True, nogil=True)
def _shape(kind: int, u: float, v: float) -> float:
    """Signed distance (negative inside, near enough outside) to the outline of a part type, in part radii."""
    r = math.hypot(u, v)
    if kind == 0:
        return r - 0.85
    if kind == 1:
        return _box(u, v, 0.68, 0.68)
    if kind == 2:
        return max(-u, max(0.5 * u + 0.866 * v, 0.5 * u - 0.866 * v)) - 0.5
    if kind == 3:
        return min(_box(u, v, 0.95, 0.32), _box(u, v, 0.32, 0.95))
    if kind == 4:
        return _box(u, v, 0.92, 0.4)
    if kind == 5:
        fold = (math.atan2(v, u) % (0.4 * math.pi)) - 0.2 * math.pi
        return (r * math.cos(fold) - 0.42) * 0.834 - r * abs(math.sin(fold)) * 0.552
    if kind == 6:
        return max(r - 0.95, 0.7 - math.hypot(u - 0.5, v))
    if kind == 7:
        return max(math.hypot(u, v + 0.45) - 0.9, -v - 0.45)
    if kind == 8:
        return min(_box(u + 0.42, v, 0.28, 0.75), _box(u, v + 0.45, 0.7, 0.28))
    if kind == 9:
        return min(_box(u, v - 0.45, 0.75, 0.28), _box(u, v + 0.2, 0.28, 0.75))
    if kind == 10:
        return max(0.707 * (abs(v) - abs(u)) - 0.08, abs(u) - 0.66)
    lobes = min(math.hypot(u - 0.25, v - 0.433), math.hypot(u - 0.25, v + 0.433))
    return min(lobes, math.hypot(u + 0.5, v)) - 0.42


@numba.njit(cache=True, nogil=True)
def _detail(variant: int, distance: float, u: float, v: float) -> float:
    """Signed distance, in part radii, to the region of a variant's second colour."""
    if variant == 1:
        return distance + 0.2
    if variant == 2:
        return -v
    if variant == 3:
        return -0.12 * math.cos(u * 2 * math.pi / 0.75)
    return 1.0


@numba.njit(cache=True, nogil=True)
def _cover(distance: float, pixels: float) -> float:
    """The share of a pixel inside a shape: distance in a unit of ``pixels`` pixels."""
    return min(1.0, max(0.0, 0.5 - distance * pixels))


@numba.njit(cache=True, nogil=True)
def _background(canvas: Float, colour: Float, wave: Float) -> None:
    size = len(canvas)
    for row in range(size):
        for column in range(size):
            x, y = (column + 0.5) / size, (row + 0.5) / size
            height = wave[3] * math.sin(wave[0] * x + wave[1] * y + wave[2])
            for channel in range(3):
                canvas[row, column, channel] = colour[channel] + height


@numba.njit(cache=True, nogil=True)
def _span(centre: float, reach: float, size: int) -> tuple[int, int]:
    """The rows (or columns) that a shape may touch, with a pixel of soft edge."""
    return max(0, int((centre - reach) * size - 1)), min(size, int((centre + reach) * size + 2))


@numba.njit(cache=True, nogil=True)
def _disc(canvas: Float, disc: Float, colour: Float) -> None:
    size = len(canvas)
    top, bottom = _span(disc[1], disc[2], size)
    left, right = _span(disc[0], disc[2], size)
    for row in range(top, bottom):
        for column in range(left, right):
            distance = math.hypot((column + 0.5) / size - disc[0], (row + 0.5) / size - disc[1]) - disc[2]
            cover = _cover(distance, size)
            for channel in range(3):
                canvas[row, column, channel] += cover * (colour[channel] - canvas[row, column, channel])


@numba.njit(cache=True, nogil=True)
def _part(canvas: Float, part: Float, angle: float, colours: Float) -> None:
    size, radius = len(canvas), part[2]
    kind, variant = int(part[3]) // _VARIANTS, int(part[3]) % _VARIANTS
    cosine, sine = math.cos(angle) / radius, math.sin(angle) / radius
    top, bottom = _span(part[1], REACH * radius, size)
    left, right = _span(part[0], REACH * radius, size)
    for row in range(top, bottom):
        for column in range(left, right):
            dx, dy = (column + 0.5) / size - part[0], (row + 0.5) / size - part[1]
            u, v = dx * cosine + dy * sine, dy * cosine - dx * sine
            distance = _shape(kind, u, v)
            cover = _cover(distance, radius * size)
            if cover > 0:
                inner = _cover(_detail(variant, distance, u, v), radius * size)
                for channel in range(3):
                    colour = colours[0, channel] * (1 - inner) + colours[1, channel] * inner
                    canvas[row, column, channel] += cover * (colour - canvas[row, column, channel])


@numba.njit(cache=True, nogil=True)
def _expose(canvas: Float, light: Float, noise: Float, out: NDArray[np.uint8]) -> None:
    size = len(canvas)
    for row in range(size):
        for column in range(size):
            x, y = (column + 0.5) / size, (row + 0.5) / size
            gain = light[0] + light[1] * (x - 0.5) + light[2] * (y - 0.5)
            for channel in range(3):
                value = gain * canvas[row, column, channel] + noise[row, column, channel]
                out[row, column, channel] = int(255 * min(1.0, max(0.0, value)) + 0.5)


@numba.njit(cache=True, nogil=True)
def _render(
    parts: Float,
    angles: Float,
    colours: Float,
    discs: Float,
    surfaces: Float,
    light: Float,
    waves: Float,
    noise: Float,
    out: NDArray[np.uint8],
) -> None:
    canvas = np.empty(out.shape[1:], dtype=np.float32)
    for i in range(len(out)):
        _background(canvas, surfaces[i, 0], waves[i])
        _disc(canvas, discs[i, 0], surfaces[i, 1])
        for part in range(parts.shape[1] - 1, -1, -1):  # the class's own parts come first, so they end on top
            _part(canvas, parts[i, part], angles[i, part], colours[i, part])
        if discs[i, 1, 2] > 0:
            _disc(canvas, discs[i, 1], surfaces[i, 2])
        _expose(canvas, light[i], noise[i], out[i])
