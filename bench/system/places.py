"""Checks the folders that people name before anything is written there, and places the caches of libraries."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bench.system.files import temporary_folder, write_text
from bench.system.wording import shown

CHECKOUT = Path(__file__).parents[2]
KERNELS = tuple(
    CHECKOUT / folder for folder in ("bench/quality", "methods/search/codes/kernels", "methods/search/features/kernels")
)
"""The folders of the modules that numba compiles, and by default of the compiled kernels."""
PROBE_BYTES = 4096
INNER_NAME = "x" * 200
"""A name as long as any inside a results folder. A folder whose path leaves no room for it can't be used."""


def user_path(text: str) -> Path:
    """The path that was typed, with a leading ``~`` replaced by the home folder, if there is one."""
    with suppress(RuntimeError):
        return Path(text).expanduser()
    return Path(text)


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/bench``, or ``~/.cache/bench``.

    Raises ValueError: there is no home folder.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench"
    except RuntimeError as fault:
        raise ValueError("this user has no home folder: give --cache-dir, or set XDG_CACHE_HOME") from fault


def check_writable(option: str, folder: Path, inside: Iterable[str] = ()) -> None:
    """Try to write in the folder that an option names, or in its parent, and leave nothing there.

    ``inside``: folders in it that will be written to. They are tried too if they exist.

    Raises ValueError: no file can be made or renamed there.
    """
    try:
        _try_folder(folder, inside)
    except (OSError, NotImplementedError) as fault:
        raise _unusable(option, folder, _reason(fault)) from fault


def check_readable(option: str, folder: Path) -> None:
    """Raises ValueError: what an option names is there and is no folder, or can't be looked at."""
    try:
        is_file = folder.exists() and not folder.is_dir()
    except OSError as fault:
        raise _unusable(option, folder, _reason(fault)) from fault
    if is_file:
        raise _unusable(option, folder, "it is a file")


def _unusable(option: str, folder: Path, why: object) -> ValueError:
    return ValueError(f"{option} {shown(str(folder))} can't be used ({why}): {option} DIR names another")


def check_file(option: str, path: Path) -> None:
    """Try to write in the folder of a file that an option names, and leave nothing there.

    Raises ValueError: it can't be written there.
    """
    what, instead = f"{option} {shown(str(path))}", f"{option} FILE names another"
    if _is_folder(path):
        raise ValueError(f"{what} is a folder: {instead}")
    check_place(what, path, instead)


def check_place(what: str, path: Path, instead: str) -> None:
    """Try to write in the folder that ``path`` will be in, and leave nothing there.

    ``what`` names the path in the error, and ``instead`` is the advice.

    Raises ValueError: it can't be written there.
    """
    try:
        with suppress(FileNotFoundError):
            os.lstat(path)
        _try_folder(path.parent)
    except (OSError, NotImplementedError) as fault:
        raise ValueError(f"{what} can't be written ({_reason(fault)}): {instead}") from fault


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file can have
        return False


def _try_folder(folder: Path, inside: Iterable[str] = ()) -> None:
    """Raises OSError, NotImplementedError: see ``check_writable``."""
    with suppress(FileNotFoundError):
        os.lstat(folder / INNER_NAME)
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(one))
    for path in (there, *(folder / name for name in inside)):
        if os.path.lexists(path) and not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{path} is no folder")
        if path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{path} may not be written by this user")
    with temporary_folder(there / "probe") as probe:
        (probe / max(("xx", *folder.parts), key=lambda name: len(os.fsencode(name)))).mkdir()
        write_text(probe / "written", "x" * PROBE_BYTES)
        (probe / "written").replace(probe / "renamed")


def _reason(fault: Exception) -> object:
    return getattr(fault, "strerror", None) or fault


def check_temporary() -> None:
    """Raises ValueError: there is no folder for temporary files."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as fault:
        raise ValueError(f"{fault.strerror}: set TMPDIR to a folder that can be written") from fault


def keep_caches_in(cache: Path) -> None:
    """Let numba and matplotlib, before their import, keep files in the cache if their own folders can't be written to.

    The folder of numba is beside the source, which another user may own; that of matplotlib is in the home folder.
    """
    if not all(map(_writable, KERNELS)):
        os.environ.setdefault("NUMBA_CACHE_DIR", str((cache / "numba").absolute()))
    if not _writable(user_path("~")):
        os.environ.setdefault("MPLCONFIGDIR", str((cache / "matplotlib").absolute()))


def _writable(folder: Path) -> bool:
    inner = folder / "__pycache__"
    return os.access(inner if inner.is_dir() else folder, os.W_OK | os.X_OK)
