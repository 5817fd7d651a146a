"""Space-partitioning trees on PCA features: the paper's baselines (ExchNet, supplement section 1).

The tree answers exactly, in the reduced space; nothing is re-ranked on the full features. scikit-learn's trees do not
define the order of equally distant neighbours.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Corpus, Float, Int
from methods.search.inputs import at_least, items_of, only
from methods.search.libraries import neighbours


class _Tree:
    """What the two trees share: everything but the name of the structure."""

    family = "tree"
    reads: ClassVar[tuple[str, ...]] = ("features",)
    query_parameters: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str]

    def __init__(self, *, pca_dim: int = 32, leaf_size: int = 40) -> None:
        at_least(1, pca_dim=pca_dim, leaf_size=leaf_size)
        self.pca_dim = pca_dim
        self.leaf_size = leaf_size

    def build(self, database: Corpus) -> Self:
        """Fit the PCA on the database (none where the features are short enough) and build the tree."""
        import sklearn.neighbors
        from sklearn.decomposition import PCA

        features = items_of(database, self.name)
        self._shape = features.shape
        self._projection: NDArray[np.float64] | None = None
        if features.shape[1] > self.pca_dim:
            pca = PCA(min(self.pca_dim, len(features)), svd_solver="covariance_eigh").fit(features)
            # Float64, and then rounded: products in float32 differ with the rows that are multiplied together, and with
            # them the order of items that are equally near.
            self._projection = np.ascontiguousarray(pca.components_.T, dtype=np.float64)
            self._mean: NDArray[np.float64] = pca.mean_ @ self._projection
        tree = getattr(sklearn.neighbors, type(self).__name__)
        self._tree = tree(self._reduce(features), leaf_size=self.leaf_size)
        return self

    def _reduce(self, features: Float) -> Float:
        if self._projection is None:
            return features
        return (features @ self._projection - self._mean).astype(np.float32)

    def set_query(self, **parameters: Any) -> None:
        """There is nothing to set. ValueError: something is given."""
        only(self.name, self.query_parameters, parameters)

    def search(self, queries: Corpus, k: int) -> Int:
        """See `bench.interfaces.Index`. ValueError: k < 1."""
        return neighbours(self.name, self._shape, queries, k, self._ask)

    def _ask(self, vectors: Float, k: int) -> Int:
        ids: Int = self._tree.query(self._reduce(vectors), k, return_distance=False)
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

    label = "BallTree"
    name = "ball_tree"


class KDTree(_Tree):
    """k-d tree on PCA features, exact in the reduced space (scikit-learn)."""

    label = "KDTree"
    name = "kd_tree"
