"""What the codes of a database can tell apart at most: the bits that vary, and the codes that differ."""

from __future__ import annotations

import numpy as np

from bench.interfaces import Codes


def constant_bits(codes: Codes) -> int:
    """The number of bits that are the same in all codes. Of no codes it is 0."""
    if not len(codes):
        return 0
    varying = np.bitwise_or.reduce(codes.words, axis=0) & ~np.bitwise_and.reduce(codes.words, axis=0)
    return codes.bits - int(np.bitwise_count(varying).sum())


def distinct_codes(codes: Codes) -> int:
    """The number of codes that differ from each other."""
    if not len(codes):
        return 0
    ordered = codes.words[np.lexsort(codes.words.T)]
    return 1 + int((ordered[1:] != ordered[:-1]).any(axis=1).sum())
