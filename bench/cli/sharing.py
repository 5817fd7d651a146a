"""Commands on whole results folders, whatever grids they are of: ``compare``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.endings import plain_errors
from bench.cli.options import A_PATH
from bench.cli.screen import errors, print_changes, print_reasons
from bench.store import Store


def compare(
    before: Annotated[Path, typer.Argument(**A_PATH, help="The results folder of one run: its --out.")],
    after: Annotated[Path, typer.Argument(**A_PATH, help="The results folder of the other.")],
    fail_over: Annotated[
        str | None,
        typer.Option(help="Exit code 1 where a figure is worse by more than this, as in 5%, or can't be compared."),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Let pass cells, seeds and figures that one side only has.")
    ] = False,
    csv: Annotated[Path | None, typer.Option("--csv", **A_PATH, help="Where all figures of all cells go.")] = None,
) -> None:
    """Which cells of two sets of records moved beyond their interval, in quality and in time."""
    from bench import compare as comparing
    from bench.disk import replace_file

    with plain_errors():
        if allow_missing and fail_over is None:
            raise ValueError("--allow-missing says what --fail-over lets pass: give that too, as in --fail-over 5%")
        share = math.inf if fail_over is None else _share(fail_over)
        changes = comparing.compare(Store(before), Store(after))
        print_changes(changes)
        if csv is not None:
            replace_file(csv, lambda made: comparing.frame(changes).to_csv(made, index=False))
        if fail_over is not None and (lost := comparing.losses(changes, share, allow_missing)):
            title = f"bench: {len(lost)} losses (worse by more than {fail_over}, failed, missing, or of other data):"
            print_reasons(errors, title, (one.describe() for one in lost))
            raise typer.Exit(1)


def _share(text: str) -> float:
    """A share such as ``5%``. ValueError: it is none."""
    number = text.removesuffix("%")
    try:
        share = float(number) / 100
    except ValueError:
        share = -1.0
    if number == text or not 0 <= share < math.inf:
        raise ValueError(f"--fail-over {text!r}: expected a share such as 5%")
    return share
