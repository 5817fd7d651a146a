"""Cells to records: stages first, then every cell's answers, then the timed rounds; all of it resumable.

Three things are stored as they finish, and never done twice: what the pipeline makes, the neighbours of each cell, and
each round of latencies. A cell that fails is a record with its reason, and the others go on.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import records, registry
from bench.environment import environment
from bench.grid import Cell
from bench.identity import digest
from bench.interfaces import Codes, Corpus, Index, Int
from bench.measure import Arm, Rates, batch, check_neighbours, latency_round, machine_rates
from bench.pipeline import Pipeline
from bench.store import Store

WARM_UP_ITEMS = 1024


@dataclass(frozen=True)
class Prepared:
    """A cell whose index stands: what the timed rounds and the record need."""

    cell: Cell
    key: str
    arm: Arm
    columns: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of a grid. ``results`` holds records; ``say`` gets a line per stage."""

    pipeline: Pipeline
    results: Store
    say: Callable[[str], None] = print

    def __call__(self) -> dict[str, str]:
        """Finish every cell that is not done. Returns the reason of each cell that failed, by its record's key."""
        pending = self._pending()
        if not pending:
            return {}
        self.pipeline.labels()
        rates = machine_rates()
        failed: dict[str, str] = {}
        for seed in sorted({cell.seed for cell in pending.values()}):
            mine = {key: cell for key, cell in pending.items() if cell.seed == seed}
            prepared = self._prepare(mine, failed)
            self._time(prepared, rates)
        return failed

    def _pending(self) -> dict[str, Cell]:
        keys = {records.key(self.pipeline, cell): cell for cell in self.pipeline.grid.cells}
        return {key: cell for key, cell in keys.items() if not records.done(self.results, key)}

    def _prepare(self, cells: dict[str, Cell], failed: dict[str, str]) -> list[Prepared]:
        """Each cell's stages, index and answers. Indexes that differ only in query parameters are built once."""
        faults = self._stages(cells.values())
        corpora = Corpora(self.pipeline)
        built: dict[str, tuple[Index, float]] = {}
        prepared = []
        for key, cell in self.pipeline.context.track(cells.items(), "build and search", len(cells)):
            fault = faults.get(self.pipeline.features_key(cell)) or faults.get(str(self.pipeline.codes_key(cell)))
            try:
                if fault is not None:
                    raise fault
                prepared.append(self._answer(key, cell, corpora, built))
            except Exception as reason:
                self._fail(key, cell, reason, failed)
        return prepared

    def _stages(self, cells: Iterable[Cell]) -> dict[str, Exception]:
        """Make the features and codes that are missing. What could not be made, by its key, with the reason."""
        stages: dict[str, tuple[str, Callable[[Cell], Any], Cell]] = {}
        for cell in cells:
            stages.setdefault(self.pipeline.features_key(cell), ("features", self.pipeline.features, cell))
            if cell.hasher is not None:
                stages.setdefault(str(self.pipeline.codes_key(cell)), ("codes", self.pipeline.codes, cell))
        faults: dict[str, Exception] = {}
        for key, (kind, make, cell) in stages.items():
            try:
                if not self.pipeline.store.has(kind, key):
                    make(cell)
            except Exception as fault:
                faults[key] = fault
        return faults

    def _answer(self, key: str, cell: Cell, corpora: Corpora, built: dict[str, tuple[Index, float]]) -> Prepared:
        grid = self.pipeline.grid
        database, queries = corpora.of(cell)
        index, build_seconds = _built(cell, database, corpora.key(cell), built)
        query_parameters = _query_parameters(cell, index)
        arm = Arm(index, query_parameters, queries)
        if not self.results.has("neighbours", key):
            neighbours, seconds = batch(arm, grid.k)
            check_neighbours(neighbours, len(queries), grid.k, len(database))
            meta = {"batch_seconds": seconds, "complete_share": getattr(index, "complete_share_", None)}
            self.results.write("neighbours", key, meta, {"neighbours": neighbours})
        answer = self.results.read("neighbours", key)
        index.set_query(**query_parameters)
        bytes_read, flops = index.query_cost()
        assert database.features is not None
        columns = {
            "dim": database.features.shape[1],
            **self._quality(cell, answer.arrays["neighbours"], database, queries),
            "complete_share": answer.meta["complete_share"],
            "throughput_qps": len(queries) / answer.meta["batch_seconds"],
            **corpora.costs(cell),
            "build_seconds": build_seconds,
            "index_bytes": index.size_bytes(),
            "paper_bytes": index.paper_bytes() if hasattr(index, "paper_bytes") else None,
            "bytes_per_query": bytes_read,
            "flops_per_query": flops,
            "queries": len(queries),
            "database_items": len(database),
        }
        return Prepared(cell, key, arm, columns)

    def _quality(self, cell: Cell, neighbours: Int, database: Corpus, queries: Corpus) -> dict[str, float]:
        from bench.metrics import precision_at, recall_at

        k = self.pipeline.grid.k
        labels = self.pipeline.labels().arrays
        query_labels = labels["query"][self.pipeline.query_rows(cell.seed)]
        assert database.features is not None and queries.features is not None
        exact = self.pipeline.exact(cell)
        return {
            f"precision_at_{k}": precision_at(neighbours, query_labels, labels["database"], k),
            f"recall_at_{k}": recall_at(neighbours, exact, database.features, queries.features, k),
        }

    def _time(self, prepared: list[Prepared], rates: Rates) -> None:
        """Interleaved rounds over all prepared cells, then their records."""
        measure = self.pipeline.grid.measure
        for number in self.pipeline.context.track(range(measure.rounds), "timed rounds", measure.rounds):
            missing = [item for item in prepared if not self.results.has("rounds", f"{item.key}-{number}")]
            if missing:
                self._round(missing, number)
        for item in prepared:
            rounds = [self.results.read("rounds", f"{item.key}-{number}") for number in range(measure.rounds)]
            milliseconds = np.concatenate([entry.arrays["ms"] for entry in rounds])
            self._record(item, milliseconds, max(entry.meta["cpu_per_wall"] for entry in rounds), rates)

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

    def _record(self, item: Prepared, milliseconds: Any, cpu_per_wall: float, rates: Rates) -> None:
        all_queries = len(self.pipeline.labels().arrays["query"])
        latency = records.latency_columns(milliseconds, all_queries)
        floor = rates.floor_ms(item.columns["bytes_per_query"], item.columns["flops_per_query"])
        row = {
            **records.base_row(self.pipeline, item.cell),
            **item.columns,
            **latency,
            "floor_ms": floor,
            "floor_percent": 100 * floor / latency["latency_ms_p50"],
            "cpu_per_wall": cpu_per_wall,
            "status": "ok",
        }
        meta = {
            "row": _plain(row),
            "grid": self.pipeline.grid.name,
            "cell": [str(item.cell)],
            "rates": vars(rates),
            "environment": environment(),
        }
        self.results.write(records.KIND, item.key, meta, {"latency_ms": milliseconds})

    def _fail(self, key: str, cell: Cell, fault: Exception, failed: dict[str, str]) -> None:
        reason = f"{type(fault).__name__}: {fault}"
        failed[key] = f"{cell.index.describe()}: {reason}"
        tail = traceback.format_exception(fault)[-8:]
        row = {**records.base_row(self.pipeline, cell), "status": "error", "reason": reason}
        meta = {"row": _plain(row), "traceback": tail, "environment": environment()}
        self.results.write(records.KIND, key, meta, {})
        self.say(f"failed: {failed[key]}")


class Corpora:
    """The database and the searched queries of a cell, each read from the store once."""

    def __init__(self, pipeline: Pipeline):
        """Nothing is read yet."""
        self._pipeline = pipeline
        self._entries: dict[str, Any] = {}

    def key(self, cell: Cell) -> str:
        """What an index of this cell is built on."""
        return digest([self._pipeline.features_key(cell), self._pipeline.codes_key(cell), cell.database_codes])

    def of(self, cell: Cell) -> tuple[Corpus, Corpus]:
        """Database and queries. ValueError: learned codes are asked for, and the hasher learned none."""
        rows = self._pipeline.query_rows(cell.seed)
        features = self._features(cell).arrays
        if cell.hasher is None:
            return Corpus(features["database"]), Corpus(features["query"][rows])
        codes = self._codes(cell)
        bits = codes.meta["bits"]
        if cell.database_codes not in codes.arrays:
            raise ValueError(f"database_codes = {cell.database_codes!r}: {cell.hasher.name} learned no database codes")
        return (
            Corpus(features["database"], Codes(codes.arrays[cell.database_codes], bits)),
            Corpus(features["query"][rows], Codes(codes.arrays["query"][rows], bits)),
        )

    def costs(self, cell: Cell) -> dict[str, Any]:
        """What was spent before searching: encoding a query by every network it needs, fitting, and the codes' mAP."""
        features = self._features(cell).meta
        codes = {} if cell.hasher is None else self._codes(cell).meta
        return {
            "encode_ms": features["encode_ms"] + codes.get("encode_ms", 0.0),
            "fit_seconds": features["fit_seconds"] + codes.get("fit_seconds", 0.0),
            "map": codes.get(f"map_{cell.database_codes}"),
            **{name: value for name, value in codes.items() if name.startswith("map_")},
        }

    def _features(self, cell: Cell) -> Any:
        return self._once(self._pipeline.features_key(cell), lambda: self._pipeline.features(cell))

    def _codes(self, cell: Cell) -> Any:
        return self._once(str(self._pipeline.codes_key(cell)), lambda: self._pipeline.codes(cell))

    def _once(self, key: str, read: Callable[[], Any]) -> Any:
        if key not in self._entries:
            self._entries[key] = read()
        return self._entries[key]


def _built(cell: Cell, database: Corpus, corpus_key: str, built: dict[str, tuple[Index, float]]) -> tuple[Index, float]:
    index: Index = registry.build("index", cell.index.name, cell.index.parameters)
    fixed = {k: v for k, v in cell.index.parameters.items() if k not in index.query_parameters}
    key = digest([corpus_key, cell.index.name, fixed])
    if key not in built:
        _warm_up(cell, database)
        start = time.perf_counter()
        index.build(database)
        built[key] = (index, time.perf_counter() - start)
    return built[key]


def _warm_up(cell: Cell, database: Corpus) -> None:
    """Build on a few items first: what is imported and compiled on the way is not the index's building time."""
    index = registry.build("index", cell.index.name, cell.index.parameters)
    index.build(database.part(0, WARM_UP_ITEMS))


def _query_parameters(cell: Cell, index: Index) -> dict[str, Any]:
    every = records.settings("index", cell.index)
    return {name: every[name] for name in index.query_parameters}


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
