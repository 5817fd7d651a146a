"""Triplet embedding (FaceNet, CVPR 2015): the real-valued features of ExchNet's re-ranking."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from bench.interfaces import Context, Float, Items
from methods.backbones import SMALLEST, BackboneChoice, BackboneName, ImageSize
from methods.parameters import Count, Natural, NotNegative, Positive, TwoOrMore, check_parameters
from methods.reading import Augmentation, Precision, Preprocessing, Reading

if TYPE_CHECKING:
    from methods.embedding.triplet_training import Fitted


@dataclass(kw_only=True, eq=False)
class Triplet:
    """Deep features of unit length, trained with the triplet loss on semi-hard triplets.

    "Paper" is ExchNet's supplement, section 1. For ``weights``, ``frozen_trunk`` and ``pretrain_epochs`` see
    `methods.backbones.BackboneChoice`. ``log.csv`` and the checkpoint are in ``context.folder``.

    ``dim``: length of a feature (paper: 512 and 1024)
    ``backbone``: (paper: ResNet-50)
    ``image_size``: side in pixels (paper: not stated | choice: 224)
    ``preprocessing``: of test and database images (paper: not stated | choice: crop)
    ``augmentation``: of train images, unless the trunk is frozen (paper: not stated | choice: resized_crop)
    ``cached_side``, ``inference_precision``: see `methods.reading.Reading`
    ``precision``: of the training (paper: not stated | choice: 32-true)
    ``epochs``: epochs of the training (paper: not stated | choice: 90)
    ``classes_per_batch``: classes of a batch, or all if there are fewer (paper: not stated | choice: 16)
    ``images_per_class``: images of each class of a batch (paper: not stated | choice: 4)
    ``margin``: on squared distances (paper: not stated | choice: 0.2, FaceNet's)
    ``optimizer``: (paper: SGD | choice: "adamw" for short trainings)
    ``learning_rate``: (paper: 1e-5)
    ``lr_divisor``: the rate is divided by it every ``lr_step`` epochs (paper: 3)
    ``lr_step``: (paper: 30)
    ``momentum``: of SGD (paper: not stated | choice: 0.9)
    ``weight_decay``: (paper: 5e-4)
    ``devices``: devices of this machine that share a training, each by a process of its own; a batch is shared among
        them, and its triplets are those of the whole batch
    ``nodes``: machines that share it, see `methods.ranks`
    """

    check_parameters: ClassVar[dict[str, Any]] = {**SMALLEST, "frozen_trunk": True, "epochs": 1, "dim": 16}
    dim: Count = 512
    backbone: BackboneName = "resnet50"
    weights: str | Path = "imagenet"
    image_size: ImageSize = 224
    frozen_trunk: bool = False
    pretrain_epochs: Natural = 0
    preprocessing: Preprocessing = "crop"
    augmentation: Augmentation = "resized_crop"
    cached_side: Natural = 0
    precision: Precision = "32-true"
    inference_precision: Precision = "32-true"
    epochs: Count = 90
    classes_per_batch: TwoOrMore = 16
    images_per_class: TwoOrMore = 4
    margin: Positive = 0.2
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Positive = 1e-5
    lr_divisor: Positive = 3.0
    lr_step: Count = 30
    momentum: NotNegative = 0.9
    weight_decay: NotNegative = 5e-4
    devices: Count = 1
    nodes: Count = 1

    def __post_init__(self) -> None:
        check_parameters(self)
        reading = Reading(self.preprocessing, self.augmentation, self.cached_side, self.inference_precision)
        self.choice = BackboneChoice(
            self.backbone, self.weights, self.image_size, self.frozen_trunk, self.pretrain_epochs, reading
        )
        self._fitted: Fitted | None = None

    def fit(self, train: Items, context: Context) -> Self:
        from methods.embedding.triplet_training import fit

        self._fitted = fit(self, train, context)
        return self

    def embed(self, items: Items) -> Float:
        if self._fitted is None:
            raise ValueError("triplet: fit comes before embed")
        return self._fitted.embed(items)
