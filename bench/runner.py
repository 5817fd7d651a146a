"""Cells to records: stages first, then rankings, then answers and timed replicates; all of it resumable.

Whatever a plugin does, it does in a process of its own (`bench.isolation`): loading data, fitting, building, searching.
What a cell cannot finish, and why, is a record too, and the others go on. Artifacts, neighbours and each replicate's
times are stored as they finish; nothing is done twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from bench import indexes, records, statistics
from bench.corpora import Corpora
from bench.environment import environment
from bench.grid import Cell, Grid, ask_index
from bench.interfaces import Corpus, Float, Int, Unavailable
from bench.isolation import Child, Failure, Limits, Starter
from bench.measure import Rates, check_neighbours, machine_rates
from bench.pipeline import Pipeline
from bench.store import Entry, Store
from bench.timing import LOADED, THREADS, UNSTABLE, Arm, Place, Replicates

ONE_THREAD_QUERIES = 500


@dataclass(frozen=True)
class Run:
    """One run of a grid. ``results`` holds records; ``say`` gets a line per stage, ``show`` the progress of one.

    ``start``: how a worker is started, in a process of its own or in this one.
    """

    pipeline: Pipeline
    results: Store
    say: Callable[[str], None] = print
    show: Callable[[str, int, int | None], None] = lambda description, done, total: None
    limits: Limits = Limits()
    retry_failed: bool = False
    start: Starter = Child

    def __call__(self) -> dict[str, str]:
        """Finish every cell that is not done. Returns the reason of each cell that failed, by its record's key.

        A cell that is skipped has not failed; its reason is in its record. One that failed before fails again with the
        reason it had, unless ``retry_failed``.

        ValueError: the data set can't be read, or its classes can't be split as a protocol asks for.
        """
        keys = {records.key(self.pipeline, cell): position for position, cell in enumerate(self.pipeline.grid.cells)}
        pending = {key: at for key, at in keys.items() if not records.done(self.results, key, self.retry_failed)}
        if pending:
            self._labels(pending.values())
            stopped = self._prepare(pending)
            timed = {key: at for key, at in pending.items() if self._cell(at).index is not None and key not in stopped}
            for group in self._groups(timed):
                self._time(group)
        return {key: reason for key in keys if (reason := records.failure(self.results, key)) is not None}

    def _cell(self, position: int) -> Cell:
        return self.pipeline.grid.cells[position]

    def _child(self) -> Any:
        setup = {
            "grid": TypeAdapter(Grid).dump_json(self.pipeline.grid).decode(),
            "store": str(self.pipeline.store.root),
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
        """The cells that are compared with each other: of one protocol, seed and set of features."""
        groups: dict[Any, dict[str, int]] = {}
        for key, position in timed.items():
            cell = self._cell(position)
            features = None if cell.embedder is None else self.pipeline.features_key(cell, cell.embedder)
            groups.setdefault((cell.protocol, cell.seed, features), {})[key] = position
        return list(groups.values())

    def _time(self, group: dict[str, int]) -> None:
        """Answers and replicates of a group, then its records."""
        corpora, measure = Corpora(self.pipeline), self.pipeline.grid.measure
        cells = {position: self._cell(position) for position in group.values()}
        arms = {at: Arm(at, indexes.build_key(cell, corpora.key(cell))) for at, cell in cells.items()}
        keys = {position: key for key, position in group.items()}
        reference = arms[min(arms, key=lambda at: (cells[at].index.name != "linear_scan", at))]  # type: ignore[union-attr]
        database, queries = corpora.of(cells[reference.cell])
        replicates = Replicates(
            self._child, lambda place: self._answer(keys[place.arm.cell], place, database), measure, len(queries)
        )
        track = self.pipeline.context.track
        for number in track(range(measure.replicates), "timed replicates", measure.replicates):
            missing = [
                arm
                for at, arm in arms.items()
                if arm.failure is None and not self.results.has("replicates", f"{keys[at]}-{number}")
            ]
            if missing:
                taken = replicates(missing, reference, number)
                for arm in {arm.cell: arm for arm in [*missing, reference]}.values():
                    if arm.cell in taken:
                        one = dataclasses.asdict(taken[arm.cell])
                        arrays = {"ms": one.pop("milliseconds")}
                        self.results.write("replicates", f"{keys[arm.cell]}-{number}", one, arrays)
        rates = self._rates
        for at, arm in arms.items():
            try:
                if arm.failure is not None:
                    raise arm.failure
                self._record_times(keys[at], cells[at], keys[reference.cell], corpora, rates)
            except Failure as failure:
                self._stop(keys[at], cells[at], failure)

    def _answer(self, key: str, place: Place, database: Corpus) -> None:
        """Search all queries, where that was not done, and keep what came back if it is what an answer must be."""
        if self.results.has("neighbours", key):
            return
        folder = self.results.root / "work"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{key}.npy"
        try:
            costs = place.ask("settle")
            answer = place.ask("answer", path=str(path), single_thread_queries=ONE_THREAD_QUERIES)
            if costs is None or answer is None:
                return
            neighbours = np.load(path, allow_pickle=False)
            queries = len(self.pipeline.query_rows(self._cell(place.arm.cell)))
            check_neighbours(neighbours, queries, self.pipeline.grid.k, len(database))
            self.results.write("neighbours", key, {**costs, **answer, **place.notes}, {"neighbours": neighbours})
        except (ValueError, OSError) as reason:
            place.arm.failure = Failure("error", f"search: {reason}")
        finally:
            path.unlink(missing_ok=True)

    @cached_property
    def _rates(self) -> Rates:
        return machine_rates()

    def _replicates(self, key: str) -> list[Entry]:
        return [
            self.results.read("replicates", f"{key}-{number}")
            for number in range(self.pipeline.grid.measure.replicates)
        ]

    def _record_times(self, key: str, cell: Cell, reference: str, corpora: Corpora, rates: Rates) -> None:
        entries, answer = self._replicates(key), self.results.read("neighbours", key)
        threads = max(entry.meta["cpu_per_wall"] for entry in entries)
        if threads > THREADS:
            raise Failure("error", f"a single query took {threads:.2f} threads, and was to be answered on one")
        database, queries = corpora.of(cell)
        milliseconds = np.stack([entry.arrays["ms"] for entry in entries])
        all_queries = len(self.pipeline.query_rows(dataclasses.replace(cell, index=None)))
        latency = records.latency_columns(milliseconds.ravel(), all_queries)
        floor = rates.floor_ms(answer.meta["bytes_per_query"] or 0, answer.meta["flops_per_query"] or 0)
        columns = {
            "dim": None if database.features is None else database.features.shape[1],
            **self._quality(cell, answer.arrays["neighbours"], database, queries, corpora),
            "map": corpora.map(cell),
            **corpora.costs(cell),
            **answer.meta,
            **latency,
            **self._against(entries, reference),
            "cpu_per_wall": threads,
            "unstable": max(entry.meta["sentinel_drift"] for entry in entries) > UNSTABLE,
            "loaded": max(entry.meta["others"] for entry in entries) > LOADED,
            "queries": len(queries),
            "database_items": len(database),
            "status": "ok",
        }
        if answer.meta["bytes_per_query"] is not None:
            columns |= {"floor_ms": floor, "floor_percent": 100 * floor / latency["latency_ms_p50"]}
        self._record(key, cell, columns, {"latency_ms": milliseconds}, rates=vars(rates))

    def _against(self, entries: list[Entry], reference: str) -> dict[str, float]:
        """Time over the reference's, from the replicates in which both were timed in turns."""
        others = {entry.meta["together"]: entry.arrays["ms"] for entry in self._replicates(reference)}
        both = [(entry.arrays["ms"], others[t]) for entry in entries if (t := entry.meta["together"]) in others]
        if not both:
            return {}
        ours, theirs = (np.stack(arrays) for arrays in zip(*both, strict=True))
        found = statistics.ratio(ours, theirs)
        return {"ratio": found.value, "ratio_low": found.low, "ratio_high": found.high}

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


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row in JSON's types: not-a-number and infinity become None."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in ((k, v.item() if isinstance(v, np.generic) else v) for k, v in row.items())
    }


def summary(failed: Iterable[str]) -> list[str]:
    """Each distinct reason once, with how many cells it failed."""
    reasons = list(failed)
    return [f"{reasons.count(reason)} x {reason}" for reason in dict.fromkeys(reasons)]
