"""Compiled functions, kept on disk until a file of their package changes.

numba keeps what it has compiled beside the source or in NUMBA_CACHE_DIR, and takes it again while the file in which a
function stands is the same. It does not notice that a helper has changed which the function inlines from another file.
Kernels that are spread over the files of a package are therefore kept by a digest of all these files.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from numba import njit, types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numpy.typing import NDArray

Array = NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])


class PackageCache(FunctionCache):
    """numba's cache of a function, which a change of any module in the function's folder makes stale.

    Place and names of the files are numba's, so that what is stale is overwritten and does not pile up.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        stamp = package_digest(Path(function.__code__.co_filename).parent)
        place = (self.cache_path, self._impl.filename_base)
        self._cache_file = IndexDataCacheFile(*place, stamp)  # type: ignore[no-untyped-call]


@cache
def package_digest(folder: Path) -> str:
    """32 hex digits of the names and the content of the modules in a folder, and of this module.

    It is taken once in a process, of what is then imported.
    """
    content = blake2b(digest_size=16)
    for path in (Path(__file__), *sorted(folder.glob("*.py"))):
        source = path.read_bytes()
        content.update(b"%s %d\n%s" % (path.name.encode(), len(source), source))
    return content.hexdigest()


def kernel(*signatures: Any, **options: Any) -> Callable[[F], F]:
    """Compile a function as ``numba.njit(**options)`` does, with a `PackageCache`.

    A function with ``signatures`` is compiled, or loaded, for each of them at once and for no others later: no call of
    it waits for the compiler. One without is compiled as the functions that call it need it.
    """

    def compiled(function: F) -> F:
        dispatcher: Any = njit(**options)(function)
        dispatcher._cache = PackageCache(function)
        for signature in signatures:
            dispatcher.compile(signature)
        if signatures:
            dispatcher.disable_compile()
        return dispatcher

    return compiled


def read_only(dtype: Any, dimensions: int) -> Any:
    """numba's type of a contiguous array that a kernel only reads; writable arrays are accepted too."""
    return types.Array(dtype, dimensions, "C", readonly=True)
