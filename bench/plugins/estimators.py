"""Adapts scikit-learn transformers as hashers: classes with ``fit(X, y)``, ``transform(X)`` and a parameter ``bits``.

scikit-learn is not imported here, because an estimator is recognised by its methods.
"""

from __future__ import annotations

import warnings
from typing import Any, Protocol, Self, cast

import numpy as np

from bench.interfaces import Codes, Context, Float, Hasher, Items, Labels, Unsuitable


class Estimator(Protocol):
    """A scikit-learn transformer to codes of 0 and 1 [n, bits].

    Four members are optional. ``by_rows``: see ``bench.interfaces.Embedder``. ``label_sets``: whether ``fit`` learns
    from sets of classes too. ``database_codes_``: codes of the same form, learned for the samples it was fitted on.
    ``decision_function(X)``: the real values [n, bits] whose signs are the codes.
    """

    bits: int

    def get_params(self) -> dict[str, Any]:
        """The parameters by name."""
        ...

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name."""
        ...

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from vectors [n, d] and labels [n]."""
        ...

    def transform(self, X: Any) -> Any:
        """The codes of vectors."""
        ...


class EstimatorHasher:
    """A hasher that hands an estimator the items' vectors and labels, and packs its codes."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.bits = estimator.bits
        self.by_rows = bool(getattr(estimator, "by_rows", False))
        self.database_codes_: Codes | None = None
        self._name = type(estimator).__name__

    def fit(self, train: Items, context: Context) -> Self:
        """Fit the estimator. The seed is its ``random_state``, if it has one. Its warnings are said as lines.

        Raises ValueError: the items have no vectors.

        Raises Unsuitable: the items have sets of classes, and the estimator, which does not say that it learns from
        these (``label_sets``), refuses them.
        """
        if "random_state" in self.estimator.get_params():
            self.estimator.set_params(random_state=context.seed)
        with warnings.catch_warnings(record=True, action="always", category=UserWarning) as caught:
            self._fit(self._vectors(train), train.labels)
        for line in dict.fromkeys(str(one.message) for one in caught):
            context.say(line)
        learned = getattr(self.estimator, "database_codes_", None)
        self.database_codes_ = None if learned is None else self._pack(learned, len(train), "database_codes_")
        return self

    def _fit(self, vectors: Float, labels: Labels) -> None:
        try:
            self.estimator.fit(vectors, labels)
        except ValueError as fault:
            if labels.ndim == 1 or hasattr(self.estimator, "label_sets"):
                raise
            raise Unsuitable(f"{self._name} takes no sets of classes ({fault})") from fault

    def encode(self, items: Items) -> Codes:
        """The codes of any items.

        Raises ValueError: they have no vectors, or the estimator returns other values than 0 and 1.
        """
        return self._pack(self.estimator.transform(self._vectors(items)), len(items), "transform")

    def _vectors(self, items: Items) -> Float:
        if items.vectors is None:
            raise ValueError(
                f'{self._name} takes vectors, and these items are images: give the cell features, input = "pretrained"'
            )
        return items.vectors

    def _pack(self, codes: Any, rows: int, source: str) -> Codes:
        ones = np.asarray(codes)
        if ones.shape != (rows, self.bits) or not np.isin(ones, (0, 1)).all():
            raise ValueError(
                f"{self._name}: {source} has shape {list(ones.shape)} and values from {ones.min()} to {ones.max()}; "
                f"expected [{rows}, {self.bits}] of 0 and 1"
            )
        return Codes.pack(ones.astype(np.bool_))


class RealEstimatorHasher(EstimatorHasher):
    """The hasher of an estimator that has a ``decision_function``."""

    def encode_real(self, items: Items) -> Float:
        """The decision function of any items, float32 [n, bits].

        Raises ValueError: they have no vectors.
        """
        estimator: Any = self.estimator
        return np.asarray(estimator.decision_function(self._vectors(items)), dtype=np.float32)


def as_hasher(plugin: Any) -> Hasher:
    """The plugin itself if it is a hasher, and a hasher that wraps it if it is an estimator."""
    if hasattr(plugin, "encode"):
        return cast(Hasher, plugin)
    return RealEstimatorHasher(plugin) if hasattr(plugin, "decision_function") else EstimatorHasher(plugin)
