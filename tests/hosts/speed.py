"""How much faster three hosts make a grid than one, and whether it is the same grid.

``python -m tests.hosts.speed FOLDER`` (root, Linux) makes a grid of 24 trainings and 30 timed cells, whose stages and
builds sleep, by one worker on one host, by three workers on three hosts, and by a run with a Dask worker on each.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.bench.runs.test_work import figures
from tests.hosts import work
from tests.hosts.cluster import clustered
from tests.hosts.machines import Host, hosts

TRAININGS, GROUPS = 24, 6
Make = Callable[[Sequence[Host], Path, Path, dict[str, str]], None]


def main() -> None:
    """Make the grid in three ways, and say what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder, not below /tmp, which each host has for itself")
    parser.add_argument("--training", type=float, default=10.0, help="seconds of a training")
    parser.add_argument("--build", type=float, default=1.0, help="seconds of a build")
    chosen = parser.parse_args()
    folder = chosen.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    variables = work.install(folder / "plugins")
    grid = work.grid(folder, TRAININGS, GROUPS, chosen.training, chosen.build)
    taken, made = {}, {}
    with hosts(3) as machines:
        ways: dict[str, tuple[Make, int]] = {"alone": (workers, 1), "work": (workers, 3), "cluster": (clustered, 3)}
        for name, (make, count) in ways.items():
            began = time.monotonic()
            make(machines[:count], grid, folder / name, variables)
            taken[name], made[name] = time.monotonic() - began, figures(folder / name)
            assert len(made[name]) == TRAININGS + 5 * GROUPS, f"{name}: {len(made[name])} records"
            assert made[name] == made["alone"], f"{name}: other figures than alone"
            assert not (wrong := work.faults(folder / name)), wrong
            print(f"{name}: {taken[name]:.1f} s, {taken['alone'] / taken[name]:.2f} times as fast as alone", flush=True)


def workers(machines: Sequence[Host], grid: Path, folder: Path, variables: dict[str, str], *more: str) -> None:
    """A worker on each host, until nothing is left."""
    folder.mkdir(exist_ok=True)
    command = partial(work.command, "work", grid, folder, "--wait", *more)
    started = [(host, host.start(command(), folder / f"{host.name}.log", variables)) for host in machines]
    for host, process in started:
        assert process.wait(3600) == 0, (folder / f"{host.name}.log").read_text()


if __name__ == "__main__":
    main()
