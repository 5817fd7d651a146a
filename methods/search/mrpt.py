"""MRPT (Hyvönen et al. 2016): sparse random-projection trees that vote for the items to compare exactly."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Corpus, Float, Int, Unsuitable
from methods.search.inputs import at_least, items_of, set_positive
from methods.search.libraries import installed, neighbours, saved_bytes


class MRPT:
    """Random-projection trees by MRPT: an item that ``votes`` of ``n_trees`` trees find is compared exactly.

    It takes no seed: two builds differ.
    """

    label = "MRPT"
    family = "tree"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    deterministic: ClassVar[bool] = False
    query_parameters: ClassVar[tuple[str, ...]] = ("votes",)
    votes: int

    def __init__(self, *, depth: int = 8, n_trees: int = 100, votes: int = 2) -> None:
        at_least(1, depth=depth, n_trees=n_trees)
        self.depth = depth
        self.n_trees = n_trees
        self.set_query(votes=votes)

    def check(self, dim: int | None, bits: int | None) -> None:
        """Unavailable: mrpt is not installed."""
        installed("mrpt", "ann-source")

    def build(self, database: Corpus) -> Self:
        """Grow the trees, on all CPUs; the features are kept, without a copy. Unsuitable: too few items."""
        self.check(None, None)
        import mrpt

        features = items_of(database, "mrpt")
        n = len(features)
        if n < 2**self.depth:
            raise Unsuitable(f"mrpt: {n} items are too few for depth = {self.depth}; it needs {2**self.depth}")
        self._shape = features.shape
        self._index: Any = mrpt.MRPTIndex(features)
        self._index.build(self.depth, self.n_trees)
        return self

    def set_query(self, **parameters: Any) -> None:
        """Set ``votes``. ValueError: not from 1 to ``n_trees``, or another name."""
        votes = parameters.get("votes")
        if isinstance(votes, int) and votes > self.n_trees:
            raise ValueError(f"votes = {votes} must be at most n_trees = {self.n_trees}")
        set_positive("mrpt", self, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1, or the queries do not fit."""
        return neighbours("mrpt", self._shape, queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        asked = vectors[0] if len(vectors) == 1 else vectors
        return np.atleast_2d(self._index.ann(asked, k, self.votes))

    def size_bytes(self) -> int:
        """The trees, as MRPT writes them, and the features, which it refers to."""
        return saved_bytes(lambda folder: self._index.save(str(folder / "index"))) + 4 * math.prod(self._shape)
