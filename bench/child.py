"""The child of `bench.isolation`: loads data, fits, builds and searches, and answers one request after another.

Started as ``python -m bench.child REQUESTS ANSWERS PARENT``, two descriptors and a process id.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from pydantic import TypeAdapter

from bench import measure
from bench.corpora import Corpora
from bench.grid import Cell, Grid
from bench.indexes import built, query_parameters
from bench.interfaces import Context, Index, Unavailable
from bench.isolation import Failure, Limits
from bench.pipeline import Pipeline
from bench.store import Store

KILL_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl
SHOWN_EVERY = 0.2
TAIL = 8


class Worker:
    """What a child can be asked for: its public methods. Cells are named by their position in the grid."""

    def __init__(self, send: Any) -> None:
        """``send``: takes a message for the parent."""
        self._send = send

    def set_up(self, grid: str, store: str, device: str) -> None:
        """The grid as JSON, and where artifacts are."""
        plan = TypeAdapter(Grid).validate_json(grid)
        context = Context(device=device, cache=Path(store), track=self._track)
        self._pipeline = Pipeline(plan, Store(Path(store)), context, self._say)
        self._corpora = Corpora(self._pipeline)

    def _cell(self, position: int) -> Cell:
        return self._pipeline.grid.cells[position]

    def _say(self, line: str) -> None:
        self._send({"say": line})

    def _track(self, steps: Iterable[Any], description: str, total: int | None = None) -> Iterator[Any]:
        total = len(steps) if total is None and isinstance(steps, Sized) else total
        shown = 0.0
        for done, step in enumerate(steps):
            if time.monotonic() - shown > SHOWN_EVERY:
                shown = time.monotonic()
                self._send({"show": [description, done, total]})
            yield step
        self._send({"show": [description, total, total]})

    def labels(self) -> None:
        """Load the data set, and store its labels."""
        self._pipeline.labels()

    def make(self, cell: int, stage: int) -> None:
        """One of the stages of a cell, by its position among them."""
        list(self._pipeline.stages(self._cell(cell)))[stage].make()

    def build(self, cell: int) -> dict[str, Any]:
        """Build the cell's index; what it took."""
        chosen = self._cell(cell)
        database, self._queries = self._corpora.of(chosen)
        before = _unique_bytes()
        _reset_peak()
        self._index, seconds = built(chosen, database)
        after = _unique_bytes()
        return {"build_seconds": seconds, "build_bytes": after - before, "build_peak_bytes": _peak_bytes() - before}

    def settle(self, cell: int) -> dict[str, Any]:
        """Set the cell's query parameters; the sizes and costs that go with them."""
        index = self._set(cell)
        read, operations = index.query_cost() if hasattr(index, "query_cost") else (None, None)
        return {
            "index_bytes": index.size_bytes(),
            "paper_bytes": index.paper_bytes() if hasattr(index, "paper_bytes") else None,
            "bytes_per_query": read,
            "flops_per_query": operations,
        }

    def _set(self, cell: int) -> Index:
        self._index.set_query(**query_parameters(self._cell(cell), self._index))
        return self._index

    def answer(self, cell: int, path: str, single_thread_queries: int) -> dict[str, Any]:
        """Search all queries in one call, on all threads; the neighbours go to a file, as the index gave them."""
        index, k = self._set(cell), self._pipeline.grid.k
        before = _unique_bytes()
        neighbours, seconds = measure.throughput(index, self._queries, k, single_thread=False)
        search_bytes = _unique_bytes() - before
        np.save(path, np.asarray(neighbours), allow_pickle=False)
        some = self._queries.part(0, single_thread_queries)
        _, single = measure.throughput(index, some, k, single_thread=True)
        return {
            "complete_share": getattr(index, "complete_share_", None),
            "throughput_qps": len(self._queries) / seconds,
            "throughput_one_thread_qps": len(some) / single,
            "search_bytes": search_bytes,
        }

    def round(self, cell: int, rows: list[int]) -> dict[str, Any]:
        """One round of latencies."""
        queries = np.asarray(rows, dtype=np.int64)
        return vars(measure.one_round(self._set(cell), self._queries, queries, self._pipeline.grid.k))

    def overhead(self, rows: list[int]) -> float:
        """What the loop itself takes a query, in milliseconds."""
        return measure.overhead_ms(self._queries, np.asarray(rows, dtype=np.int64), self._pipeline.grid.k)


def _unique_bytes() -> int:
    return int(psutil.Process().memory_full_info().uss)


def _reset_peak() -> None:
    """Where the system allows it, the peak counts from here."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    return psutil.Process().memory_info().rss


def failed(fault: BaseException) -> dict[str, Any]:
    """What a fault says in a record: status, reason, and the end of the traceback."""
    if isinstance(fault, Unavailable):
        return {"status": "skipped", "reason": str(fault)}
    status = "memory" if isinstance(fault, MemoryError) else "error"
    return {
        "status": status,
        "reason": f"{type(fault).__name__}: {fault}",
        "tail": traceback.format_exception(fault)[-TAIL:],
    }


class Local:
    """A worker in this process, asked as `bench.isolation.Child` is: for a debugger, and where nothing can go wrong.

    Nothing limits it, and ``show`` and its times are as good as the process that it shares.
    """

    def __init__(
        self,
        setup: dict[str, Any],
        limits: Limits,
        say: Callable[[str], None] = print,
        show: Callable[[str, int, int | None], None] = lambda description, done, total: None,
    ) -> None:
        self.gone = False
        self._worker = Worker(lambda message: say(message["say"]) if "say" in message else show(*message["show"]))
        self._worker.set_up(**setup)

    def ask(self, what: str, **parameters: Any) -> Any:
        """See `bench.isolation.Child`."""
        try:
            return getattr(self._worker, what)(**parameters)
        except Exception as fault:
            raise Failure(**failed(fault)) from fault

    def resident_bytes(self) -> int:
        """It takes no memory but this process's."""
        return 0

    def end(self) -> None:
        """There is nothing to end."""


def serve(requests: int, answers: int) -> None:
    """Answer requests until there are no more."""
    out = os.fdopen(answers, "w", buffering=1)

    def send(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")

    worker = Worker(send)
    with os.fdopen(requests) as lines:
        for line in lines:
            request = json.loads(line)
            try:
                send({"answer": getattr(worker, request.pop("do"))(**request)})
            except Exception as fault:
                send({"failed": failed(fault)})


def main() -> None:
    """Die with the parent, leave a trace of a crash, and serve."""
    requests, answers, parent = (int(word) for word in sys.argv[1:])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(KILL_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        return
    faulthandler.enable()
    serve(requests, answers)


if __name__ == "__main__":
    main()
