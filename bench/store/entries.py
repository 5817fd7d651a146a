"""Stores artifacts and records on disk: made once, written whole, verified when they are read.

An entry is a folder ``ROOT/KIND/KEY`` with arrays (``.npy``) and ``entry.json``, which holds the description, a
checksum of each array and a checksum of itself. The rename of a finished folder is the commit, so no run sees a folder
that a killed run left half-written. Of several runs that want an entry, on any hosts that share the folder, one makes
it, under a lease in ``ROOT/locks`` (`bench.system.leases`); the others wait and read it. A damaged entry is never used:
it is named and made again.

A store may have an object store behind it (`bench.store.remote`). Then the folder is a cache before it: an entry that
is missing or damaged here is fetched, verified and published whole, and an entry that is written here is uploaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.store.identity import digest
from bench.store.parts import Part, write_parts
from bench.store.remote import ENTRY as ENTRY
from bench.store.remote import ObjectStore
from bench.system.files import (
    TEMPORARY,
    checksum,
    plain_name,
    publish,
    room_for,
    temporary_folder,
    write_array,
    write_text,
)
from bench.system.leases import Leases
from bench.system.memory import free_bytes
from bench.system.wording import encodable

FORMAT = 1
SURROGATE = "\\ud"
"""The beginning of an escape in JSON for half a character. One without its other half is in no file."""
LOCKS = "locks"
"""The folder of the leases."""
MAPPED_SHARE = 0.25
"""A share of the memory that is free. A larger array is mapped, so a database beyond memory can be searched."""

T = TypeVar("T")
Meta = dict[str, Any]
Arrays = Mapping[str, NDArray[Any]]
Made = tuple[Meta, Arrays | Iterable[Part]]
"""The description of an entry that is not stored yet, and its arrays, or their parts, made as they are written."""


class Damaged(ValueError):
    """An entry that is not as it was written. The message names the file."""


@dataclass(frozen=True)
class Entry:
    """A stored entry: its description ``meta`` (JSON's types) and its arrays, by name."""

    meta: Meta
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Store:
    """The entries under a folder, by kind and key. ``say`` gets a line if an entry is waited for or damaged.

    ``remote``: the object store behind the folder, if there is one. Then every method that asks for an entry may raise
    `bench.store.remote.Unreachable`.
    ``memory``: the most bytes that this process may take, where it has a limit that the system does not know.
    """

    root: Path
    say: Callable[[str], None] = print
    remote: ObjectStore | None = None
    memory: int | None = None
    _leases: Leases = field(default_factory=Leases, compare=False, repr=False)

    def path(self, kind: str, key: str) -> Path:
        """The folder of an entry, also if the entry is missing.

        Raises ValueError: the kind or the key is no plain name.
        """
        return self.root / plain_name("kind", kind) / plain_name("key", key)

    def work(self, key: str) -> Path:
        """The folder of a training, for its checkpoints and its log."""
        return self.path("work", key)

    def kinds(self) -> list[str]:
        """The kinds that have entries or temporary folders."""
        folders = [folder for folder in self._children(self.root) if folder.is_dir()]
        return [one.name for one in folders if any(map(_is_or_was_an_entry, self._children(one)))]

    def keys(self, kind: str) -> list[str]:
        """The keys of the entries of a kind, sorted. Other files in the folder are ignored."""
        paths = [path for path in self._children(self.root / kind) if not path.name.startswith(TEMPORARY)]
        there = set() if self.remote is None else self.remote.keys(kind)
        return sorted(there.union(path.name for path in paths if (path / ENTRY).is_file()))

    def has(self, kind: str, key: str) -> bool:
        """Whether the entry exists. It is not verified before it is read."""
        return (self.path(kind, key) / ENTRY).is_file() or self._is_there(kind, key)

    def once(self, kind: str, key: str, make: Callable[[], Made], holds: Callable[[Meta], bool] | None = None) -> Entry:
        """The entry. If it is missing or damaged, one process of several makes it by ``make`` and stores it first.

        An entry is also made again if ``holds``, called with its meta, says that it lacks something.
        """
        with suppress(FileNotFoundError, Damaged):
            if holds is None or holds(self.meta(kind, key)):
                return self.read(kind, key)
        with self.hold(kind, key):
            entry = self.find(kind, key)
            if entry is not None and (holds is None or holds(entry.meta)):
                return entry
            while True:
                ours = self.write(kind, key, *make())
                entry = self.read(kind, key)
                if ours or holds is None or holds(entry.meta):
                    return entry

    def find(self, kind: str, key: str) -> Entry | None:
        """The entry. None if it is missing, or damaged, which a line says."""
        try:
            return self.read(kind, key)
        except FileNotFoundError:
            return None
        except Damaged as fault:
            self.say(f"{fault}; what it holds is made again")
            return None

    @contextmanager
    def hold(self, kind: str, key: str, wait: bool = True) -> Iterator[None]:
        """Inside, this process alone makes the entry and fills the folder of its training.

        It holds a lease among the hosts that share the folder, whose limits `bench.system.leases` states. A line says
        if it waits. Hosts that share an object store alone do not see each other's leases.

        Raises bench.system.leases.Held: another process holds it, and this one does not ``wait``. Raises DiskFull.
        """
        lease = self.path(LOCKS, f"{kind}-{key}")
        with self._leases.hold(lease, str(self.path(kind, key)), wait, self.say):
            yield

    def write(self, kind: str, key: str, meta: Mapping[str, Any], arrays: Arrays | Iterable[Part]) -> bool:
        """Store an entry, in place of an earlier one. Returns whether it is the one that is stored now.

        Its arrays are given, or made part by part as they are written. Where the object store has an entry of another
        host that is not the earlier one, that is fetched and kept.

        Raises DiskFull: it doesn't fit, and nothing has changed. ValueError: see ``bench.store.parts.write_parts``.
        """
        target = self.path(kind, key)
        earlier = None if self.remote is None else self._text(kind, key)
        with room_for(target), temporary_folder(target) as folder:
            if isinstance(arrays, Mapping):
                sums = {name: write_array(folder / f"{plain_name('array', name)}.npy", arrays[name]) for name in arrays}
            else:
                sums = write_parts(folder, arrays)
            text = _description(meta, sums)
            write_text(folder / ENTRY, text)
            publish(folder, target)
        return self.remote is None or self._upload(self.remote, kind, key, text, earlier)

    def share(self, kind: str, key: str) -> None:
        """Upload an entry that the object store lacks. A missing or damaged entry is ignored."""
        if self.remote is None or self._is_there(kind, key):
            return
        with suppress(FileNotFoundError, Damaged):
            self._verify(kind, key)
            self._upload(self.remote, kind, key, self._text(kind, key) or "", None)

    def _upload(self, remote: ObjectStore, kind: str, key: str, text: str, earlier: str | None) -> bool:
        """Upload an entry in place of the ``earlier`` one. Returns False if another one is there, which is fetched."""
        self._put(remote, kind, key, text)
        if remote.create(kind, key, text):
            return True
        there = remote.description(kind, key)
        if there != earlier:
            if self._fetch(kind, key):
                return there == text
            self._put(remote, kind, key, text, again=True)
        remote.overwrite(kind, key, text)
        return True

    def _put(self, remote: ObjectStore, kind: str, key: str, text: str, again: bool = False) -> None:
        for name, total in _parsed(text)["checksums"].items():
            remote.put(total, self.path(kind, key) / f"{name}.npy", again)

    def _is_there(self, kind: str, key: str) -> bool:
        """Whether the object store has the entry, if there is one."""
        return self.remote is not None and key in self.remote.keys(kind)

    def _fetch(self, kind: str, key: str) -> bool:
        """Fetch an entry in place of the one here. Returns whether the object store has it as it was written."""
        remote = self.remote
        text = None if remote is None else remote.description(kind, key)
        if remote is None or text is None:
            return False
        target = self.path(kind, key)
        with room_for(target), temporary_folder(target) as folder:
            try:
                described = _parsed(text)
                for name, total in described["checksums"].items() if described["format"] == FORMAT else ():
                    path = folder / f"{name}.npy"
                    if not remote.fetch(total, path) or checksum(path) != total:
                        raise ValueError(f"array {name}: its checksum differs")
            except ValueError as fault:
                self.say(f"{remote.url}/{kind}/{key} is damaged ({fault}) and not used")
                return False
            write_text(folder / ENTRY, text)
            publish(folder, target)
        return True

    def _found(self, kind: str, key: str, look: Callable[[], T]) -> T:
        """What is found of an entry. If it is missing or damaged, it is fetched first from the object store."""
        try:
            return look()
        except (FileNotFoundError, Damaged) as fault:
            if not (self._is_there(kind, key) and self._fetch(kind, key)):
                raise
            if isinstance(fault, Damaged):
                self.say(f"{fault}; it was fetched again")
            return look()

    def meta(self, kind: str, key: str) -> Meta:
        """The description of an entry, without its arrays. UTF-8 has all its texts, whatever a plugin told.

        Errors: see ``read``.
        """
        meta: Meta = self._found(kind, key, lambda: self._description(kind, key))["meta"]
        return meta

    def read(self, kind: str, key: str) -> Entry:
        """An entry with its arrays. An array that would take a large share of the free memory is mapped from its file.

        Raises Damaged: it is not as it was written.
        Raises FileNotFoundError: there is no such entry. ValueError: its format is newer.
        """
        return self._found(kind, key, lambda: self._read(kind, key))

    def _read(self, kind: str, key: str) -> Entry:
        described = self._description(kind, key)
        paths = {name: self._sound(kind, key, name, total) for name, total in described["checksums"].items()}
        return Entry(described["meta"], {name: _load(path, self.memory) for name, path in paths.items()})

    def verify(self, kind: str, key: str) -> list[Path]:
        """Verify an entry. Returns its files. Errors: see ``read``."""
        return self._found(kind, key, lambda: self._verify(kind, key))

    def _verify(self, kind: str, key: str) -> list[Path]:
        sums = self._description(kind, key)["checksums"]
        return [self.path(kind, key) / ENTRY, *(self._sound(kind, key, name, total) for name, total in sums.items())]

    def is_sound(self, kind: str, key: str) -> bool:
        """Whether the entry exists and is as it was written."""
        try:
            self.verify(kind, key)
        except (FileNotFoundError, Damaged):
            return False
        return True

    def touch(self, kind: str, key: str) -> None:
        """Mark an entry as in use by the time of its folder. A missing entry is ignored."""
        with suppress(OSError):  # missing, or in a store that is read-only
            os.utime(self.path(kind, key))

    def _text(self, kind: str, key: str) -> str | None:
        """The text of ``entry.json`` here. None if it is missing or no text."""
        try:
            return (self.path(kind, key) / ENTRY).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None

    def _description(self, kind: str, key: str) -> dict[str, Any]:
        path = self.path(kind, key) / ENTRY
        try:
            text = path.read_text(encoding="utf-8")
            entry = _parsed(text)
        except ValueError as fault:
            raise Damaged(f"{path} is damaged ({fault})") from fault
        if entry["format"] > FORMAT:
            raise ValueError(
                f"{path} has format {entry['format']}, and this version reads format {FORMAT}: use the version of "
                "bench that wrote it, or other folders (--cache-dir, --out)"
            )
        return _encodable(entry) if SURROGATE in text else entry

    def _sound(self, kind: str, key: str, name: str, expected: str) -> Path:
        path = self.path(kind, key) / f"{name}.npy"
        if not path.is_file():
            raise Damaged(f"{path} is missing")
        if checksum(path) != expected:
            raise Damaged(f"{path} is damaged (its checksum differs)")
        return path

    @staticmethod
    def _children(folder: Path) -> list[Path]:
        return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_or_was_an_entry(path: Path) -> bool:
    return path.name.startswith(TEMPORARY) or (path / ENTRY).is_file()


def _load(path: Path, memory: int | None) -> NDArray[Any]:
    """The array of a file that was verified. ``memory``: see `Store`."""
    free = free_bytes() if memory is None else min(memory, free_bytes())
    large = path.stat().st_size > MAPPED_SHARE * free
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r" if large else None, allow_pickle=False)
    except ValueError as fault:
        raise Damaged(f"{path} is damaged ({fault})") from fault
    return array


def _description(meta: Mapping[str, Any], checksums: dict[str, str]) -> str:
    """The text of ``entry.json``."""
    described = {"format": FORMAT, "meta": json.loads(json.dumps(dict(meta))), "checksums": checksums}
    return json.dumps({**described, "checksum": digest(described)}, indent=1)


def _encodable(value: Any) -> Any:
    """A value of JSON's types with texts that can be written."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list):
        return [_encodable(one) for one in value]
    if isinstance(value, dict):
        return {encodable(name): _encodable(one) for name, one in value.items()}
    return value


def _parsed(text: str) -> dict[str, Any]:
    """The content of ``entry.json``, without its own checksum.

    Of a newer format only the number is read. An entry without a checksum of its own is not verified by it.

    Raises ValueError: it is not as it was written.
    """
    entry = json.loads(text)
    if not isinstance(entry, dict) or not isinstance(entry.get("format"), int):
        raise ValueError("it names no format")
    if entry["format"] > FORMAT:
        return entry
    own = entry.pop("checksum", None)
    if own is not None and own != digest(entry):
        raise ValueError("its checksum differs")
    if entry["format"] < FORMAT or not isinstance(entry.get("meta"), dict) or "checksums" not in entry:
        raise ValueError("it describes no entry")
    for name in entry["checksums"]:
        plain_name("array", name)
    return entry
