"""What the commands share that make something of a grid: their options, the runs, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import typer

from bench.cli.chosen import Chosen
from bench.cli.progress import Reporter, reporting
from bench.cli.results import print_failures
from bench.cli.screen import console, errors
from bench.grids.cells import Grid
from bench.interfaces import Context
from bench.plans.units import Watch
from bench.plugins import registry
from bench.plugins.choices import ROLES
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.system.environment import check_device, check_faiss
from bench.workers.limits import Limits

if TYPE_CHECKING:
    from bench.runs.crew import Manner, Taking
    from bench.runs.run import Run
    from bench.runs.tuning import Tuned
    from bench.workers.forkserver import Forkserver
    from bench.workers.shares import Share

MOST = 1e9
"""The most seconds or GB of an option. A larger value is a mistake."""


class Screen(Watch, Protocol):
    """What shows a run: a watch that gets lines and the progress of stages too."""

    def say(self, line: str) -> None:
        """Show a line."""
        ...

    def show(self, description: str, done: int | None, total: int | None) -> None:
        """Show the progress of a stage."""
        ...

    def track(self, steps: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        """The steps, shown as a stage."""
        ...


@dataclass(frozen=True)
class Making:
    """The options of a command that trains, searches and times."""

    device: str = "auto"
    timeout: float | None = None
    memory_limit: float | None = None
    jobs: int = 1
    verbose: bool = False
    retry_failed: bool = False
    in_process: bool = False
    cluster: str | None = None

    def check(self, chosen: Chosen, plans: Sequence[Grid]) -> None:
        """Raises ValueError: an option, a library or a folder is not as it must be."""
        _ = self._limits
        check_device(self.device)
        check_faiss()
        _ = self._shares
        self._check_cluster()
        chosen.check_folders(plans)

    @contextmanager
    def opened(self, chosen: Chosen, plans: Sequence[Grid], manner: Manner) -> Iterator[tuple[Reporter, list[Tuned]]]:
        """The screen, and the sized runs of the data sets, which take jobs in this manner. Their processes end with it.

        Raises ValueError: the data of a data set are not where they should be, or can't be read. Raises DiskFull.
        """
        from bench.cli import afar

        shares = self._shares
        # What follows takes seconds.
        console.print(f"bench: {plans[0].name}: looking at the data and at what is stored of them")
        with ExitStack() as leaving:
            engine = None
            if self.cluster is not None:
                engine = leaving.enter_context(afar.engine(self.cluster, chosen, plans, self))
            lanes = len(shares) if engine is None else engine.slots
            reporter = leaving.enter_context(reporting(chosen.cache, self.verbose, lanes, engine is not None))
            crew = None if engine is None else afar.crew(engine, reporter)
            runs = leaving.enter_context(self.begun(chosen, plans, manner, reporter, shares, crew))
            for one in runs:
                mark(one.run.pipeline, chosen.results(reporter.say))
            yield reporter, runs

    @contextmanager
    def begun(
        self,
        chosen: Chosen,
        plans: Sequence[Grid],
        manner: Manner,
        screen: Screen,
        shares: Sequence[Share | None],
        crew: Callable[[Run], Taking] | None = None,
    ) -> Iterator[list[Tuned]]:
        """The sized runs of the data sets, shown on a screen. ``shares``, ``crew``: see `bench.runs.run.Run`.

        Raises ValueError: the data of a data set are not where they should be, or can't be read. Raises DiskFull.
        """
        from bench.runs.run import Run
        from bench.runs.tuning import Tuned
        from bench.workers.in_process import Local
        from bench.workers.process import Child

        with _forkserver(plans) as launch:
            context = Context(device=self.device, cache=chosen.cache, track=screen.track)
            results = chosen.results(screen.say)
            start = Local if self.in_process else partial(Child, launch=launch)
            at_once = Local if self.in_process else partial(Child, launch=launch.at_once)
            told = (screen.say, screen.show, self._limits, self.retry_failed, start, at_once)
            yield [
                Tuned(Run(one, results, *told, watch=screen, manner=manner, shares=shares, crew=crew).sized())
                for one in chosen.pipelines(plans, results, context, screen.say, self._limits.bytes)
            ]

    def _check_cluster(self) -> None:
        """Raises ValueError: the address of the cluster is not valid, or an option does not go with it."""
        if self.cluster is None:
            return
        if self.in_process or self.jobs != 1:
            option = "--in-process" if self.in_process else f"--jobs {self.jobs}"
            raise ValueError(f"--cluster makes everything on its workers: leave out {option}")
        from bench.cluster.address import parsed

        parsed(self.cluster)

    @property
    def _limits(self) -> Limits:
        """Raises ValueError: they are not valid, or can't be kept in this process."""
        if self.in_process and (self.timeout, self.memory_limit) != (None, None):
            raise ValueError("--in-process keeps no limits: leave out --timeout and --memory-limit")
        limits = (("--timeout", self.timeout, "seconds"), ("--memory-limit", self.memory_limit, "GB"))
        for option, value, unit in limits:
            if value is not None and not 0 < value < MOST:
                raise ValueError(f"{option} {value:g}: expected {unit}, above 0 and below {MOST:g}")
        return Limits(self.timeout, None if self.memory_limit is None else max(1, int(self.memory_limit * 1e9)))

    @property
    def _shares(self) -> Sequence[Share | None]:
        """Raises ValueError: the machine has fewer shares, or they can't be kept in this process."""
        if self.jobs == 1:
            return (None,)
        if self.in_process:
            raise ValueError(f"--in-process makes one thing at a time: leave out --jobs {self.jobs}")
        from bench.workers.shares import shares

        return shares(self.jobs, self.device)


def subject(pipelines: Sequence[Pipeline]) -> str:
    """The subject of a run in a few words."""
    grids = [pipeline.grid for pipeline in pipelines]
    return f"{grids[0].name} on {', '.join(grid.dataset_name for grid in grids)}"


def mark(pipeline: Pipeline, results: Store) -> None:
    """Mark all entries that a grid refers to as in use."""
    from bench.records import book
    from bench.runs import tuning

    for half in tuning.halves(pipeline):
        book.mark(half, results)


@contextmanager
def failures(pipelines: Sequence[Pipeline], results: Store) -> Iterator[dict[str, str]]:
    """A dict for reasons of failures by record key. They are printed at any end of the block, with exit code 1."""
    failed: dict[str, str] = {}
    try:
        yield failed
    finally:
        if failed:
            from bench.report.tidy import gathered

            print_failures(errors, gathered(pipelines, results)[0])
    if failed:
        raise typer.Exit(1)


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
