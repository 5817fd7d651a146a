"""Takes the answers and the timed replicates of compared searches in turns, and stores them as they finish.

All are stored under the key of the search, which names the index, its data and the queries, but no metric.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.grids.cells import KeyedCell
from bench.interfaces import Float, Int
from bench.quality.neighbours import check_neighbours
from bench.records import book, rows
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline
from bench.store.entries import Arrays, Entry, Store
from bench.system.machines import here, named
from bench.timing import indexes, statistics
from bench.timing.load import LOADED, UNSTABLE
from bench.timing.machine import Rates, machine_rates
from bench.timing.places import Arm, IndexWorker, Place, Places
from bench.timing.replicates import KINDS, THREADS, Replicate, Times, take
from bench.workers.limits import Failure

TIMES = tuple(field.name for field in dataclasses.fields(Times))


@dataclass(frozen=True)
class Searches:
    """Makes and reads the answers and replicates of cells. ``start`` starts a worker."""

    pipeline: Pipeline
    results: Store
    start: Callable[[], IndexWorker]

    def complete(self, cells: Sequence[KeyedCell], reference: KeyedCell) -> Iterator[tuple[KeyedCell, Failure | None]]:
        """Take the missing answers and replicates, in turns with those of the reference.

        Those of another host are missing here, and taken again: no comparison has times of two hosts.

        Yields each cell once: with its failure as soon as it fails, or with None when it has its replicates.
        """
        corpora, measure = Corpora(self.pipeline), self.pipeline.grid.measure
        arms = {
            cell: Arm(cell, indexes.build_key(cell.cell, corpora.key(cell.cell)))
            for cell in dict.fromkeys([reference, *cells])
        }
        lost, precise = set[KeyedCell](), set[KeyedCell]()
        for number in self.pipeline.context.track(range(measure.replicates), "timed replicates", measure.replicates):
            now_precise = self._precise([cell for cell in cells if cell not in lost | precise], reference, number)
            yield from ((cell, None) for cell in now_precise)
            precise.update(now_precise)
            missing = [cell for cell in cells if cell not in lost | precise and not self._kept(cell, number)]
            if not missing:
                continue
            asked = [arms[cell] for cell in dict.fromkeys([reference, *missing]) if cell not in lost]
            began = book.now()
            taken = self._replicate(asked, number)
            for cell in missing:
                outcome = taken[arms[cell]]
                failure = outcome if isinstance(outcome, Failure) else self._keep(cell, number, outcome, began)
                if failure is not None:
                    lost.add(cell)
                    yield cell, failure
            if isinstance(taken.get(arms[reference]), Failure):
                lost.add(reference)
        yield from ((cell, None) for cell in cells if cell not in lost | precise)

    def _precise(self, cells: Sequence[KeyedCell], reference: KeyedCell, count: int) -> list[KeyedCell]:
        """The cells whose ratios are as precise as asked, by their first ``count`` replicates. The reference, whose
        ratios are one, is so with the last of the others.
        """
        measure = self.pipeline.grid.measure
        if not measure.precision or count < measure.least_replicates:
            return []
        reached = [cell for cell in cells if self._reach(cell) <= measure.precision]
        return reached if len(reached) == len(cells) else [cell for cell in reached if cell != reference]

    def _reach(self, cell: KeyedCell) -> float:
        """The share by which the widest interval of the cell's ratios of query times reaches to one side."""
        ratios = _ratios(self._replicates(cell), self._confidence)
        return max(ratios[kind].reach for kind in KINDS)

    @property
    def _confidence(self) -> float:
        return statistics.STOPPED if self.pipeline.grid.measure.precision else statistics.CONFIDENCE

    def _replicate(self, arms: Sequence[Arm], number: int) -> dict[Arm, Replicate | Failure]:
        """Replicate ``number`` of all arms.

        As many arms are timed in turns as fit into memory. The first arm that has not failed is the reference. It takes
        part each time, so that all can be compared with it. If nothing fits beside it, the others are timed without it.
        """
        measure, track = self.pipeline.grid.measure, self.pipeline.context.track
        queries = len(self.pipeline.query_rows(arms[0].cell.cell))
        done: dict[Arm, Replicate | Failure] = {}
        waiting, together = list(arms), True
        while waiting:
            alive = [arm for arm in arms if not isinstance(done.get(arm), Failure)]
            first = alive[:1] if together else []
            with ExitStack() as processes:
                group = [*first, *(arm for arm in waiting if arm not in first)]
                places, failures = self._stand(group, Places(self.start, processes))
                new = take(places, measure, queries, number, track) | failures
            done = new | {arm: known for arm, known in done.items() if not isinstance(new.get(arm), Failure)}
            together = together and [place.arm for place in places] != first
            waiting = [arm for arm in waiting if arm not in done]
        return done

    def _stand(self, arms: Sequence[Arm], standing: Places) -> tuple[list[Place], dict[Arm, Failure]]:
        """Build one index after another, and search with it, until memory is short. Returns the places and failures."""
        places: list[Place] = []
        failures: dict[Arm, Failure] = {}
        for arm in self.pipeline.context.track(arms, "build and search", len(arms)):
            try:
                place = standing.stand(arm)
                if place is None:
                    break
                self._answer(place)
            except Failure as failure:
                failures[arm] = failure
            else:
                places.append(place)
        return places, failures

    def neighbours(self, cell: KeyedCell) -> Int:
        """The answers of the cell's index, ids int64 [queries, k].

        Raises FileNotFoundError: there are none yet.
        """
        return self.results.read("neighbours", cell.search).arrays["neighbours"]

    def columns(self, cell: KeyedCell) -> tuple[dict[str, Any], dict[str, Any]]:
        """The cost columns of a cell whose replicates are all stored, with the machine that took them, and its times as
        arrays: those of `Times` with replicates as the first axis, and ``queries`` int32 [replicates, rounds, queries].

        Raises Failure: another host took some of the replicates meanwhile.
        """
        entries = self._replicates(cell)
        costs = self.results.meta("neighbours", cell.search)["costs"]
        times = {name: np.stack([entry.arrays[name] for entry in entries]) for name in TIMES}
        all_queries = len(self.pipeline.query_rows(dataclasses.replace(cell.cell, index=None)))
        columns = {
            **_machine_of(entries),
            **costs,
            **_building(entries),
            **_times(times, all_queries, self._confidence),
            **_against_reference(entries, self._confidence),
            "replicates": len(entries),
            "cpu_per_wall": max(entry.meta["cpu_per_wall"] for entry in entries),
            "unstable": max(entry.meta["sentinel_drift"] for entry in entries) > UNSTABLE,
            "loaded": max(entry.meta["others"] for entry in entries) > LOADED,
        }
        if costs["bytes_per_query"] is not None:
            floor = self.rates.floor_ms(costs["bytes_per_query"], costs["flops_per_query"] or 0)
            columns |= {"floor_ms": floor, "floor_percent": 100 * floor / columns["latency_ms_p50"]}
        return columns, {**times, "queries": np.stack([entry.arrays["queries"] for entry in entries])}

    def environment(self, cell: KeyedCell) -> dict[str, Any]:
        """The machine and the libraries of the process that answered."""
        machine: dict[str, Any] = self.results.meta("neighbours", cell.search)["environment"]
        return machine

    @cached_property
    def rates(self) -> Rates:
        """The rates of this machine, measured once a run."""
        return machine_rates()

    def _answer(self, place: Place) -> None:
        """Search all queries and store the answers, unless they are stored.

        Raises Failure: the process gives no answer, or its neighbours are not valid.
        """
        cell = place.arm.cell
        if self._answered(cell):
            return
        path = self.results.work(f"{cell.search}.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            costs, answered = place.worker.settle(cell), place.worker.answer(cell, str(path.absolute()))
            neighbours = np.load(path, allow_pickle=False)
            queries, items = len(self.pipeline.query_rows(cell.cell)), len(self.pipeline.database_rows(cell.cell))
            check_neighbours(neighbours, queries, self.pipeline.grid.k, items)
        except ValueError as reason:
            raise Failure("error", str(reason)) from reason
        finally:
            path.unlink(missing_ok=True)
        columns = vars(costs) | vars(answered)
        machine = columns.pop("environment")
        meta = {"costs": rows.plain(columns), "environment": machine, **here()}
        self.results.write("neighbours", cell.search, meta, {"neighbours": neighbours})

    def _answered(self, cell: KeyedCell) -> bool:
        there = self.results.find("neighbours", cell.search) is not None  # first, as it says what is damaged
        return there and book.answered(self.results, cell)

    def _kept(self, cell: KeyedCell, number: int) -> bool:
        there = self.results.find("replicates", f"{cell.search}-{number}") is not None
        return there and book.replicated(self.results, cell, number)

    def _keep(self, cell: KeyedCell, number: int, replicate: Replicate, began: str) -> Failure | None:
        """Store a cell's replicate, with the time at which the replicate of all compared cells ``began`` and ended.

        Returns a failure, and stores nothing, if a query took more than one thread.
        """
        if replicate.cpu_per_wall > THREADS:
            reason = f"a single query took {replicate.cpu_per_wall:.2f} threads, and was to be answered on one"
            return Failure("error", reason)
        reference = replicate.reference.cell
        meta = {name: getattr(replicate, name) for name in ("sentinel_drift", "cpu_per_wall", "others")}
        meta |= {"began": began, "ended": book.now()}
        meta |= {"notes": vars(replicate.built), "reference": [reference.search, reference.cell.describe()], **here()}
        arrays = {**vars(replicate.times), "queries": replicate.queries}
        arrays |= {f"reference_{name}": times for name, times in vars(replicate.reference_times).items()}
        self.results.write("replicates", f"{cell.search}-{number}", meta, arrays)
        return None

    def _replicates(self, cell: KeyedCell) -> list[Entry]:
        """All replicates of a cell; where a precision is asked for, the least and those that its machine took next.

        Raises FileNotFoundError: one is missing.
        """
        measure = self.pipeline.grid.measure
        least = measure.least_replicates if measure.precision else measure.replicates
        entries = [self.results.read("replicates", f"{cell.search}-{number}") for number in range(least)]
        for number in range(least, measure.replicates):
            entry = self.results.find("replicates", f"{cell.search}-{number}")
            if entry is None or named(entry.meta) != named(entries[0].meta):
                break
            entries.append(self.results.read("replicates", f"{cell.search}-{number}"))
        return entries


def _machine_of(entries: list[Entry]) -> dict[str, Any]:
    """The columns of the machine that took the replicates.

    Raises Failure: there are several. The next run takes those of the others again.
    """
    first, *others = (named(entry.meta) for entry in entries)
    for other in others:
        if other != first:
            hosts = f"{first['host']} ({first['machine']}) and {other['host']} ({other['machine']})"
            raise Failure("skipped", f"{hosts} timed it at once: the next run times it again, on one of them")
    return dict(first)


def _times(times: dict[str, Float], queries_in_set: int, confidence: float) -> dict[str, float]:
    """The columns of a search's times (see `Times`, with replicates as the first axis), with intervals over replicates.

    They are latencies of single queries on one thread as percentiles, the time that all queries of the set would take
    one by one, queries a second in batches, on all threads and on one, and the seconds to build.
    """
    typical, latency = partial(statistics.typical, confidence=confidence), times["latency_ms"]
    p50, p95, p99 = np.percentile(latency, [50, 95, 99])
    middle, one_by_one = typical(latency), typical(latency.mean(axis=(1, 2), dtype=np.float64))
    return {
        "latency_ms_p50": float(p50),
        "latency_ms_low": min(middle.low, float(p50)),
        "latency_ms_high": max(middle.high, float(p50)),
        "latency_ms_p95": float(p95),
        "latency_ms_p99": float(p99),
        "latency_ms_mean": one_by_one.value,
        **statistics.with_interval("seconds_all_queries", one_by_one.times(queries_in_set / 1e3)),
        **statistics.with_interval("throughput_qps", statistics.rate(typical(times["batch_ms"]), 1e3)),
        **statistics.with_interval(
            "throughput_one_thread_qps", statistics.rate(typical(times["batch_one_thread_ms"]), 1e3)
        ),
        **statistics.with_interval("build_seconds", typical(times["build_seconds"])),
    }


def _building(entries: list[Entry]) -> dict[str, float | None]:
    """The memory that building took and the time of the rows' writing, if it is known, as medians of the replicates.

    The system counts the peak in resident memory. Pages that a process shared with its parent and then wrote to are in
    the memory that stays, and no peak shows them: the peak is that much at least.
    """
    names = ("build_bytes", "build_peak_bytes", "load_seconds")
    noted = {name: [entry.meta["notes"][name] for entry in entries] for name in names}
    noted["build_peak_bytes"] = [*map(max, noted["build_bytes"], noted["build_peak_bytes"])]
    return {name: None if None in values else float(np.median(values)) for name, values in noted.items()}


def _against_reference(entries: list[Entry], confidence: float) -> dict[str, Any]:
    """The ratios of times and rates to those of the reference (``ratio_to``), see `_ratios`."""
    ratios = _ratios(entries, confidence)
    return {
        **statistics.with_interval("ratio", ratios["latency_ms"]),
        **statistics.with_interval("throughput_ratio", statistics.rate(ratios["batch_ms"], 1)),
        **statistics.with_interval("throughput_one_thread_ratio", statistics.rate(ratios["batch_one_thread_ms"], 1)),
        **statistics.with_interval("build_ratio", ratios["build_seconds"]),
        "ratio_to": entries[-1].meta["reference"][1],
    }


def _ratios(entries: list[Entry], confidence: float) -> dict[str, statistics.Estimate]:
    """The ratio of each of `Times` to that of the reference, over the replicates that were timed against the same
    reference as the last replicate.
    """
    reference = entries[-1].meta["reference"]
    paired = [entry.arrays for entry in entries if entry.meta["reference"] == reference]
    return {
        name: statistics.ratio(_stacked(paired, name), _stacked(paired, f"reference_{name}"), confidence)
        for name in TIMES
    }


def _stacked(replicates: Sequence[Arrays], name: str) -> NDArray[Any]:
    return np.stack([arrays[name] for arrays in replicates])
