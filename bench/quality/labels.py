"""Checks the labels, features and codes that metrics use. Labels are class numbers or sets of classes."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Codes, Float, Labels

Scores = NDArray[np.float64]


def check_choice(name: str, value: str, choices: Any) -> None:
    """Raises ValueError: the value is not among the choices, a ``Literal``."""
    if value not in get_args(choices):
        raise ValueError(f"{name} = {value!r}; one of {', '.join(get_args(choices))}")


def check_padding(name: str, codes: Codes) -> None:
    """Raises ValueError: the words hold more bits than the codes have."""
    padding = codes.words.shape[1] * 64 - codes.bits
    if not 0 <= padding < 64 or (padding and (codes.words[:, -1] >> np.uint64(64 - padding)).any()):
        raise ValueError(f"{name}: codes of {codes.bits} bits hold more; padding bits are zero")


def check_features(name: str, features: Float) -> None:
    """Raises ValueError: the features are not finite [items, dimensions] with at least one of each."""
    if features.ndim != 2 or features.size == 0:
        raise ValueError(f"{name}: features of shape {features.shape}; [items, dimensions] with at least one of each")
    if not (np.isfinite(features.min()) and np.isfinite(features.max())):
        raise ValueError(f"{name}: a feature is NaN or infinite; all must be finite")


def check_kinds(query_labels: Labels, database_labels: Labels) -> None:
    """Raises ValueError: one side has class numbers and the other sets of classes, or sets of other classes."""
    if query_labels.shape[1:] != database_labels.shape[1:]:
        raise ValueError(f"labels {query_labels.shape} and {database_labels.shape}: both [n], or both [n, classes]")


def label_words(query_labels: Labels, database_labels: Labels) -> tuple[NDArray[Any], NDArray[Any], bool]:
    """The labels as uint64 [words, q] and [words, n], and whether they are class numbers (one word, compared whole)."""
    check_kinds(query_labels, database_labels)
    if query_labels.ndim == 1:
        numbers = [labels.astype(np.int64).view(np.uint64)[None] for labels in (query_labels, database_labels)]
        return numbers[0], numbers[1], True
    sets = [by_word(Codes.pack(labels.astype(np.bool_)).words) for labels in (query_labels, database_labels)]
    return sets[0], sets[1], False


def by_word(words: NDArray[Any]) -> NDArray[Any]:
    """An array [n, words] as [words, n], with one word of all items contiguous."""
    return np.ascontiguousarray(words.T)


def most_labels(labels: Labels) -> int:
    """The most classes of an item, for labels that are sets of classes."""
    return int(labels.sum(axis=1).max())
