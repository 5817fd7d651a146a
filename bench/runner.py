"""Cells to records: stages first, then rankings and answers, then the timed rounds; all of it resumable.

A cell without an index ranks the whole database, and its record is written there and then. For the others, neighbours
and each round of latencies are stored as they finish, as is what the pipeline makes; nothing is done twice, by several
runs on one store neither. What was found and timed before the metrics changed is only judged again. A cell that fails,
or that this machine cannot run and that is skipped, is a record with its reason, and the others go on.
"""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

from bench import records, registry
from bench.corpora import Corpora
from bench.disk import is_full
from bench.environment import environment
from bench.grid import Cell, ask_index
from bench.identity import digest
from bench.interfaces import Corpus, Float, Index, Int, Unavailable
from bench.measure import Arm, Rates, batch, check_neighbours, latency_round, machine_rates
from bench.pipeline import Pipeline
from bench.reranked import Reranked
from bench.store import Made, Store

WARM_UP_ITEMS = 1024


@dataclass(frozen=True)
class Prepared:
    """A cell whose index stands: what the timed rounds and the record need."""

    cell: Cell
    key: str
    arm: Arm
    columns: dict[str, Any]
    quality: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of a grid. ``results`` holds records; ``say`` gets a line per stage."""

    pipeline: Pipeline
    results: Store
    say: Callable[[str], None] = print

    def __call__(self) -> dict[str, str]:
        """Finish every cell that is not done. Returns the reason of each cell that failed, by its record's key.

        A cell that is skipped has not failed; its reason is in its record.

        ValueError: the data set can't be read, or its classes can't be split as a protocol asks for.
        """
        pending = self._pending()
        if not pending:
            return {}
        self.pipeline.labels()
        if any(cell.protocol != "seen" for cell in pending.values()):
            self.pipeline.unseen()
        failed: dict[str, str] = {}
        pending = self._judge(pending, failed)
        for seed in sorted({cell.seed for cell in pending.values()}):
            mine = {key: cell for key, cell in pending.items() if cell.seed == seed}
            prepared = self._prepare(mine, failed)
            if prepared:
                with self.results.hold("rounds", "timed"):  # runs that time at once would slow each other down
                    left = [item for item in prepared if not records.done(self.results, item.key)]
                    if left:
                        self._time(left, self._rates)
        return failed

    def recompute(self) -> tuple[dict[str, Cell], dict[str, str]]:
        """Judge by today's metrics all that is stored, and train, search and time nothing.

        Returns the cells of which something is missing, and the reason of each that failed, by their records' keys.
        """
        is_sound = cache(self.pipeline.store.is_sound)
        pending = self._pending()
        failed: dict[str, str] = {}
        ready = {
            key: cell
            for key, cell in pending.items()
            if all(is_sound(stage.kind, stage.key) for stage in self.pipeline.stages(cell))
        }
        unready = {key: cell for key, cell in pending.items() if key not in ready}
        return unready | self._judge(ready, failed), failed

    @cached_property
    def _rates(self) -> Rates:
        return machine_rates()

    def _pending(self) -> dict[str, Cell]:
        keys = {records.key(self.pipeline, cell): cell for cell in self.pipeline.grid.cells}
        return {key: cell for key, cell in keys.items() if not records.done(self.results, key)}

    def _judge(self, cells: dict[str, Cell], failed: dict[str, str]) -> dict[str, Cell]:
        """Write the records of the cells of which all is stored that is judged or was measured. Returns the others."""
        measured, corpora = records.measured(self.results), Corpora(self.pipeline)
        stored = {key: cell for key, cell in cells.items() if self._is_stored(cell, measured)}
        for key, cell in self.pipeline.context.track(stored.items(), "judge what is stored", len(stored)):
            try:
                if cell.index is None:
                    self._rank(key, cell, corpora)
                else:
                    self._judge_again(key, cell, corpora, measured)
            except Exception as reason:
                self._stop(key, cell, reason, failed)
        return {key: cell for key, cell in cells.items() if key not in stored}

    def _is_stored(self, cell: Cell, measured: dict[str, str]) -> bool:
        if not all(self.pipeline.store.has(stage.kind, stage.key) for stage in self.pipeline.stages(cell)):
            return False
        search = records.search_key(self.pipeline, cell)
        return cell.index is None or (search in measured and self.results.find("neighbours", search) is not None)

    def _judge_again(self, key: str, cell: Cell, corpora: Corpora, measured: dict[str, str]) -> None:
        search = records.search_key(self.pipeline, cell)
        with self.results.hold(records.KIND, key):
            if not records.done(self.results, key):
                neighbours = self.results.read("neighbours", search).arrays["neighbours"]
                quality = _plain(self._quality(cell, neighbours, *corpora.of(cell), corpora))
                self.results.write(records.KIND, key, *records.judged_again(self.results, measured[search], quality))

    def _prepare(self, cells: dict[str, Cell], failed: dict[str, str]) -> list[Prepared]:
        """Each cell's stages, and the record of those that rank; then the answers of those that search.

        Indexes that differ only in query parameters are built once.
        """
        track, corpora = self.pipeline.context.track, Corpora(self.pipeline)
        faults: dict[str, Exception] = {}
        stopped = set()
        for key, cell in track(cells.items(), "train, encode, rank", len(cells)):
            try:
                ask_index(cell)
                self._make(cell, faults)
                if cell.index is None:
                    self._rank(key, cell, corpora)
            except Exception as reason:
                self._stop(key, cell, reason, failed)
                stopped.add(key)
        searching = {key: cell for key, cell in cells.items() if cell.index is not None and key not in stopped}
        built: dict[str, tuple[Index, float]] = {}
        prepared = []
        for key, cell in track(searching.items(), "build and search", len(searching)):
            try:
                prepared.append(self._answer(key, cell, corpora, built))
            except Exception as reason:
                self._stop(key, cell, reason, failed)
        return prepared

    def _make(self, cell: Cell, faults: dict[str, Exception]) -> None:
        """Make the features and codes that are missing. ``faults``: what could not be made, raised without a retry."""
        for stage in self.pipeline.stages(cell):
            if stage.key in faults:
                raise faults[stage.key]
            if not self.pipeline.store.has(stage.kind, stage.key):
                try:
                    stage.make()
                except Exception as fault:
                    faults[stage.key] = fault
                    raise

    def _rank(self, key: str, cell: Cell, corpora: Corpora) -> None:
        """Rank the whole database by the cell's codes or features, and write its record: nothing is timed."""
        with self.results.hold(records.KIND, key):
            if not records.done(self.results, key):
                self._record(key, cell, *self._ranked(cell, corpora))

    def _ranked(self, cell: Cell, corpora: Corpora) -> tuple[dict[str, Any], dict[str, Any]]:
        """The columns of a ranking, and those of its quality."""
        from bench import quality

        (database, queries), known = corpora.of(cell), corpora.labels(cell)
        assert known is not None, "a ranking is judged by labels, and the data set has none"
        labels, asked = known
        columns: dict[str, Any] = {"queries": len(queries), "database_items": len(database), **corpora.costs(cell)}
        if database.codes is not None and queries.codes is not None:
            columns["code_bytes"] = len(database) * -(-database.codes.bits // 8)
            judged = quality.of_codes(queries.codes, database.codes, asked, labels, self.pipeline.grid.k)
        else:
            assert database.features is not None and queries.features is not None
            columns["dim"] = database.features.shape[1]
            judged = quality.of_features(queries.features, database.features, asked, labels)
        return {**columns, "status": "ok"}, judged

    def _answer(self, key: str, cell: Cell, corpora: Corpora, built: dict[str, tuple[Index, float]]) -> Prepared:
        grid = self.pipeline.grid
        database, queries = corpora.of(cell)
        index, build_seconds = _built(cell, database, corpora.key(cell), built)
        query_parameters = _query_parameters(cell, index)
        arm = Arm(index, query_parameters, queries)
        search = records.search_key(self.pipeline, cell)
        answer = self.results.once("neighbours", search, partial(_searched, arm, grid.k, len(database)))
        index.set_query(**query_parameters)
        columns = {
            "dim": None if database.features is None else database.features.shape[1],
            "complete_share": answer.meta["complete_share"],
            "throughput_qps": len(queries) / answer.meta["batch_seconds"],
            **corpora.costs(cell),
            "build_seconds": build_seconds,
            **_costs(index),
            "queries": len(queries),
            "database_items": len(database),
        }
        quality = self._quality(cell, answer.arrays["neighbours"], database, queries, corpora)
        return Prepared(cell, key, arm, columns, quality)

    def _quality(
        self, cell: Cell, neighbours: Int, database: Corpus, queries: Corpus, corpora: Corpora
    ) -> dict[str, Any]:
        """The quality columns of a search: of its answers, and of the codes that it reads."""
        from bench.quality import of_neighbours

        labels = corpora.labels(cell)
        exact = None if cell.embedder is None else self.pipeline.exact(cell)
        found = of_neighbours(neighbours, exact, database, queries, labels, self.pipeline.grid.k)
        return {**found, "map": corpora.map(cell)}

    def _time(self, prepared: list[Prepared], rates: Rates) -> None:
        """Interleaved rounds over all prepared cells, then their records."""
        measure = self.pipeline.grid.measure
        for number in self.pipeline.context.track(range(measure.rounds), "timed rounds", measure.rounds):
            missing = [item for item in prepared if self.results.find("rounds", f"{item.key}-{number}") is None]
            if missing:
                self._round(missing, number)
        for item in prepared:
            rounds = [self.results.read("rounds", f"{item.key}-{number}") for number in range(measure.rounds)]
            milliseconds = np.concatenate([entry.arrays["ms"] for entry in rounds])
            self._record_times(item, milliseconds, max(entry.meta["cpu_per_wall"] for entry in rounds), rates)

    def _round(self, items: list[Prepared], number: int) -> None:
        measure = self.pipeline.grid.measure
        queries = len(items[0].arm.queries)
        rows = np.random.default_rng(number).permutation(queries)[: measure.queries_per_round]
        arms = [item.arm for item in items]
        reverse = number % 2 == 1
        results = latency_round(arms, rows, self.pipeline.grid.k, measure.warm_up, reverse)
        for item, result in zip(items, results, strict=True):
            meta = {"cpu_per_wall": result.cpu_per_wall, "arms": len(arms), "load": environment()["load"]}
            self.results.write("rounds", f"{item.key}-{number}", meta, {"ms": result.milliseconds})

    def _record_times(self, item: Prepared, milliseconds: Float, cpu_per_wall: float, rates: Rates) -> None:
        all_queries = len(self.pipeline.query_rows(dataclasses.replace(item.cell, index=None)))
        latency = records.latency_columns(milliseconds, all_queries)
        columns = {**item.columns, **latency, "cpu_per_wall": cpu_per_wall, "status": "ok"}
        if "bytes_per_query" in item.columns:
            floor = rates.floor_ms(item.columns["bytes_per_query"], item.columns["flops_per_query"])
            columns |= {"floor_ms": floor, "floor_percent": 100 * floor / latency["latency_ms_p50"]}
        self._record(item.key, item.cell, columns, item.quality, {"latency_ms": milliseconds}, rates=vars(rates))

    def _record(
        self,
        key: str,
        cell: Cell,
        columns: dict[str, Any],
        quality: dict[str, Any],
        arrays: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        now = records.now()
        meta = {
            "row": _plain({**records.base_row(self.pipeline, cell), **quality, **columns}),
            "quality": list(quality),
            "search": records.search_key(self.pipeline, cell),
            "grid": self.pipeline.grid.name,
            "cell": str(cell),
            "finished": now,
            "judged": now,
            "environment": environment(),
        }
        self.results.write(records.KIND, key, {**meta, **more}, arrays or {})

    def _stop(self, key: str, cell: Cell, fault: Exception, failed: dict[str, str]) -> None:
        """Write why a cell did not finish; what is unavailable here has not ``failed``. A full disk ends the run."""
        if is_full(fault):
            raise fault
        if isinstance(fault, Unavailable):
            self._record(key, cell, {"status": "skipped", "reason": str(fault)}, {})
            self.say(f"skipped: {cell.describe()}: {fault}")
            return
        reason = f"{type(fault).__name__}: {fault}"
        failed[key] = f"{cell.describe()}: {reason}"
        tail = traceback.format_exception(fault)[-8:]
        self._record(key, cell, {"status": "error", "reason": reason}, {}, traceback=tail)
        self.say(f"failed: {failed[key]}")


def _searcher(cell: Cell) -> Index:
    """The cell's index, with the re-ranking behind it where there is one; not built yet."""
    assert cell.index is not None
    index: Index = registry.build("index", cell.index.name, cell.index.parameters)
    if cell.rerank is None or cell.candidates is None:
        return index
    reranker = registry.build("reranker", cell.rerank.name, cell.rerank.parameters)
    return Reranked(index, reranker, cell.candidates)


def _built(cell: Cell, database: Corpus, corpus_key: str, built: dict[str, tuple[Index, float]]) -> tuple[Index, float]:
    assert cell.index is not None
    index = _searcher(cell)
    fixed = {k: v for k, v in cell.index.parameters.items() if k not in index.query_parameters}
    rerank = cell.rerank and [cell.rerank.name, cell.rerank.parameters]
    key = digest([corpus_key, cell.index.name, fixed, rerank])
    if key not in built:
        # What is imported and compiled on the way is not the index's building time. So few items may be too few.
        with suppress(ValueError):
            _searcher(cell).build(database.part(0, WARM_UP_ITEMS))
        start = time.perf_counter()
        index.build(database)
        built[key] = (index, time.perf_counter() - start)
    return built[key]


def _searched(arm: Arm, k: int, database_items: int) -> Made:
    """The neighbours of all queries, checked, with the seconds of the whole batch."""
    neighbours, seconds = batch(arm, k)
    check_neighbours(neighbours, len(arm.queries), k, database_items)
    meta = {"batch_seconds": seconds, "complete_share": getattr(arm.index, "complete_share_", None)}
    return meta, {"neighbours": neighbours}


def _query_parameters(cell: Cell, index: Index) -> dict[str, Any]:
    assert cell.index is not None
    every = {"candidates": cell.candidates, **records.settings("index", cell.index)}
    return {name: every[name] for name in index.query_parameters}


def _costs(index: Any) -> dict[str, Any]:
    """The memory that the index takes, and where it says so, the paper's count and what one query must read and do."""
    costs = {"index_bytes": index.size_bytes()}
    if hasattr(index, "paper_bytes"):
        costs["paper_bytes"] = index.paper_bytes()
    if hasattr(index, "query_cost"):
        costs["bytes_per_query"], costs["flops_per_query"] = index.query_cost()
    return costs


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
