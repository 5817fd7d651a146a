"""USearch (Unum): a small-world graph over features in the number format of choice."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from bench.interfaces import Corpus, Float, Int, Unsuitable
from methods.search.inputs import at_least, items_of, set_positive
from methods.search.libraries import installed, neighbours, threads

Format = Literal["f32", "f16", "i8"]
LENGTH_TOLERANCE = 1e-3


class USearch:
    """HNSW by USearch, ``dtype`` f32, f16 or i8: ``m`` links a node, ``ef`` nodes kept while searching.

    i8 keeps the direction of a vector and drops its length, so it is for features of unit length (any one length).
    USearch takes no seed; its graph depends on the order in which the CPUs insert.
    """

    label = "USearch"
    family = "graph"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    deterministic: ClassVar[bool] = False
    query_parameters: ClassVar[tuple[str, ...]] = ("ef",)
    ef: int

    def __init__(self, *, dtype: Format = "f32", m: int = 16, ef_construction: int = 128, ef: int = 64) -> None:
        if dtype not in get_args(Format):
            raise ValueError(f"dtype = {dtype!r} must be one of {', '.join(get_args(Format))}")
        at_least(2, m=m)
        at_least(1, ef_construction=ef_construction)
        self.dtype = dtype
        self.m = m
        self.ef_construction = ef_construction
        self.set_query(ef=ef)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unavailable: usearch is not installed."""
        installed("usearch")

    def build(self, database: Corpus) -> Self:
        """Insert the items, on all CPUs. Unsuitable: ``dtype = "i8"`` and features of different lengths."""
        self.check(None, None)
        from usearch.index import Index

        features = items_of(database, "usearch")
        if self.dtype == "i8":
            lengths = np.linalg.norm(features, axis=1)
            if np.ptp(lengths) > LENGTH_TOLERANCE * lengths.max():
                raise Unsuitable(
                    f"dtype = 'i8' keeps directions alone: features need one length, not {lengths.min():.3g} to "
                    f"{lengths.max():.3g}"
                )
        n, dim = self._shape = features.shape
        index = Index(
            ndim=dim, metric="l2sq", dtype=self.dtype, connectivity=self.m, expansion_add=self.ef_construction
        )  # fmt: skip
        index.add(np.arange(n, dtype=np.uint64), features, threads=threads(n))
        self._index: Any = index
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``ef``, the nodes kept while searching (at least k are). ValueError: below 1, or another name."""
        set_positive("usearch", self, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        self._index.expansion_search = self.ef
        return neighbours("usearch", self._shape, queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> Int:
        found = self._index.search(vectors, k, threads=threads(len(vectors)))
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        if len(vectors) == 1:
            ids[0, : len(found.keys)] = found.keys
        else:
            np.copyto(ids, found.keys.astype(np.int64), where=np.arange(k) < found.counts[:, None])
        return ids

    def size_bytes(self) -> int:
        """The graph and its copy of the features, as USearch writes them."""
        return int(self._index.serialized_length)
