"""The base of the shallow hashers: scikit-learn's protocol, checks of the input, and work by blocks of rows.

The protocol is written out rather than inherited: scikit-learn's base classes take a second to import, and a grid is
checked against the constructors of all its plugins before anything runs. scikit-learn's own ``check_estimator`` tests
that the protocol is followed.

Features are never copied as a whole: a sum over all rows is taken block by block, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import ArrayLike, NDArray

from bench.interfaces import Int, Labels, Unsuitable
from methods.parameters import check_parameters

if TYPE_CHECKING:
    from sklearn.utils import Tags

Matrix = NDArray[np.floating[Any]]
Float64 = NDArray[np.float64]
HashFunction = Callable[[Matrix], Float64]

# This ``Positive`` has no upper bound, which the scale of some data might exceed.
Positive = Annotated[float, Gt(0), Lt(math.inf)]
Seed = Annotated[int, Ge(0)] | np.random.Generator | None

BLOCK_ROWS = 1024
# A principal axis with a smaller share of the largest variance is rounding.
LEAST_VARIANCE = 1e-12


@dataclass(kw_only=True, eq=False)
class BinaryTransformer:
    """A scikit-learn transformer of features [n, d] to codes, uint8 [n, bits] of 0 and 1.

    A hasher is a dataclass of its parameters with one method, ``_fit(X, labels)``. The labels are int64 [n] from 0, or
    empty if the method is not supervised; with ``label_sets`` they may be sets of classes, bool [n, classes]. ``_fit``
    returns the hash function, which ``hash_function_`` keeps. It maps features [b, d] to real values, float64 [b,
    bits], whose signs are the bits.
    """

    supervised: ClassVar[bool] = False
    label_sets: ClassVar[bool] = False
    by_rows: ClassVar[bool] = True
    bits: int

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from features [n, d], float32 or float64, and from classes [n] if the method is supervised.

        Raises ValueError: a parameter is out of bounds; X has NaN or infinity, fewer than two rows, or equal rows only;
        y is missing, holds no classes, or holds one class only.

        Raises Unsuitable: y holds sets of classes, and the method learns from one class a sample.
        """
        check_parameters(self)
        features, labels = self._validated(X, y)
        if all((features[rows] == features[0]).all() for rows in blocks(len(features))):
            raise ValueError("X: all features are constant, no code can tell the samples apart")
        self.hash_function_: HashFunction = self._fit(features, labels)
        return self

    def decision_function(self, X: ArrayLike) -> Float64:
        """The real values whose signs are the bits, float64 [n, bits]."""
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self)
        features: Matrix = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        return by_blocks(self.hash_function_, features)

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """The codes, uint8 [n, bits]: 1 where the real value is at least 0."""
        return (self.decision_function(X) >= 0).astype(np.uint8)

    def fit_transform(self, X: ArrayLike, y: ArrayLike | None = None) -> NDArray[np.uint8]:
        return self.fit(X, y).transform(X)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name. None of them is an estimator, so ``deep`` changes nothing."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name; an unknown name is refused."""
        known = self.get_params()
        for name, value in parameters.items():
            if name not in known:
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; known: {', '.join(known)}")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Tags:
        from sklearn.utils import Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=self.supervised),
            transformer_tags=TransformerTags(preserves_dtype=[]),
        )

    def _validated(self, X: ArrayLike, y: ArrayLike | None) -> tuple[Matrix, Labels]:
        from sklearn.utils.validation import validate_data

        checks: dict[str, Any] = {"dtype": (np.float64, np.float32), "ensure_min_samples": 2}
        labels = np.asarray(y)
        if self.supervised and labels.ndim == 2 and labels.shape[1] > 1:
            features = validate_data(self, X, **checks)
            return features, self._class_sets(labels, len(features))
        if self.supervised:
            features, classes = validate_data(self, X, y, **checks)
            return features, _class_numbers(classes)
        return validate_data(self, X, **checks), np.empty(0, np.int64)

    def _class_sets(self, y: NDArray[Any], samples: int) -> Labels:
        if not self.label_sets:
            raise Unsuitable(f"{type(self).__name__} learns from one class a sample, and these have sets of classes")
        if len(y) != samples or not ((y == 0) | (y == 1)).all():
            raise ValueError(
                f"y: {y.dtype} {list(y.shape)}; classes [{samples}] or 0 and 1 [{samples}, classes] are needed"
            )
        sets = y.astype(np.bool_)
        if (sets == sets[0]).all():
            raise ValueError("y: all samples have the same classes; at least two different sets are needed")
        return sets

    def _fit(self, X: Matrix, labels: Labels) -> HashFunction:
        raise NotImplementedError


@dataclass(frozen=True)
class Projection:
    """The hash function sign((x - mean) axes): mean [d] and axes [d, bits], float64."""

    mean: Float64
    axes: Float64

    def __call__(self, features: Matrix) -> Float64:
        return (features - self.mean) @ self.axes


def blocks(rows: int) -> Iterator[slice]:
    """Slices that cover ``rows`` rows in order, BLOCK_ROWS each."""
    return (slice(start, start + BLOCK_ROWS) for start in range(0, rows, BLOCK_ROWS))


def by_blocks(function: Callable[[Matrix], Float64], X: Matrix) -> Float64:
    """A function of rows, applied to all rows of X."""
    return np.concatenate([function(X[rows]) for rows in blocks(len(X))])


def gram(X: Matrix, mean: Float64) -> Float64:
    """The sum of (x - mean)(x - mean)^T over the rows x, float64 [d, d]."""
    total = np.zeros((X.shape[1], X.shape[1]))
    for rows in blocks(len(X)):
        centred = X[rows] - mean
        total += centred.T @ centred
    return total


def principal_axes(X: Matrix, most: int) -> Projection:
    """Projection on the principal axes, largest variance first: ``most`` of them, or all that have any."""
    mean = X.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(gram(X, mean))
    rank = np.count_nonzero(variances > LEAST_VARIANCE * variances[-1])
    return Projection(mean, oriented(axes[:, ::-1][:, : min(most, rank)]))


def oriented(axes: Float64) -> Float64:
    """The axes [d, m], each with its largest entry positive, so that rounding does not decide their direction."""
    largest = np.abs(axes).argmax(axis=0)
    return axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)


def components_for_bits(X: Matrix, bits: int) -> Projection:
    """Projection on as many principal axes as bits.

    Raises Unsuitable: there are fewer axes.
    """
    components = principal_axes(X, bits)
    rank = components.axes.shape[1]
    if rank < bits:
        raise Unsuitable(f"bits={bits}: must be at most {rank}, the rank of the centred X, of {X.shape[1]} feature(s)")
    return components


def _class_numbers(y: Any) -> Int:
    from sklearn.utils.multiclass import type_of_target

    kind = type_of_target(y)
    if kind not in ("binary", "multiclass"):
        raise ValueError(f"y: Unknown label type {kind!r}; the class of each sample is needed")
    classes, labels = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y: there is one class only, {classes[0]!r}; at least two are needed")
    return labels.astype(np.int64)
