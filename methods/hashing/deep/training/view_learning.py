"""Training without labels on two random views of each item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from bench.interfaces import Int, Items
from methods.backbones.backbone import Backbone
from methods.batches import ALONE, Seed, Share
from methods.hashing.deep.training.feature_learning import FeatureInputs, FeatureLearning
from methods.hashing.deep.training.views import image_view, without_some
from methods.kept_images import keep
from methods.training import device_of
from methods.trunk import ImageInputs, Inputs

if TYPE_CHECKING:
    from methods.hashing.deep.cibhash import CIBHash


@dataclass(frozen=True)
class ViewInputs:
    """Features of the items themselves, or where there is an ``augment_seed`` of two random views of each.

    ``view`` makes the features [b, d] of a view from a batch of ``images``, or if there are none from one of
    ``features``. Each view then lacks the share ``dropout``.
    """

    features: FeatureInputs
    images: ImageInputs | None
    view: Callable[[Tensor, torch.Generator], Tensor]
    dropout: float

    def batches(self, plan: Sequence[Int], augment_seed: Seed | None = None, share: Share = ALONE) -> Iterator[Tensor]:
        """float32 [b, d], or [b, 2, d] of two views. They are drawn for a whole batch, and so never shared."""
        assert share == ALONE
        if augment_seed is None:
            yield from self.features.batches(plan)
            return
        source = self.features if self.images is None else self.images
        for number, batch in zip(count(), source.batches(plan), strict=False):
            key = np.random.default_rng((*augment_seed, number))
            generator = torch.Generator().manual_seed(int(key.integers(2**63)))
            views = [without_some(self.view(batch, generator), self.dropout, generator) for _ in range(2)]
            yield torch.stack(views, dim=1)


class ViewLearning(FeatureLearning):
    """A training on two views of each item: random crops and colours of images, and dropout of features.

    Raises ValueError: there are vectors alone and no dropout, so that both views would be equal; or see
    `FeatureLearning`.
    """

    method: CIBHash

    def _open(self, train: Items) -> tuple[Backbone, Inputs]:
        backbone, features = super()._open(train)
        assert isinstance(features, FeatureInputs)
        dropout = self.method.dropout
        if train.vectors is not None:
            if dropout == 0:
                raise ValueError("dropout=0.0: two views of a vector would be equal; give a share above 0, or images")
            told = "vectors cannot be cropped or recoloured, so a view of one is the vector without that share of it"
            self.context.say(f"dropout={dropout}: {told}")
            return backbone, ViewInputs(features, None, lambda batch, generator: batch, dropout)
        assert train.images is not None
        images = ImageInputs(train.images, backbone, features.device, keep(train, self.context))
        return backbone, ViewInputs(features, images, self._seen(backbone, features), dropout)

    def _seen(self, backbone: Backbone, features: FeatureInputs) -> Callable[[Tensor, torch.Generator], Tensor]:
        """What makes the features of a view of normalised images."""
        device = device_of(self.context.device)
        parts = (backbone.trunk(), backbone.stage_four(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        network = nn.Sequential(*parts).to(device).eval()
        mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (backbone.mean, backbone.std))

        def see(batch: Tensor, generator: torch.Generator) -> Tensor:
            pixels = (batch * std + mean) / 255
            with torch.no_grad():
                seen = network((image_view(pixels, generator) * 255 - mean) / std)
            return seen.float() * features.factor

        return see
