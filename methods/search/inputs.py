"""What the indexes accept, checked in one place: errors in words, and no copy of what is already as it should be."""

from __future__ import annotations

import numpy as np

from bench.interfaces import Codes, Corpus, Float


def features_of(corpus: Corpus, owner: str, dim: int | None = None) -> Float:
    """The corpus's features, C-contiguous: the same memory where they already are.

    ValueError: there are none, or they are not float32 [n, d], or d is not ``dim``.
    """
    features = corpus.features
    if features is None:
        raise ValueError(f"{owner} searches features, and the corpus has none")
    if features.dtype != np.float32 or features.ndim != 2:
        raise ValueError(f"{owner} needs float32 features [n, d], not {features.dtype} {list(features.shape)}")
    if dim is not None and features.shape[1] != dim:
        raise ValueError(f"the queries have {features.shape[1]} dimensions, {owner} was built on {dim}")
    return np.ascontiguousarray(features)


def codes_of(corpus: Corpus, owner: str, bits: int | None = None) -> Codes:
    """The corpus's codes, C-contiguous. ValueError: there are none, or they have other than ``bits`` bits."""
    codes = corpus.codes
    if codes is None:
        raise ValueError(f"{owner} searches codes, and the corpus has none")
    if bits is not None and codes.bits != bits:
        raise ValueError(f"the queries have {codes.bits} bits, {owner} was built on {bits}")
    if codes.words.dtype != np.uint64 or codes.words.shape[1:] != (-(-codes.bits // 64),):
        raise ValueError(
            f"{codes.bits}-bit codes are uint64 [n, {-(-codes.bits // 64)}], "
            f"not {codes.words.dtype} {list(codes.words.shape)}"
        )
    return Codes(np.ascontiguousarray(codes.words), codes.bits)
