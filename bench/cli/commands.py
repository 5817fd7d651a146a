"""The command line: ``run``, ``recompute``, ``list``, ``show``, ``table``, ``compare``, ``site``, ``check``, ``gc``.

An error that the user can mend (a name, a grid, a folder, an image) is one line on stderr and exit code 2. A run with
failed cells names them and ends with 1; a full disk is one line and 1; Ctrl-C ends with 130. Finished work is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import evaluation, plugins, sharing
from bench.cli.chosen import Chosen, on_a_grid
from bench.cli.endings import plain_errors
from bench.cli.options import (
    CacheDir,
    CellByCell,
    Device,
    Gallery,
    GridArgument,
    InProcess,
    MemoryLimit,
    Out,
    RetryFailed,
    Timeout,
    Verbose,
)
from bench.cli.progress import reporting
from bench.cli.results import print_failures, print_grid, print_written
from bench.cli.screen import (
    console,
    errors,
)
from bench.grids.cells import Grid
from bench.interfaces import Context
from bench.plugins import registry
from bench.plugins.choices import ROLES
from bench.records.naming import settled
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.system.environment import check_device, check_faiss
from bench.system.files import room_for
from bench.system.places import default_cache
from bench.workers.limits import Limits

if TYPE_CHECKING:
    from bench.workers.forkserver import Forkserver

app = typer.Typer(
    help="Learning-to-hash and approximate nearest-neighbour search in one table.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
MOST = 1e9
"""The most seconds or GB of an option. A larger value is a mistake."""
MOST_PICTURED = 200
"""The most queries in a page's gallery. With more the page would be too large to use."""


@contextmanager
def _failures(pipelines: Sequence[Pipeline], out: Path) -> Iterator[dict[str, str]]:
    """A dict for reasons of failures by record key. They are printed at any end of the block, with exit code 1."""
    failed: dict[str, str] = {}
    try:
        yield failed
    finally:
        if failed:
            from bench.report.tidy import gathered

            print_failures(errors, gathered(pipelines, Store(out))[0])
    if failed:
        raise typer.Exit(1)


@app.command()
@on_a_grid()
def run(
    chosen: Chosen,
    device: Device = "auto",
    timeout: Timeout = None,
    memory_limit: MemoryLimit = None,
    retry_failed: RetryFailed = False,
    in_process: InProcess = False,
    verbose: Verbose = False,
    gallery: Gallery = None,
    cell_by_cell: CellByCell = False,
) -> None:
    """Run a grid: everything that is not done yet, then its tables and figures."""
    with plain_errors():
        plans = chosen.plans()
        limits, pictured = _limits(timeout, memory_limit, in_process), _pictured(gallery)
        check_device(device)
        check_faiss()
        chosen.check_folders(plans)
        from bench.plans.schedule import writing
        from bench.runs.run import Run
        from bench.runs.tuning import finish, plan
        from bench.workers.in_process import Local
        from bench.workers.process import Child

        pipelines: list[Pipeline] = []
        with _failures(pipelines, chosen.out) as failed:
            with reporting(chosen.cache, verbose) as reporter, _forkserver(plans) as launch:
                context = Context(device=device, cache=chosen.cache, track=reporter.track)
                results = Store(chosen.out, reporter.say)
                start = Local if in_process else partial(Child, launch=launch)
                at_once = Local if in_process else partial(Child, launch=launch.at_once)
                runs = [
                    Run(
                        one, results, reporter.say, reporter.show, limits, retry_failed, start, at_once, watch=reporter
                    ).sized()
                    for one in chosen.pipelines(plans, results, context, reporter.say, limits.bytes)
                ]
                pipelines += [one.pipeline for one in runs]
                for pipeline in pipelines:
                    _mark(pipeline, results)
                last = writing([pipeline.grid for pipeline in pipelines])
                reporter.open(_what(pipelines), [plan(one) for one in runs], last)
                for one in runs:
                    failed |= finish(one)
                with reporter.doing(last.unit):
                    written = _write(pipelines, results, pictured)
            print_grid(pipelines, results, cell_by_cell)
            print_written(written)


def _what(pipelines: Sequence[Pipeline]) -> str:
    """The subject of a run in a few words."""
    grids = [pipeline.grid for pipeline in pipelines]
    return f"{grids[0].name} on {', '.join(grid.dataset_name for grid in grids)}"


def _forkserver(plans: Sequence[Grid]) -> Forkserver:
    """The forkserver for the workers of the grids, which does the work that the workers share."""
    from bench.records.keys import SEARCH_ROLES
    from bench.workers.forkserver import Forkserver
    from bench.workers.preload import own_modules

    chosen = {(role, choice.name) for plan in plans for cell in plan.cells for role, choice in cell.choices()}
    points = {(role, name): registry.find(ROLES[role], name) for role, name in sorted(chosen)}
    searching = [point for (role, _), point in points.items() if role in SEARCH_ROLES]
    data = [registry.find("dataset", plan.dataset.name) for plan in plans]
    identified = [point.module for point in [*points.values(), *data]]
    return Forkserver(["bench.runs.worker"], own_modules(searching, "bench"), identified)


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
        from bench.runs.run import Run

        pipelines: list[Pipeline] = []
        with _failures(pipelines, chosen.out) as failed:
            with reporting() as reporter:
                results = Store(chosen.out, reporter.say)
                pipelines += chosen.pipelines(plans, results, Context(track=reporter.track), reporter.say)
                missing = 0
                for pipeline in pipelines:
                    _mark(pipeline, results)
                    left, reasons = Run(pipeline, results, reporter.say).recompute()
                    missing += len(left)
                    failed |= reasons
                written = _write(pipelines, results)
            print_written(written)
            cells = sum(len(pipeline.grid.cells) for pipeline in pipelines)
            if missing:
                console.print(f"bench: {missing} of {cells} cells lack something that only a run makes")


def _limits(timeout: float | None, memory_limit: float | None, in_process: bool) -> Limits:
    """The limits of ``run``.

    Raises ValueError: they are not valid, or can't be kept in this process.
    """
    if in_process and (timeout, memory_limit) != (None, None):
        raise ValueError("--in-process keeps no limits: leave out --timeout and --memory-limit")
    for option, value, unit in (("--timeout", timeout, "seconds"), ("--memory-limit", memory_limit, "GB")):
        if value is not None and not 0 < value < MOST:
            raise ValueError(f"{option} {value:g}: expected {unit}, above 0 and below {MOST:g}")
    return Limits(timeout, None if memory_limit is None else max(1, int(memory_limit * 1e9)))


@app.command()
@on_a_grid(GridArgument)
def show(
    chosen: Chosen,
    cell_by_cell: CellByCell = False,
) -> None:
    """Show what of a grid is done, and its table as far as that goes."""
    with plain_errors():
        plans = chosen.plans()
        results = Store(chosen.out)
        pipelines = chosen.pipelines(plans, results, Context(), console.print)
        _tell_of_sizes(pipelines)
        for pipeline in pipelines:
            _mark(pipeline, results)
        print_grid(pipelines, results, cell_by_cell, failures=True)


def _tell_of_sizes(pipelines: Sequence[Pipeline]) -> None:
    """Print of which data the results folder holds no sizes, so that expressions have no values for them yet."""
    for pipeline in pipelines:
        if not pipeline.grid.sizes_known:
            name = pipeline.grid.dataset_name
            unknown = f"{name} was not run yet, so its numbers of items and dimensions are not known"
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
        pictured, results = _pictured(gallery), Store(chosen.out)
        chosen.check_folders(plans)
        pipelines = chosen.pipelines(plans, results, Context(), console.print)
        _tell_of_sizes(pipelines)
        for pipeline in pipelines:
            _mark(pipeline, results)
        written = _write(pipelines, results, pictured)
        print_grid(pipelines, results, cell_by_cell, failures=True)
        print_written(written)


@app.command()
def gc(
    out: Out = Path("results"),
    cache_dir: CacheDir = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", help="Also what no grid has referred to for so long: 12h, 30d, 4w.")
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove it; without this it is only named.")] = False,
) -> None:
    """Name, or remove, what the two folders can do without.

    That is what killed processes left half-written, damaged entries (a run makes them again), and checkpoints and logs
    of finished trainings. With --older-than it is also entries, records among them, and unfinished trainings to which
    no grid has referred for so long: a grid refers to all that it needs whenever it is run, recomputed, shown or made
    into tables, with the same data and settings, and the date of an entry's folder says when that was last. Without
    --older-than no sound entry is removed. What is not the store's own is named and left alone. Run it on the machine
    that runs the grids.
    """
    with plain_errors():
        from bench.store.garbage import garbage, seconds
        from bench.system.files import remove

        age = None if older_than is None else seconds(older_than)
        total = 0
        for root in dict.fromkeys([cache_dir or default_cache(), out]):
            for found in list(garbage(Store(root), age)):
                line = f"{found.size:>15,}  {found.path}: {found.reason}"
                console.print(line)
                total += found.size * found.removable
                if delete and found.removable:
                    remove(found.path)
        console.print(f"{total:,} bytes {'freed' if delete else 'can be freed with --delete'}")


def _mark(pipeline: Pipeline, results: Store) -> None:
    from bench.records import book
    from bench.runs import tuning

    for half in tuning.halves(pipeline):
        book.mark(half, results)


def _pictured(gallery: int | None) -> int | None:
    """The number of ``--gallery``. None for the usual number.

    Raises ValueError: it is not valid.
    """
    if gallery is not None and not 0 <= gallery <= MOST_PICTURED:
        raise ValueError(f"--gallery {gallery}: expected a number of queries, 0 (none) to {MOST_PICTURED:,}")
    return gallery


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
