"""The command line: ``run``, ``recompute``, ``list``, ``show``, ``table``, ``compare``, ``site``, ``check``, ``gc``.

Whatever the user can mend (a name, a grid, a folder, an image) is one line on stderr and exit code 2; a run in which
cells failed ends with 1 and says which; a full disk is one line and 1; Ctrl-C ends with 130. What is finished is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import sharing
from bench.cli.endings import plain_errors
from bench.cli.options import (
    CacheDir,
    CellByCell,
    DataDir,
    DataName,
    DatasetName,
    Device,
    Gallery,
    GridName,
    InProcess,
    MemoryLimit,
    Out,
    Recipe,
    RetryFailed,
    Seed,
    Settings,
    Timeout,
    Verbose,
)
from bench.cli.progress import reporting
from bench.cli.results import print_failures, print_grid, print_written
from bench.cli.screen import (
    console,
    errors,
    print_names,
)
from bench.grids import grid_file
from bench.grids.cells import Grid
from bench.grids.naming import given_name, told_apart
from bench.grids.settings import parse
from bench.interfaces import Context
from bench.plugins import registry
from bench.plugins.choices import ROLES
from bench.records.naming import settled
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.system.environment import check_device, check_faiss
from bench.system.files import room_for
from bench.system.places import check_temporary, check_writable, default_cache, keep_caches_in
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
"""Seconds or GB: what is more was not meant."""
MOST_PICTURED = 200
"""Queries in a page's gallery: with more the page would be of no use."""


def _plans(grid: str, cache_dir: Path | None, options: grid_file.Options) -> list[Grid]:
    """The grid on each of its data sets. ValueError: its name would not name a folder of the results."""
    keep_caches_in(cache_dir or default_cache())
    names = grid_file.dataset_names(grid, options)
    plans = [grid_file.load(grid, dataclasses.replace(options, dataset=name)) for name in names]
    given_name(plans[0].name, "grid")
    return told_apart(plans)


def _pipelines(
    plans: Sequence[Grid], cache_dir: Path | None, results: Store, context: Context, say: Callable[[str], None]
) -> list[Pipeline]:
    """A pipeline for each data set, under the name that its data have in the results. ValueError: the data of one are
    not where they should be.
    """
    root = cache_dir or default_cache()
    pipelines = [Pipeline(plan, Store(root, say), context, say) for plan in plans]
    for pipeline in pipelines:
        try:
            _ = pipeline.dataset_identity
        except ValueError as fault:
            if len(plans) == 1:
                raise
            name = pipeline.grid.dataset.name
            raise ValueError(f"data set {name!r}: {fault}; --dataset NAME runs the grid on one data set") from fault
    return [settled(pipeline, results) for pipeline in pipelines]


def _check_folders(plans: Sequence[Grid], out: Path, cache_dir: Path | None) -> None:
    """ValueError: the results, or what is kept, could not be written when they are there."""
    inner = ["labels", "features", "codes", "exact", "locks", "work"]
    check_writable("--cache-dir", cache_dir or default_cache(), inner)
    inner = ["records", "neighbours", "replicates", "names", "locks", plans[0].name]
    check_writable("--out", out, [*inner, *(f"{plans[0].name}/{plan.dataset_name}" for plan in plans)])
    check_temporary()


@contextmanager
def _failures(pipelines: Sequence[Pipeline], out: Path) -> Iterator[dict[str, str]]:
    """Takes what failed, by its record's key; says it in the end, however that comes, and makes it exit code 1."""
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
def run(
    grid: GridName,
    dataset: DatasetName = None,
    data_dir: DataDir = None,
    name: DataName = None,
    out: Out = Path("results"),
    cache_dir: CacheDir = None,
    recipe: Recipe = None,
    device: Device = "auto",
    seed: Seed = None,
    timeout: Timeout = None,
    memory_limit: MemoryLimit = None,
    retry_failed: RetryFailed = False,
    in_process: InProcess = False,
    verbose: Verbose = False,
    gallery: Gallery = None,
    cell_by_cell: CellByCell = False,
    set_: Settings = None,
) -> None:
    """Run a grid: everything that is not done yet, then its tables and figures."""
    with plain_errors():
        plans = _plans(grid, cache_dir, grid_file.Options(dataset, data_dir, recipe, seed, set_ or (), name))
        limits, pictured = _limits(timeout, memory_limit, in_process), _pictured(gallery)
        check_device(device)
        check_faiss()
        _check_folders(plans, out, cache_dir)
        from bench.plans.schedule import writing
        from bench.runs.run import Run
        from bench.runs.tuning import finish, plan
        from bench.workers.in_process import Local
        from bench.workers.process import Child

        pipelines: list[Pipeline] = []
        with _failures(pipelines, out) as failed:
            with reporting(cache_dir or default_cache(), verbose) as reporter, _forkserver(plans) as launch:
                context = Context(device=device, cache=cache_dir or default_cache(), track=reporter.track)
                results = Store(out, reporter.say)
                pipelines += _pipelines(plans, cache_dir, results, context, reporter.say)
                start = Local if in_process else partial(Child, launch=launch)
                at_once = Local if in_process else partial(Child, launch=launch.at_once)
                for pipeline in pipelines:
                    _mark(pipeline, results)
                runs = [
                    Run(one, results, reporter.say, reporter.show, limits, retry_failed, start, at_once, watch=reporter)
                    for one in pipelines
                ]
                last = writing(plans)
                reporter.open(_what(pipelines), [plan(one) for one in runs], last)
                for one in runs:
                    failed |= finish(one)
                with reporter.doing(last.unit):
                    written = _write(pipelines, results, out, pictured)
            print_grid(pipelines, results, cell_by_cell)
            print_written(written)


def _what(pipelines: Sequence[Pipeline]) -> str:
    """What is run, in a few words."""
    grids = [pipeline.grid for pipeline in pipelines]
    return f"{grids[0].name} on {', '.join(grid.dataset_name for grid in grids)}"


def _forkserver(plans: Sequence[Grid]) -> Forkserver:
    """What forks the workers of the grid, and knows what many of them would find out each."""
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
def recompute(
    grid: GridName,
    dataset: DatasetName = None,
    data_dir: DataDir = None,
    name: DataName = None,
    out: Out = Path("results"),
    cache_dir: CacheDir = None,
    recipe: Recipe = None,
    seed: Seed = None,
    set_: Settings = None,
) -> None:
    """Judge what is stored by today's metrics, and train, search and time nothing; then the tables and figures.

    That is also what a run does first, so that after a change of a metric it need not search again.
    """
    with plain_errors():
        plans = _plans(grid, cache_dir, grid_file.Options(dataset, data_dir, recipe, seed, set_ or (), name))
        _check_folders(plans, out, cache_dir)
        from bench.runs.run import Run

        pipelines: list[Pipeline] = []
        with _failures(pipelines, out) as failed:
            with reporting() as reporter:
                results = Store(out, reporter.say)
                pipelines += _pipelines(plans, cache_dir, results, Context(track=reporter.track), reporter.say)
                missing = 0
                for pipeline in pipelines:
                    _mark(pipeline, results)
                    left, reasons = Run(pipeline, results, reporter.say).recompute()
                    missing += len(left)
                    failed |= reasons
                written = _write(pipelines, results, out)
            print_written(written)
            cells = sum(len(plan.cells) for plan in plans)
            if missing:
                console.print(f"bench: {missing} of {cells} cells lack something that only a run makes")


def _limits(timeout: float | None, memory_limit: float | None, in_process: bool) -> Limits:
    """The limits of ``run``. ValueError: they are none, or nothing could keep them."""
    if in_process and (timeout, memory_limit) != (None, None):
        raise ValueError("--in-process keeps no limits: leave out --timeout and --memory-limit")
    for option, value, unit in (("--timeout", timeout, "seconds"), ("--memory-limit", memory_limit, "GB")):
        if value is not None and not 0 < value < MOST:
            raise ValueError(f"{option} {value:g}: expected {unit}, above 0 and below {MOST:g}")
    return Limits(timeout, None if memory_limit is None else max(1, int(memory_limit * 1e9)))


@app.command("list")
def list_() -> None:
    """List the data sets, embedders, hashers, indexes, rerankers and grids, a line each."""
    with plain_errors():
        for kind in registry.GROUPS:
            plural = "indexes" if kind == "index" else f"{kind}s"
            print_names(plural, {name: registry.describe(point) for name, point in registry.plugins(kind).items()})
        print_names("grids", grid_file.names())


@app.command()
def show(
    grid: Annotated[str, typer.Argument(help="A built-in grid, or the path of a .toml file.")],
    dataset: DatasetName = None,
    data_dir: DataDir = None,
    name: DataName = None,
    out: Out = Path("results"),
    cache_dir: CacheDir = None,
    recipe: Recipe = None,
    seed: Seed = None,
    cell_by_cell: CellByCell = False,
    set_: Settings = None,
) -> None:
    """Show what of a grid is done, and its table as far as that goes."""
    with plain_errors():
        plans = _plans(grid, cache_dir, grid_file.Options(dataset, data_dir, recipe, seed, set_ or (), name))
        results = Store(out)
        pipelines = _pipelines(plans, cache_dir, results, Context(), console.print)
        for pipeline in pipelines:
            _mark(pipeline, results)
        print_grid(pipelines, results, cell_by_cell, failures=True)


app.command()(sharing.compare)
app.command()(sharing.site)


@app.command()
def table(
    grid: GridName,
    dataset: DatasetName = None,
    data_dir: DataDir = None,
    name: DataName = None,
    out: Out = Path("results"),
    cache_dir: CacheDir = None,
    recipe: Recipe = None,
    seed: Seed = None,
    gallery: Gallery = None,
    cell_by_cell: CellByCell = False,
    set_: Settings = None,
) -> None:
    """Write a grid's tables and figures again from the records there are, and show the table."""
    with plain_errors():
        plans = _plans(grid, cache_dir, grid_file.Options(dataset, data_dir, recipe, seed, set_ or (), name))
        pictured, results = _pictured(gallery), Store(out)
        _check_folders(plans, out, cache_dir)
        pipelines = _pipelines(plans, cache_dir, results, Context(), console.print)
        for pipeline in pipelines:
            _mark(pipeline, results)
        written = _write(pipelines, results, out, pictured)
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


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A data set, embedder, hasher, index or reranker.")],
    kind: Annotated[str | None, typer.Option("--kind", help="Which of several plugins of that name.")] = None,
    set_: Settings = None,
) -> None:
    """Check whether a plugin keeps to its contract, a line a demand, on small data made on the spot."""
    with plain_errors():
        keep_caches_in(default_cache())
        values = _plugin_settings(name, set_ or ())
        kinds = _kinds(name, kind)
        from bench.conformance import maker, verdicts

        makers = {each: maker(each, name, values) for each in kinds}
        failed = total = 0
        for each, make in makers.items():
            console.print(f"{each} {name}", style="bold")
            for verdict in verdicts(each, make):
                console.print(f"  {verdict}")
                failed += verdict.status == "failed"
                total += 1
        if failed:
            errors.print(f"bench: {failed} of {total} checks failed")
            raise typer.Exit(1)


def _kinds(name: str, kind: str | None) -> list[registry.Kind]:
    """The kinds of which there is a plugin of that name, or the one that is asked for. ValueError: there is none."""
    if kind is not None and kind not in registry.GROUPS:
        raise ValueError(registry.unknown(f"kind {kind!r}", kind, registry.GROUPS))
    asked = [one for one in registry.GROUPS if kind in (None, one)]
    found = [one for one in asked if registry.named(one, name)]
    if not found:
        known = [known for one in asked for known in registry.plugins(one)]
        raise ValueError(registry.unknown(f"{kind or 'plugin'} {name!r}", name, known))
    return found


def _plugin_settings(name: str, settings: Sequence[str]) -> dict[str, Any]:
    """What ``--set`` says of one plugin, by parameter. ValueError: it speaks of another."""
    values = {}
    for setting in map(parse, settings):
        if setting.owner != name:
            raise ValueError(f"{setting}: expected {name}.parameter=value")
        values[setting.key] = setting.of_plugin()
    return values


def _mark(pipeline: Pipeline, results: Store) -> None:
    from bench.records import book
    from bench.runs import tuning

    for half in tuning.halves(pipeline):
        book.mark(half, results)


def _pictured(gallery: int | None) -> int | None:
    """The number of ``--gallery``; None for the usual one. ValueError: there can't be so many."""
    if gallery is not None and not 0 <= gallery <= MOST_PICTURED:
        raise ValueError(f"--gallery {gallery}: expected a number of queries, 0 (none) to {MOST_PICTURED:,}")
    return gallery


def _write(pipelines: Sequence[Pipeline], results: Store, out: Path, pictured: int | None = None) -> list[Path]:
    """The report of each data set in a folder of its own, above them one of all, where there are several; and all
    records of the store as one table. ``pictured``: queries in a page's gallery, None for the usual number.
    """
    from bench.records.parquet import write_parquet
    from bench.report.write import PICTURED, write_reports

    folder = out / pipelines[0].grid.name
    pipelines = [settled(pipeline, results, take=True) for pipeline in pipelines]
    with room_for(folder):
        written = write_reports(pipelines, results, folder, PICTURED if pictured is None else pictured)
    return [*written, *write_parquet(results)]
