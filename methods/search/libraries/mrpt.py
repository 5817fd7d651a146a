"""MRPT (Hyvönen et al. 2016): sparse random-projection trees that vote for the items to compare exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float, Unsuitable
from methods.parameters import Count
from methods.search.common.library import LibraryIndex, file_bytes


@dataclass(kw_only=True, eq=False)
class MRPT(LibraryIndex):
    """Random-projection trees by MRPT: an item that ``votes`` of ``n_trees`` trees find is compared exactly.

    MRPT takes no seed: two builds differ.
    """

    name = "mrpt"
    extra = "ann-source"
    label = "MRPT"
    family = "tree"
    deterministic = False
    query_parameters = ("votes",)
    depth: Count = 8
    n_trees: Count = 100
    votes: Count = 2

    def _build(self, features: Float) -> Any:
        import mrpt

        n = len(features)
        if n < 2**self.depth:
            raise Unsuitable(f"mrpt: {n} items are too few for depth = {self.depth}; it needs {2**self.depth}")
        index = mrpt.MRPTIndex(features)
        index.build(self.depth, self.n_trees)
        return index

    def set_query(self, **parameters: Any) -> None:
        votes = parameters.get("votes")
        if isinstance(votes, int) and votes > self.n_trees:
            raise ValueError(f"votes = {votes} must be at most n_trees = {self.n_trees}")
        super().set_query(**parameters)

    def _ask(self, vectors: Float, k: int) -> NDArray[Any]:
        asked = vectors[0] if len(vectors) == 1 else vectors
        return np.atleast_2d(self._index.ann(asked, k, self.votes))

    def size_bytes(self) -> int:
        """The trees, as MRPT writes them, and the features, which it refers to."""
        return file_bytes(self._index.save) + 4 * math.prod(self._shape)
