"""Labels of any numbering, names, or sets of classes, to labels as the harness has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Labels as ItemLabels

Labels = NDArray[Any]
"""Integers of any type, or texts, [n]; or sets of classes, of 0 and 1 of any type [n, classes]."""


def read_labels(where: str, labels: NDArray[Any], count: int) -> Labels:
    """The labels of ``count`` items, of an array [n], [n, 1] or [1, n] of integers, whole numbers or texts, or of an
    array [n, classes] of 0 and 1.

    Raises ValueError: they are of another shape, type or number, or a label is no whole number.
    """
    if labels.ndim == 2 and labels.shape[1] > 1 and (len(labels) != 1 or count == 1):
        check_sets(where, labels, count)
        return labels
    if labels.dtype.kind not in "biufU" or labels.ndim not in (1, 2):
        right = "must be integers or texts [n], or 0 and 1 [n, classes]"
        raise ValueError(f"{where}: {labels.dtype} {list(labels.shape)}, {right}")
    flat = labels.ravel()
    if len(flat) != count:
        raise ValueError(f"{where}: {len(flat):,} labels for {count:,} items")
    if flat.dtype.kind != "f":
        return flat
    wrong = np.flatnonzero(~(np.abs(flat) < 2**53) | (flat != np.floor(flat)))
    if len(wrong):
        raise ValueError(f"{where}: {flat[wrong[0]]} at row {wrong[0]}; a label must be a whole number or a text")
    return flat.astype(np.int64)


def check_sets(where: str, labels: NDArray[Any], count: int) -> None:
    """Raises ValueError: these are no sets of classes of ``count`` items, 0 and 1 [n, classes]; the message names the
    first other value.
    """
    if labels.dtype.kind not in "biuf" or labels.ndim != 2:
        raise ValueError(f"{where}: {labels.dtype} {list(labels.shape)}, must be 0 and 1 [n, classes]")
    if len(labels) != count:
        raise ValueError(f"{where}: {len(labels):,} labels for {count:,} items")
    wrong = (labels != 0) & (labels != 1)
    if wrong.any():
        row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
        raise ValueError(
            f"{where}: {labels[row, column]} at row {row}, column {column}; a set of classes is of 0 and 1"
        )


def number_classes(
    source: str, database: Labels, query: Labels, names: Sequence[str] = ()
) -> tuple[tuple[str, ...], ItemLabels, ItemLabels]:
    """The classes that occur, ascending, and both splits' labels as positions in these, int64 [n]; or all classes, and
    sets of classes as bool [n, classes]. Sets of one class each are labels like any other.

    A class is called by its label, or by the name at the label's place if there are ``names``. So neither time nor
    memory follows the largest label.

    Raises ValueError: a label is below 0, which commonly stands for none, or has no name; one split has texts and the
    other has numbers, or sets of other classes.
    """
    if database.shape[1:] != query.shape[1:]:
        raise ValueError(f"{source}: labels {list(database.shape)} and {list(query.shape)} are not of the same classes")
    if database.ndim == 2:
        sets = [labels.astype(np.bool_) for labels in (database, query)]
        if not all((one.sum(axis=1) == 1).all() for one in sets):
            return tuple(names) or tuple(map(str, range(database.shape[1]))), sets[0], sets[1]
        database, query = (one.argmax(axis=1) for one in sets)
    if (database.dtype.kind in "iub") != (query.dtype.kind in "iub"):
        raise ValueError(f"{source}: labels of one split are texts, and of the other numbers; must be of one kind")
    for name, labels in (("database", database), ("query", query)):
        if labels.dtype.kind in "iub":
            _check_numbers(f"{source}: {name}", labels, names)
    found = [np.unique(labels, return_inverse=True) for labels in (database, query)]
    # Python's numbers hold int64 and uint64 together; no integer type of numpy does.
    occurring = sorted({value for unique, _ in found for value in unique.tolist()})
    number = {value: position for position, value in enumerate(occurring)}
    first, second = (
        np.array([number[value] for value in unique.tolist()], dtype=np.int64)[inverse] for unique, inverse in found
    )
    return tuple(names[value] if names else str(value) for value in occurring), first, second


def _check_numbers(where: str, labels: Labels, names: Sequence[str]) -> None:
    wrong = labels < 0
    if names:
        wrong |= labels >= len(names)
    if wrong.any():
        row = int(wrong.argmax())
        right = f"in 0..{len(names) - 1}, the classes with a name" if names else "0 or more"
        raise ValueError(f"{where} item {row} has label {labels[row]}, must be {right}")
