"""A run whose jobs a cluster makes: what its workers are told, what they say on the screen, and what Ctrl-C asks."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.chosen import Chosen
from bench.cli.progress import Reporter
from bench.cli.screen import console
from bench.grids.cells import Grid
from bench.plans.units import Unit

if TYPE_CHECKING:
    from bench.cli.making import Making
    from bench.cluster.engine import Dask
    from bench.cluster.hands import Event
    from bench.runs.crew import Taking
    from bench.runs.run import Run

PASSED_ON = ("device", "timeout", "memory_limit", "verbose", "retry_failed")
"""The options that the processes of the workers have too."""


@dataclass
class _Lane:
    """A job on the screen: its number, its host, and what was begun of it."""

    number: int
    host: str
    begun: list[AbstractContextManager[None]] = field(default_factory=list)


@dataclass
class Lanes:
    """Shows what workers say, a lane a job, each line and bar with its host. ``machines``: classes by host."""

    reporter: Reporter
    machines: dict[str, str]
    _lanes: dict[str, _Lane] = field(default_factory=dict)
    _last: int = 0

    def say(self, line: str) -> None:
        """Print a line."""
        self.reporter.say(line)

    def hear(self, event: Event) -> None:
        """Show an event."""
        if event["event"] == "taken":
            self._last += 1
            self._lanes[event["name"]] = _Lane(self._last, event["host"])
            self._begin(self._lanes[event["name"]], Unit(f"job {event['name']}", "job", {}, title=event["host"]), False)
            return
        lane = self._lanes.get(event["name"])
        if lane is None:
            return
        match event["event"]:
            case "say":
                self.reporter.say(f"{lane.host}: {event['line']}")
            case "detail":
                self.reporter.detail(f"{lane.host}: {event['line']}")
            case "begin":
                unit = Unit(**event["unit"])
                self._begin(lane, replace(unit, title=f"{unit.title} on {lane.host}"), event["counts"])
            case "end" if len(lane.begun) > 1:
                self._end(lane, event["well"])
            case "step":
                with self._at(lane):
                    self.reporter.show(event["description"], event["done"], event["total"])

    def leave(self, name: str) -> None:
        """Show a job no more."""
        lane = self._lanes.pop(name, None)
        while lane is not None and lane.begun:
            self._end(lane, False)

    def _at(self, lane: _Lane) -> AbstractContextManager[None]:
        return self.reporter.lane(lane.number, self.machines.get(lane.host))

    def _begin(self, lane: _Lane, unit: Unit, counts: bool) -> None:
        with self._at(lane):
            doing = self.reporter.doing(unit, counts)
            doing.__enter__()
            lane.begun.append(doing)

    def _end(self, lane: _Lane, well: bool) -> None:
        fault = None if well else RuntimeError("it did not end well")
        with self._at(lane), suppress(RuntimeError):
            lane.begun.pop().__exit__(None if fault is None else RuntimeError, fault, None)


@contextmanager
def engine(address: str, chosen: Chosen, plans: Sequence[Grid], making: Making) -> Iterator[Dask]:
    """The cluster at an address, whose workers are as this machine is.

    Raises ValueError: it can't be reached or started, or a worker is not as it must be.
    """
    from bench.cluster.address import connected, parsed
    from bench.cluster.alike import shared
    from bench.cluster.engine import Dask

    with ExitStack() as leaving:
        folders = [] if chosen.remote is not None else [chosen.out, chosen.cache]
        tokens = leaving.enter_context(shared(folders))
        client = leaving.enter_context(connected(parsed(address)))
        found = Dask(client, opening(chosen, plans, making, tokens), console.print)
        leaving.callback(found.close)
        yield found


def opening(chosen: Chosen, plans: Sequence[Grid], making: Making, tokens: dict[str, str]) -> dict[str, Any]:
    """What a worker needs to know of a run, in JSON's types. ``tokens``: see `bench.cluster.alike.shared`.

    Raises ValueError: a plugin of the grids has no source.
    """
    from bench.cluster.alike import harness, needed

    said = {**vars(chosen), "cache_dir": chosen.cache}
    said |= {name: str(said[name].absolute()) for name in ("out", "cache_dir", "data_dir") if said[name] is not None}
    grid = Path(chosen.grid)
    said["grid"] = str(grid.absolute()) if grid.is_file() else chosen.grid
    said["settings"] = None if chosen.settings is None else [*chosen.settings]
    options = {name: value for name, value in asdict(making).items() if name in PASSED_ON}
    return {
        "chosen": said,
        "making": options,
        "plugins": needed(plans),
        "harness": harness(),
        "tokens": tokens,
        "folder": str(Path.cwd()),
    }


def crew(found: Dask, reporter: Reporter) -> Callable[[Run], Taking]:
    """What takes the jobs of a run on a cluster."""
    from bench.cluster.afar import Afar

    lanes = Lanes(reporter, found.machines)
    return lambda run: Afar(run, found, lanes, lambda hosts: _stays(hosts, reporter))


def _stays(hosts: Sequence[str], reporter: Reporter) -> bool:
    """Whether to wait for what runs on these hosts; asked on a terminal, and not waited for elsewhere."""
    if not (console.is_terminal and sys.stdin.isatty()):
        return False
    counted = ", ".join(f"{count} on {name}" for name, count in sorted(Counter(hosts).items()))
    with reporter.still():
        answer = console.input(f"bench: running: {counted}. Let them finish? (y/n; Ctrl-C again leaves at once) ")
    return answer.strip().lower() in ("y", "yes")
