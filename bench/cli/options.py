"""The options that several commands share, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.usage import number, whole
from bench.system.places import user_path

GridName = Annotated[str, typer.Option("--grid", metavar="GRID", help="A built-in grid, or the path of a .toml file.")]
GridArgument = Annotated[str, typer.Argument(metavar="GRID", help="A built-in grid, or the path of a .toml file.")]
DatasetName = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME", help="One data set, in place of the grid's.")
]
A_PATH: dict[str, Any] = {"parser": user_path, "metavar": "PATH"}
DataDir = Annotated[Path | None, typer.Option("--data-dir", **A_PATH, help="Where the data set's files are.")]
DataName = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="NAME", help="What the data are called; by default as their folder, file or data set."
    ),
]
Out = Annotated[Path, typer.Option("--out", **A_PATH, help="Where records, tables and figures go.")]
CacheDir = Annotated[
    Path | None,
    typer.Option("--cache-dir", **A_PATH, help="Where data, trunk outputs, features and codes are kept."),
]
Remote = Annotated[
    str | None,
    typer.Option(
        "--remote",
        metavar="URL",
        help="An object store (s3://, gs://, file://) that holds cache and results too; both folders are copies of it.",
    ),
]
Recipe = Annotated[
    str | None, typer.Option("--recipe", metavar="NAME", help="Another recipe of the grid's, such as paper or quick.")
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, or auto.")]
Seed = Annotated[
    int | None,
    whole("--seed", "a whole number", "One seed, in place of the grid's."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="key=value or plugin.parameter=value, in TOML's syntax; may be repeated."
    ),
]
Timeout = Annotated[
    float | None,
    number("--timeout", "seconds", "Seconds for a fit, a build or a search; then it is ended."),
]
MemoryLimit = Annotated[
    float | None,
    number("--memory-limit", "GB", "GB for a fit, a build or a search; by default what is free, less a reserve."),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try again what failed, timed out or took too much.")]
InProcess = Annotated[
    bool, typer.Option("--in-process", help="No processes of their own for the plugins, and no limits: for a debugger.")
]
Jobs = Annotated[
    int,
    whole(
        "--jobs",
        "a whole number of stages, 1 or more",
        "Stages made at once, one a GPU, or each on its share of processors and memory.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Dask workers that make everything: a scheduler's address, local:N, slurm:FILE or k8s:FILE.",
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say also where each training keeps its log.")]
Gallery = Annotated[
    int | None,
    whole(
        "--gallery",
        "a whole number of queries, 0 or more",
        "Queries of images that the page shows with what was found of them; 0 for none.",
    ),
]
CellByCell = Annotated[bool, typer.Option("--cells", help="Show each cell too, with its settings, figures and status.")]
