"""Makes the codes of a fitted hasher: the database codes, learned or encoded, and the codes of the queries."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Set
from typing import Any

import numpy as np

from bench.grids.cells import Cell
from bench.grids.checks import reads
from bench.interfaces import Codes, Float, Hasher, Int, Items, Model, SplitName
from bench.stages.parts import parts
from bench.store.entries import Entry
from bench.store.parts import Part, whole

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


def coded(hasher: Hasher, model: Model, names: Set[str], split: Splits, trained: Int | None) -> Iterator[Part]:
    """The parts of one model's arrays that ``names`` lists: words uint64 [n, w], and real values float32 [n, bits].

    ``trained``: the rows of the database that learned codes belong to, ascending; the others have encoded codes. None
    if learned codes are no codes of the database. If the hasher learned none, their array is left out.

    Raises ValueError: codes of another number or length, or real values of another type or shape.
    """
    if not any(name.startswith(f"{model}-") for name in names):
        return
    use(hasher, model)
    database, mixed = split("database"), None
    if codes_name(model, "learned") in names and trained is not None and hasher.database_codes_ is not None:
        learned = hasher.database_codes_
        if len(trained) < len(database):
            mixed = learned, trained
        else:
            _check(hasher, "learned", learned, len(database))
            yield whole(codes_name(model, "learned"), learned.words)
    yield from _encoded(hasher, model, names, "encoded", database, mixed)
    yield from _encoded(hasher, model, names, "query", split("query"))


def _encoded(
    hasher: Hasher, model: Model, names: Set[str], part: str, items: Items, mixed: tuple[Codes, Int] | None = None
) -> Iterator[Part]:
    """The parts of the codes of a split, of the real values behind them, and of learned codes ``mixed`` into them."""
    real = real_name(model, part) in names  # codes are the signs of real values: items are encoded once
    wanted = real or codes_name(model, part) in names
    if not wanted and mixed is None:
        return
    for first, some in parts(hasher, items):
        if real:
            values = _real_values(hasher, some)
            yield Part(real_name(model, part), len(items), values)
            codes = Codes.pack(values)
        else:
            codes = hasher.encode(some)
        _check(hasher, part, codes, len(some))
        if wanted:
            yield Part(codes_name(model, part), len(items), codes.words)
        if mixed is not None:
            yield Part(codes_name(model, "learned"), len(items), completed(*mixed, codes, first).words)


def _check(hasher: Hasher, part: str, codes: Codes, count: int) -> None:
    """Raises ValueError: codes of another number or length."""
    if (len(codes), codes.bits) != (count, hasher.bits):
        found = f"{len(codes)} {part} codes of {codes.bits} bits"
        raise ValueError(f"{found}; expected {count}, one an item, of bits = {hasher.bits}")


def completed(learned: Codes, trained: Int, encoded: Codes, first: int = 0) -> Codes:
    """Codes of the database from row ``first`` on: the learned ones at the rows ``trained``, else the encoded ones.

    Raises ValueError: there are not as many learned codes as rows, or they are of another length.
    """
    if len(learned) != len(trained):
        raise ValueError(f"{len(learned)} learned codes; expected {len(trained)}, one a train item")
    if encoded.bits != learned.bits:
        raise ValueError(f"learned codes have {learned.bits} bits, encoded ones {encoded.bits}")
    here = slice(*np.searchsorted(trained, (first, first + len(encoded))))
    words = encoded.words.copy()
    words[trained[here] - first] = learned.words[here]
    return Codes(words, learned.bits)


def is_of(hasher: Hasher, stored: Entry, queries: Items) -> bool:
    """Whether this fitted hasher made the stored codes. It does if it codes a sample of the queries alike."""
    for model in stored.meta["models"]:
        words = stored.arrays.get(codes_name(model, "query"))
        if words is not None:
            use(hasher, model)
            sample = queries.take(np.arange(min(SAMPLE, len(queries)), dtype=np.int64))
            # Without a fingerprint no result of the sample is kept in the cache.
            again = hasher.encode(dataclasses.replace(sample, fingerprint=""))
            return np.array_equal(again.words, words[: len(sample)])
    return False


def is_finite(array: Float) -> bool:
    """Whether all values are finite, found without a second array of the same size."""
    return array.size == 0 or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def use(hasher: Any, model: Model) -> None:
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
