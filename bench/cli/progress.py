"""Shows the progress of a run: by two bars on a terminal, and by a line now and then in a file or a pipe."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live

from bench.cli.bars import LEAST_BAR, NARROW, columns_of, room_for, rows_of
from bench.cli.screen import WIDTH_OF_A_FILE, console
from bench.plans.durations import Durations, DurationsFile, elsewhere
from bench.plans.forecast import Doing, Forecast, Left
from bench.plans.units import Plan, Planned, Unit
from bench.report.text_layout import flowing
from bench.system.machines import machine_class
from bench.system.wording import printable

LINE_SECONDS = 25.0
"""Seconds between two lines of progress where there is no terminal."""

DRAWN, DRAWN_BETWEEN_ROUNDS, DRAWN_IN_ROUNDS = 0.5, 1.0, 10.0
"""Seconds between two drawings of the bars: usually, between two timed rounds, and inside a round that takes long."""

LEAST = 5
"""The fewest seconds that are worth to be shown as the least time left."""


class Reporter:
    """The ``Watch`` of a run that shows its progress and prints its lines.

    A thread of its own also draws bars and prints lines (``tick``), so that silent work of a child is shown too.
    """

    def __init__(
        self,
        forecast: Forecast,
        shown_on: Console = console,
        clock: Callable[[], float] = time.monotonic,
        keep: DurationsFile | None = None,
        verbose: bool = False,
    ) -> None:
        """``forecast`` began now. ``keep``: the file for the times of units."""
        self.live: Live | None = None
        self._forecast, self._console, self._clock = forecast, shown_on, clock
        self._keep, self._verbose = keep, verbose
        self._start = self._last = clock()
        self._stages: dict[tuple[int, str], float] = {}
        self._main = threading.get_ident()
        self._elsewhere: tuple[int, str | None] = (0, None)
        self._open: set[str] = set()
        self._cells = 0
        self._lock = threading.RLock()
        self._gone: SystemExit | None = None

    def open(self, name: str, plans: Sequence[Plan], last: Planned | None = None) -> None:
        """Print the amount of work. ``last``: the unit that comes after all cells, if any."""
        with self._turn() as now:
            self._open = {cell for plan in plans for cell in plan.open}
            every, left_out = sum(plan.cells for plan in plans), sum(plan.left_out for plan in plans)
            self._cells = every - left_out
            self._forecast.plan([*(unit for plan in plans for unit in plan.units), *([last] if last else [])])
            done = {0: "none", self._cells: "all"}.get(self._done, f"{self._done:,}")
            said = [f"{name}: {every:,} {'cell' if every == 1 else 'cells'}", f"{done} done"]
            if left_out:
                said[1:] = [f"{left_out:,} of them left out", f"of the others {done} done"]
            left = self._forecast.told(now)
            is_said = self._open or (last and left.known)
            how_long = f"; {_beforehand(left, self._forecast.durations.here)}" if is_said else ""
            self._print(", ".join(said) + how_long, now)
            if self.live is not None:
                self._draw(now)

    def say(self, line: str) -> None:
        """Print a line above the bars, with the seconds since the start."""
        with self._turn() as now:
            self._print(line, now)

    def detail(self, line: str) -> None:
        """Print a line if the run is verbose."""
        if self._verbose:
            self.say(line)

    def track(self, steps: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        """The steps, shown as a stage."""
        if total is None and isinstance(steps, Sized):
            total = len(steps)
        self.show(description, 0, total)
        whole = False
        try:
            for done, step in enumerate(steps):
                yield step
                self.show(description, done + 1, total)
            whole = True
        finally:
            self._leave(description, total, whole)

    def show(self, description: str, done: int | None, total: int | None) -> None:
        """Show the progress of a stage of this process or a child. ``done`` is None when it is over."""
        if done is None:
            self._leave(description, total, whole=True)
            return
        with self._turn() as now:
            self._forecast.step(printable(description), done, total, now, self._lane)
            self._stages.setdefault((self._lane, description), now)

    def _leave(self, description: str, total: int | None, whole: bool) -> None:
        """Show a stage no more, and print the time that it took if the whole of it is done."""
        with self._turn() as now:
            self._forecast.step(printable(description), None, total, now, self._lane)
            start = self._stages.pop((self._lane, description), now)
            if whole and now - start > 1:
                self._print(f"{description}: {now - start:.1f} s", now)

    def planned(self, units: Iterable[Planned]) -> None:
        """See ``Watch``."""
        with self._turn():
            self._forecast.plan(units)

    @contextmanager
    def doing(self, unit: Unit, counts: bool = True) -> Iterator[None]:
        """See ``Watch``."""
        with self._turn() as now:
            self._forecast.begin(unit, now, counts, self._lane)
            if self.live is not None and unit.timed and now - self._last >= DRAWN_BETWEEN_ROUNDS:
                self._draw(now)
        well = False
        try:
            yield
            well = True
        finally:
            with self._lock:
                note = self._forecast.end(self._clock(), well, self._lane)
                machine = self._elsewhere[1]
                if note is not None and self._keep is not None:
                    (self._keep if machine is None else replace(self._keep, machine=machine)).append([note])

    def ended(self, cell: str) -> None:
        """See ``Watch``."""
        with self._turn():
            self._forecast.ended(cell)
            self._open.discard(cell)

    def tick(self) -> float:
        """Show the progress, if it is due. Returns the seconds until it is due again."""
        with self._lock:
            now, every = self._clock(), self._every()
            if now - self._last >= every:
                try:
                    self._draw(now)
                except SystemExit as fault:  # the reader is gone: the main thread must end, not this one
                    self._gone = fault
            return max(0.0, self._last + every - now)

    def _every(self) -> float:
        """The seconds between two drawings."""
        if self.live is None:
            return LINE_SECONDS
        return DRAWN_IN_ROUNDS if self._forecast.measuring else DRAWN

    def close(self) -> None:
        """Write down the learned times of units that have repetitions left."""
        with self._lock:
            if self._keep is not None:
                self._keep.append(self._forecast.half_done())

    def line(self) -> str:
        """One line with the present work, its progress, the number of cells done, and the time left."""
        now = self._clock()
        doing = self._doing(now)
        part_of = "".join(f"{stage}: " for stage in doing[0].part_of)
        said = [f"{one.name or 'at work'}{_steps(one, ', {} of {}', ', {}')}{_waited(one, ', ')}" for one in doing]
        parts = [f"{part_of}{' | '.join(said)}"]
        if self._cells:
            parts.append(f"{self._done:,} of {self._cells:,} {'cell' if self._cells == 1 else 'cells'} done")
        if self._forecast.planned:
            parts.append(_left(self._forecast.told(now)))
        return "; ".join(parts)

    def bars(self) -> Group:
        """The bar of the run and the bars of the present work, as wide as the terminal."""
        now, width = self._clock(), self._console.width
        every = self._doing(now)
        longest = max(cell_len(printable(doing.name)) for doing in every)
        wide, short = (room_for(width, narrow) - LEAST_BAR for narrow in (False, True))
        narrow = width < NARROW or wide < longest <= short  # the name of a stage is whole where that makes it so
        columns = partial(columns_of, width, narrow, longest)
        rows: list[RenderableType] = []
        if self._forecast.planned:
            share, left = self._forecast.share(now), self._forecast.told(now)
            cells = f"{self._done}/{self._cells}" if narrow else f"{self._done:,} of {self._cells:,} cells"
            rows += rows_of(columns, f"run, {_clock(now - self._start)}", share, cells, _left(left, narrow))
        for doing in every:
            if doing.name:
                known = "" if doing.left is None else _left(Left(doing.left), narrow)
                steps = _steps(doing, "{}/{}" if narrow else "{} of {}", "{}") or _waited(doing)
                rows += rows_of(columns, printable(doing.name), doing.share, steps, known)
        return Group(*rows)

    def _doing(self, now: float) -> list[Doing]:
        """The present work of the run: that of its threads, if they do some."""
        return self._forecast.beside(now) or [self._forecast.doing(now)]

    @property
    def _lane(self) -> int:
        """The lane of this thread's work."""
        return self._elsewhere[0] if threading.get_ident() == self._main else threading.get_ident()

    @contextmanager
    def lane(self, number: int, machine: str | None) -> Iterator[None]:
        """Inside, what this thread shows is the work of another machine, of this class, in a lane of its own."""
        self._elsewhere = (number, machine)
        try:
            yield
        finally:
            self._elsewhere = (0, None)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Inside, nothing is shown, so that a person can be asked."""
        with self._lock:
            if self.live is not None:
                self.live.stop()
            try:
                yield
            finally:
                if self.live is not None:
                    self.live.start()

    @contextmanager
    def _turn(self) -> Iterator[float]:
        """The time. Inside, no other thread shows anything. Raises SystemExit: the reader of the output is gone."""
        with self._lock:
            if self._gone is not None:
                raise self._gone
            yield self._clock()

    def _print(self, line: str, now: float) -> None:
        """Print a line behind its stamp. What a terminal has no room for stands below it, indented by the stamp."""
        stamp = _stamp(now - self._start)
        wide = self._console.width if self._console.is_terminal else WIDTH_OF_A_FILE
        first, *others = line.split("\n")
        for part in (stamp + first, *(" " * len(stamp) + other for other in others)):
            for row in flowing(part, wide, hanging=len(stamp)):
                self._console.print(row)

    def _draw(self, now: float) -> None:
        self._last = now
        if self.live is not None:
            self.live.refresh()
        else:
            self._print(self.line(), now)

    @property
    def _done(self) -> int:
        return self._cells - len(self._open)


@contextmanager
def reporting(
    cache: Path | None = None, verbose: bool = False, lanes: int = 1, all_beside: bool = False
) -> Iterator[Reporter]:
    """A reporter, which shows the progress inside. ``cache``: the folder of the file with the times of units.

    ``lanes``: the number of stages that are made at once. ``all_beside``: all other work is too.
    """
    start = time.monotonic()
    keep = None if cache is None else DurationsFile(cache, machine_class())
    forecast = Forecast(Durations(() if keep is None else keep.read(), elsewhere()), start, lanes, all_beside)
    reporter = Reporter(forecast, keep=keep, verbose=verbose)
    over = threading.Event()

    def beat() -> None:
        while not over.wait(reporter.tick()):
            pass

    with ExitStack() as leaving:
        leaving.callback(reporter.close)
        if console.is_terminal and not console.is_dumb_terminal:
            reporter.live = Live(console=console, auto_refresh=False, transient=True, get_renderable=reporter.bars)
            leaving.enter_context(reporter.live)
        thread = threading.Thread(target=beat, daemon=True)
        leaving.callback(thread.join)
        leaving.callback(over.set)
        thread.start()
        yield reporter


def _stamp(seconds: float) -> str:
    return f"[{seconds:6.1f} s] "


def _steps(doing: Doing, of_all: str, alone: str) -> str:
    if doing.done is None:
        return ""
    return alone.format(doing.done) if doing.total is None else of_all.format(doing.done, doing.total)


def _waited(doing: Doing, before: str = "") -> str:
    """For how long a run has waited, in words."""
    return "" if doing.waited is None else f"{before}for {about(doing.waited, down=True)}"


def _beforehand(left: Left, here: bool) -> str:
    """The time that a run will take, and how it is known, in words. ``here``: by earlier runs on this machine."""
    known_by = "by earlier runs" if here else "by a run on another machine"
    if left.known:
        return f"{'at most' if left.at_most else 'about'} {about(left.seconds)}, {known_by}"
    new = "nothing like it has run here"
    if left.seconds < LEAST:
        return f"how long that takes is not known yet: {new}"
    if not left.learned:
        return f"more than {about(left.seconds, down=True)}, how much more is not known yet: {new}"
    some, more = ", ".join(left.unknown[:2]), len(left.unknown) - 2
    others = f" and {more} more" if more > 0 else ""
    if not here:  # that machine may be slower than this one, so its times are no bound
        return f"about {about(left.seconds)}, {known_by}, and what is new here: {some}{others}"
    return f"more than {about(left.seconds, down=True)}, {known_by}; new here: {some}{others}"


def _left(left: Left, narrow: bool = False) -> str:
    """The time left in a few words, or fewer if ``narrow``."""
    if not left.known and not left.learned and left.seconds < LEAST:
        return "?" if narrow else "time left not known"
    if narrow:
        return f"{'' if left.known else '>'}{about(left.seconds, down=not left.known)}"
    bound = "more than" if not left.known else "at most" if left.at_most else "about"
    return f"{bound} {about(left.seconds, down=not left.known)} left"


def about(seconds: float, down: bool = False) -> str:
    """A time as people say it, no more exact than it is known. With ``down`` it is no more than the time."""
    to_whole = math.floor if down else round
    if seconds < 10:
        return f"{max(1, to_whole(seconds))} s"
    if seconds < (120 if down else 90):
        return f"{10 * to_whole(seconds / 10)} s"
    if seconds < 5400:
        return f"{to_whole(seconds / 60)} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{round(seconds / 86400)} days"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
