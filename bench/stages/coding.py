"""Makes the codes of a fitted hasher: the database codes, learned or encoded, and the codes of the queries."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.grids.cells import Cell
from bench.grids.checks import reads
from bench.interfaces import Codes, Float, Hasher, Int, Items, Model, SplitName
from bench.store.entries import Entry

Splits = Callable[[SplitName], Items]
SAMPLE = 256
"""Queries that are coded again to test whether two trainings gave the same network."""


def codes_name(model: Model, part: str) -> str:
    """The name of the array of a model's codes. ``part``: "query", "encoded" or "learned"."""
    return f"{model}-{part}"


def real_name(model: Model, part: str) -> str:
    """The name of the array of the real values behind a model's codes. ``part``: "query" or "encoded"."""
    return f"{codes_name(model, part)}-real"


def arrays_read(cell: Cell) -> frozenset[str]:
    """The names of the arrays that a cell with a hasher reads. Learned codes have no real values."""
    assert cell.model is not None and cell.database_codes is not None
    parts = ("query", cell.database_codes)
    names = [codes_name(cell.model, part) for part in parts]
    if "real_codes" in reads(cell):
        names += [real_name(cell.model, part) for part in parts if part != "learned"]
    return frozenset(names)


def coded(hasher: Hasher, model: Model, names: Set[str], split: Splits, trained: Int | None) -> dict[str, NDArray[Any]]:
    """The arrays of one model that ``names`` lists: words uint64 [n, w], and real values float32 [n, bits].

    ``trained``: the rows of the database that learned codes belong to, ascending; the others have encoded codes. None
    if learned codes are no codes of the database. If the hasher learned none, their array is left out.

    Raises ValueError: codes of another number or length, or real values of another type or shape.
    """
    if not any(name.startswith(f"{model}-") for name in names):
        return {}
    _use(hasher, model)
    codes: dict[str, Codes] = {}
    arrays: dict[str, NDArray[Any]] = {}
    splits: tuple[tuple[str, SplitName], ...] = (("encoded", "database"), ("query", "query"))
    for part, items in splits:
        if real_name(model, part) in names:  # codes are the signs of real values: items are encoded once
            arrays[real_name(model, part)] = _real_values(hasher, split(items))
            codes[part] = Codes.pack(arrays[real_name(model, part)])
        elif codes_name(model, part) in names:
            codes[part] = hasher.encode(split(items))
    if codes_name(model, "learned") in names and trained is not None and hasher.database_codes_ is not None:
        database = split("database")
        codes["learned"] = completed(
            hasher.database_codes_,
            trained,
            len(database),
            lambda: codes["encoded"] if "encoded" in codes else hasher.encode(database),
        )
    for part, code in codes.items():
        count = len(split("query" if part == "query" else "database"))
        if (len(code), code.bits) != (count, hasher.bits):
            found = f"{len(code)} {part} codes of {code.bits} bits"
            raise ValueError(f"{found}; expected {count}, one an item, of bits = {hasher.bits}")
    return arrays | {codes_name(model, part): code.words for part, code in codes.items()}


def completed(learned: Codes, trained: Int, items: int, encode: Callable[[], Codes]) -> Codes:
    """The learned codes at the rows ``trained`` of a database of so many items, and encoded codes at the others.

    ``encode`` makes those of the whole database. It is not called if all of it was trained on.

    Raises ValueError: there are not as many learned codes as rows, or they are of another length.
    """
    if len(trained) == items:
        return learned
    if len(learned) != len(trained):
        raise ValueError(f"{len(learned)} learned codes; expected {len(trained)}, one a train item")
    encoded = encode()
    if encoded.bits != learned.bits:
        raise ValueError(f"learned codes have {learned.bits} bits, encoded ones {encoded.bits}")
    words = encoded.words.copy()
    words[trained] = learned.words
    return Codes(words, learned.bits)


def is_of(hasher: Hasher, stored: Entry, queries: Items) -> bool:
    """Whether this fitted hasher made the stored codes. It does if it codes a sample of the queries alike."""
    for model in stored.meta["models"]:
        words = stored.arrays.get(codes_name(model, "query"))
        if words is not None:
            _use(hasher, model)
            sample = queries.take(np.arange(min(SAMPLE, len(queries)), dtype=np.int64))
            # Without a fingerprint no result of the sample is kept in the cache.
            again = hasher.encode(dataclasses.replace(sample, fingerprint=""))
            return np.array_equal(again.words, words[: len(sample)])
    return False


def is_finite(array: Float) -> bool:
    """Whether all values are finite, found without a second array of the same size."""
    return array.size == 0 or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def _use(hasher: Any, model: Model) -> None:
    """Make the hasher code with this model from now on, if it has several."""
    if hasattr(hasher, "use"):
        hasher.use(model)


def _real_values(hasher: Any, items: Items) -> Float:
    """The values of ``encode_real`` for the items.

    Raises ValueError: they are not finite float32 [n, bits].
    """
    values: Float = hasher.encode_real(items)
    if values.dtype != np.float32 or values.shape != (len(items), hasher.bits) or not is_finite(values):
        expected = f"finite float32 {[len(items), hasher.bits]}"
        raise ValueError(f"encode_real returned {values.dtype} {list(values.shape)}; expected {expected}")
    return values
