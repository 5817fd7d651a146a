"""Features of a pretrained backbone as they are: the input of the paper's non-deep hashers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from bench.interfaces import Context, Float, Items
from methods.backbones import SMALLEST, BackboneChoice, BackboneName, ImageSize
from methods.parameters import Natural, check_parameters
from methods.reading import Precision, Preprocessing, Reading

if TYPE_CHECKING:
    from methods.backbones.backbone import Backbone


@dataclass(kw_only=True, eq=False)
class Pretrained:
    """The backbone's last maps, averaged over places: ResNet-50's 2,048 dimensions on ImageNet in the paper.

    ``normalise`` scales features to unit length, for which SDH's default ``sigma`` is made (the paper does not say).
    ``preprocessing`` is of the images, and ``inference_precision`` of the network (see `methods.reading`). The other
    parameters are those of `methods.backbones.BackboneChoice`. Outputs of a trunk in the cache are used as float16.
    """

    check_parameters: ClassVar[dict[str, Any]] = SMALLEST
    backbone: BackboneName = "resnet50"
    weights: str | Path = "imagenet"
    image_size: ImageSize = 224
    pretrain_epochs: Natural = 0
    preprocessing: Preprocessing = "crop"
    inference_precision: Precision = "32-true"
    normalise: bool = True

    def __post_init__(self) -> None:
        check_parameters(self)
        reading = Reading(self.preprocessing, inference_precision=self.inference_precision)
        self.choice = BackboneChoice(self.backbone, self.weights, self.image_size, True, self.pretrain_epochs, reading)
        self._backbone: Backbone | None = None

    def fit(self, train: Items, context: Context) -> Self:
        from methods.trunk import images_of, prepare_backbone

        images_of(train)
        self._backbone = prepare_backbone(self.choice, train, context)
        self._context = context
        self.dim = self._backbone.feature_channels
        return self

    def embed(self, items: Items) -> Float:
        from torch import nn

        from methods.embedding.preprocessing import unit_length
        from methods.trunk import outputs

        if self._backbone is None:
            raise ValueError("pretrained: fit comes before embed")
        network = nn.Sequential(self._backbone.stage_four(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        made = outputs(network, items, self._backbone, True, self._context, "features")
        features = np.concatenate([output.float().cpu().numpy() for output in made])
        return unit_length(features) if self.normalise else features
