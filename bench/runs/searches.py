"""Searches that are compared: their answers and their timed replicates, taken in turns and kept as they finish.

All is stored under the search's own key, which says what is asked of which index and not how it is judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.grids.cells import Cell
from bench.interfaces import Float, Int
from bench.quality.neighbours import check_neighbours
from bench.records import keys, rows
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline
from bench.store.entries import Entry, Store
from bench.timing import indexes, statistics
from bench.timing.load import LOADED, UNSTABLE
from bench.timing.machine import Rates, machine_rates
from bench.timing.replicates import THREADS, Arm, Place, Replicate, Replicates, Times
from bench.workers.limits import Failure

TIMES = tuple(field.name for field in dataclasses.fields(Times))


@dataclass(frozen=True)
class Searches:
    """Makes and reads what was measured of cells. ``start``: starts a worker. Cells are named by their position."""

    pipeline: Pipeline
    results: Store
    start: Callable[[], Any]
    stop: Callable[[int, Failure], None]
    """Takes the position of a cell that has failed, and why."""

    def __call__(self, cells: Sequence[int], reference: int) -> list[int]:
        """Take the answers and replicates that are missing, in turns with the reference's. Returns who has them all."""
        corpora, measure, track = Corpora(self.pipeline), self.pipeline.grid.measure, self.pipeline.context.track
        builds = {
            at: indexes.build_key(self._cell(at), corpora.key(self._cell(at)))
            for at in dict.fromkeys([reference, *cells])
        }
        first, *_ = arms = [Arm(at, build) for at, build in builds.items()]
        queries = len(self.pipeline.query_rows(self._cell(reference)))
        replicates = Replicates(self.start, self._answer, measure, queries, track)
        own = [arm for arm in arms if arm.cell in cells]
        for number in track(range(measure.replicates), "timed replicates", measure.replicates):
            missing = [arm for arm in own if arm.failure is None and not self._kept(arm, number)]
            if missing:
                taken = replicates(list(dict.fromkeys([first, *missing])), number)
                for arm in missing:
                    if arm.cell in taken:
                        self._keep(arm, number, taken[arm.cell])
                    if arm.failure is not None:
                        self.stop(arm.cell, arm.failure)
        return [arm.cell for arm in own if arm.failure is None]

    def neighbours(self, position: int) -> Int:
        """What the cell's index answered, ids int64 [queries, k]. FileNotFoundError: it was not asked yet."""
        return self.results.read("neighbours", self._keys[position]).arrays["neighbours"]

    def columns(self, position: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a record says of the costs of a cell whose replicates are all there; and its times as arrays, those of
        `Times` with the replicates first, and the ``queries`` int32 [replicates, rounds, queries].
        """
        cell, entries = self._cell(position), self._replicates(position)
        costs = self.results.meta("neighbours", self._keys[position])["costs"]
        times = {name: np.stack([entry.arrays[name] for entry in entries]) for name in TIMES}
        all_queries = len(self.pipeline.query_rows(dataclasses.replace(cell, index=None)))
        columns = {
            **costs,
            **_building(entries),
            **_times(times, all_queries),
            **_against_reference(entries),
            "cpu_per_wall": max(entry.meta["cpu_per_wall"] for entry in entries),
            "unstable": max(entry.meta["sentinel_drift"] for entry in entries) > UNSTABLE,
            "loaded": max(entry.meta["others"] for entry in entries) > LOADED,
        }
        if costs["bytes_per_query"] is not None:
            floor = self.rates.floor_ms(costs["bytes_per_query"], costs["flops_per_query"] or 0)
            columns |= {"floor_ms": floor, "floor_percent": 100 * floor / columns["latency_ms_p50"]}
        return columns, {**times, "queries": np.stack([entry.arrays["queries"] for entry in entries])}

    def environment(self, position: int) -> dict[str, Any]:
        """What stood behind the process that answered."""
        machine: dict[str, Any] = self.results.meta("neighbours", self._keys[position])["environment"]
        return machine

    @cached_property
    def rates(self) -> Rates:
        """What this machine can do, measured once a run."""
        return machine_rates()

    @cached_property
    def _keys(self) -> list[str]:
        return [keys.search_key(self.pipeline, cell) for cell in self.pipeline.grid.cells]

    def _cell(self, position: int) -> Cell:
        return self.pipeline.grid.cells[position]

    def _answer(self, place: Place) -> None:
        """Search all queries, where that was not done, and keep what came back if it is what an answer must be."""
        key, cell = self._keys[place.arm.cell], self._cell(place.arm.cell)
        if self.results.find("neighbours", key) is not None:
            return
        path = self.results.work(f"{key}.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            costs = place.ask("settle")
            answer = place.ask("answer", path=str(path.absolute()))
            if costs is None or answer is None:
                return
            neighbours = np.load(path, allow_pickle=False)
            queries, items = len(self.pipeline.query_rows(cell)), len(self.pipeline.database_rows(cell))
            check_neighbours(neighbours, queries, self.pipeline.grid.k, items)
        except ValueError as reason:
            place.arm.failure = Failure("error", str(reason))
            return
        finally:
            path.unlink(missing_ok=True)
        machine = answer.pop("environment")
        meta = {"costs": rows.plain({**costs, **answer}), "environment": machine}
        self.results.write("neighbours", key, meta, {"neighbours": neighbours})

    def _kept(self, arm: Arm, number: int) -> bool:
        return self.results.find("replicates", f"{self._keys[arm.cell]}-{number}") is not None

    def _keep(self, arm: Arm, number: int, replicate: Replicate) -> None:
        """Store an arm's replicate, if it is what it should be."""
        if replicate.cpu_per_wall > THREADS:
            reason = f"a single query took {replicate.cpu_per_wall:.2f} threads, and was to be answered on one"
            arm.failure = Failure("error", reason)
            return
        reference = [self._keys[replicate.reference], self._cell(replicate.reference).describe()]
        meta = {name: getattr(replicate, name) for name in ("sentinel_drift", "cpu_per_wall", "others", "notes")}
        arrays = {**vars(replicate.times), "queries": replicate.queries}
        arrays |= {f"reference_{name}": times for name, times in vars(replicate.reference_times).items()}
        key = f"{self._keys[arm.cell]}-{number}"
        self.results.write("replicates", key, meta | {"reference": reference}, arrays)

    def _replicates(self, position: int) -> list[Entry]:
        numbers = range(self.pipeline.grid.measure.replicates)
        return [self.results.read("replicates", f"{self._keys[position]}-{number}") for number in numbers]


def _times(times: dict[str, Float], queries_in_set: int) -> dict[str, float]:
    """What a search's times (see `Times`), the replicates first, say of it, with intervals over these.

    Latencies as percentiles of single queries on one thread, and as the time that all queries of the set would take one
    by one; queries a second in batches, on all threads and on one; seconds to build.
    """
    latency = times["latency_ms"]
    p50, p95, p99 = np.percentile(latency, [50, 95, 99])
    middle, one_by_one = statistics.typical(latency), statistics.typical(latency.mean(axis=(1, 2), dtype=np.float64))
    return {
        "latency_ms_p50": float(p50),
        "latency_ms_low": min(middle.low, float(p50)),
        "latency_ms_high": max(middle.high, float(p50)),
        "latency_ms_p95": float(p95),
        "latency_ms_p99": float(p99),
        "latency_ms_mean": one_by_one.value,
        **statistics.with_interval("seconds_all_queries", one_by_one.times(queries_in_set / 1e3)),
        **statistics.with_interval("throughput_qps", statistics.rate(statistics.typical(times["batch_ms"]), 1e3)),
        **statistics.with_interval(
            "throughput_one_thread_qps", statistics.rate(statistics.typical(times["batch_one_thread_ms"]), 1e3)
        ),
        **statistics.with_interval("build_seconds", statistics.typical(times["build_seconds"])),
    }


def _building(entries: list[Entry]) -> dict[str, float]:
    """The memory that building took, as the median of the replicates."""
    notes = [entry.meta["notes"] for entry in entries]
    return {name: float(np.median([one[name] for one in notes])) for name in ("build_bytes", "build_peak_bytes")}


def _against_reference(entries: list[Entry]) -> dict[str, Any]:
    """Times and rates over the reference's, from the replicates that have the one that the last of them has, and which
    that is.
    """
    reference = entries[-1].meta["reference"]
    paired = [entry.arrays for entry in entries if entry.meta["reference"] == reference]
    ratios = {
        name: statistics.ratio(*(np.stack([arrays[f"{of}{name}"] for arrays in paired]) for of in ("", "reference_")))
        for name in TIMES
    }
    return {
        **statistics.with_interval("ratio", ratios["latency_ms"]),
        **statistics.with_interval("throughput_ratio", statistics.rate(ratios["batch_ms"], 1)),
        **statistics.with_interval("throughput_one_thread_ratio", statistics.rate(ratios["batch_one_thread_ms"], 1)),
        **statistics.with_interval("build_ratio", ratios["build_seconds"]),
        "ratio_to": reference[1],
    }
