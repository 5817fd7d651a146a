"""Keeps several built indexes at one time, each in a process of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

from bench.grids.cells import KeyedCell
from bench.timing.latency import Singles, Sizes
from bench.workers.limits import Failure, free_memory

ROOM = 1.2
"""Free memory that another process needs, as a multiple of the largest process so far."""


@dataclass(frozen=True)
class Built:
    """The costs of building an index: seconds, bytes that stay, bytes at the peak, and cores that others kept busy.

    ``load_seconds`` are those of them in which a database engine wrote the rows, None if the index does not say.
    """

    build_seconds: float
    load_seconds: float | None
    build_bytes: int
    build_peak_bytes: int
    others: float


@dataclass(frozen=True)
class Costs:
    """The costs of an index: bytes of memory, also as the paper counts them, and bytes and operations of a query."""

    index_bytes: int
    paper_bytes: int | None
    bytes_per_query: float | None
    flops_per_query: float | None


@dataclass(frozen=True)
class Answered:
    """The costs of the answers to all queries. ``environment``: the machine and the libraries of the process.

    Of an index in a database engine: bytes on disk, and bytes of memory of the processes that it started. None if it
    does not say.
    """

    complete_share: float | None
    search_bytes: int
    overhead_ms: float
    disk_bytes: int | None
    server_bytes: int | None
    environment: dict[str, Any]


class IndexWorker(Protocol):
    """A process that holds one index, for all cells that are built alike.

    Each request raises `Failure` if the process refuses it, ends, or exceeds its limits of time or memory.
    """

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        ...

    def build(self, cell: KeyedCell) -> Built:
        """Build the cell's index."""
        ...

    def settle(self, cell: KeyedCell) -> Costs:
        """Set the query parameters of the cell."""
        ...

    def answer(self, cell: KeyedCell, path: str) -> Answered:
        """Search all queries, and write the neighbours to a file."""
        ...

    def warm_up(self, cell: KeyedCell) -> Sizes:
        """Warm the cell's search up. Returns the sizes of its batches."""
        ...

    def one_by_one(self, cell: KeyedCell, others: Sequence[int], rows: Sequence[int]) -> Singles:
        """Time the queries at ``rows`` one by one, after those at ``others``."""
        ...

    def batch(self, cell: KeyedCell, size: int, seed: Sequence[int], alone: bool) -> float:
        """Milliseconds of a query in a batch of ``size``, drawn by ``seed``, on one thread (``alone``) or on all."""
        ...

    def resident_bytes(self) -> int:
        """The memory that the process takes."""
        ...

    def end(self) -> None:
        """End the process. It may be called again."""
        ...


@dataclass(frozen=True, eq=False)
class Arm:
    """A cell that is timed, and the key that its index is built by."""

    cell: KeyedCell
    build: str


@dataclass(frozen=True)
class Place:
    """An arm, the process that holds its index, and the costs of building it."""

    arm: Arm
    worker: IndexWorker
    built: Built


class Places:
    """The indexes that are built at one time. Arms that are built alike share one."""

    def __init__(self, start: Callable[[], IndexWorker], processes: ExitStack) -> None:
        """``start`` starts a process, which ends when ``processes`` closes, if not before."""
        self._start, self._processes = start, processes
        self._built: dict[str, Place | Failure] = {}
        self._largest = 0

    def stand(self, arm: Arm) -> Place | None:
        """Build the arm's index, unless it is built. Returns None if memory is short and another index is built.

        Raises Failure: the index can't be built.
        """
        known = self._built.get(arm.build)
        if isinstance(known, Failure):
            raise known
        if known is None or known.worker.gone:
            if self._largest and ROOM * self._largest > free_memory():
                return None
            known = self._build(arm)
        return dataclasses.replace(known, arm=arm)

    def _build(self, arm: Arm) -> Place:
        try:
            worker = self._start()
            self._processes.callback(worker.end)
            try:
                place = Place(arm, worker, worker.build(arm.cell))
            except Failure:
                worker.end()
                raise
        except Failure as failure:
            self._built[arm.build] = failure
            raise
        self._built[arm.build] = place
        self._largest = max(self._largest, worker.resident_bytes())
        return place
