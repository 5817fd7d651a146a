"""What the checks run on: small, seeded, made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes, Corpus, Float, Int, Items

ITEMS, QUERIES, DIM, BITS, CLUSTERS = 640, 24, 64, 48, 20
REPEATED = 8
TRAIN, OTHERS, CLASSES, VECTOR_DIM, SIDE = 120, 24, 4, 80, 16


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


def mapped(whole: Corpus, change: Callable[[NDArray[Any]], NDArray[Any]], words: bool = True) -> Corpus:
    """The corpus with every array changed, the codes' only where ``words`` says so."""
    codes = whole.codes
    if codes is not None and words:
        codes = Codes(change(codes.words), codes.bits)
    features, real = (None if array is None else change(array) for array in (whole.features, whole.real_codes))
    return Corpus(features, codes, real)


def only(whole: Corpus, fields: tuple[str, ...]) -> Corpus:
    """The corpus with these fields alone."""
    return Corpus(**{name: getattr(whole, name) for name in fields})


def arrays_of(whole: Corpus, name: str) -> dict[str, NDArray[Any]]:
    """The arrays of a corpus, by what they are called in a message."""
    codes = None if whole.codes is None else whole.codes.words
    parts = {"features": whole.features, "codes": codes, "real codes": whole.real_codes}
    return {f"{key} of the {name}": array for key, array in parts.items() if array is not None}


def strided(array: NDArray[Any]) -> NDArray[Any]:
    """The same values, every second row of an array."""
    return np.repeat(array, 2, axis=0)[::2]


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same values, not to be written to."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def train_items() -> Items:
    """TRAIN items of four classes, with images [16, 16, 3] and vectors of unit length in clusters by class."""
    return items(TRAIN, 0)


def other_items() -> Items:
    """OTHERS items of the same classes."""
    return items(OTHERS, 1)


def items(count: int, seed: int) -> Items:
    """Items with images and vectors, of CLASSES classes in turn: a class has its own centre, colour and corner."""
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
    return Items(ids, labels, f"conformance-{count}-{seed}", images=images, vectors=vectors.astype(np.float32))


def relabelled(some: Items, labels: Int) -> Items:
    """The items with other labels, and so another fingerprint."""
    return replace(some, labels=labels, fingerprint=f"{some.fingerprint}-{labels.tobytes().hex()}")


def with_vectors(some: Items, vectors: Float) -> Items:
    """The items with other vectors, and so another fingerprint."""
    return replace(some, vectors=vectors, fingerprint=f"{some.fingerprint}-other-vectors")


def arrays_of_items(some: Items) -> dict[str, NDArray[Any]]:
    """The arrays of items, by what they are called in a message."""
    images: Any = some.images
    return {"ids": some.ids, "labels": some.labels, "images": images, "vectors": some.vectors}
