"""``python -m bench`` checks that the import name ``datasets`` is this checkout's, and starts the command line."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def guard() -> None:
    """Exit with one line if ``datasets`` is another package, such as Hugging Face's, and not this checkout's."""
    spec = importlib.util.find_spec("datasets")
    if spec is None or spec.origin is None or Path(spec.origin).resolve().parent != CHECKOUT / "datasets":
        found = "missing" if spec is None else f"that of {spec.origin}"
        sys.exit(f"bench: the package `datasets` is {found}, not this project's; run `python -m bench` in {CHECKOUT}")


def main() -> None:
    """The entry point of the console script ``bench``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # its encoding may lack printed characters
            stream.reconfigure(errors="backslashreplace")
    try:
        guard()
    except SystemExit as fault:
        print(fault.code, file=sys.stderr)
        sys.exit(2)
    from bench.cli.commands import app

    app()


if __name__ == "__main__":
    main()
