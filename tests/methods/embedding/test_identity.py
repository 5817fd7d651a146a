"""The embedder that passes vectors on."""

import dataclasses

import numpy as np
import pytest

from bench.interfaces import Codes, Context, Items
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


def test_codes_without_vectors_give_their_bits_whose_euclidean_order_is_that_of_hamming(monkeypatch):
    monkeypatch.setattr("methods.embedding.identity.BLOCK_ROWS", 4)
    bits = np.random.default_rng(0).integers(0, 2, (11, 70)) > 0
    some = Items(np.arange(11), np.zeros(11, np.int64), "x", codes=Codes.pack(bits))
    features = Identity().fit(some, Context()).embed(some)
    assert features.dtype == np.float32 and np.array_equal(features, bits)
    squared = ((features[:, None] - features[None]) ** 2).sum(axis=2)
    assert np.array_equal(squared, (bits[:, None] != bits[None]).sum(axis=2))


def test_vectors_go_before_codes():
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    both = dataclasses.replace(items(vectors), codes=Codes.pack(vectors - 2))
    assert Identity().fit(both, Context()).embed(both) is vectors
