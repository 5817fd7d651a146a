"""The worker of a child process: it makes stages, builds an index, answers queries and times rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.grids.cells import Grid, as_cell, from_json, to_json
from bench.interfaces import Context, Index
from bench.plugins import registry
from bench.stages import nearest
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline
from bench.store.entries import Store
from bench.system.environment import environment
from bench.system.files import room_for
from bench.system.wording import encodable
from bench.timing import indexes, latency
from bench.timing.latency import Singles, Sizes
from bench.timing.load import OtherLoad
from bench.timing.places import Answered, Built, Costs
from bench.timing.replicates import Kind, turn_seconds
from bench.timing.told import Told
from bench.workers.shares import Share

SHOWN_EVERY = 0.2
"""Seconds between two reports of progress."""

BUILDS = 20
"""The most builds of one index; a build that takes little time is repeated."""

OVERHEAD_QUERIES = 500
"""Queries over which the time of an empty query is measured."""


def set_up(
    grid: Grid, store: Path, device: str, memory: int | None = None, share: Share | None = None
) -> dict[str, Any]:
    """The first request to a worker: its class, a grid, the folder of the artifacts, the device, its memory, and its
    share of the machine, None for all of it.
    """
    name, taken = f"{__name__}:{Worker.__name__}", share and vars(share)
    where = {"grid": to_json(grid), "store": str(store.absolute())}
    return {"worker": name, **where, "device": device, "memory": memory, "share": taken}


class Worker:
    """The worker in a child process. Its requests call public methods. Cells come as ``dataclasses.asdict`` writes."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        """``send``: sends a message to the parent."""
        self._send = send

    def set_up(self, grid: str, store: str, device: str, memory: int | None, share: dict[str, Any] | None) -> None:
        """Take the grid as JSON, the folder of the artifacts, the device, the most bytes that it may take, and the
        share of the machine.
        """
        if share is not None:
            Share(**share).take()
        context = Context(device=device, cache=Path(store), track=self._track, say=self._say)
        self._pipeline = Pipeline(from_json(grid), Store(Path(store), self._say, memory=memory), context, self._say)
        self._corpora = Corpora(self._pipeline)

    def _say(self, line: str) -> None:
        self._send({"say": encodable(str(line))})

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

    def sizes(self) -> dict[str, Any]:
        """The fields of `bench.grids.sizes.Sizes`. The features of codes without vectors are their bits."""
        pipeline = self._pipeline
        items = {cell.protocol: len(pipeline.database_rows(cell)) for cell in pipeline.grid.cells}
        choice, dim, bits = pipeline.grid.dataset, None, None
        if getattr(registry.build("dataset", choice.name, choice.parameters), "content", "images") != "images":
            database = pipeline.dataset.split("database")
            bits = None if database.codes is None else database.codes.bits
            dim = bits if database.vectors is None else database.vectors.shape[1]
        return {"items": items, "dim": dim, "bits": bits}

    def make(self, cell: dict[str, Any], stage: str) -> None:
        """Make the stage of the cell that has this key."""
        next(one for one in nearest.stages(self._pipeline, as_cell(cell)) if one.key == stage).make()

    def build(self, cell: dict[str, Any]) -> Built:
        """Build the cell's index, several times if a build takes little time. Returns the costs of building."""
        chosen = as_cell(cell)
        database, self._queries = self._corpora.of(chosen)
        indexes.warm_up(chosen, database)
        _reset_peak()
        repeated_for = self._pipeline.grid.measure.batch_seconds
        unique, peak, load = _unique_bytes(), _peak_bytes(), OtherLoad(repeated_for)
        self._index, seconds = indexes.built(chosen, database)
        stays, most = _unique_bytes() - unique, _peak_bytes() - peak
        taken, loads = [seconds], [self._told(cell).load_seconds()]
        while len(taken) < BUILDS and sum(taken) < repeated_for:
            del self._index
            self._index, seconds = indexes.built(chosen, database)
            taken.append(seconds)
            loads.append(self._told(cell).load_seconds())
        known = [load for load in loads if load is not None]
        loaded = float(np.median(known)) if len(known) == len(loads) else None
        return Built(float(np.median(taken)), loaded, stays, most, load.cores())

    def settle(self, cell: dict[str, Any]) -> Costs:
        """Set the cell's query parameters. Returns the sizes and costs that go with them."""
        self._set(cell)
        told = self._told(cell)
        read, operations = told.query_cost()
        return Costs(told.size_bytes(), told.paper_bytes(), read, operations)

    def _told(self, cell: dict[str, Any]) -> Told:
        """What the cell's index tells of its costs."""
        chosen = as_cell(cell).index
        assert chosen is not None
        return Told(self._index, chosen.name)

    def _set(self, cell: dict[str, Any]) -> Index:
        indexes.set_query(as_cell(cell), self._index)
        return self._index

    def answer(self, cell: dict[str, Any], path: str) -> Answered:
        """Search all queries in one call, on all threads. The neighbours go to a file, as the index gave them."""
        index, k, told = self._set(cell), self._pipeline.grid.k, self._told(cell)
        before = _unique_bytes()
        neighbours = index.search(self._queries, k)
        search_bytes, complete = _unique_bytes() - before, told.complete_share()
        if not isinstance(neighbours, np.ndarray):
            raise ValueError(f"search returned {type(neighbours).__name__}, expected an array int64 [q, k]")
        with room_for(Path(path)):
            np.save(path, neighbours, allow_pickle=False)
        overhead = latency.overhead_ms(index, self._queries.part(0, OVERHEAD_QUERIES), k)
        disk, server = told.engine_bytes("disk_bytes"), told.engine_bytes("server_bytes")
        return Answered(complete, search_bytes, overhead, disk, server, environment())

    def warm_up(self, cell: dict[str, Any]) -> Sizes:
        """Warm the cell's search up, and size its batches."""
        seconds = self._seconds("batch_one_thread_ms"), self._seconds("batch_ms")
        return latency.sizes(self._set(cell), self._queries, self._pipeline.grid.k, *seconds)

    def one_by_one(self, cell: dict[str, Any], others: list[int], rows: list[int]) -> Singles:
        """Time the queries at ``rows`` one by one, after those at ``others``."""
        return latency.one_by_one(self._set(cell), self._queries, others, rows, self._pipeline.grid.k)

    def batch(self, cell: dict[str, Any], size: int, seed: list[int], alone: bool) -> float:
        """Milliseconds of a query in a batch of ``size``, drawn by ``seed``, on one thread (``alone``) or on all."""
        index, k = self._set(cell), self._pipeline.grid.k
        seconds = self._seconds("batch_one_thread_ms" if alone else "batch_ms")
        return latency.batch_ms(index, self._queries, k, size, seed, seconds, alone=alone)

    def _seconds(self, kind: Kind) -> float:
        """The seconds of the batches in one turn."""
        return turn_seconds(kind, self._pipeline.grid.measure, len(self._queries))


def _unique_bytes() -> int:
    return int(psutil.Process().memory_full_info().uss)


def _reset_peak() -> None:
    """Set the peak of the resident memory back to the present value, where the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak_bytes() -> int:
    """The peak of the resident memory, or the present value where the system does not report the peak."""
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="ascii").splitlines() if status.is_file() else ():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    return int(psutil.Process().memory_info().rss)
