"""The command line: ``run``, ``work``, ``recompute``, ``list``, ``show``, ``table``, ``compare``, ``site``, ``gc``.

An error that the user can mend (a name, a grid, a folder, an image) is one line on stderr and exit code 2. A run with
failed cells names them and ends with 1; a full disk is one line and 1; Ctrl-C ends with 130. Finished work is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import evaluation, plugins, sharing
from bench.cli.chosen import Chosen, on_a_grid
from bench.cli.endings import plain_errors
from bench.cli.making import Making, failures, mark, subject
from bench.cli.options import (
    CacheDir,
    CellByCell,
    Cluster,
    Device,
    Gallery,
    GridArgument,
    InProcess,
    Jobs,
    MemoryLimit,
    Out,
    RetryFailed,
    Timeout,
    Verbose,
)
from bench.cli.progress import reporting
from bench.cli.results import most_finished, print_earlier, print_grid, print_written, report_of, stored_report
from bench.cli.screen import console, errors
from bench.cli.usage import Commands
from bench.cli.working import work
from bench.interfaces import Context
from bench.records.naming import settled
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.system.files import room_for
from bench.system.places import check_readable, default_cache

if TYPE_CHECKING:
    from bench.records.origin import Earlier

app = typer.Typer(
    help="Learning-to-hash and approximate nearest-neighbour search in one table.",
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
MOST_PICTURED = 200
"""The most queries in a page's gallery. With more the page would be too large to use."""
KEPT = "they show results that the records of today's keys do not have"


@app.command()
@on_a_grid()
def run(
    chosen: Chosen,
    device: Device = "auto",
    timeout: Timeout = None,
    memory_limit: MemoryLimit = None,
    retry_failed: RetryFailed = False,
    in_process: InProcess = False,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    verbose: Verbose = False,
    gallery: Gallery = None,
    cell_by_cell: CellByCell = False,
) -> None:
    """Run a grid: everything that is not done yet, then its tables and figures."""
    with plain_errors():
        plans, pictured = chosen.plans(), _pictured(gallery)
        making = Making(device, timeout, memory_limit, jobs, verbose, retry_failed, in_process, cluster)
        making.check(chosen, plans)
        from bench.plans.schedule import writing
        from bench.runs.crew import Manner

        pipelines: list[Pipeline] = []
        with failures(pipelines, chosen.results()) as failed:
            with making.opened(chosen, plans, Manner()) as (reporter, runs):
                pipelines += [one.run.pipeline for one in runs]
                results = chosen.results(reporter.say)
                last = writing([pipeline.grid for pipeline in pipelines])
                reporter.open(subject(pipelines), [one.plan() for one in runs], last)
                for one in runs:
                    failed |= one.finish()
                with reporter.doing(last.unit):
                    written = _write(pipelines, results, pictured)
            print_grid(pipelines, results, cell_by_cell)
            print_written(written)


app.command()(work)


@app.command()
@on_a_grid()
def recompute(
    chosen: Chosen,
) -> None:
    """Judge what is stored by today's metrics, and train, search and time nothing; then the tables and figures.

    That is also what a run does first, so that after a change of a metric it need not search again.
    """
    with plain_errors():
        plans = chosen.plans()
        chosen.check_folders(plans)
        from bench.records.origin import earlier
        from bench.runs.run import Run

        pipelines: list[Pipeline] = []
        with failures(pipelines, chosen.results()) as failed:
            with reporting() as reporter:
                results = chosen.results(reporter.say)
                pipelines += chosen.pipelines(plans, results, Context(track=reporter.track), reporter.say)
                missing = 0
                for pipeline in pipelines:
                    mark(pipeline, results)
                    left, reasons = Run(pipeline, results, reporter.say).recompute()
                    missing += len(left)
                    failed |= reasons
                found = earlier(pipelines, results)
                written = _write_unless_less(pipelines, results, found)
            print_written(written)
            cells = sum(len(pipeline.grid.cells) for pipeline in pipelines)
            if missing:
                console.print(f"bench: {missing} of {cells} cells lack something that only a run makes")
            _end_if_earlier(chosen, pipelines, results, found)
            _end_if_nothing(written, chosen)


@app.command()
@on_a_grid(GridArgument)
def show(
    chosen: Chosen,
    cell_by_cell: CellByCell = False,
) -> None:
    """Show what of a grid is done, and its table as far as that goes."""
    with plain_errors():
        plans = chosen.plans()
        from bench.records.origin import earlier

        results = chosen.results()
        pipelines = chosen.pipelines(plans, results, Context(), console.print)
        _tell_of_sizes(pipelines)
        for pipeline in pipelines:
            mark(pipeline, results)
        print_grid(pipelines, results, cell_by_cell, failures=True, making=chosen.command("run"))
        print_written(report_of(pipelines, results))
        _end_if_earlier(chosen, pipelines, results, earlier(pipelines, results))


def _tell_of_sizes(pipelines: Sequence[Pipeline]) -> None:
    """Print of which data the results folder holds no sizes, so that expressions have no values for them yet."""
    for pipeline in pipelines:
        if not pipeline.grid.sizes_known:
            name = pipeline.grid.dataset_name
            unknown = f"no run of {pipeline.grid.name} has read {name} yet, so its items and dimensions are not known"
            console.print(f"bench: {unknown}: settings that follow from them are shown for another size")


app.command("list")(plugins.list_)
app.command()(plugins.schema)
app.command()(plugins.check)
app.command()(evaluation.evaluate)
app.command()(sharing.compare)
app.command()(sharing.site)


@app.command()
@on_a_grid()
def table(
    chosen: Chosen,
    gallery: Gallery = None,
    cell_by_cell: CellByCell = False,
) -> None:
    """Write a grid's tables and figures again from the records there are, and show the table."""
    with plain_errors():
        plans = chosen.plans()
        pictured, results = _pictured(gallery), chosen.results()
        chosen.check_folders(plans)
        from bench.plans.schedule import writing
        from bench.records.origin import earlier

        with reporting(chosen.cache) as reporter:
            reporter.say(f"read the records of {plans[0].name}")
            with reporter.doing(writing(plans).unit):
                pipelines = chosen.pipelines(plans, results, Context(track=reporter.track), reporter.say)
                _tell_of_sizes(pipelines)
                for pipeline in pipelines:
                    mark(pipeline, results)
                found = earlier(pipelines, results)
                written = _write_unless_less(pipelines, results, found, pictured)
        print_grid(pipelines, results, cell_by_cell, failures=True, making=chosen.command("run"))
        print_written(written)
        _end_if_earlier(chosen, pipelines, results, found)
        _end_if_nothing(written, chosen)


@app.command()
def gc(
    out: Out = Path("results"),
    cache_dir: CacheDir = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", metavar="AGE", help="Also what no grid has referred to for so long: 12h, 30d, 4w."
        ),
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove it; without this it is only named.")] = False,
) -> None:
    """Name, or remove, what the two folders can do without.

    That is what killed processes left half-written, damaged entries (a run makes them again), leases that nobody holds,
    and checkpoints and logs of finished trainings. With --older-than it is also entries, records among them, and
    unfinished trainings to which no grid has referred for so long: a grid refers to all that it needs whenever it is
    run, recomputed, shown or made into tables, with the same data and settings, and the date of an entry's folder says
    when that was last. Without --older-than no sound entry is removed. What is not the store's own is named and left
    alone. Of what other hosts were writing, only what has not changed for a day is named.
    """
    with plain_errors():
        from bench.store.garbage import garbage, seconds
        from bench.system.files import remove

        age = None if older_than is None else seconds("--older-than", older_than)
        cache, total = cache_dir or default_cache(), 0
        check_readable("--cache-dir", cache)
        check_readable("--out", out)
        for root in dict.fromkeys([cache, out]):
            if not root.exists():
                console.print(f"bench: {root}: there is no such folder")
            for found in list(garbage(Store(root), age)):
                line = f"{found.size:>15,}  {found.path}: {found.reason}"
                console.print(line)
                total += found.size * found.removable
                if delete and found.removable:
                    remove(found.path)
        console.print(f"{total:,} bytes {'freed' if delete else 'can be freed with --delete'}")


def _pictured(gallery: int | None) -> int | None:
    """The number of ``--gallery``. None for the usual number.

    Raises ValueError: it is not valid.
    """
    if gallery is not None and not 0 <= gallery <= MOST_PICTURED:
        raise ValueError(f"--gallery {gallery}: expected a number of queries, 0 (none) to {MOST_PICTURED:,}")
    return gallery


def _write_unless_less(
    pipelines: Sequence[Pipeline], results: Store, found: Earlier, pictured: int | None = None
) -> list[Path]:
    """Write the reports, except in place of one with results that are not found any more: it is kept, as a line says.

    That is where cells without a record have one under another key, as was ``found``, or where the report has more
    finished cells than the records of a grid that is not done. Nor is a report of nothing written. Returns the paths of
    the reports that are there.
    """
    from bench.records.book import status
    from bench.records.keys import keyed

    there = stored_report(pipelines, results)
    now = [status(results, one.record) for pipeline in pipelines for one in keyed(pipeline)]
    begun, before = any(now), most_finished(there)
    if before and (found.cells or (None in now and now.count("ok") < before)):
        errors.print(f"bench: the page, the tables and the figures in {there[0].parent} stay as they were: {KEPT}")
        return there
    return _write(pipelines, results, pictured) if begun else []


def _end_if_earlier(chosen: Chosen, pipelines: Sequence[Pipeline], results: Store, found: Earlier) -> None:
    """Print which records stand under other keys, if any, and what makes them anew. Raises typer.Exit(1) then."""
    if found.cells:
        cells = sum(len(pipeline.grid.cells) for pipeline in pipelines)
        print_earlier(found, cells, results.root, chosen.command("run"))
        raise typer.Exit(1)


def _end_if_nothing(written: Sequence[Path], chosen: Chosen) -> None:
    """Say that no report was written. Raises typer.Exit(1) then: the results folder has no record of the grid."""
    if not written:
        errors.print(f"bench: --out {chosen.out} has no record of grid {chosen.grid}, so no report is written")
        raise typer.Exit(1)


def _write(pipelines: Sequence[Pipeline], results: Store, pictured: int | None = None) -> list[Path]:
    """Write the report of each data set into a folder of its own, one of all data sets above them if there are several,
    and all records as one table. ``pictured``: queries in a page's gallery, None for the usual number.
    """
    from bench.records.parquet import write_parquet
    from bench.report.write import PICTURED, write_reports

    folder = results.root / pipelines[0].grid.name
    pipelines = [settled(pipeline, results, take=True) for pipeline in pipelines]
    with room_for(folder):
        written = write_reports(pipelines, results, folder, PICTURED if pictured is None else pictured)
    return [*written, *write_parquet(results)]
