"""What stands on the terminal while a run goes on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.cli.screen import console
from bench.wording import printable


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
        self._progress.console.print(f"[{passed:6.1f} s] {line}")

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
            self._shown[description] = self._progress.add_task(printable(description), total=total), time.perf_counter()
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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Reporter(progress)
