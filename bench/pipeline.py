"""Data set to labels, features, codes and exact neighbours: each stage once, stored under the hash of what decides it.

A stage is found in the store, or made and put there; the data set itself is loaded only when a stage must be made.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench import registry
from bench.grid import Cell, Choice, Grid
from bench.identity import digest, source_identity
from bench.interfaces import Codes, Context, Int, Items
from bench.store import Entry, Store

ENCODE_SAMPLE = 256


@dataclass(frozen=True)
class Pipeline:
    """The stages of one grid. ``context`` carries the device and the progress; ``say`` gets a line per stage made."""

    grid: Grid
    store: Store
    context: Context
    say: Callable[[str], None] = print

    @cached_property
    def dataset_identity(self) -> str:
        """The data set's plugin, parameters and content. ValueError: the content can't be read."""
        choice = self.grid.dataset
        dataset = registry.build("dataset", choice.name, choice.parameters)
        return digest([choice.name, dataset.fingerprint(), _source("dataset", choice.name)])

    @cached_property
    def dataset(self) -> Any:
        """The data set, loaded and checked. ValueError says what is wrong with it, and where."""
        choice = self.grid.dataset
        self.say(f"load {choice.describe()}")
        dataset = registry.build("dataset", choice.name, choice.parameters)
        return dataset.load(self.context)

    def labels(self) -> Entry:
        """Arrays ``database`` and ``query`` (labels int64); meta: ``classes``, ``shared_with_database``."""
        key = digest(["labels", self.dataset_identity])
        if not self.store.has("labels", key):
            dataset = self.dataset
            meta = {
                "classes": list(dataset.classes),
                "shared_with_database": getattr(dataset, "shared_with_database", None),
                "train_in_database": dataset.train_in_database,
            }
            arrays = {name: dataset.split(name).labels for name in ("database", "query")}
            self.store.write("labels", key, meta, arrays)
        return self.store.read("labels", key)

    def features_key(self, cell: Cell) -> str:
        """The key of a cell's features."""
        return self._key("embedder", cell.embedder, cell.seed)

    def codes_key(self, cell: Cell) -> str | None:
        """The key of a cell's codes; None: it has no hasher."""
        return None if cell.hasher is None else self._key("hasher", cell.hasher, cell.seed)

    def _key(self, kind: registry.Kind, choice: Choice, seed: int) -> str:
        data = self.dataset_identity
        return digest([data, [kind, choice.name, choice.parameters, _source(kind, choice.name)], seed])

    def features(self, cell: Cell) -> Entry:
        """Arrays ``database`` and ``query`` (float32 [n, d]); meta: ``fit_seconds``, ``encode_ms``."""
        key = self.features_key(cell)
        if not self.store.has("features", key):
            embedder, fit_seconds = self._fit("embedder", cell.embedder, cell.seed, key)
            arrays = {name: embedder.embed(self.dataset.split(name)) for name in ("database", "query")}
            for name, array in arrays.items():
                if array.dtype != np.float32 or array.ndim != 2 or not np.isfinite(array).all():
                    raise ValueError(
                        f"{cell.embedder.name}: embed({name}) returned {array.dtype} {list(array.shape)}; "
                        "expected finite float32 [n, d]"
                    )
            self._finish("features", key, cell.embedder, fit_seconds, self._encode_ms(embedder.embed), {}, arrays)
        return self.store.read("features", key)

    def codes(self, cell: Cell) -> Entry:
        """Arrays ``encoded``, ``query`` and, where the hasher learned them, ``learned`` (packed words); meta: ``bits``,
        ``fit_seconds``, ``encode_ms``, and mAP over the whole ranking, ``map_encoded`` and ``map_learned``.
        """
        assert cell.hasher is not None
        key = self._key("hasher", cell.hasher, cell.seed)
        if not self.store.has("codes", key):
            hasher, fit_seconds = self._fit("hasher", cell.hasher, cell.seed, key)
            database, query = self.dataset.split("database"), self.dataset.split("query")
            codes = {"encoded": hasher.encode(database), "query": hasher.encode(query)}
            if hasher.database_codes_ is not None and self.dataset.train_in_database:
                codes["learned"] = hasher.database_codes_
            meta = {"bits": hasher.bits, **_maps(codes, query.labels, database.labels)}
            arrays = {name: code.words for name, code in codes.items()}
            self._finish("codes", key, cell.hasher, fit_seconds, self._encode_ms(hasher.encode), meta, arrays)
        return self.store.read("codes", key)

    def query_rows(self, seed: int) -> Int:
        """Which queries are searched: all, or as many as the grid says, drawn by seed; int64, ascending."""
        count = len(self.labels().arrays["query"])
        wanted = self.grid.measure.queries
        if wanted == 0 or wanted >= count:
            return np.arange(count)
        return np.sort(np.random.default_rng(seed).permutation(count)[:wanted]).astype(np.int64)

    def exact(self, cell: Cell) -> Int:
        """The exact nearest ids of the searched queries by the cell's features, int64 [q, k], ties by id."""
        key = digest([self.features_key(cell), self.grid.k, self.grid.measure.queries, source_identity("bench.exact")])
        if not self.store.has("exact", key):
            from bench.exact import exact_neighbours

            arrays = self.features(cell).arrays
            queries = arrays["query"][self.query_rows(cell.seed)]
            ids = exact_neighbours(queries, arrays["database"], self.grid.k, self.context.track)
            self.store.write("exact", key, {}, {"ids": ids})
        return self.store.read("exact", key).arrays["ids"]

    def _fit(self, kind: registry.Kind, choice: Choice, seed: int, key: str) -> tuple[Any, float]:
        train = self.dataset.split("train")
        folder = self.store.root / "work" / key
        folder.mkdir(parents=True, exist_ok=True)
        self.say(f"fit {choice.describe()}, seed {seed}; log in {folder}")
        plugin = registry.build(kind, choice.name, choice.parameters)
        start = time.perf_counter()
        plugin.fit(train, dataclasses.replace(self.context, seed=seed, folder=folder))
        return plugin, time.perf_counter() - start

    def _encode_ms(self, encode: Callable[[Items], Any]) -> float:
        """Milliseconds to encode a query image or vector, in a batch, on all threads, with nothing cached."""
        queries = self.dataset.split("query")
        rows = np.random.default_rng(0).integers(len(queries), size=(2, ENCODE_SAMPLE))
        warm, timed = (dataclasses.replace(queries.take(half), fingerprint="") for half in rows)
        encode(warm)
        start = time.perf_counter()
        encode(timed)
        return (time.perf_counter() - start) / ENCODE_SAMPLE * 1e3

    def _finish(
        self, stage: str, key: str, choice: Choice, fit_seconds: float, encode_ms: float, meta: dict[str, Any],
        arrays: dict[str, Any],
    ) -> None:  # fmt: skip
        made = {"name": choice.name, "parameters": choice.parameters, "dataset": self.grid.dataset.describe()}
        self.store.write(stage, key, {**made, **meta, "fit_seconds": fit_seconds, "encode_ms": encode_ms}, arrays)


def _maps(codes: dict[str, Codes], query_labels: Int, database_labels: Int) -> dict[str, float]:
    from bench.metrics import mean_average_precision

    return {
        f"map_{name}": mean_average_precision(codes["query"], codes[name], query_labels, database_labels)
        for name in ("encoded", "learned")
        if name in codes
    }


def _source(kind: registry.Kind, name: str) -> dict[str, Any]:
    return source_identity(registry.find(kind, name).module)
