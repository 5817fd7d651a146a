"""The command line: ``run``, ``list``, ``show``, ``table``.

Whatever the user can mend (a name, a grid, a folder, an image) is one line on stderr and exit code 2; a run in which
cells failed ends with 1 and says which; Ctrl-C ends with 130 and keeps what is finished.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from bench import grid as grids
from bench import registry
from bench.environment import check_faiss
from bench.interfaces import Context
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

SHOWN = ("embedder", "dim", "hasher", "bits", "database_codes", "index", "key_bits", "candidates", "nprobe", "seed")
GridName = Annotated[str, typer.Option("--grid", help="A built-in grid, or the path of a .toml file.")]
DatasetName = Annotated[str | None, typer.Option("--dataset", help="Another data set than the grid's.")]
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
        self._start = time.perf_counter()

    def say(self, line: str) -> None:
        """A line above the bars, with the seconds since the start."""
        passed = time.perf_counter() - self._start
        self._progress.console.print(f"[{passed:6.1f} s] {line}", markup=False, highlight=False, soft_wrap=True)

    def track(self, steps: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        """The steps, with a bar."""
        if total is None and isinstance(steps, Sized):
            total = len(steps)
        start = time.perf_counter()
        task = self._progress.add_task(description, total=total)
        try:
            for step in steps:
                yield step
                self._progress.advance(task)
        finally:
            self._progress.remove_task(task)
            passed = time.perf_counter() - start
        if passed > 1:
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


def _pipeline(grid: grids.Grid, cache_dir: Path | None, context: Context, say: Callable[[str], None]) -> Pipeline:
    """The grid's pipeline. ValueError: the data are not where they should be."""
    root = cache_dir or default_cache()
    root.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline(grid, Store(root), context, say)
    _ = pipeline.dataset_identity
    return pipeline


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
    set_: Settings = None,
) -> None:
    """Run a grid: everything that is not done yet, then its tables and figures."""
    with plain_errors():
        plan = grids.load(grid, grids.Options(dataset, data_dir, recipe, seed, set_ or ()))
        check_faiss()
        with reporting() as reporter:
            context = Context(device=device, cache=cache_dir or default_cache(), track=reporter.track)
            pipeline = _pipeline(plan, cache_dir, context, reporter.say)
            from bench.runner import Run, summary

            results = Store(out)
            failed = Run(pipeline, results, reporter.say)()
            written = _write(pipeline, results, out)
        _print_cells(pipeline, results)
        for path in written:
            console.print(f"wrote {path}", highlight=False)
        if failed:
            errors.print(f"bench: {len(failed)} of {len(plan.cells)} cells failed:", highlight=False)
            for line in summary(failed.values()):
                errors.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(1)


@app.command("list")
def list_() -> None:
    """List the data sets, embedders, hashers, indexes and grids, a line each."""
    with plain_errors():
        for kind in registry.GROUPS:
            plural = "indexes" if kind == "index" else f"{kind}s"
            _print_names(plural, {name: registry.describe(point) for name, point in registry.plugins(kind).items()})
        _print_names("grids", grids.names())


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
        plan = grids.load(grid, grids.Options(dataset, data_dir, recipe, seed, set_ or ()))
        pipeline = _pipeline(plan, cache_dir, Context(), console.print)
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
        plan = grids.load(grid, grids.Options(dataset, data_dir, recipe, seed, set_ or ()))
        pipeline = _pipeline(plan, cache_dir, Context(), console.print)
        for path in _write(pipeline, Store(out), out):
            console.print(f"wrote {path}", highlight=False)


def _write(pipeline: Pipeline, results: Store, out: Path) -> list[Path]:
    from bench.report import write_report

    return write_report(pipeline, results, out / pipeline.grid.name / pipeline.grid.dataset.name)


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
    measured = {
        f"precision_at_{grid.k}": f"P@{grid.k}",
        f"recall_at_{grid.k}": f"recall@{grid.k}",
        "map": "mAP",
        "latency_ms_p50": "ms",
        "throughput_qps": "queries/s",
        "status": "status",
    }
    settings = [
        "embedder",
        "dim",
        "hasher",
        "bits",
        "database_codes",
        "index",
        "key_bits",
        "candidates",
        "nprobe",
        "seed",
    ]
    settings = [name for name in settings if name in cells and cells[name].notna().any()]
    common = [name for name in settings if cells[name].dropna().nunique() == 1]
    title = ", ".join(f"{name} {_short(cells[name].dropna().iloc[0])}" for name in common)
    view = Table(title=f"{grid.name} on {grid.dataset.name}: {title}", title_justify="left")
    columns = [name for name in settings if name not in common] + [name for name in measured if name in cells]
    for name in columns:
        view.add_column(measured.get(name, name), justify="left" if name in ("index", "status") else "right")
    for _, row in cells[columns].iterrows():
        view.add_row(*(_short(value) for value in row))
    console.print(view)


def _short(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4g}"
    return str(value)
