"""The command ``work``: one of any number of processes that finish a grid together."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from bench.cli.chosen import Chosen, on_a_grid
from bench.cli.endings import plain_errors
from bench.cli.making import Making, failures, subject
from bench.cli.options import Device, Jobs, MemoryLimit, Timeout, Verbose
from bench.cli.screen import console
from bench.stages.pipeline import Pipeline
from bench.system.wording import shown

if TYPE_CHECKING:
    from bench.runs.crew import Kind, Manner
    from bench.runs.work import Worked

WORDS: dict[Kind, tuple[str, str]] = {
    "stage": ("stage", "stages"),
    "ranking": ("ranking", "rankings"),
    "group": ("group of timed cells", "groups of timed cells"),
    "judging": ("record judged again", "records judged again"),
}
"""The kinds of jobs, as a person reads one and several."""


@on_a_grid()
def work(
    chosen: Chosen,
    time_for: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="TIME", help="Begin nothing new after this time: 2h, 1d. What is begun is finished."
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only", metavar="train|time", help="train: stages and rankings alone; time: what is timed alone."
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for what others are making, and take what they leave.")
    ] = False,
    jobs: Jobs = 1,
    device: Device = "auto",
    timeout: Timeout = None,
    memory_limit: MemoryLimit = None,
    verbose: Verbose = False,
) -> None:
    """Make what is not done of a grid and what no other process is making, until nothing is left to take.

    Any number of processes may work on the same folders, on this machine and on others: each takes the next stage,
    ranking, or group of cells that are timed in turns. Start one on each machine, so that nothing runs beside its timed
    cells. No tables are written; `bench table` writes them.
    """
    with plain_errors():
        plans, manner = chosen.plans(), _manner(time_for, only)
        making = Making(device, timeout, memory_limit, jobs, verbose)
        making.check(chosen, plans)
        from bench.runs.work import work as work_on

        pipelines: list[Pipeline] = []
        with failures(pipelines, chosen.results()) as failed:
            with making.opened(chosen, plans, manner) as (reporter, runs):
                pipelines += [one.run.pipeline for one in runs]
                reporter.open(subject(pipelines), [one.plan() for one in runs])
                done = work_on(runs, manner, wait)
                failed |= done.failed
            console.print(f"bench: made {_counted(done.made)}; {_left(done, manner, wait)}")
            console.print(f"bench: the tables are written by {chosen.command('table')}")


def _manner(time_for: str | None, only: str | None) -> Manner:
    """Raises ValueError: an option is not valid."""
    from bench.runs.crew import Manner, Only
    from bench.store.garbage import seconds

    kinds = {kind: kind for kind in get_args(Only)}
    if only is not None and only not in kinds:
        raise ValueError(f"--only {shown(only)}: expected {' or '.join(kinds)}")
    until = math.inf if time_for is None else time.monotonic() + seconds("--for", time_for)
    return Manner(waits=False, only=kinds.get(only), until=until)


def _counted(made: Mapping[Kind, int]) -> str:
    """The numbers of jobs in words."""
    counted = (f"{made[kind]:,} {words[made[kind] > 1]}" for kind, words in WORDS.items() if made[kind])
    return ", ".join(counted) or "nothing"


def _left(done: Worked, manner: Manner, wait: bool) -> str:
    """What is left, and why, in words."""
    if not done.cells:
        return "nothing is left"
    if manner.ended:
        why = "as the time of --for is over"
    elif done.held and not wait:
        why = "which others are making or wait for: --wait stays, and takes what they leave"
    else:
        why = f"for a worker without --only {manner.only}"
    return f"{done.cells:,} {'cell is' if done.cells == 1 else 'cells are'} left, {why}"
