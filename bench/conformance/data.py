"""What the checks run on: small, seeded, made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes, Corpus, Items

ITEMS, QUERIES, DIM, BITS, CLUSTERS = 640, 24, 64, 48, 20
REPEATED = 8
TRAIN, OTHERS, CLASSES, VECTOR_DIM, SIDE = 120, 24, 4, 80, 16
FLOATS = ("float64", "float32")
"""One of which an error names where the type is wrong."""


def corpora() -> tuple[Corpus, Corpus]:
    """A database of ITEMS in clusters and QUERIES near them: features, codes of 48 bits, real codes.

    All values are small whole numbers, so that float32 sums of squares and products are exact in any order: what is
    near is then the same for every way to compute it, up to ties. REPEATED items are there twice, and are queries too;
    the last two queries are equal.
    """
    rng = np.random.default_rng(0)
    centres = rng.integers(-12, 13, (CLUSTERS, DIM))
    rows = centres[rng.integers(0, CLUSTERS, ITEMS + QUERIES)] + rng.integers(-3, 4, (ITEMS + QUERIES, DIM))
    rows[ITEMS - REPEATED : ITEMS] = rows[:REPEATED]
    rows[ITEMS : ITEMS + REPEATED] = rows[:REPEATED]
    rows[-1] = rows[-2]
    planes = rng.integers(-3, 4, (DIM, BITS))
    return corpus(rows[:ITEMS], planes), corpus(rows[ITEMS:], planes)


def corpus(rows: NDArray[Any], planes: NDArray[Any]) -> Corpus:
    """Features, and the codes that they have by these planes [d, bits]."""
    real = (rows @ planes).astype(np.float32)
    return Corpus(rows.astype(np.float32), Codes.pack(real), real)


def train_items() -> Items:
    """TRAIN items of four classes, with images [16, 16, 3], vectors of unit length in clusters by class, and the
    codes of their signs.
    """
    return _items(TRAIN, 0)


def other_items() -> Items:
    """OTHERS items of the same classes."""
    return _items(OTHERS, 1)


def _items(count: int, seed: int) -> Items:
    """Items of CLASSES classes in turn: a class has its own centre, colour and corner."""
    rng = np.random.default_rng((2, seed))
    labels = np.arange(count, dtype=np.int64) % CLASSES
    centres = np.random.default_rng(3).standard_normal((CLASSES, VECTOR_DIM))
    vectors = centres[labels] + rng.standard_normal((count, VECTOR_DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    images = rng.integers(0, 60, (count, SIDE, SIDE, 3)).astype(np.uint8)
    half = SIDE // 2
    for image, label in zip(images, labels, strict=True):
        down, right = divmod(int(label), 2)
        image[down * half : (down + 1) * half, right * half : (right + 1) * half, label % 3] += np.uint8(150)
    ids = np.arange(count, dtype=np.int64) + 1000 * seed
    own: dict[str, Any] = {"images": images, "vectors": vectors.astype(np.float32), "codes": Codes.pack(vectors)}
    return Items(ids, labels, f"conformance-{count}-{seed}", **own)


def changed(some: Items, **arrays: Any) -> Items:
    """The items with other arrays, or with None in place of some, and so another fingerprint."""
    content = [f"{name} {None if array is None else crc32(array.tobytes())}" for name, array in arrays.items()]
    return replace(some, fingerprint=f"{some.fingerprint}, {content}", **arrays)


def mapped(whole: Any, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Any:
    """Items, a corpus, codes or an array, with every array in them changed."""
    if isinstance(whole, np.ndarray):
        return change(whole)
    return replace(whole, **{name: mapped(part, change) for name, part in _parts(whole).items()})


def arrays(whole: Any, name: str) -> dict[str, NDArray[Any]]:
    """All arrays in items, a corpus, codes or an array, by what they are called in a message."""
    if isinstance(whole, np.ndarray):
        return {name: whole}
    parts = [arrays(part, f"{own} of the {name}") for own, part in _parts(whole).items()]
    return {own: array for part in parts for own, array in part.items()}


def _parts(whole: Any) -> dict[str, Any]:
    return {name: part for name, part in vars(whole).items() if isinstance(part, np.ndarray | Codes)}


def strided(array: NDArray[Any]) -> NDArray[Any]:
    """The same values, every second row of an array."""
    return np.repeat(array, 2, axis=0)[::2]


def wide(array: NDArray[Any]) -> NDArray[Any]:
    """The same values, in float64 where they are in float32."""
    return array.astype(np.float64) if array.dtype == np.float32 else array


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same values, not to be written to."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy
