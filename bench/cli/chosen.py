"""The options of a grid, its data and its folders, which several commands share."""

from __future__ import annotations

import dataclasses
import inspect
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from bench.cli.options import CacheDir, DataDir, DataName, DatasetName, GridName, Out, Recipe, Remote, Seed, Settings
from bench.grids import grid_file
from bench.grids.cells import Grid
from bench.grids.naming import given_name, told_apart
from bench.interfaces import Context
from bench.records.naming import settled
from bench.runs.sizing import with_sizes
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.store.remote import ObjectStore
from bench.system.places import check_readable, check_temporary, check_writable, default_cache, keep_caches_in
from bench.workers.limits import Say


@dataclass(frozen=True)
class Chosen:
    """The grid, its data and the folders, as the options of the command line name them."""

    grid: GridName
    dataset: DatasetName = None
    data_dir: DataDir = None
    name: DataName = None
    out: Out = Path("results")
    cache_dir: CacheDir = None
    remote: Remote = None
    recipe: Recipe = None
    seed: Seed = None
    settings: Settings = None

    @property
    def cache(self) -> Path:
        """The folder of the artifacts."""
        return self.cache_dir or default_cache()

    def plans(self) -> list[Grid]:
        """The grid on each of its data sets.

        Raises ValueError: the grid or an option is wrong, or its name would not name a folder of the results.
        """
        keep_caches_in(self.cache)
        said = self.settings or ()
        options = grid_file.Options(self.dataset, self.data_dir, self.recipe, self.seed, said, self.name)
        names = grid_file.dataset_names(self.grid, options)
        plans = [grid_file.load(self.grid, dataclasses.replace(options, dataset=name)) for name in names]
        given_name(plans[0].name, "grid")
        return told_apart(plans)

    def command(self, name: str) -> str:
        """The line that starts another command on the same grid, data and folders."""
        words = ["python", "-m", "bench", name, "--grid", self.grid]
        given: dict[str, Any] = {
            "--dataset": self.dataset,
            "--data-dir": self.data_dir,
            "--name": self.name,
            "--out": self.out,
        }
        given |= {"--cache-dir": self.cache_dir, "--remote": self.remote, "--recipe": self.recipe, "--seed": self.seed}
        words += [word for option, value in given.items() if value is not None for word in (option, str(value))]
        return shlex.join([*words, *(word for value in self.settings or () for word in ("--set", value))])

    def check_folders(self, plans: Sequence[Grid]) -> None:
        """Try all that will be written to.

        Raises ValueError: the results folder or the cache can't be written to. Unreachable: nor can the object store.
        """
        check_writable("--cache-dir", self.cache, ["labels", "features", "codes", "exact", "locks", "work"])
        inner = ["records", "neighbours", "replicates", "names", "sizes", "locks", plans[0].name]
        check_writable("--out", self.out, [*inner, *(f"{plans[0].name}/{plan.dataset_name}" for plan in plans)])
        check_temporary()
        if self.remote is not None:
            try:
                ObjectStore(self.remote).check()
            except ValueError as fault:
                raise ValueError(f"--remote: {fault}") from fault

    def artifacts(self, say: Say, memory: int | None = None) -> Store:
        """The store of the cache. ``memory``: see `Store`. Raises ValueError: the folder is a file."""
        check_readable("--cache-dir", self.cache)
        return Store(self.cache, say, self._behind("cache"), memory)

    def results(self, say: Say = print) -> Store:
        """The store of the results. Raises ValueError: the folder is a file."""
        check_readable("--out", self.out)
        return Store(self.out, say, self._behind("results"))

    def _behind(self, name: str) -> ObjectStore | None:
        return None if self.remote is None else ObjectStore(self.remote).inside(name)

    def pipelines(
        self, plans: Sequence[Grid], results: Store, context: Context, say: Say, memory: int | None = None
    ) -> list[Pipeline]:
        """A pipeline for each data set, with the name that its data have in the results. ``memory``: see `Store`.

        Raises ValueError: the data of a data set are not where they should be.
        """
        pipelines = [Pipeline(plan, self.artifacts(say, memory), context, say) for plan in plans]
        for pipeline in pipelines:
            try:
                _ = pipeline.dataset_identity
            except ValueError as fault:
                if len(plans) == 1:
                    raise
                name = pipeline.grid.dataset.name
                raise ValueError(f"data set {name!r}: {fault}; --dataset NAME runs the grid on one data set") from fault
        return [with_sizes(settled(pipeline, results), results) for pipeline in pipelines]


def on_a_grid(grid: Any = GridName) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn a function of `Chosen` and of options of its own into a command with the options of both.

    ``grid``: the option or the argument that names the grid.
    """
    hints = get_type_hints(Chosen, include_extras=True) | {"grid": grid}
    fields = {field.name: field for field in dataclasses.fields(Chosen)}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def called(**given: Any) -> None:
            command(Chosen(**{name: given.pop(name) for name in fields}), **given)

        own = [*inspect.signature(command, eval_str=True).parameters.values()][1:]
        shared = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
                annotation=hints[name],
            )
            for name, field in fields.items()
        ]
        parameters = [*shared, *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own)]
        called.__name__, called.__doc__, called.__module__ = command.__name__, command.__doc__, command.__module__
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return called

    return decorate
