"""The database and the queries of a cell: the rows of its protocol, taken from stored features and codes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.grids.cells import Cell
from bench.grids.checks import reads
from bench.grids.protocols import select
from bench.interfaces import Codes, Corpus, Float, Int, Labels, Words
from bench.stages.coding import codes_name, real_name
from bench.stages.curves import figure_name
from bench.stages.encoding import SHARED
from bench.stages.pipeline import Pipeline
from bench.store.entries import Entry, Meta
from bench.store.identity import digest
from bench.system.machines import NOT_RECORDED
from bench.timing.load import LOADED, UNSTABLE
from bench.timing.statistics import typical, with_interval


class Corpora:
    """The database and the queries of cells, each entry read from the store once."""

    def __init__(self, pipeline: Pipeline):
        """Read nothing yet."""
        self._pipeline = pipeline
        self._kept: dict[tuple[str, str], Any] = {}

    def key(self, cell: Cell) -> str:
        """The key of the database that the cell's index is built on."""
        stages = [stage.key for stage in self._pipeline.stages(cell)]
        return digest([stages, cell.protocol, cell.model, cell.database_codes])

    def of(self, cell: Cell) -> tuple[Corpus, Corpus]:
        """The database and the queries.

        Raises ValueError: the cell's database codes are learned, and the hasher learned none.
        """
        database_rows, query_rows = self._pipeline.database_rows(cell), self._pipeline.query_rows(cell)
        return self._corpus(cell, "database", database_rows), self._corpus(cell, "query", query_rows)

    def labels(self, cell: Cell) -> tuple[Labels, Labels] | None:
        """The labels of the database and of the queries. None if the data set has no labels."""
        entry = self._pipeline.labels()
        if not entry.meta["classes"]:
            return None
        database, query = entry.arrays["database"], entry.arrays["query"]
        rows = self._pipeline.database_rows(cell), self._pipeline.query_rows(cell)
        return select(database, rows[0]), select(query, rows[1])

    def costs(self, cell: Cell) -> tuple[dict[str, Any], dict[str, Any]]:
        """The columns of the time for training and for encoding a query, summed over all networks of the cell, with the
        machine that took them; and the array ``encode_ms``, float32 [replicates].

        A column is None, and the array is left out, where the time of one network is not known.
        """
        stages = {stage.key: stage for stage in self._pipeline.stages(cell)}
        spent = [self._pipeline.store.meta(stage.kind, stage.key) for stage in stages.values()]
        fits, encodings = [meta["fit_seconds"] for meta in spent], [meta.get("encoding") for meta in spent]
        columns: dict[str, Any] = {"fit_seconds": None if None in fits else sum(fits), "encode_ms": None}
        columns["training_machine"] = _machines(spent)
        known = [one for one in encodings if one is not None]
        if len(known) < len(encodings):
            return columns, {}
        least = min(len(one["ms"]) for one in known)
        together = np.array([one["ms"][:least] for one in known], dtype=np.float32).sum(axis=0)
        watched = {
            "encode_unstable": max(one["sentinel_drift"] for one in known) > UNSTABLE,
            "encode_loaded": max(one["others"] for one in known) > LOADED,
        }
        return columns | with_interval("encode_ms", typical(together, SHARED)) | watched, {"encode_ms": together}

    def figures(self, cell: Cell) -> dict[str, float]:
        """The columns ``fit_NAME`` of the figures that the cell's hasher told of its fit."""
        stages = [stage for stage in self._pipeline.stages(cell) if stage.kind == "codes"]
        told = [self._pipeline.store.meta(stage.kind, stage.key).get("figures", {}) for stage in stages]
        return {f"fit_{name}": value for one in told for name, value in one.items()}

    def remarks(self, cell: Cell) -> list[str]:
        """The remarks of the trainings behind the cell's features and codes, a line each."""
        stages = self._pipeline.stages(cell)
        return [line for one in stages for line in self._pipeline.store.meta(one.kind, one.key).get("remarks", [])]

    def curve(self, cell: Cell) -> tuple[Int, NDArray[np.float64]]:
        """The mAP of the cell's queries over the training of its codes: the steps that were judged, int64 [n], and mAP
        [n]. Both are empty where the training had no oracle, or did not judge such codes.
        """
        if cell.hasher is None:
            return np.empty(0, dtype=np.int64), np.empty(0)
        stored = self._pipeline.store.meta("codes", self._pipeline.codes_key(cell)).get("curve", [])
        name = figure_name(cell.protocol, str(cell.database_codes))
        judged = [(one["step"], one[name]) for one in stored if name in one]
        steps, values = [step for step, _ in judged], [value for _, value in judged]
        return np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64)

    def map(self, cell: Cell) -> float | None:
        """The mAP of the cell's codes over all queries of its protocol, computed once for all cells that share them.

        Codes are judged by all queries, even if an index is asked few. None without codes or without labels.
        """
        from bench.quality.ranking import mean_average_precision

        ranked = _codes_alone(cell)
        if cell.hasher is None or (labels := self.labels(ranked)) is None:
            return None
        of_database, of_queries = labels

        def found() -> float:
            database, queries = self.of(ranked)
            assert database.codes is not None and queries.codes is not None
            return mean_average_precision(queries.codes, database.codes, of_queries, of_database)

        value: float = self._once("map", self.key(ranked), found)
        return value

    def variety(self, cell: Cell) -> dict[str, int]:
        """The columns of `bench.quality.columns.of_database_codes`, computed once for all cells that share the codes.

        There are none without codes.
        """
        from bench.quality.columns import of_database_codes

        if cell.hasher is None:
            return {}
        ranked = _codes_alone(cell)

        def found() -> dict[str, int]:
            codes, labels = self.of(ranked)[0].codes, self.labels(ranked)
            assert codes is not None
            return of_database_codes(codes, labels and labels[0])

        columns: dict[str, int] = self._once("variety", self.key(ranked), found)
        return columns

    def radius(self, cell: Cell) -> Int:
        """The Hamming distance of the k-th nearest code to each of the cell's queries, int64 [q], computed once for all
        cells that share codes and queries.
        """
        from bench.quality.neighbours import radius_of

        def found() -> Int:
            database, queries = self.of(cell)
            assert database.codes is not None and queries.codes is not None
            return radius_of(queries.codes, database.codes, self._pipeline.grid.k)

        radius: Int = self._once("radius", digest([self.key(cell), cell.seed]), found)
        return radius

    def _corpus(self, cell: Cell, split: Literal["database", "query"], rows: Int) -> Corpus:
        features, codes, real = None, None, None
        if cell.embedder is not None:
            read = partial(self._pipeline.features, cell, cell.embedder)
            entry = self._once("features", self._pipeline.features_key(cell, cell.embedder), read)
            features = select(entry.arrays[split], rows)
        if cell.hasher is not None:
            entry = self._once("codes", self._pipeline.codes_key(cell), partial(self._pipeline.codes, cell))
            codes = Codes(select(_words(cell, split, entry), rows), entry.meta["bits"])
            if "real_codes" in reads(cell):
                real = _real_codes(cell, split, entry, rows)
        return Corpus(features, codes, real)

    def _once(self, kind: str, key: str, read: Callable[[], Any]) -> Any:
        if (kind, key) not in self._kept:
            self._kept[kind, key] = read()
        return self._kept[kind, key]


def _machines(made: Sequence[Meta]) -> str | None:
    """The classes of the machines that made some entries, in their order. None if no entry names one."""
    found = dict.fromkeys(meta.get("machine", NOT_RECORDED) for meta in made)
    return " + ".join(found) if {*found} - {NOT_RECORDED} else None


def _codes_alone(cell: Cell) -> Cell:
    """The cell that ranks by the codes of a cell."""
    return dataclasses.replace(cell, embedder=None, index=None, rerank=None, candidates=None)


def _real_codes(cell: Cell, split: Literal["database", "query"], codes: Entry, rows: Int) -> Float | None:
    """The real values of the codes at ``rows``. Learned codes have none."""
    if split == "database" and cell.database_codes == "learned":
        return None
    assert cell.model is not None
    values: Float = select(codes.arrays[real_name(cell.model, "query" if split == "query" else "encoded")], rows)
    return values


def _words(cell: Cell, split: Literal["database", "query"], codes: Entry) -> Words:
    assert cell.hasher is not None and cell.model is not None and cell.database_codes is not None
    name = codes_name(cell.model, "query" if split == "query" else cell.database_codes)
    if name not in codes.arrays:
        raise ValueError(f"database_codes = {cell.database_codes!r}: {cell.hasher.name} learned no database codes")
    return codes.arrays[name]
