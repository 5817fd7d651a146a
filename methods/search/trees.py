"""Space-partitioning trees on PCA features: the paper's baselines (ExchNet, supplement section 1).

The tree answers exactly, in the reduced space; nothing is re-ranked on the full features. scikit-learn's trees do not
define the order of equally distant neighbours.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from bench.interfaces import Corpus, Float, Int
from methods.search.inputs import features_of


class _Tree:
    """What the two trees share: everything but the name of the structure."""

    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str]

    def __init__(self, *, pca_dim: int = 32, leaf_size: int = 40) -> None:
        for parameter, value in (("pca_dim", pca_dim), ("leaf_size", leaf_size)):
            if value < 1:
                raise ValueError(f"{parameter} = {value} must be at least 1")
        self.pca_dim = pca_dim
        self.leaf_size = leaf_size

    def build(self, database: Corpus) -> Self:
        """Fit the PCA on the database (none where the features are short enough) and build the tree."""
        import sklearn.neighbors
        from sklearn.decomposition import PCA

        features = features_of(database, self.name)
        if len(features) < 1:
            raise ValueError(f"{self.name} cannot be built on an empty database")
        self._dim = features.shape[1]
        self._projection: Float | None = None
        if self._dim > self.pca_dim:
            pca = PCA(min(self.pca_dim, len(features)), svd_solver="covariance_eigh").fit(features)
            self._projection = np.ascontiguousarray(pca.components_.T)
            self._mean: Float = pca.mean_ @ self._projection
        tree = getattr(sklearn.neighbors, type(self).__name__)
        self._tree = tree(self._reduce(features), leaf_size=self.leaf_size)
        return self

    def _reduce(self, features: Float) -> Float:
        return features if self._projection is None else features @ self._projection - self._mean

    def set_query(self, **parameters: Any) -> None:
        """There is nothing to set. ValueError: something is given."""
        if parameters:
            raise ValueError(f"{self.name} has no query parameters, not {', '.join(parameters)}")

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1."""
        if k < 1:
            raise ValueError(f"k = {k} must be at least 1")
        vectors = self._reduce(features_of(queries, self.name, self._dim))
        ids = np.full((len(vectors), k), -1, dtype=np.int64)
        found = min(k, len(self._arrays()[0]))
        if len(vectors):
            ids[:, :found] = self._tree.query(vectors, found, return_distance=False)
        return ids

    def _arrays(self) -> list[np.ndarray]:
        return [np.asarray(array) for array in self._tree.get_arrays()]

    def size_bytes(self) -> int:
        """The tree's arrays and the projection."""
        extra = 0 if self._projection is None else self._projection.nbytes + self._mean.nbytes
        return self.paper_bytes() + extra

    def paper_bytes(self) -> int:
        """The paper's Table 1 counts the tree's arrays."""
        return sum(array.nbytes for array in self._arrays())


class BallTree(_Tree):
    """Ball tree on PCA features, exact in the reduced space (scikit-learn)."""

    name = "ball_tree"


class KDTree(_Tree):
    """k-d tree on PCA features, exact in the reduced space (scikit-learn)."""

    name = "kd_tree"
