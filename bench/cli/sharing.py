"""The commands on whole results folders, of any grids: ``compare`` and ``site``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.endings import plain_errors
from bench.cli.options import A_PATH, Out
from bench.cli.screen import console, errors, print_changes, print_reasons
from bench.store.entries import Store
from bench.system.places import check_file
from bench.system.wording import one_line, shown


def compare(
    before: Annotated[
        Path, typer.Argument(**A_PATH | {"metavar": "BEFORE"}, help="The results folder of one run: its --out.")
    ],
    after: Annotated[Path, typer.Argument(**A_PATH | {"metavar": "AFTER"}, help="The results folder of the other.")],
    fail_over: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="Exit code 1 where a figure is worse by more than this, as in 5%, or can't be compared or judged.",
        ),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing", help="Let pass what only one side has, times of other machines, and too few replicates."
        ),
    ] = False,
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Compare times of different machine classes, too.")
    ] = False,
    csv: Annotated[Path | None, typer.Option("--csv", **A_PATH, help="Where all figures of all cells go.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", **A_PATH, help="Where a page of them goes, to look at and to send.")
    ] = None,
) -> None:
    """Say which cells of two sets of records moved beyond their interval, in quality and in time."""
    from bench.records import compare as comparing
    from bench.report.changes.write import write_changes
    from bench.system.files import replace_file

    with plain_errors():
        if allow_missing and fail_over is None:
            raise ValueError("--allow-missing says what --fail-over lets pass: give that too, as in --fail-over 5%")
        share = 0.0 if fail_over is None else _share(fail_over)
        _check_files(csv, html)
        stores = Store(before, console.print), Store(after, console.print)
        changes = comparing.compare(*stores, across_machines)
        lost = comparing.losses(changes, share, allow_missing)
        if fail_over is None:  # nothing is to be passed or failed, so what is not known is no loss
            lost = [one for one in lost if not one.is_vague]
        means = _losses_in_words(fail_over, allow_missing, any(one.is_vague for one in lost))
        print_changes(changes)
        if csv is not None:
            replace_file(csv, lambda made: comparing.frame(changes).to_csv(made, index=False))
            console.print(f"wrote {csv}")
        if html is not None:
            console.print(f"wrote {write_changes(html, changes, *stores, lost, means)}")
        if fail_over is not None and lost:
            print_reasons(
                errors,
                f"bench: {len(lost)} {'loss' if len(lost) == 1 else 'losses'} ({means}):",
                (one.describe() for one in lost),
            )
            raise typer.Exit(1)


def _check_files(csv: Path | None, html: Path | None) -> None:
    """Raises ValueError: one of the files can't be written, or both are the same file."""
    for option, path in (("--csv", csv), ("--html", html)):
        if path is not None:
            check_file(option, path)
    if csv is not None and html is not None and csv.resolve() == html.resolve():
        raise ValueError(f"--csv and --html both name {shown(str(html))}: each needs a file of its own")
    if html is not None:
        from bench.report.page.assemble import plotly_text

        plotly_text()


def _losses_in_words(fail_over: str | None, allow_missing: bool, vague: bool) -> str:
    """The changes that ``compare.losses`` counts, in words. ``vague``: some have too few replicates or seeds."""
    worse = "worse" if fail_over is None else f"worse by more than {fail_over}"
    missing, few = "missing, timed by another machine, ", "of too few replicates or seeds, "
    return f"{worse}, failed, {'' if allow_missing else missing}{few if vague else ''}or of other data"


def _share(text: str) -> float:
    """The value of a share such as ``5%``.

    Raises ValueError: the text is no share.
    """
    number = text.removesuffix("%")
    try:
        share = float(number) / 100
    except ValueError:
        share = -1.0
    if number == text or not 0 <= share < math.inf:
        raise ValueError(f"--fail-over {text!r}: expected a share such as 5%")
    return share


def site(
    folder: Annotated[
        Path,
        typer.Argument(**A_PATH | {"metavar": "FOLDER"}, help="Where the site goes: a new folder, or an earlier site."),
    ],
    out: Out = Path("results"),
) -> None:
    """Write all reports of a results folder as one static site: an index, a page a report, a page a method.

    It is made of the reports that ``run`` and ``table`` wrote, without data or cache, for any web host, and opens from
    disk. An earlier site in the folder is replaced by the whole new one; any other folder is left alone.
    """
    with plain_errors():
        from bench.report.site.build import build_site, check_site

        check_site(out, folder)
        built = build_site(out, folder, lambda line: errors.print(f"bench: {one_line(line)}"))
        console.print(f"wrote {built.index}: {_count(built.reports, 'report')}, {_count(built.methods, 'method')}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
