"""Artifacts and records on disk: written under a temporary name, flushed, renamed; verified when read.

An entry is a folder ``ROOT/KIND/KEY`` with arrays (``.npy``) and ``entry.json`` (what it is, and the checksum of each
array). The rename is the commit: what a killed run leaves half-written is never seen by another.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

FORMAT = 1
MAPPED_SHARE = 0.25
"""Of the free memory: a larger array is mapped, so that a database beyond memory can be searched and re-ranked."""


@dataclass(frozen=True)
class Entry:
    """What was stored: ``meta`` (JSON's types) and the arrays, by name."""

    meta: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Store:
    """Entries under a folder, by kind and key."""

    root: Path

    def path(self, kind: str, key: str) -> Path:
        """Where an entry stands, or would."""
        return self.root / kind / key

    def has(self, kind: str, key: str) -> bool:
        """Whether the entry is there, whole."""
        return (self.path(kind, key) / "entry.json").is_file()

    def write(self, kind: str, key: str, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Store an entry; one that is already there is replaced. OSError: the disk is full or read-only."""
        target = self.path(kind, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{key[:8]}-", dir=target.parent))
        try:
            for name, array in arrays.items():
                _flush(temporary / f"{name}.npy", array)
            sums = {name: _checksum(temporary / f"{name}.npy") for name in arrays}
            entry = {"format": FORMAT, "meta": dict(meta), "checksums": sums}
            _flush(temporary / "entry.json", json.dumps(entry, indent=1))
            _replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def meta(self, kind: str, key: str) -> dict[str, Any]:
        """What an entry says of itself, without its arrays."""
        meta: dict[str, Any] = self._entry(kind, key)["meta"]
        return meta

    def read(self, kind: str, key: str) -> Entry:
        """An entry with its arrays: in memory, or mapped from the file where one takes a large share of what is free.

        ValueError: it is damaged or of another format.
        """
        entry = self._entry(kind, key)
        arrays = {}
        for name, expected in entry["checksums"].items():
            path = self.path(kind, key) / f"{name}.npy"
            if not path.is_file() or _checksum(path) != expected:
                raise ValueError(f"{path} is damaged: its checksum differs; delete {path.parent} and run again")
            large = path.stat().st_size > MAPPED_SHARE * psutil.virtual_memory().available
            arrays[name] = np.load(path, mmap_mode="r" if large else None, allow_pickle=False)
        return Entry(entry["meta"], arrays)

    def _entry(self, kind: str, key: str) -> dict[str, Any]:
        path = self.path(kind, key) / "entry.json"
        try:
            entry: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as fault:
            raise ValueError(f"{path} is damaged ({fault}); delete {path.parent} and run again") from fault
        if entry.get("format") != FORMAT:
            raise ValueError(f"{path} has format {entry.get('format')!r}; this version reads format {FORMAT}")
        return entry


def _flush(path: Path, content: NDArray[Any] | str) -> None:
    with path.open("wb") as file:
        if isinstance(content, str):
            file.write(content.encode())
        else:
            np.lib.format.write_array(file, np.ascontiguousarray(content), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def _checksum(path: Path) -> str:
    total = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            total.update(block)
    return total.hexdigest()


def _replace(temporary: Path, target: Path) -> None:
    """Rename a folder over another: the old one is moved aside first, since a folder can't be renamed onto one."""
    if target.exists():
        aside = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
        target.rename(aside / "entry")
        temporary.rename(target)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        temporary.rename(target)
