"""Judges stored rankings and answers by today's metrics, and writes their records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.grids.cells import Cell, KeyedCell
from bench.interfaces import Corpus
from bench.plans.schedule import Schedule
from bench.plans.units import Watch
from bench.records import book, rows
from bench.records.origin import origin
from bench.runs.recording import Recorder
from bench.runs.searches import Searches
from bench.stages import nearest
from bench.stages.corpora import Corpora
from bench.stages.pipeline import Pipeline


@dataclass(frozen=True)
class Judging:
    """Judges cells by today's metrics, and writes their records."""

    pipeline: Pipeline
    searches: Searches
    schedule: Schedule
    recorder: Recorder
    watch: Watch
    corpora: Corpora

    def rank(self, cell: KeyedCell) -> None:
        """Rank the whole database by the cell's codes or features, and write the record. Nothing is timed."""
        with self.watch.doing(self.schedule.rank(cell)):
            self.recorder.write(cell, *self._ranked(cell.cell))

    def search(self, cell: KeyedCell) -> None:
        """Judge the answers of a cell whose replicates are all stored."""
        with self.watch.doing(self.schedule.judge(cell)):
            self._search(cell)

    def again(self, cell: KeyedCell, earlier: str) -> None:
        """Judge the answers of an ``earlier`` record again. Its times and their machine stay as they were."""
        results = self.recorder.results
        with self.watch.doing(self.schedule.judge(cell)):
            quality = self._quality(cell, *self.corpora.of(cell.cell))
            made_by = origin(self.pipeline, cell.cell)
            results.write(book.KIND, cell.record, *book.judged_again(results, earlier, quality, made_by))
        self.watch.ended(cell.record)

    def _ranked(self, cell: Cell) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """The columns of a ranking, the columns of its quality, and its arrays."""
        from bench.quality.columns import of_codes, of_features

        (database, queries), known = self.corpora.of(cell), self.corpora.labels(cell)
        assert known is not None, "a ranking is judged by labels, and the data set has none"
        labels, asked = known
        costs, arrays = self.corpora.costs(cell)
        columns: dict[str, Any] = {"queries": len(queries), "database_items": len(database), **costs}
        columns |= self.corpora.figures(cell)
        columns["remarks"] = rows.joined(self.corpora.remarks(cell))
        steps, over = self.corpora.curve(cell)
        if len(steps):
            columns |= {"map_peak": over.max(), "map_peak_step": steps[over.argmax()]}
            arrays |= {"curve_steps": steps, "curve_map": over}
        if database.codes is not None and queries.codes is not None:
            columns["bits"] = database.codes.bits
            columns["code_bytes"] = len(database) * -(-database.codes.bits // 8)
            judged = of_codes(queries.codes, database.codes, asked, labels, self.pipeline.grid.k)
            judged |= self.corpora.variety(cell)
        else:
            assert database.features is not None and queries.features is not None
            columns["dim"] = database.features.shape[1]
            judged = of_features(queries.features, database.features, asked, labels)
        return {**columns, "status": "ok"}, judged, arrays

    def _search(self, cell: KeyedCell) -> None:
        database, queries = self.corpora.of(cell.cell)
        before, encoding = self.corpora.costs(cell.cell)
        costs, arrays = self.searches.columns(cell)
        columns = {
            "dim": None if database.features is None else database.features.shape[1],
            "bits": None if database.codes is None else database.codes.bits,
            **before,
            **costs,
            **self.corpora.figures(cell.cell),
            "queries": len(queries),
            "database_items": len(database),
            "remarks": rows.joined([*self.corpora.remarks(cell.cell), *self._fewer(cell.cell, len(database))]),
            "status": "ok",
        }
        quality = self._quality(cell, database, queries)
        measured = {"rates": vars(self.searches.rates), "environment": self.searches.environment(cell)}
        self.recorder.write(cell, columns, quality, arrays | encoding, **measured)

    def _quality(self, cell: KeyedCell, database: Corpus, queries: Corpus) -> dict[str, Any]:
        """The quality columns of a search, for its answers and for the codes that it reads."""
        from bench.quality.columns import of_neighbours

        neighbours, exact, radius = self.searches.neighbours(cell), None, None
        if cell.cell.embedder is not None:
            with self.watch.doing(self.schedule.exact(cell)):
                exact = nearest.exact(self.pipeline, cell.cell)
        else:
            radius = self.corpora.radius(cell.cell)
        labels = self.corpora.labels(cell.cell)
        found = of_neighbours(neighbours, exact, database, queries, labels, self.pipeline.grid.k, radius)
        return rows.plain({**found, "map": self._map(cell), **self.corpora.variety(cell.cell)})

    def _fewer(self, cell: Cell, items: int) -> Iterator[str]:
        """The remarks that a cell asks for more ``candidates``, or more neighbours, than the database has items."""
        if (cell.candidates or 0) > items:
            yield f"candidates = {cell.candidates}: all {items} items"
        if self.pipeline.grid.k > items:
            yield f"k = {self.pipeline.grid.k}: the database has {items} items, and missing neighbours count as wrong"

    def _map(self, cell: KeyedCell) -> float | None:
        if cell.cell.hasher is None:
            return None
        with self.watch.doing(self.schedule.map(cell)):
            return self.corpora.map(cell.cell)
