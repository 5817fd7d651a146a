"""The embedder that passes vectors on."""

import numpy as np
import pytest

from bench.interfaces import Context, Items
from methods.embedding.identity import Identity


def items(vectors=None, images=None):
    return Items(ids=np.arange(3), labels=np.zeros(3, np.int64), fingerprint="x", images=images, vectors=vectors)


def test_features_are_the_vectors_themselves():
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    embedder = Identity().fit(items(vectors), Context())
    assert embedder.dim == 2
    assert embedder.embed(items(vectors)) is vectors


def test_images_and_other_dimensions_are_refused():
    with pytest.raises(ValueError, match="items are images"):
        Identity().fit(items(images=[np.zeros((1, 1, 3), np.uint8)] * 3), Context())
    embedder = Identity().fit(items(np.zeros((3, 2), np.float32)), Context())
    with pytest.raises(ValueError, match="have 5 dimensions, those fitted had 2"):
        embedder.embed(items(np.zeros((3, 5), np.float32)))
