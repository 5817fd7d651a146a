"""Training without labels, on features that stay as they are: the items' vectors, or a backbone's of their images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.interfaces import Float, Int, Items, Labels
from methods.backbones.backbone import Backbone
from methods.batches import ALONE, Seed, Share, in_order
from methods.embedding.pretrained import Pretrained
from methods.hashing.deep.training.epochs import EpochLearning
from methods.hashing.deep.training.unsupervised_hasher import UnsupervisedHasher
from methods.inference import evaluate
from methods.training import device_of
from methods.trunk import EVALUATION_BATCH, Inputs, prepare_backbone

BLOCK_ROWS = 4096


@dataclass(frozen=True)
class FeatureInputs:
    """Rows of ``features`` [n, d], multiplied by ``factor``; never augmented."""

    features: Float
    factor: float
    device: torch.device

    def batches(self, plan: Sequence[Int], augment_seed: Seed | None = None, share: Share = ALONE) -> Iterator[Tensor]:
        """float32 [b, d]."""
        for rows in plan:
            mine = rows[share.places(len(rows))]
            yield torch.from_numpy(self.features[mine] * np.float32(self.factor)).to(self.device)


class FeatureLearning(EpochLearning):
    """A training by mini-batches on features, without labels: ``classes`` is one class for all items.

    Raises ValueError: the items have neither vectors nor images, or images and no weights to read them with; features
    are not finite, or all alike.
    """

    method: UnsupervisedHasher

    def outputs(self, items: Items) -> Iterator[Any]:
        inputs = FeatureInputs(self._features(items), self._factor, self.training.device)
        plan = in_order(len(items), EVALUATION_BATCH)
        batches = self.context.track(inputs.batches(plan), "encode", len(plan))
        return evaluate(self.network, self.training.device, batches, self.method.inference_precision)

    def _numbered(self) -> tuple[Labels, int]:
        return np.zeros(len(self.labels), np.int64), 1

    def _open(self, train: Items) -> tuple[Backbone, Inputs]:
        self._embedder = None if train.vectors is not None else self._reader(train)
        self._dim: int | None = None
        features = self._features(train)
        self._dim, self._factor = features.shape[1], _factor(features)
        backbone = prepare_backbone(self.method.choice, train, self.context) if self._embedder else _none(self._dim)
        return backbone, FeatureInputs(features, self._factor, device_of(self.context.device))

    def _reader(self, train: Items) -> Pretrained:
        """What reads the features of images."""
        method, name = self.method, type(self.method).__name__
        if train.images is None:
            raise ValueError(f"{name} reads vectors or images, and these items have neither")
        if method.weights == "none":
            told = "give weights, or features as input, as in input = 'pretrained'"
            raise ValueError(f"weights='none': {name} trains no backbone, and reads images with a trained one; {told}")
        embedder = Pretrained(
            backbone=method.backbone,
            weights=method.weights,
            image_size=method.image_size,
            preprocessing=method.preprocessing,
            inference_precision=method.inference_precision,
            normalise=False,
        )
        return embedder.fit(train, self.context)

    def _features(self, items: Items) -> Float:
        """The features of any items, float32 [n, d], as they come."""
        if self._embedder is not None:
            return self._embedder.embed(items)
        name = type(self.method).__name__
        if items.vectors is None:
            raise ValueError(f"{name} was trained on vectors, and these items have none")
        if self._dim not in (None, items.vectors.shape[1]):
            raise ValueError(
                f"{name} was trained on {self._dim} dimensions, and these vectors have {items.vectors.shape[1]}"
            )
        if not all(np.isfinite(block).all() for block in _blocks(items.vectors)):
            raise ValueError(f"{name}: the items' vectors must be finite numbers, and some are not")
        return items.vectors


def _blocks(rows: Float) -> Iterator[Float]:
    return (rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS))


def _factor(features: Float) -> float:
    """One over the root of the mean of the features' squares."""
    if all((block == features[0]).all() for block in _blocks(features)):
        raise ValueError(f"all {len(features)} train items have the same features, no code can tell them apart")
    squares = sum(float(np.square(block, dtype=np.float64).sum()) for block in _blocks(features))
    return float((features.size / squares) ** 0.5)


def _none(dim: int) -> Backbone:
    """What stands for a backbone where there are vectors."""
    return Backbone("vectors", 0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), True, dim, dim, nn.Identity(), nn.Identity())
