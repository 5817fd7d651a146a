"""Voyager (Spotify): hnswlib's graph, rewritten for production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float
from methods.parameters import Count, Natural, TwoOrMore
from methods.search.common.library import LibraryIndex, as_many_as_found, threads


@dataclass(kw_only=True, eq=False)
class Voyager(LibraryIndex):
    """HNSW by Voyager: ``m`` links a node, ``ef`` nodes kept while searching.

    ``ef`` below k counts as k. Several threads build the graph in varying order: the seed alone decides it on one CPU.
    Of 600 builds by two threads on a busy machine, of 640 clustered items, up to 8 had a recall of .70 to .95.
    """

    name = "voyager"
    label = "Voyager"
    family = "graph"
    deterministic = False
    query_parameters = ("ef",)
    m: TwoOrMore = 16
    ef_construction: Count = 200
    ef: Count = 64
    seed: Natural = 0

    def _build(self, features: Float) -> Any:
        import voyager

        n, dim = features.shape
        index = voyager.Index(
            voyager.Space.Euclidean, dim, M=self.m, ef_construction=self.ef_construction, random_seed=self.seed + 1,
            max_elements=n,
        )  # fmt: skip
        index.add_items(_writable(features), num_threads=threads(n))
        self._fault = voyager.RecallError
        return index

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        return as_many_as_found(self._found, vectors, k, self._fault)

    def _found(self, vectors: Float, k: int) -> NDArray[Any]:
        asked = {"k": k, "num_threads": threads(len(vectors)), "query_ef": max(self.ef, k)}
        found: NDArray[Any] = self._index.query(_writable(vectors), **asked)[0]
        return found

    def size_bytes(self) -> int:
        return len(self._index.as_bytes())


def _writable(features: Float) -> Float:
    """The features, or a copy of read-only ones, which Voyager does not accept."""
    return np.require(features, requirements="W")
