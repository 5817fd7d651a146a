"""The checks of an index's inputs: errors in words, and no copy of a well-formed array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes, Corpus, Float, Unsuitable
from methods.parameters import Count, check_value, check_values

LENGTH_TOLERANCE = 1e-3
"""The share by which the lengths of features that have one length may differ."""


def check_k(k: int) -> None:
    """Raises ValueError: k, the number of neighbours, is not an integer of at least 1."""
    check_value("k", Count, k)


def only(owner: str, allowed: tuple[str, ...], given: dict[str, Any]) -> None:
    """Raises ValueError: a query parameter is not among the allowed ones."""
    unknown = [name for name in given if name not in allowed]
    if unknown:
        known = f"the query parameters {', '.join(allowed)}" if allowed else "no query parameters"
        raise ValueError(f"{owner} has {known}, not {', '.join(unknown)}")


def set_parameters(owner: str, index: Any, given: dict[str, Any]) -> None:
    """Set query parameters of an index, all of them or none.

    Raises ValueError: a name is unknown, or a value is out of bounds.
    """
    only(owner, index.query_parameters, given)
    check_values(type(index), given)
    for name, value in given.items():
        setattr(index, name, value)


def features_of(corpus: Corpus, owner: str, dim: int | None = None) -> Float:
    """The corpus's features, C-contiguous, not copied if they already are.

    Raises ValueError: there are none, they are not float32 [n, d], or d is not ``dim``.
    """
    features = corpus.features
    if features is None:
        raise ValueError(f"{owner} searches features, and the corpus has none")
    if features.dtype != np.float32 or features.ndim != 2:
        raise ValueError(f"{owner} needs float32 features [n, d], not {features.dtype} {list(features.shape)}")
    if dim is not None and features.shape[1] != dim:
        raise ValueError(f"the queries have {features.shape[1]} dimensions, {owner} was built on {dim}")
    return np.ascontiguousarray(features)


def items_of(database: Corpus, owner: str) -> Float:
    """The features that an index is built on, as `features_of` gives them.

    Raises ValueError: there is not one item.
    """
    features = features_of(database, owner)
    if len(features) == 0:
        raise ValueError(f"{owner} cannot be built on an empty database")
    return features


def check_one_length(features: Float, reason: str) -> None:
    """Raises Unsuitable: the features have different lengths; the message begins with ``reason``."""
    lengths = np.linalg.norm(features, axis=1)
    if np.ptp(lengths) > LENGTH_TOLERANCE * lengths.max():
        raise Unsuitable(f"{reason}: features need one length, not {lengths.min():.3g} to {lengths.max():.3g}")


def codes_of(corpus: Corpus, owner: str, bits: int | None = None) -> Codes:
    """The corpus's codes, C-contiguous.

    Raises ValueError: there are none, or their number of bits is not ``bits``.
    """
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
    return codes if codes.words.flags.c_contiguous else Codes(np.ascontiguousarray(codes.words), codes.bits)


def bytes_of(codes: Codes) -> NDArray[np.uint8]:
    """The codes as bytes uint8 [n, 8 words], with zero bits up to a multiple of 64."""
    return codes.words.astype("<u8", copy=False).view(np.uint8)
