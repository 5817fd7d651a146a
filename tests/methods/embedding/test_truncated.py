"""The embedder that cuts vectors."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import normalize

from bench.interfaces import Codes, Context, Items, Unsuitable
from methods.embedding.truncated import Truncated


def items(vectors=None, images=None):
    return Items(ids=np.arange(3), labels=np.zeros(3, np.int64), fingerprint="x", images=images, vectors=vectors)


VECTORS = np.array([[3, 4, 7, 1], [0, 0, 2, 5], [-1, 0, 1, 1]], dtype=np.float32)


def test_features_are_the_first_dimensions_of_unit_length_or_as_they_are():
    given = VECTORS.copy()
    plain = Truncated(dim=2, normalise=False).fit(items(given), Context()).embed(items(given))
    unit = Truncated(dim=2).fit(items(given), Context()).embed(items(given))
    np.testing.assert_array_equal(plain, VECTORS[:, :2])
    np.testing.assert_allclose(unit, normalize(VECTORS[:, :2]), rtol=1e-6)
    np.testing.assert_array_equal(given, VECTORS)
    assert plain.dtype == unit.dtype == np.float32


def test_images_few_dimensions_and_other_vectors_are_refused():
    with pytest.raises(ValueError, match="items are images"):
        Truncated(dim=2).fit(items(images=[np.zeros((1, 1, 3), np.uint8)] * 3), Context())
    with pytest.raises(Unsuitable, match="dim = 5 must be at most 4"):
        Truncated(dim=5).fit(items(VECTORS), Context())
    embedder = Truncated(dim=2)
    with pytest.raises(ValueError, match="fit comes before"):
        embedder.embed(items(VECTORS))
    embedder.fit(items(VECTORS), Context())
    with pytest.raises(ValueError, match="have 3 dimensions, those fitted had 4"):
        embedder.embed(items(VECTORS[:, :3]))
    with pytest.raises(ValueError, match="dim = 0"):
        Truncated(dim=0)


def test_codes_without_vectors_do_not_suit_it():
    bare = replace(items(), codes=Codes.pack(VECTORS > 0))
    with pytest.raises(Unsuitable, match="truncated cuts vectors, and these items are codes without any"):
        Truncated(dim=2).fit(bare, Context())


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_lengths_are_right_where_their_squares_have_no_float32(scale):
    scaled = (VECTORS * scale).astype(np.float32)
    unit = Truncated(dim=2).fit(items(scaled), Context()).embed(items(scaled))
    np.testing.assert_allclose(unit, normalize(VECTORS[:, :2]), rtol=1e-6)
