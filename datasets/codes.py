"""Codes of the user's own, packed or not, with or without labels, with or without the vectors that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from bench.given.files import NAMES, READERS, Arrays, arrays_of, place
from bench.given.forms import check_form
from bench.given.labels import of_one_kind, read_labels
from bench.interfaces import Context
from datasets.arrays import check_vectors
from datasets.checks import file_hash, needed_folder
from datasets.coded import MOST_BITS, CodePart, coded
from datasets.train_test import TrainTest

VECTORS = {name: (name,) for name in ("query_vectors", "database_vectors")}
ROLES = {**NAMES, **VECTORS}
"""The arrays of a data set of codes, and the names that each may have in a file that holds all."""
SEVERAL = (".npz", ".mat", ".h5", ".hdf5", ".pt", ".pth")
"""The endings of files that may hold all arrays."""
HOLDING = (
    "query and database, with query_labels and database_labels or without, with query_vectors and database_vectors or "
    f"without: as files of these names ({', '.join(READERS)}), or all in one file ({', '.join(SEVERAL)})"
)


class OwnCodes(TrainTest):
    """Codes in files: query and database, with labels or without, with the vectors that they stand for or without.

    ``data_dir`` holds ``query`` and ``database``, and each pair or none of ``query_labels`` and ``database_labels``,
    ``query_vectors`` and ``database_vectors``: as files of these names, such as query.npy, or all in one, such as
    codes.npz. Codes are packed, uint8 in either order of bits or uint64; or they are [n, bits] of truth values, of 0
    and 1, of -1 and 1, or of real values, of which x >= 0 is bit 1. Labels are class numbers from 0, or names. Vectors
    are numbers of any real type [n, d].

    ``bits``: the length of packed codes; None: all the bits that there is room for. ``twins_allowed``: see
    ``TrainTest``; queries are looked for in the database by their vectors.
    """

    content = "codes"
    hasher = "given"

    def __init__(
        self, *, data_dir: Path | None = None, bits: int | None = None, twins_allowed: float | None = None
    ) -> None:
        super().__init__(data_dir, twins_allowed)
        if bits is not None and not 1 <= bits <= MOST_BITS:
            raise ValueError(f"bits is {bits}; allowed: 1 to {MOST_BITS:,}")
        self.bits = bits

    @property
    def labelled(self) -> bool:
        """Whether there are labels; True for unreadable files, which ``fingerprint`` or ``load`` reports."""
        try:
            return "database_labels" in _found(self.data_dir)
        except ValueError:
            return True

    def fingerprint(self) -> str:
        """The hash of the files and of ``bits``. What the heads of .npy files tell to be wrong is told before."""
        found = _found(self.data_dir)
        if all(path.suffix == ".npy" for path, _ in found.values()):
            _parts(found, self.bits)
        files = file_hash(sorted({path for path, _ in found.values()}))
        return files if self.bits is None else f"{files}-{self.bits}"

    def load(self, context: Context) -> Self:
        database, query = _parts(_found(self.data_dir), self.bits)
        source = str(self.data_dir)
        made = coded(source, self.fingerprint, database, query, self.bits)
        return self._keep(source, *made[:4], context, made.remarks, given=made.given)


Found = Mapping[str, tuple[Path, str | None]]
"""The file of each array, and the array's name where the file holds several."""


def _found(data_dir: Path | None) -> Found:
    """The arrays that there are.

    Raises ValueError: there are no codes, one of a pair alone, or two files of one array.
    """
    folder = needed_folder(data_dir, HOLDING)
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in READERS]
    named = {role: [path for path in files if path.stem == role] for role in ROLES}
    for role, paths in named.items():
        if len(paths) > 1:
            raise ValueError(f"{paths[0]} and {paths[1].name} are both {role}: one of them is right")
    found: Found = {role: (paths[0], None) for role, paths in named.items() if paths}
    if not found:
        found = _in_one(folder, [path for path in files if path.suffix.lower() in SEVERAL])
    if not {"query", "database"} <= {*found}:
        there = f"it holds {', '.join(found)}" if found else "it holds none of these"
        raise ValueError(f"{folder} must hold {HOLDING}; {there}")
    for pair in ("labels", "vectors"):
        alone = {f"query_{pair}", f"database_{pair}"} & {*found}
        if len(alone) == 1:
            raise ValueError(f"{folder} holds {alone.pop()} alone; both are right, of query and of database, or none")
    return found


def _in_one(folder: Path, files: Sequence[Path]) -> Found:
    """The arrays of the only file that may hold several; none if there is no such file.

    Raises ValueError: there are several such files, or an array stands in it under two names.
    """
    if len(files) > 1:
        raise ValueError(f"{folder} holds {', '.join(path.name for path in files)}: one file with all arrays is right")
    found: dict[str, tuple[Path, str | None]] = {}
    for path in files:
        held = arrays_of(path)
        for role, names in ROLES.items():
            known = [name for name in names if name in held]
            if len(known) > 1:
                raise ValueError(f"{path} holds {' and '.join(known)}, which are both {role}: one of them is right")
            if known:
                found[role] = (path, known[0])
    return found


def _parts(found: Found, bits: int | None) -> tuple[CodePart, CodePart]:
    """Database and query, of as many labels and vectors as codes.

    Raises ValueError: an array can't be read or does not fit the others.
    """
    files = {path: arrays_of(path) for path in {path for path, _ in found.values()}}
    database, query = (_part(files, found, name, bits) for name in ("database", "query"))
    if database.codes.shape[1] != query.codes.shape[1]:
        told = f"{query.where}: {query.codes.shape[1]} columns"
        raise ValueError(f"{told}, but {database.where} has {database.codes.shape[1]}")
    first, second = database.vectors, query.vectors
    if first is not None and second is not None and first.shape[1] != second.shape[1]:
        told = f"{query.vectors_where}: {second.shape[1]} columns"
        raise ValueError(f"{told}, but {database.vectors_where} has {first.shape[1]}")
    if database.labels is None or query.labels is None:
        return database, query
    where = [place(found[name][0], found[name][1] or "") for name in ("database_labels", "query_labels")]
    labels = of_one_kind((where[0], where[1]), (database.labels, query.labels))
    return replace(database, labels=labels[0]), replace(query, labels=labels[1])


def _part(files: Mapping[Path, Arrays], found: Found, name: str, bits: int | None) -> CodePart:
    where, codes = _read(files, *found[name])
    check_form(where, codes, bits)
    labels, vectors, vectors_where = None, None, ""
    if f"{name}_labels" in found:
        labels_where, array = _read(files, *found[f"{name}_labels"], len(codes))
        labels = read_labels(labels_where, array, len(codes))
    if f"{name}_vectors" in found:
        vectors_where, vectors = _read(files, *found[f"{name}_vectors"], len(codes))
        check_vectors(vectors_where, vectors)
        if len(vectors) != len(codes):
            raise ValueError(f"{vectors_where}: {len(vectors):,} vectors for {len(codes):,} codes in {where}")
    return CodePart(where, codes, labels, vectors, vectors_where)


def _read(
    files: Mapping[Path, Arrays], path: Path, name: str | None, rows: int | None = None
) -> tuple[str, NDArray[Any]]:
    """An array, the only one of its file where it is not named, and its name for messages.

    ``rows``: how many there must be, if known.
    """
    held = files[path]
    if name is None and len(held) != 1:
        raise ValueError(f"{path} holds {', '.join(held) or 'no array'}; one array is right")
    own = next(iter(held)) if name is None else name
    return place(path, own), held[own](rows)
