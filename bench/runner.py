"""Cells to records: stages first, then rankings, then answers and timed replicates; all of it resumable.

Whatever a plugin does, it does in a process of its own (`bench.isolation`): loading data, fitting, building, searching.
What a cell cannot finish, and why, is a record too, and the others go on. Artifacts, neighbours and each replicate's
times are stored as they finish; nothing is done twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from bench import indexes, records, statistics
from bench.child import failed
from bench.corpora import Corpora
from bench.environment import environment
from bench.grid import Cell, ask_index, to_json
from bench.interfaces import Corpus, Float, Int, Unavailable
from bench.isolation import Child, Failure, Limits, Say, Show, Starter
from bench.measure import Rates, check_neighbours, machine_rates
from bench.pipeline import Pipeline
from bench.store import Entry, Store
from bench.timing import LOADED, THREADS, UNSTABLE, Arm, Place, Replicate, Replicates

ONE_THREAD_QUERIES = 500


@dataclass(frozen=True)
class Run:
    """One run of a grid. ``results`` holds records; ``say`` gets a line per stage, ``show`` the progress of one.

    ``start``: how a worker is started, in a process of its own or in this one.
    """

    pipeline: Pipeline
    results: Store
    say: Say = print
    show: Show = lambda description, done, total: None
    limits: Limits = field(default_factory=Limits)
    retry_failed: bool = False
    start: Starter = Child

    def __call__(self) -> dict[str, str]:
        """Finish every cell that is not done. Returns the reason of each cell that failed, by its record's key.

        A cell that is skipped has not failed; its reason is in its record. One that failed before fails again with the
        reason it had, unless ``retry_failed``.

        ValueError: the data set can't be read, or its classes can't be split as a protocol asks for.
        """
        done = [records.done(self.results, key, self.retry_failed) for key in self._keys]
        pending = {key: at for at, key in enumerate(self._keys) if not done[at]}
        if pending:
            self._labels(pending.values())
            stopped = self._prepare(pending)
            timed = {key: at for key, at in pending.items() if self._cell(at).index is not None and key not in stopped}
            for group in self._groups(timed):
                self._time(group)
        return {key: reason for key in self._keys if (reason := records.failure(self.results, key)) is not None}

    @cached_property
    def _keys(self) -> list[str]:
        """The keys of the cells' records, in their order."""
        return [records.key(self.pipeline, cell) for cell in self.pipeline.grid.cells]

    def _cell(self, position: int) -> Cell:
        return self.pipeline.grid.cells[position]

    def _child(self) -> Any:
        setup = {
            "grid": to_json(self.pipeline.grid),
            "store": str(self.pipeline.store.root.absolute()),
            "device": self.pipeline.context.device,
        }
        return self.start(setup, self.limits, self.say, self.show)

    def _ask(self, what: str, **parameters: Any) -> Any:
        """The answer of a process that is started for this request alone."""
        child = self._child()
        try:
            return child.ask(what, **parameters)
        finally:
            child.end()

    def _labels(self, positions: Iterable[int]) -> None:
        try:
            self._ask("labels")
        except Failure as failure:
            raise ValueError(f"the data set can't be read: {failure.reason}") from failure
        if any(self._cell(position).protocol != "seen" for position in positions):
            self.pipeline.unseen()

    def _prepare(self, pending: dict[str, int]) -> set[str]:
        """Each cell's stages, and the record of those that rank. Returns the keys of the cells that stop here."""
        corpora, faults, stopped = Corpora(self.pipeline), dict[str, Failure](), set()
        for key, position in self.pipeline.context.track(pending.items(), "train, encode, rank", len(pending)):
            cell = self._cell(position)
            try:
                self._make(position, faults)
                if cell.index is None:
                    self._rank(key, cell, corpora)
            except Failure as failure:
                self._stop(key, cell, failure)
                stopped.add(key)
        return stopped

    def _make(self, position: int, faults: dict[str, Failure]) -> None:
        """Make the features and codes that are missing. ``faults``: what could not be made, raised without a retry."""
        cell = self._cell(position)
        try:
            ask_index(cell)
        except Unavailable as reason:
            raise Failure("skipped", str(reason)) from reason
        except Exception as fault:
            raise Failure(**failed(fault)) from fault
        for number, stage in enumerate(self.pipeline.stages(cell)):
            if stage.key in faults:
                raise faults[stage.key]
            if not self.pipeline.store.has(stage.kind, stage.key):
                try:
                    self._ask("make", cell=position, stage=number)
                except Failure as failure:
                    faults[stage.key] = failure
                    raise

    def _rank(self, key: str, cell: Cell, corpora: Corpora) -> None:
        """Rank the whole database by the cell's codes or features, and write its record: nothing is timed."""
        from bench import quality

        try:
            (database, queries), known = corpora.of(cell), corpora.labels(cell)
        except ValueError as reason:
            raise Failure("error", str(reason)) from reason
        assert known is not None, "a ranking is judged by labels, and the data set has none"
        labels, asked = known
        columns: dict[str, Any] = {"queries": len(queries), "database_items": len(database)}
        if database.codes is not None and queries.codes is not None:
            columns |= quality.of_codes(queries.codes, database.codes, asked, labels, self.pipeline.grid.k)
            columns["code_bytes"] = len(database) * -(-database.codes.bits // 8)
        elif database.features is not None and queries.features is not None:
            columns |= quality.of_features(queries.features, database.features, asked, labels)
            columns["dim"] = database.features.shape[1]
        self._record(key, cell, {**columns, **corpora.costs(cell), "status": "ok"})

    def _groups(self, timed: dict[str, int]) -> list[dict[str, int]]:
        """The cells that are compared with each other."""
        groups: dict[Any, dict[str, int]] = {}
        for key, position in timed.items():
            groups.setdefault(self._compared_by(position), {})[key] = position
        return list(groups.values())

    def _compared_by(self, position: int) -> tuple[Any, ...]:
        """What cells that are compared have in common: protocol, seed and set of features."""
        cell = self._cell(position)
        features = None if cell.embedder is None else self.pipeline.features_key(cell, cell.embedder)
        return cell.protocol, cell.seed, features

    def _reference(self, group: dict[str, int]) -> int:
        """The cell that the others are compared with: the linear scan, or else the first, of these and the finished."""
        own = set(group.values())
        common = self._compared_by(min(own))
        known = [
            (cell.index.name != "linear_scan", position)
            for position, cell in enumerate(self.pipeline.grid.cells)
            if cell.index is not None
            and self._compared_by(position) == common
            and (position in own or records.status(self.results, self._keys[position]) == "ok")
        ]
        return min(known)[1]

    def _time(self, group: dict[str, int]) -> None:
        """Answers and replicates of a group, then its records."""
        corpora, measure, track = Corpora(self.pipeline), self.pipeline.grid.measure, self.pipeline.context.track
        positions = dict.fromkeys([self._reference(group), *group.values()])
        builds = {at: indexes.build_key(self._cell(at), corpora.key(self._cell(at))) for at in positions}
        reference, *_ = arms = [Arm(at, build) for at, build in builds.items()]
        queries = len(self.pipeline.query_rows(self._cell(reference.cell)))
        replicates = Replicates(self._child, self._answer, measure, queries, track)
        own = [arm for arm in arms if arm.cell in group.values()]
        for number in track(range(measure.replicates), "timed replicates", measure.replicates):
            missing = [arm for arm in own if arm.failure is None and not self._kept(arm, number)]
            if missing:
                taken = replicates(list(dict.fromkeys([reference, *missing])), number)
                for arm in missing:
                    if arm.cell in taken:
                        self._keep(arm, number, taken[arm.cell])
                    if arm.failure is not None:
                        self._stop(self._keys[arm.cell], self._cell(arm.cell), arm.failure)
        for arm in own:
            if arm.failure is None:
                self._record_times(self._keys[arm.cell], self._cell(arm.cell), corpora)

    def _answer(self, place: Place) -> None:
        """Search all queries, where that was not done, and keep what came back if it is what an answer must be."""
        key, cell = self._keys[place.arm.cell], self._cell(place.arm.cell)
        if self.results.has("neighbours", key):
            return
        folder = self.results.root.absolute() / "work"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{key}.npy"
        try:
            costs = place.ask("settle")
            answer = place.ask("answer", path=str(path), single_thread_queries=ONE_THREAD_QUERIES)
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
        self.results.write("neighbours", key, _plain({**costs, **answer}), {"neighbours": neighbours})

    def _kept(self, arm: Arm, number: int) -> bool:
        return self.results.has("replicates", f"{self._keys[arm.cell]}-{number}")

    def _keep(self, arm: Arm, number: int, replicate: Replicate) -> None:
        """Store an arm's replicate, if it is what it should be."""
        if replicate.cpu_per_wall > THREADS:
            reason = f"a single query took {replicate.cpu_per_wall:.2f} threads, and was to be answered on one"
            arm.failure = Failure("error", reason)
            return
        reference = [self._keys[replicate.reference], self._cell(replicate.reference).describe()]
        meta = dataclasses.asdict(replicate) | {"reference": reference}
        arrays = {"ms": meta.pop("milliseconds"), "reference_ms": meta.pop("reference_milliseconds")}
        self.results.write("replicates", f"{self._keys[arm.cell]}-{number}", meta, arrays)

    @cached_property
    def _rates(self) -> Rates:
        return machine_rates()

    def _replicates(self, key: str) -> list[Entry]:
        return [
            self.results.read("replicates", f"{key}-{number}")
            for number in range(self.pipeline.grid.measure.replicates)
        ]

    def _record_times(self, key: str, cell: Cell, corpora: Corpora) -> None:
        entries, answer = self._replicates(key), self.results.read("neighbours", key)
        database, queries = corpora.of(cell)
        milliseconds = np.stack([entry.arrays["ms"] for entry in entries])
        all_queries = len(self.pipeline.query_rows(dataclasses.replace(cell, index=None)))
        latency = records.latency_columns(milliseconds.ravel(), all_queries)
        columns = {
            "dim": None if database.features is None else database.features.shape[1],
            **self._quality(cell, answer.arrays["neighbours"], database, queries, corpora),
            "map": corpora.map(cell),
            **corpora.costs(cell),
            **answer.meta,
            **_building(entries),
            **latency,
            **_against_reference(entries),
            "cpu_per_wall": max(entry.meta["cpu_per_wall"] for entry in entries),
            "unstable": max(entry.meta["sentinel_drift"] for entry in entries) > UNSTABLE,
            "loaded": max(entry.meta["others"] for entry in entries) > LOADED,
            "queries": len(queries),
            "database_items": len(database),
            "status": "ok",
        }
        if answer.meta["bytes_per_query"] is not None:
            floor = self._rates.floor_ms(answer.meta["bytes_per_query"], answer.meta["flops_per_query"] or 0)
            columns |= {"floor_ms": floor, "floor_percent": 100 * floor / latency["latency_ms_p50"]}
        self._record(key, cell, columns, {"latency_ms": milliseconds}, rates=vars(self._rates))

    def _quality(
        self, cell: Cell, neighbours: Int, database: Corpus, queries: Corpus, corpora: Corpora
    ) -> dict[str, float]:
        from bench.quality import of_neighbours

        labels = corpora.labels(cell)
        exact = None if cell.embedder is None else self.pipeline.exact(cell)
        return of_neighbours(neighbours, exact, database, queries, labels, self.pipeline.grid.k)

    def _record(
        self, key: str, cell: Cell, columns: dict[str, Any], arrays: dict[str, Float] | None = None, **more: Any
    ) -> None:
        row = _plain({**records.base_row(self.pipeline, cell), **columns})
        meta = {"row": row, "grid": self.pipeline.grid.name, "cell": str(cell), "environment": environment(), **more}
        self.results.write(records.KIND, key, meta, arrays or {})

    def _stop(self, key: str, cell: Cell, failure: Failure) -> None:
        """Write why a cell did not finish."""
        described = f"{cell.describe()}: {failure.reason}"
        self._record(
            key,
            cell,
            {"status": failure.status, "reason": failure.reason, "described": described},
            traceback=failure.tail,
        )
        self.say(f"{failure.status}: {described}")


def _building(entries: list[Entry]) -> dict[str, float]:
    """What building took, as the median of the replicates."""
    notes = [entry.meta["notes"] for entry in entries]
    return {name: float(np.median([one[name] for one in notes])) for name in notes[0]}


def _against_reference(entries: list[Entry]) -> dict[str, Any]:
    """Time over the reference's, from the replicates that have the one that the last of them has, and which that is."""
    reference = entries[-1].meta["reference"]
    paired = [entry.arrays for entry in entries if entry.meta["reference"] == reference]
    found = statistics.ratio(*(np.stack([arrays[name] for arrays in paired]) for name in ("ms", "reference_ms")))
    return {"ratio": found.value, "ratio_low": found.low, "ratio_high": found.high, "ratio_to": reference[1]}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Columns in JSON's types: not-a-number and infinity become None."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in ((k, v.item() if isinstance(v, np.generic) else v) for k, v in row.items())
    }


def summary(failed: Iterable[str]) -> list[str]:
    """Each distinct reason once, with how many cells it failed."""
    reasons = list(failed)
    return [f"{reasons.count(reason)} x {reason}" for reason in dict.fromkeys(reasons)]
