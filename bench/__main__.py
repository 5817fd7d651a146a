"""``python -m bench`` checks what every command needs of the environment, and starts the command line."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from importlib.metadata import distributions
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def guard() -> None:
    """Exit with one line if ``datasets`` is another package, such as Hugging Face's, and not this checkout's."""
    spec = importlib.util.find_spec("datasets")
    if spec is None or spec.origin is None or Path(spec.origin).resolve().parent != CHECKOUT / "datasets":
        found = "missing" if spec is None else f"that of {spec.origin}"
        sys.exit(f"bench: the package `datasets` is {found}, not this project's; run `python -m bench` in {CHECKOUT}")


def guard_entry_points() -> None:
    """Exit with one line if the entry points of an installed package can't be read.

    pydantic, numba and torch look for their plugins in the entry points of all packages, and fail with a traceback.
    """
    for package in distributions():
        try:
            _ = package.entry_points
        except Exception as fault:
            name = package.metadata["Name"] if package.metadata is not None else "a package without a name"
            sys.exit(
                f"bench: the entry_points.txt of {name} in {package.locate_file('')} can't be read "
                f"({type(fault).__name__}), and pydantic, numba and torch read those of all packages: install it again "
                "or remove it"
            )


def main() -> None:
    """The entry point of the console script ``bench``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # its encoding may lack printed characters
            stream.reconfigure(errors="backslashreplace")
    # With colours in its messages numba writes an escape to the screen when it ends, on any terminal.
    os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")
    try:
        guard()
        guard_entry_points()
    except SystemExit as fault:
        print(fault.code, file=sys.stderr)
        sys.exit(2)
    from bench.cli.commands import app

    app()


if __name__ == "__main__":
    main()
