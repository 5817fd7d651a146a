"""Codes in clusters, and the Hamming distances between them, counted by numpy."""

from functools import cache

import numpy as np

from bench.interfaces import Codes, Corpus

CENTRES, FLIPPED = 40, 0.1


@cache
def near_centres(items, queries, bits):
    """A database and queries of codes near the same centres, and their Hamming distances, int64 [queries, items]."""
    rng = np.random.default_rng(1)
    centres = rng.random((CENTRES, bits)) < 0.5
    ones = centres[rng.integers(0, CENTRES, items + queries)] ^ (rng.random((items + queries, bits)) < FLIPPED)
    words = Codes.pack(ones).words
    distances = (ones[items:, None] != ones[None, :items]).sum(2)
    return Corpus(codes=Codes(words[:items], bits)), Corpus(codes=Codes(words[items:], bits)), distances
