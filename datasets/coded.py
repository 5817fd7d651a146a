"""Codes that a data set holds: read in any form, with their labels and vectors, they become its items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.given.forms import as_codes, packed_bits
from bench.given.labels import UserLabels, number_classes
from bench.interfaces import Codes, Float, Items
from datasets.arrays import is_rounded, read_vectors
from datasets.twins import Hashes, content_hash, given_hashes

MOST_BITS = 2**16


@dataclass(frozen=True)
class CodePart:
    """One split as it stands in files: codes of any form of ``bench.given.forms``, labels, and vectors [n, d].

    ``where`` names the codes in an error, ``vectors_where`` the vectors. Labels or vectors are None if there are none.
    """

    where: str
    codes: NDArray[Any]
    labels: UserLabels | None = None
    vectors: NDArray[Any] | None = None
    vectors_where: str = ""


class Coded(NamedTuple):
    """What a data set of codes keeps: classes (None without labels), items, content hashes, remarks, and the content
    hashes of vectors in their files where these are read with losses.
    """

    classes: Sequence[str] | None
    database: Items
    query: Items
    hashes: Hashes
    remarks: list[str]
    given: Hashes | None


def coded(
    source: str, hashed: Callable[[], str], database: CodePart, query: CodePart, bits: int | None = None
) -> Coded:
    """The items of a data set of codes. Without ``bits`` packed codes have all the bits that there is room for.

    Equal codes say nothing of their items, so that only vectors have content hashes. The files are ``hashed`` when all
    is found to be right.

    Raises ValueError: codes can't be read as codes, or a label or a vector is wrong.
    """
    length = packed_bits(query.codes, database.codes) if bits is None else bits
    given = as_codes((query.where, database.where), query.codes, database.codes, length)
    if given[0].codes.bits > MOST_BITS:
        raise ValueError(f"{database.where}: codes of {given[0].codes.bits:,} bits; at most {MOST_BITS:,}")
    remarks = [remark for one in given for remark in one.remarks]
    classes, of_database, of_query = None, None, None
    if database.labels is not None and query.labels is not None:
        classes, of_database, of_query = number_classes(source, database.labels, query.labels)
    vectors = [_vectors(part, remarks) for part in (database, query)]
    fingerprint = hashed()
    first = _items(0, f"{fingerprint}/train", given[1].codes, of_database, vectors[0])
    second = _items(len(first), f"{fingerprint}/query", given[0].codes, of_query, vectors[1])
    told = [remark.removeprefix(f"{source}/") for remark in remarks]
    return Coded(classes, first, second, (_hashes(vectors[0]), _hashes(vectors[1])), told, _given(database, query))


def _vectors(part: CodePart, remarks: list[str]) -> Float | None:
    if part.vectors is None:
        return None
    vectors, said = read_vectors(part.vectors_where, part.vectors)
    remarks += said
    return vectors


def _items(first_id: int, fingerprint: str, codes: Codes, labels: UserLabels | None, vectors: Float | None) -> Items:
    ids = np.arange(first_id, first_id + len(codes), dtype=np.int64)
    every = np.broadcast_to(np.int64(-1), len(codes)) if labels is None else labels
    return Items(ids, every, fingerprint, vectors=vectors, codes=codes)


def _given(database: CodePart, query: CodePart) -> Hashes | None:
    if database.vectors is None or query.vectors is None:
        return None
    rounded = is_rounded(database.vectors) or is_rounded(query.vectors)
    return given_hashes([database.vectors], [query.vectors]) if rounded else None


def _hashes(vectors: Float | None) -> Iterator[bytes]:
    return (content_hash(row.tobytes()) for row in (() if vectors is None else vectors))
