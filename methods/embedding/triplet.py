"""Triplet embedding (FaceNet, CVPR 2015): the real-valued features of ExchNet's re-ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from bench.interfaces import Context, Float, Items
from methods.backbones import SMALLEST, BackboneChoice, BackboneName, ImageSize
from methods.parameters import Count, Natural, NotNegative, Positive, TwoOrMore, check_parameters

if TYPE_CHECKING:
    from methods.embedding.triplet_training import Fitted


@dataclass(kw_only=True, eq=False)
class Triplet:
    """Deep features of unit length, trained with the triplet loss on semi-hard triplets.

    ExchNet's supplement, section 1: semi-hard sampling, ResNet-50, SGD with ``weight_decay`` 5e-4, ``learning_rate``
    1e-5 divided by ``lr_divisor`` every ``lr_step`` epochs, 512 or 1024 dimensions. It does not state, and these are
    choices: FaceNet's ``margin`` on squared distances and unit length; ``momentum``, ``epochs``, and batches of
    ``images_per_class`` images of each of ``classes_per_batch`` classes, or of all where there are fewer. ``optimizer``
    "adamw" is for short trainings.

    Backbone: see `methods.backbones.BackboneChoice`. ``log.csv`` and the checkpoint are in ``context.folder``.
    """

    check_parameters: ClassVar[dict[str, Any]] = {**SMALLEST, "frozen_trunk": True, "epochs": 1, "dim": 16}
    dim: Count = 512
    backbone: BackboneName = "resnet50"
    weights: str = "imagenet"
    image_size: ImageSize = 224
    frozen_trunk: bool = False
    pretrain_epochs: Natural = 0
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

    def __post_init__(self) -> None:
        check_parameters(self)
        self.choice = BackboneChoice(
            self.backbone, self.weights, self.image_size, self.frozen_trunk, self.pretrain_epochs
        )
        self._fitted: Fitted | None = None

    def fit(self, train: Items, context: Context) -> Self:
        """Train, or go on from the checkpoint in ``context.folder``. ValueError: no images, or too few classes."""
        from methods.embedding.triplet_training import fit

        self._fitted = fit(self, train, context)
        return self

    def embed(self, items: Items) -> Float:
        """Features of unit length, float32 [n, dim]."""
        if self._fitted is None:
            raise ValueError("triplet: fit comes before embed")
        return self._fitted.embed(items)
