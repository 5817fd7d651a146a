"""The arrays that a user names: ``FILE`` or ``FILE:VARIABLE``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bench.given.files import arrays_of, listed, place
from bench.system.places import user_path


def read(source: str | Path, rows: int | None = None) -> tuple[str, NDArray[Any]]:
    """The array of ``FILE`` or ``FILE:VARIABLE``, and its name for messages.

    ``rows``: how many there must be, if known; see ``Columns``.

    Raises ValueError: there is no such file or variable, or the file is damaged or holds several arrays.
    """
    path, variable = _split(str(source))
    arrays = arrays_of(path)
    if variable is None:
        if len(arrays) != 1:
            raise ValueError(f"{path} holds {listed(arrays)}: name one, as in {path}:NAME")
        (variable,) = arrays
    elif variable not in arrays:
        raise ValueError(f"{path} has no variable {variable!r}; it holds {listed(arrays)}")
    return place(path, variable), arrays[variable](rows)


def _split(source: str) -> tuple[Path, str | None]:
    """A path, and what stands behind the last colon where the whole is no file."""
    whole = user_path(source)
    path, colon, variable = source.rpartition(":")
    if whole.exists() or not colon or not path:
        return whole, None
    return user_path(path), variable
