"""The command line: ``run``, ``list``, ``show``, ``table``.

Whatever the user can mend (a name, a grid, a folder, an image) is one line on stderr and exit code 2; a run in which
cells failed ends with 1 and says which; Ctrl-C ends with 130 and keeps what is finished.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from bench import grid_file, registry
from bench.environment import check_faiss
from bench.grid import Grid
from bench.interfaces import Context
from bench.isolation import Limits
from bench.pipeline import Pipeline
from bench.store import Store

app = typer.Typer(
    help="Learning-to-hash and approximate nearest-neighbour search in one table.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)

SETTINGS = (
    *("protocol", "embedder", "dim", "input", "hasher", "variant", "bits", "model", "database_codes"),
    *("index", "setting", "rerank", "seed"),
)
GridName = Annotated[str, typer.Option("--grid", help="A built-in grid, or the path of a .toml file.")]
DatasetName = Annotated[str | None, typer.Option("--dataset", help="One data set, in place of the grid's.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the data set's files are.")]
Out = Annotated[Path, typer.Option("--out", help="Where records, tables and figures go.")]
CacheDir = Annotated[
    Path | None, typer.Option("--cache-dir", help="Where data, trunk outputs, features and codes are kept.")
]
Recipe = Annotated[str | None, typer.Option("--recipe", help="Another recipe of the grid's, such as paper or quick.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, or auto.")]
Seed = Annotated[int | None, typer.Option("--seed", help="One seed, in place of the grid's.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value or plugin.parameter=value, in TOML's syntax; may be repeated."),
]
Timeout = Annotated[float | None, typer.Option(help="Seconds for a fit, a build or a search; then it is ended.")]
MemoryLimit = Annotated[
    float | None, typer.Option(help="GB for a fit, a build or a search; by default what is free, less a reserve.")
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try again what failed, timed out or took too much.")]
InProcess = Annotated[
    bool, typer.Option("--in-process", help="No processes of their own for the plugins, and no limits: for a debugger.")
]


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/bench``, or ``~/.cache/bench``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench"


@contextmanager
def plain_errors() -> Iterator[None]:
    """What the user can mend ends in one line and exit code 2."""
    try:
        yield
    except (ValueError, OSError) as fault:
        errors.print(f"bench: {fault}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from fault
    except KeyboardInterrupt as fault:
        errors.print("bench: interrupted; what is finished is kept, and the same command goes on from there")
        raise typer.Exit(130) from fault


class Reporter:
    """Progress bars with the time left while a stage runs, and one line when it is done."""

    def __init__(self, progress: Progress):
        """``progress`` is already started."""
        self._progress = progress
        self._shown: dict[str, tuple[TaskID, float]] = {}
        self._start = time.perf_counter()

    def say(self, line: str) -> None:
        """A line above the bars, with the seconds since the start."""
        passed = time.perf_counter() - self._start
        self._progress.console.print(f"[{passed:6.1f} s] {line}", markup=False, highlight=False, soft_wrap=True)

    def track(self, steps: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        """The steps, with a bar."""
        if total is None and isinstance(steps, Sized):
            total = len(steps)
        self.show(description, 0, total)
        try:
            for done, step in enumerate(steps):
                yield step
                self.show(description, done + 1, total)
        finally:
            self.show(description, None, total)

    def show(self, description: str, done: int | None, total: int | None) -> None:
        """How far a stage has come, here or in a process of its own; None when it is over."""
        if description not in self._shown:
            self._shown[description] = self._progress.add_task(description, total=total), time.perf_counter()
        task, start = self._shown[description]
        if done is not None:
            self._progress.update(task, completed=done, total=total)
            return
        del self._shown[description]
        self._progress.remove_task(task)
        if (passed := time.perf_counter() - start) > 1:
            self.say(f"{description}: {passed:.1f} s")


@contextmanager
def reporting() -> Iterator[Reporter]:
    """A reporter whose bars are shown inside."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Reporter(progress)


def _plans(grid: str, options: grid_file.Options) -> list[Grid]:
    """The grid on each of its data sets."""
    names = grid_file.dataset_names(grid, options)
    return [grid_file.load(grid, dataclasses.replace(options, dataset=name)) for name in names]


def _pipelines(
    plans: Sequence[Grid], cache_dir: Path | None, context: Context, say: Callable[[str], None]
) -> list[Pipeline]:
    """A pipeline for each data set. ValueError: the data of one are not where they should be."""
    root = cache_dir or default_cache()
    root.mkdir(parents=True, exist_ok=True)
    pipelines = [Pipeline(plan, Store(root), context, say) for plan in plans]
    for pipeline in pipelines:
        try:
            _ = pipeline.dataset_identity
        except ValueError as fault:
            if len(plans) == 1:
                raise
            name = pipeline.grid.dataset.name
            raise ValueError(f"data set {name!r}: {fault}; --dataset NAME runs the grid on one data set") from fault
    return pipelines


@app.command()
def run(
    grid: GridName,
    dataset: DatasetName = None,
    data_dir: DataDir = None,
    out: Out = Path("results"),
    cache_dir: CacheDir = None,
    recipe: Recipe = None,
    device: Device = "auto",
    seed: Seed = None,
    timeout: Timeout = None,
    memory_limit: MemoryLimit = None,
    retry_failed: RetryFailed = False,
    in_process: InProcess = False,
    set_: Settings = None,
) -> None:
    """Run a grid: everything that is not done yet, then its tables and figures."""
    with plain_errors():
        plans = _plans(grid, grid_file.Options(dataset, data_dir, recipe, seed, set_ or ()))
        limits = _limits(timeout, memory_limit, in_process)
        check_faiss()
        with reporting() as reporter:
            context = Context(device=device, cache=cache_dir or default_cache(), track=reporter.track)
            pipelines = _pipelines(plans, cache_dir, context, reporter.say)
            from bench.child import Local
            from bench.isolation import Child
            from bench.runner import Run, summary

            results, start = Store(out), Local if in_process else Child
            failed: dict[str, str] = {}
            for pipeline in pipelines:
                failed |= Run(pipeline, results, reporter.say, reporter.show, limits, retry_failed, start)()
            written = _write(pipelines, results, out)
        for pipeline in pipelines:
            _print_cells(pipeline, results)
        for path in written:
            console.print(f"wrote {path}", highlight=False)
        cells = sum(len(plan.cells) for plan in plans)
        if skipped := [reason for pipeline in pipelines for reason in _skipped(pipeline, results)]:
            _print_reasons(console, f"bench: {len(skipped)} of {cells} cells skipped:", summary(skipped))
        if failed:
            _print_reasons(errors, f"bench: {len(failed)} of {cells} cells failed:", summary(failed.values()))
            raise typer.Exit(1)


def _limits(timeout: float | None, memory_limit: float | None, in_process: bool) -> Limits:
    """The limits of ``run``. ValueError: they are none, or nothing could keep them."""
    if in_process and (timeout, memory_limit) != (None, None):
        raise ValueError("--in-process keeps no limits: leave out --timeout and --memory-limit")
    return Limits(timeout, None if memory_limit is None else int(memory_limit * 1e9))


@app.command("list")
def list_() -> None:
    """List the data sets, embedders, hashers, indexes, rerankers and grids, a line each."""
    with plain_errors():
        for kind in registry.GROUPS:
            plural = "indexes" if kind == "index" else f"{kind}s"
            _print_names(plural, {name: registry.describe(point) for name, point in registry.plugins(kind).items()})
        _print_names("grids", grid_file.names())


@app.command()
def show(
    grid: Annotated[str, typer.Argument(help="A built-in grid, or the path of a .toml file.")],
    dataset: DatasetName = None,
    data_dir: DataDir = None,
    out: Out = Path("results"),
    cache_dir: CacheDir = None,
    recipe: Recipe = None,
    seed: Seed = None,
    set_: Settings = None,
) -> None:
    """Show a grid's cells and what is already done."""
    with plain_errors():
        plans = _plans(grid, grid_file.Options(dataset, data_dir, recipe, seed, set_ or ()))
        for pipeline in _pipelines(plans, cache_dir, Context(), console.print):
            plan = pipeline.grid
            console.print(
                f"{plan.name}: {plan.title}\ndata set {plan.dataset.describe()}, recipe {plan.recipe}",
                highlight=False,
            )
            _print_cells(pipeline, Store(out))


@app.command()
def table(
    grid: GridName,
    dataset: DatasetName = None,
    data_dir: DataDir = None,
    out: Out = Path("results"),
    cache_dir: CacheDir = None,
    recipe: Recipe = None,
    seed: Seed = None,
    set_: Settings = None,
) -> None:
    """Write a grid's tables and figures again from the records there are."""
    with plain_errors():
        plans = _plans(grid, grid_file.Options(dataset, data_dir, recipe, seed, set_ or ()))
        pipelines = _pipelines(plans, cache_dir, Context(), console.print)
        for path in _write(pipelines, Store(out), out):
            console.print(f"wrote {path}", highlight=False)


def _write(pipelines: Sequence[Pipeline], results: Store, out: Path) -> list[Path]:
    """The report of each data set in a folder of its own, and above them one of all, where there are several."""
    from bench.report import write_report

    folder = out / pipelines[0].grid.name
    written = [path for one in pipelines for path in write_report([one], results, folder / one.grid.dataset.name)]
    return written if len(pipelines) == 1 else written + write_report(pipelines, results, folder)


def _skipped(pipeline: Pipeline, results: Store) -> list[str]:
    """What each cell that this machine could not run is about, and the reason."""
    from bench import records

    rows = records.frame(pipeline, results).reindex(columns=["status", "reason"]).itertuples(index=False)
    return [
        f"{cell.describe()}: {reason}"
        for cell, (status, reason) in zip(pipeline.grid.cells, rows, strict=True)
        if status == "skipped"
    ]


def _print_reasons(where: Console, title: str, reasons: Iterable[str]) -> None:
    where.print(title, highlight=False)
    for line in reasons:
        where.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _print_names(title: str, described: dict[str, str]) -> None:
    console.print(f"{title}", style="bold")
    width = max((len(name) for name in described), default=0)
    for name, description in described.items():
        console.print(f"  {name:<{width}}  {description}", markup=False, highlight=False, soft_wrap=True)


def _print_cells(pipeline: Pipeline, results: Store) -> None:
    """The cells as a table: what they have in common stands in its title."""
    from bench import records

    grid = pipeline.grid
    cells = records.frame(pipeline, results).fillna({"status": "pending"})
    measured = _measured(grid)
    settings = [name for name in SETTINGS if name in cells and cells[name].notna().any()]
    # Beside an index, what a cell lacks is plain; of two rankings it is what tells them apart.
    rankings = any(cell.index is None for cell in grid.cells)
    common = [name for name in settings if cells[name].nunique() == 1 and not (rankings and cells[name].isna().any())]
    title = ", ".join(f"{name} {_short(cells[name].dropna().iloc[0])}" for name in common)
    view = Table(title=f"{grid.name} on {grid.dataset.name}: {title}", title_justify="left")
    columns = [name for name in settings if name not in common] + [name for name in measured if name in cells]
    for name in columns:
        view.add_column(measured.get(name, name), justify="left" if name in ("index", "status") else "right")
    for _, row in cells[columns].iterrows():
        view.add_row(*(_short(value) for value in row))
    console.print(view)


def _measured(grid: Grid) -> dict[str, str]:
    """What is shown of finished cells, by column: of a grid of rankings, nothing that a search has."""
    if all(cell.index is None for cell in grid.cells):
        return {"map": "mAP", "fit_seconds": "fit s", "status": "status"}
    return {
        f"precision_at_{grid.k}": f"P@{grid.k}",
        f"recall_at_{grid.k}": f"recall@{grid.k}",
        "map": "mAP",
        "latency_ms_p50": "ms",
        "throughput_qps": "queries/s",
        "status": "status",
    }


def _short(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4g}"
    return str(value)
