"""An object store behind the local one, by fsspec: ``s3://``, ``gs://``, ``file://`` and others.

Below its address stand ``KIND/KEY/entry.json``, as in a folder, and ``arrays/CHECKSUM.npy``, an array under the hash of
its content. An upload writes the arrays first and ``entry.json`` last, which is created only if there is none. So half
an upload is no entry, whoever dies when, and of several hosts that made an entry one is first: the others keep its. No
lock takes part. An entry that is replaced on purpose gets other arrays beside the earlier ones, so that whoever reads
meanwhile finds either whole.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.system.files import is_full, plain_name
from bench.system.wording import one_line

ENTRY = "entry.json"
ARRAYS = "arrays"
ABOUT = "README.txt"
ABOUT_TEXT = "Entries of bench (KIND/KEY/entry.json) and their arrays by checksum.\n"
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""The seconds before each new try of a request that failed. After the last try the failure is an error."""
LISTED = 10.0
"""The seconds for which a listing is believed. An entry that another host adds meanwhile may be made twice."""
ANSWERS = (FileNotFoundError, FileExistsError)
"""Errors that are answers: another try would bring the same."""


class Unreachable(OSError):
    """A request to the object store has failed again and again. The message names the address and the reason."""


@dataclass(frozen=True)
class ObjectStore:
    """The entries below an address. Every request may raise Unreachable."""

    url: str
    pauses: tuple[float, ...] = PAUSES
    _listed: dict[str, tuple[float, set[str]]] = field(default_factory=dict)

    def inside(self, name: str) -> ObjectStore:
        """The store in a folder of this one."""
        return dataclasses.replace(self, url=f"{self.url.rstrip('/')}/{name}", _listed={})

    def check(self) -> None:
        """Write a line that says what stands here, so that a wrong address is found before anything is made.

        Raises ValueError: it is no address, or a package for it is missing.
        """
        # A wrong address is likelier here than a fault that passes.
        quickly = dataclasses.replace(self, pauses=self.pauses[:1])
        quickly._send(lambda files: files.pipe_file(self._path(ABOUT), ABOUT_TEXT.encode()))

    def keys(self, kind: str) -> set[str]:
        """The keys of the entries of a kind, as of the last few seconds."""
        at, known = self._listed.get(kind, (-LISTED, set()))
        if time.monotonic() - at >= LISTED:
            at = time.monotonic()
            paths = self._find(lambda files: files.find(self._path(plain_name("kind", kind)))) or []
            known = {
                folder.rpartition("/")[2] for folder, _, name in (p.rpartition("/") for p in paths) if name == ENTRY
            }
            self._listed[kind] = at, known
        return known

    def description(self, kind: str, key: str) -> str | None:
        """The text of an entry's ``entry.json``. None if there is none."""
        content = self._find(lambda files: files.cat_file(self._entry(kind, key)))
        return None if content is None else content.decode("utf-8", errors="replace")

    def fetch(self, checksum: str, path: Path) -> bool:
        """Fetch an array into a file. It is not verified. Returns whether it is there."""
        self._find(lambda files: files.get_file(self._array(checksum), str(path)))
        return path.is_file()

    def put(self, checksum: str, path: Path, again: bool = False) -> None:
        """Upload an array, unless it is there whole, or ``again``."""
        size, there = path.stat().st_size, self._array(checksum)
        known = None if again else self._find(lambda files: files.info(there))
        if known is None or known["size"] != size:
            self._send(lambda files: files.put_file(str(path), there))

    def create(self, kind: str, key: str, text: str) -> bool:
        """Write an entry's ``entry.json`` if there is none. Returns whether this one was written."""
        try:
            self._send(lambda files: _create(files, self._entry(kind, key), text.encode()))
        except FileExistsError:
            return False
        self._note(kind, key)
        return True

    def overwrite(self, kind: str, key: str, text: str) -> None:
        """Write an entry's ``entry.json`` in place of the one that is there."""
        self._send(lambda files: files.pipe_file(self._entry(kind, key), text.encode()))
        self._note(kind, key)

    def _note(self, kind: str, key: str) -> None:
        if kind in self._listed:
            self._listed[kind][1].add(key)

    def _entry(self, kind: str, key: str) -> str:
        return self._path(plain_name("kind", kind), plain_name("key", key), ENTRY)

    def _array(self, checksum: str) -> str:
        return self._path(ARRAYS, f"{plain_name('checksum', checksum)}.npy")

    def _path(self, *names: str) -> str:
        return "/".join((self._opened[1].rstrip("/"), *names))

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """fsspec's file system, and the path of the address in it."""
        from fsspec.core import url_to_fs

        scheme, separator, _ = self.url.partition("://")
        if not separator:
            raise ValueError(
                f"{self.url!r} is no address: expected one such as s3://bucket/folder or gs://bucket/folder"
            )
        options = {"auto_mkdir": True} if scheme == "file" else {"use_listings_cache": False}
        try:
            files, path = url_to_fs(self.url, **options)
        except ImportError as fault:
            raise ValueError(f"{self.url}: {fault}; `python -m pip install 'bench[cluster]'` brings it") from fault
        except ValueError as fault:
            raise ValueError(f"{self.url}: {fault}") from fault
        return files, path

    def _find(self, request: Callable[[Any], Any]) -> Any:
        """The answer to a request. None if what it asks for is not there."""
        try:
            return self._ask(request)
        except FileNotFoundError:
            return None

    def _send(self, request: Callable[[Any], Any]) -> None:
        """Make a request that writes.

        Raises FileExistsError: what it would create is there.
        """
        try:
            self._ask(request)
        except FileNotFoundError as fault:  # no bucket
            raise Unreachable(f"{self.url} can't be written: {one_line(str(fault))}") from fault

    def _ask(self, request: Callable[[Any], Any]) -> Any:
        """The answer to a request, which is made again after `pauses`."""
        files = self._opened[0]
        for pause in (*self.pauses, None):
            try:
                return request(files)
            except ANSWERS:
                raise
            except PermissionError as fault:
                raise Unreachable(f"{self.url} refuses it: {one_line(str(fault))}") from fault
            except Exception as fault:  # each file system has errors of its own
                if is_full(fault):
                    raise
                if pause is None:
                    reason, tries = one_line(str(fault)) or type(fault).__name__, 1 + len(self.pauses)
                    raise Unreachable(f"{self.url} can't be reached (tried {tries} times): {reason}") from fault
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _create(files: Any, path: str, content: bytes) -> None:
    """Raises FileExistsError: the file is there."""
    if "file" in (files.protocol if isinstance(files.protocol, tuple) else (files.protocol,)):
        with files.open(path, "xb") as file:  # fsspec's general way looks first and writes then
            file.write(content)
    else:
        files.pipe_file(path, content, mode="create")
