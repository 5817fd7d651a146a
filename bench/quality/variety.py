"""What the codes of a database can tell apart at most: the bits that vary, and the codes that differ."""

from __future__ import annotations

import numpy as np

from bench.interfaces import Codes, Words

BLOCK_CODES = 2**24
"""Codes that are sorted at a time."""

ODD = 0x9E3779B97F4A7C15
"""An odd factor, whose products spread codes that are alike over the high bits (Knuth, TAOCP 3, 6.4)."""


def constant_bits(codes: Codes) -> int:
    """The number of bits that are the same in all codes. Of no codes it is 0."""
    if not len(codes):
        return 0
    varying = np.bitwise_or.reduce(codes.words, axis=0) & ~np.bitwise_and.reduce(codes.words, axis=0)
    return codes.bits - int(np.bitwise_count(varying).sum())


def distinct_codes(codes: Codes) -> int:
    """The number of codes that differ from each other.

    Many codes are dealt out by a hash into groups of about BLOCK_CODES, one group after another, so that no more are
    copied at a time; equal codes are in one group.
    """
    groups = -(-len(codes) // BLOCK_CODES)
    return sum(len(_distinct(_group(codes.words, number, groups))) for number in range(groups))


def _group(words: Words, number: int, groups: int) -> Words:
    """The codes of a group, each at least once."""
    if groups == 1:
        return words
    factors = np.array([ODD * (2 * word + 1) % 2**64 for word in range(words.shape[1])], dtype=np.uint64)
    found = []
    for start in range(0, len(words), BLOCK_CODES):
        block = words[start : start + BLOCK_CODES]
        hashes = np.bitwise_xor.reduce(block * factors, axis=1) >> np.uint64(32)
        found.append(_distinct(block[hashes % np.uint64(groups) == number]))
    return np.concatenate(found)


def _distinct(words: Words) -> Words:
    """The codes that differ from each other, sorted."""
    ordered = words[np.lexsort(words.T)]
    first = np.ones(len(words), dtype=np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return ordered[first]
