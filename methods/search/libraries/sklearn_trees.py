"""Space-partitioning trees on PCA features: the paper's baselines (ExchNet, supplement section 1).

The tree answers exactly in the reduced space, and nothing is re-ranked on the full features. scikit-learn's trees do
not define the order of equally distant neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float, Int
from methods.parameters import Count
from methods.search.common.library import LibraryIndex


@dataclass(kw_only=True, eq=False)
class _Tree(LibraryIndex):
    """The base of the two trees: everything but the name of the structure."""

    module = "sklearn"
    family = "tree"
    pca_dim: Count = 32
    leaf_size: Count = 40

    def _build(self, features: Float) -> Any:
        """The tree, after a PCA of the database unless its features are short enough."""
        import sklearn.neighbors
        from sklearn.decomposition import PCA

        self._projection: NDArray[np.float64] | None = None
        if features.shape[1] > self.pca_dim:
            pca = PCA(min(self.pca_dim, len(features)), svd_solver="covariance_eigh").fit(features)
            # The products are float64 and then rounded: in float32 they would differ with the rows multiplied together,
            # and so would the order of equally near items.
            self._projection = np.ascontiguousarray(pca.components_.T, dtype=np.float64)
            self._mean: NDArray[np.float64] = pca.mean_ @ self._projection
        tree = getattr(sklearn.neighbors, type(self).__name__)
        return tree(self._reduce(features), leaf_size=self.leaf_size)

    def _reduce(self, features: Float) -> Float:
        if self._projection is None:
            return features
        return (features @ self._projection - self._mean).astype(np.float32)

    def _ask(self, vectors: Float, k: int) -> Int:
        ids: Int = self._index.query(self._reduce(vectors), k, return_distance=False)
        return ids

    def _arrays(self) -> list[np.ndarray]:
        return [np.asarray(array) for array in self._index.get_arrays()]

    def size_bytes(self) -> int:
        extra = 0 if self._projection is None else self._projection.nbytes + self._mean.nbytes
        return self.paper_bytes() + extra

    def paper_bytes(self) -> int:
        """The tree's arrays, which the paper's Table 1 counts."""
        return sum(array.nbytes for array in self._arrays())


class BallTree(_Tree):
    """Ball tree on PCA features, exact in the reduced space (scikit-learn)."""

    name = "ball_tree"
    label = "Ball tree"


class KDTree(_Tree):
    """k-d tree on PCA features, exact in the reduced space (scikit-learn)."""

    name = "kd_tree"
    label = "k-d tree"
