"""How a command ends that can't go on: one line on stderr, and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bench.cli.screen import errors
from bench.system.files import is_full
from bench.system.wording import one_line


@contextmanager
def plain_errors() -> Iterator[None]:
    """What the user can mend ends in one line and exit code 2, a full disk in one line and exit code 1."""
    try:
        yield
    except (ValueError, OSError) as fault:
        errors.print(f"bench: {one_line(str(fault))}")
        raise typer.Exit(1 if is_full(fault) else 2) from fault
    except KeyboardInterrupt as fault:
        errors.print("bench: interrupted; what is finished is kept, and the same command goes on from there")
        raise typer.Exit(130) from fault
