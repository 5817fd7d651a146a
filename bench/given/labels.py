"""What an array of labels may be: as users have them, of any numbering, and as the harness has them (``Labels``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Labels

UserLabels = NDArray[Any]
"""Whole numbers of any type, or texts, [n]; or sets of classes, of 0 and 1 of any type [n, classes]."""
KINDS = {"biufU": "integers or texts", "biuUS": "integers or texts", "iu": "integers"}
"""What labels of numpy's kinds are called."""
INTEGER = re.compile(r"0|-?[1-9][0-9]*")
NUMBER = re.compile(r"[+-]?(?!0[0-9])([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
"""A number as text, without zeros in front of it."""


def check_labels(
    where: str, labels: Any, count: int, kinds: str = "biuUS", read: Callable[[Any], NDArray[Any]] = np.asarray
) -> None:
    """Raises ValueError: a source with ``dtype`` and ``shape`` is neither labels [count], of one of KINDS, nor sets of
    classes, 0 and 1 [count, classes]. ``read`` makes it an array, which is done for sets only.
    """
    are_sets = len(labels.shape) == 2 and labels.shape[1] > 1
    if labels.dtype.kind not in ("biuf" if are_sets else kinds) or not (are_sets or len(labels.shape) == 1):
        right = f"must be {KINDS[kinds]} [n], or 0 and 1 [n, classes]"
        raise ValueError(f"{where}: {labels.dtype} {list(labels.shape)}, {right}")
    if labels.shape[0] != count or not count:
        raise ValueError(f"{where}: {labels.shape[0]:,} labels for {count:,} items, must be as many, and at least one")
    if not are_sets:
        return
    sets = read(labels)
    wrong = (sets != 0) & (sets != 1)
    if wrong.any():
        row, column = np.unravel_index(int(wrong.argmax()), wrong.shape)
        raise ValueError(f"{where}: {sets[row, column]} at row {row}, column {column}; a set of classes is of 0 and 1")


def read_labels(where: str, labels: NDArray[Any], count: int) -> UserLabels:
    """The labels of ``count`` items, of an array [n], [n, 1] or [1, n] of integers, whole numbers or texts, or of an
    array [n, classes] of 0 and 1.

    Raises ValueError: they are of another shape, type or number, or a label is no whole number or an empty text.
    """
    if labels.ndim == 2 and (labels.shape[1] == 1 or (len(labels) == 1 and count > 1)):
        labels = labels.ravel()
    if labels.dtype.kind == "O" and len({type(label) for label in labels.flat}) == 1:
        labels = np.array(labels.tolist())
    check_labels(where, labels, count, "biufU")
    if labels.dtype.kind == "U" and (labels == "").any():
        row = int((labels == "").argmax())
        raise ValueError(f"{where}: the label at row {row} is empty; a label must be a whole number or a text")
    if labels.ndim == 2 or labels.dtype.kind != "f":
        return labels
    wrong = np.flatnonzero(~(np.abs(labels) < 2**53) | (labels != np.floor(labels)))
    if len(wrong):
        raise ValueError(f"{where}: {labels[wrong[0]]} at row {wrong[0]}; a label must be a whole number or a text")
    return labels.astype(np.int64)


def of_one_kind(where: tuple[str, str], labels: tuple[UserLabels, UserLabels]) -> tuple[UserLabels, UserLabels]:
    """The labels of both splits, as ``read_labels`` gives them, with texts as numbers where all of both are numbers.

    Texts are numbers if each of a split is a whole number, without zeros in front and in one spelling alone; as a file
    of text has class numbers. Else those of both splits are names as they are written, and 01 and 1 are two.

    Raises ValueError: a label among numbers is NaN or infinite.
    """
    first, second = (_numbers(one) if one.dtype.kind == "U" else one for one in labels)
    if first is None or second is None:
        return labels
    return read_labels(where[0], first, len(first)), read_labels(where[1], second, len(second))


def _numbers(texts: NDArray[np.str_]) -> NDArray[Any] | None:
    """Texts [n] as numbers; None if they are names."""
    unique, inverse = np.unique(texts, return_inverse=True)
    if all(INTEGER.fullmatch(text) for text in unique.tolist()):
        values = [*map(int, unique.tolist())]
        kinds = [kind for kind in (np.int64, np.uint64) if _holds(kind, values)]
        return np.array(values, dtype=kinds[0])[inverse] if kinds else None
    if not all(NUMBER.fullmatch(text) for text in unique.tolist()):
        return None
    reals = unique.astype(np.float64)
    finite = reals[np.isfinite(reals)]
    is_whole = bool(((np.abs(finite) < 2**53) & (finite == np.floor(finite))).all())
    return reals[inverse] if is_whole and len(np.unique(reals)) == len(reals) else None


def _holds(kind: type[np.integer[Any]], values: Sequence[int]) -> bool:
    return np.iinfo(kind).min <= min(values) and max(values) <= np.iinfo(kind).max


def as_texts(where: str, labels: NDArray[Any]) -> NDArray[Any]:
    """The labels; those that are bytes, decoded as UTF-8.

    Raises ValueError: they are not UTF-8.
    """
    if labels.dtype.kind != "S":
        return labels
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError as fault:
        raise ValueError(f"{where}: texts must be UTF-8 ({fault})") from fault


def number_classes(
    source: str, database: UserLabels, query: UserLabels, names: Sequence[str] = (), signed: bool = False
) -> tuple[tuple[str, ...], Labels, Labels]:
    """The classes that occur, ascending, and both splits' labels as positions in these, int64 [n]; or all classes, and
    sets of classes as bool [n, classes]. Sets of one class each are labels like any other.

    A class is called by its label, or by the name at the label's place if there are ``names``. So neither time nor
    memory follows the largest label. With ``signed`` a label below 0, which commonly stands for none, is a class too.

    Raises ValueError: a label is below 0 without that, or has no name; one split has texts and the
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
        if labels.dtype.kind in "iub" and not signed:
            _check_numbers(f"{source}: {name}", labels, names)
    found = [np.unique(labels, return_inverse=True) for labels in (database, query)]
    # Python's numbers hold int64 and uint64 together; no integer type of numpy does.
    occurring = sorted({value for unique, _ in found for value in unique.tolist()})
    number = {value: position for position, value in enumerate(occurring)}
    first, second = (
        np.array([number[value] for value in unique.tolist()], dtype=np.int64)[inverse] for unique, inverse in found
    )
    return tuple(names[value] if names else str(value) for value in occurring), first, second


def _check_numbers(where: str, labels: UserLabels, names: Sequence[str]) -> None:
    wrong = labels < 0
    if names:
        wrong |= labels >= len(names)
    if wrong.any():
        row = int(wrong.argmax())
        right = f"in 0..{len(names) - 1}, the classes with a name" if names else "0 or more"
        raise ValueError(f"{where} item {row} has label {labels[row]}, must be {right}")
