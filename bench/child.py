"""The child of `bench.isolation`: loads data, fits, builds and searches, and answers one request after another.

``main`` is started with two descriptors (requests, answers) and the id of the parent process.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench import indexes, measure
from bench.corpora import Corpora
from bench.disk import is_full, room_for
from bench.environment import environment
from bench.grid import Cell, from_json
from bench.interfaces import Context, Index, Unavailable, Unsuitable
from bench.isolation import Failure, Limits, Say, Show
from bench.pipeline import Pipeline
from bench.store import Store

KILL_WITH_PARENT, ADOPT_ORPHANS = 1, 36
"""Of Linux's prctl: PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER."""

SHOWN_EVERY = 0.2
"""Seconds between two reports of progress."""

BUILDS = 20
"""Of one index, one after another, where they are soon done."""

OVERHEAD_QUERIES = 500
"""Queries over which the harness's own time is found."""

TAIL = 8
"""Entries of a traceback that are kept."""


class Worker:
    """What a child can be asked for: its public methods. Cells are named by their position in the grid."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        """``send``: takes a message for the parent."""
        self._send = send

    def set_up(self, grid: str, store: str, device: str) -> None:
        """The grid as JSON, and where artifacts are."""
        context = Context(device=device, cache=Path(store), track=self._track, say=self._say)
        self._pipeline = Pipeline(from_json(grid), Store(Path(store), self._say), context, self._say)
        self._corpora = Corpora(self._pipeline)

    def _cell(self, position: int) -> Cell:
        return self._pipeline.grid.cells[position]

    def _say(self, line: str) -> None:
        self._send({"say": line})

    def _track(self, steps: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        total = len(steps) if total is None and isinstance(steps, Sized) else total
        shown = 0.0
        try:
            for done, step in enumerate(steps):
                if time.monotonic() - shown > SHOWN_EVERY:
                    shown = time.monotonic()
                    self._send({"show": [description, done, total]})
                yield step
        finally:
            self._send({"show": [description, None, total]})

    def labels(self) -> None:
        """Load the data set, and store its labels."""
        self._pipeline.labels()

    def make(self, cell: int, stage: int) -> None:
        """One of the stages of a cell, by its position among them."""
        list(self._pipeline.stages(self._cell(cell)))[stage].make()

    def build(self, cell: int) -> dict[str, Any]:
        """Build the cell's index, again and again where that is soon done; what it took."""
        chosen = self._cell(cell)
        database, self._queries = self._corpora.of(chosen)
        indexes.warm_up(chosen, database)
        _reset_peak()
        repeated_for = self._pipeline.grid.measure.batch_seconds
        unique, peak, load = _unique_bytes(), _peak_bytes(), measure.OtherLoad(repeated_for)
        self._index, seconds = indexes.built(chosen, database)
        notes = {"build_bytes": _unique_bytes() - unique, "build_peak_bytes": _peak_bytes() - peak}
        taken = [seconds]
        while len(taken) < BUILDS and sum(taken) < repeated_for:
            del self._index
            self._index, seconds = indexes.built(chosen, database)
            taken.append(seconds)
        return {**notes, "build_seconds": float(np.median(taken)), "others": load.cores()}

    def settle(self, cell: int) -> dict[str, Any]:
        """Set the cell's query parameters; the sizes and costs that go with them."""
        index: Any = self._set(cell)
        read, operations = index.query_cost() if hasattr(index, "query_cost") else (None, None)
        return {
            "index_bytes": index.size_bytes(),
            "paper_bytes": index.paper_bytes() if hasattr(index, "paper_bytes") else None,
            "bytes_per_query": read,
            "flops_per_query": operations,
        }

    def _set(self, cell: int) -> Index:
        indexes.set_query(self._cell(cell), self._index)
        return self._index

    def answer(self, cell: int, path: str) -> dict[str, Any]:
        """Search all queries in one call, on all threads; the neighbours go to a file, as the index gave them."""
        index, k = self._set(cell), self._pipeline.grid.k
        before = _unique_bytes()
        neighbours = index.search(self._queries, k)
        search_bytes, complete = _unique_bytes() - before, getattr(index, "complete_share_", None)
        if not isinstance(neighbours, np.ndarray):
            raise ValueError(f"search returned {type(neighbours).__name__}, expected an array int64 [q, k]")
        with room_for(Path(path)):
            np.save(path, neighbours, allow_pickle=False)
        return {
            "complete_share": complete,
            "search_bytes": search_bytes,
            "overhead_ms": measure.overhead_ms(self._queries.part(0, OVERHEAD_QUERIES), k),
            "environment": environment(),
        }

    def round(self, cell: int, rows: list[int]) -> dict[str, Any]:
        """One round of latencies and batches."""
        index, grid = self._set(cell), self._pipeline.grid
        seconds = grid.measure.batch_seconds / grid.measure.rounds
        return vars(measure.one_round(index, self._queries, np.asarray(rows, dtype=np.int64), grid.k, seconds))


def _unique_bytes() -> int:
    return int(psutil.Process().memory_full_info().uss)


def _reset_peak() -> None:
    """Where the system allows it, the peak counts from here."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak_bytes() -> int:
    """The most that was resident; where the system does not tell, what is."""
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="ascii").splitlines() if status.is_file() else ():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    return int(psutil.Process().memory_info().rss)


def failed(fault: BaseException) -> dict[str, Any]:
    """What a fault says in a record: status, reason, and the end of the traceback."""
    if isinstance(fault, Unavailable):
        return {"status": "skipped", "reason": str(fault)}
    if isinstance(fault, Unsuitable):
        return {"status": "skipped", "reason": str(fault), "final": True}
    if is_full(fault):
        return {"status": "full", "reason": str(fault)}
    status = "memory" if isinstance(fault, MemoryError) else "error"
    return {
        "status": status,
        "reason": f"{type(fault).__name__}: {fault}",
        "tail": traceback.format_exception(fault)[-TAIL:],
    }


def as_line(message: dict[str, Any]) -> str:
    """A message as JSON; numpy's numbers as Python's. TypeError: it holds what no record can."""
    return json.dumps(message, default=_python) + "\n"


def _python(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} where a number is expected")


class Local:
    """A worker in this process, asked as `bench.isolation.Child` is: for a debugger, and where nothing can go wrong.

    Nothing limits it, and its times and its memory are as good as the process that it shares.
    """

    def __init__(
        self,
        setup: dict[str, Any],
        limits: Limits,
        say: Say = print,
        show: Show = lambda description, done, total: None,
    ) -> None:
        """Failure: it fails to set up."""
        self.gone = False
        self._worker = Worker(lambda message: say(message["say"]) if "say" in message else show(*message["show"]))
        self.ask("set_up", **setup)

    def ask(self, what: str, **parameters: Any) -> Any:
        """See `bench.isolation.Child`."""
        try:
            return json.loads(as_line({"answer": getattr(self._worker, what)(**parameters)}))["answer"]
        except Exception as fault:
            raise Failure(**failed(fault)) from fault

    def resident_bytes(self) -> int:
        """It takes no memory but this process's."""
        return 0

    def end(self) -> None:
        """Let go of what it holds. It may be called again."""
        if not self.gone:
            self.gone = True
            del self._worker


def serve(requests: int, answers: int) -> None:
    """Answer requests until there are no more."""
    owner, out = os.getpid(), os.fdopen(answers, "w", buffering=1)

    def send(message: dict[str, Any]) -> None:
        if os.getpid() == owner:  # and not a process that a plugin forked
            out.write(as_line(message))

    worker = Worker(send)
    with os.fdopen(requests) as lines:
        for line in lines:
            request = json.loads(line)
            try:
                send({"answer": getattr(worker, request.pop("do"))(**request)})
            except Exception as fault:
                send({"failed": failed(fault)})
            if os.getpid() != owner:
                os._exit(0)


def main() -> None:
    """A worker in an interpreter of its own."""
    live(*(int(word) for word in sys.argv[1:]))


def live(requests: int, answers: int, parent: int) -> None:
    """Die with the parent, leave words instead of a core where it crashes, and serve."""
    if sys.platform == "linux":
        system = ctypes.CDLL(None)
        system.prctl(KILL_WITH_PARENT, signal.SIGKILL)
        system.prctl(ADOPT_ORPHANS, 1)
    if os.getppid() != parent:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    serve(requests, answers)
