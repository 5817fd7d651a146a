"""Ends a command that can't go on, with one line on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bench.cli.screen import errors
from bench.system.files import is_full
from bench.system.wording import one_line

INTERRUPTED = "interrupted; what is finished is kept, and the same command goes on from there"


@contextmanager
def plain_errors() -> Iterator[None]:
    """Ends with one line and exit code 2 for an error that the user can mend, or exit code 1 for a full disk."""
    try:
        yield
    except (ValueError, OSError) as fault:
        errors.print(f"bench: {one_line(str(fault))}")
        raise typer.Exit(1 if is_full(fault) else 2) from fault
    except KeyboardInterrupt as fault:
        errors.print(f"bench: {INTERRUPTED}")
        raise typer.Exit(130) from fault
