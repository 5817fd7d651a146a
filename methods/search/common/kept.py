"""What a library of numba compiles, kept on disk for the next process though the library does not ask for that."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaWarning

from methods.search.common.compiled import PackageCache


def keep_compiled(package: str) -> None:
    """Keep on disk what the functions of an imported package compile to, as `PackageCache` does.

    numba finds a compiled function again by the types of its arguments. A function that is an argument is a type of its
    own, which a process names at random: so each gets a name that lasts.
    """
    for name, module in [*sys.modules.items()]:
        if name == package or name.startswith(f"{package}."):
            functions: dict[str, Any] = {k: one for k, one in vars(module).items() if isinstance(one, Dispatcher)}
            for key, function in functions.items():
                if (name, key) == (function.__module__, function.__name__):
                    with suppress(AssertionError):  # it has a name, since it was an argument or was kept before
                        function._set_uuid(f"{name}.{key}")
                    function._cache = PackageCache(function.py_func)


@contextmanager
def silent() -> Iterator[None]:
    """Without the warnings on functions that can't be kept."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Cannot cache compiled function", NumbaWarning)
        yield
