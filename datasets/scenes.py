"""Random draws behind the synthetic images: the parts of a class, and their look in each image.

The draws are apart from the renderer, so that numpy makes them all, block by block, from seeds. The images then do not
depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float, Int

TYPES = (
    "disc",
    "square",
    "triangle",
    "cross",
    "bar",
    "star",
    "crescent",
    "half disc",
    "ell",
    "tee",
    "bow",
    "trefoil",
)
VARIANTS = ("plain", "core", "half", "stripes")
CLASS_PARTS = 4


@dataclass(frozen=True)
class Scenes:
    """The renderer's input for m images; lengths are fractions of the image side, colours are in [0, 1]. All float32.

    ``parts`` [m, t, 4]: x, y, radius, glyph (type * len(VARIANTS) + variant), the class's own parts first
    ``angles`` [m, t]
    ``colours`` [m, t, 2, 3]: of the part and of its detail
    ``discs`` [m, 2, 3]: x, y, radius of the plate and of the occluder (radius 0: none)
    ``surfaces`` [m, 3, 3]: colours of background, plate, occluder
    ``light`` [m, 3]: gain and its slope along x and y
    ``waves`` [m, 4]: the background's texture (frequencies, phase, height)
    ``noise`` [m, size, size, 3]: added last
    """

    parts: Float
    angles: Float
    colours: Float
    discs: Float
    surfaces: Float
    light: Float
    waves: Float
    noise: Float


def class_glyphs(count: int, family_size: int, seed: int) -> Int:
    """The four glyphs (part type and variant) of each class, int64 [count, 4].

    Classes come in families of ``family_size``. The classes of a family show the same four part types, and each differs
    from its family's first class in the variants of one or two of them.
    """
    rng = np.random.default_rng([seed, 0])
    families = -(-count // family_size)
    type_sets = np.array(list(combinations(range(len(TYPES)), CLASS_PARTS)))
    type_sets = type_sets[rng.permutation(len(type_sets))[:families]]
    changes = np.array(list(product(range(len(VARIANTS)), repeat=CLASS_PARTS)))
    changed = (changes > 0).sum(axis=1)
    changes = changes[(changed > 0) & (changed <= 2)]
    glyphs = []
    for types in type_sets:
        first = rng.integers(len(VARIANTS), size=CLASS_PARTS)
        chosen = changes[rng.permutation(len(changes))[: family_size - 1]]
        variants = (first + np.vstack([np.zeros((1, CLASS_PARTS), dtype=np.int64), chosen])) % len(VARIANTS)
        glyphs.append(types * len(VARIANTS) + variants)
    return np.concatenate(glyphs)[:count].astype(np.int64)


def draw(glyphs: Int, size: int, difficulty: Mapping[str, float], distractors: int, rng: np.random.Generator) -> Scenes:
    """Scenes of images that show the class parts ``glyphs`` (int64 [m, 4]); the rest is random."""
    m, t = len(glyphs), CLASS_PARTS + distractors
    centre = rng.uniform(0.46, 0.54, size=(m, 2))
    zoom = rng.uniform(0.9, 1.0, size=(m, 1))
    parts = np.empty((m, t, 4))
    parts[:, :, :2] = centre[:, None] + zoom[:, None] * _places(m, t, rng)
    parts[:, :, 2] = zoom * rng.uniform(difficulty["radius_low"], difficulty["radius_high"], size=(m, t))
    parts[:, :CLASS_PARTS, 3] = glyphs
    parts[:, CLASS_PARTS:, 3] = _distractors(glyphs, distractors, rng)
    surfaces = rng.uniform(0.1, 0.9, size=(m, 3, 3))
    surfaces[:, 1] = rng.uniform(0.35, 0.65, size=(m, 1)) + rng.normal(0, 0.07, size=(m, 3))
    covered = rng.random(m) < difficulty["occlusion"]
    discs = np.empty((m, 2, 3))
    discs[:, 0] = np.hstack([centre, 0.48 * zoom])
    discs[:, 1, :2] = centre + rng.uniform(-0.35, 0.35, size=(m, 2))
    discs[:, 1, 2] = np.where(covered, rng.uniform(0.12, 0.2, size=m), 0)
    light = np.column_stack([rng.uniform(0.8, 1.15, size=m), rng.uniform(-0.3, 0.3, size=(m, 2))])
    waves = np.column_stack([rng.uniform(-25, 25, (m, 2)), rng.uniform(0, 2 * np.pi, m), rng.uniform(0, 0.15, m)])
    noise = rng.standard_normal(size=(m, size, size, 3), dtype=np.float32)
    noise *= np.float32(difficulty["noise"])
    return Scenes(
        parts=parts.astype(np.float32),
        angles=rng.uniform(0, 2 * np.pi, size=(m, t)).astype(np.float32),
        colours=_colours(surfaces[:, 1], t, difficulty, rng),
        discs=discs.astype(np.float32),
        surfaces=surfaces.astype(np.float32),
        light=light.astype(np.float32),
        waves=waves.astype(np.float32),
        noise=noise,
    )


def _places(m: int, t: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Offsets of t parts from the plate's centre [m, t, 2]: one near it, the others around it, shuffled."""
    ring = t - 1
    angles = rng.uniform(0, 2 * np.pi, size=(m, 1)) + 2 * np.pi * np.arange(ring) / ring
    angles = angles + rng.uniform(-0.15, 0.15, size=(m, ring))
    far = rng.uniform(0.28, 0.33, size=(m, ring))
    around = np.stack([far * np.cos(angles), far * np.sin(angles)], axis=-1)
    places = np.concatenate([rng.uniform(-0.04, 0.04, size=(m, 1, 2)), around], axis=1)
    order = rng.permuted(np.tile(np.arange(t), (m, 1)), axis=1)
    return np.take_along_axis(places, order[:, :, None], axis=1)


def _distractors(glyphs: Int, count: int, rng: np.random.Generator) -> Int:
    """Glyphs of ``count`` distinct types that the image's class does not show, int64 [m, count]."""
    order = rng.random((len(glyphs), len(TYPES)))
    np.put_along_axis(order, glyphs // len(VARIANTS), 2.0, axis=1)
    types = np.argsort(order, axis=1)[:, :count]
    return types * len(VARIANTS) + rng.integers(len(VARIANTS), size=types.shape)


def _colours(plate: NDArray[np.float64], t: int, difficulty: Mapping[str, float], rng: np.random.Generator) -> Float:
    """Colours of t parts and their details [m, t, 2, 3]: parts stand out from plates, details from parts."""
    jitter = difficulty["colour_jitter"]
    direction = jitter * rng.standard_normal((len(plate), t, 3)) - (1 - jitter)
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    part = plate[:, None] + direction * rng.uniform(0.45, 0.75, size=(len(plate), t, 1))
    part = part.clip(0, 1)
    darker = np.where(part.mean(axis=2, keepdims=True) > 0.5, -1.0, 1.0)
    detail = (part + darker * difficulty["detail"]).clip(0, 1)
    return np.stack([part, detail], axis=2).astype(np.float32)
