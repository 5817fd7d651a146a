"""The base of all deep hashers: their parameters, their fit, and their codes.

A method is a dataclass (its parameters, with the paper's values as defaults), its loss, its schedule and, if it has
one, its code update. There are two ways to train: by mini-batches over all train items (``epoch_hasher``), and in turns
the network, on a sample, and free codes of all train items (``alternating_hasher``). They are separate modules, so that
a change of one leaves the results of the other as they are. Inheritance is used for one reason: the parameters of a
plugin are those of its constructor, and a dataclass inherits them. torch is imported in functions, so that a grid's
errors come at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from bench.interfaces import Codes, Context, Float, Items, Model
from methods.backbones import SMALLEST, BackboneChoice, BackboneName, ImageSize
from methods.parameters import Count, Natural, NotNegative, Positive, TwoOrMore, check_parameters
from methods.reading import Augmentation, Precision, Preprocessing, Reading

if TYPE_CHECKING:
    from torch import nn

    from methods.backbones.backbone import Backbone
    from methods.hashing.deep.training.learning import Learning


@dataclass(kw_only=True, eq=False)
class DeepHasher:
    """The parameters and members of every deep hasher.

    A number of items, such as ``batch_size``, is a bound: `Context.say` tells if there are fewer. ``log.csv`` and the
    checkpoint are in ``context.folder``. ``backbone`` and the four parameters after it are those of
    `methods.backbones.BackboneChoice`.

    A method with ``label_sets`` takes labels that are sets of classes. One with ``reads_images`` changes the images, or
    cuts the trunk: its network is given images even if the trunk is frozen.

    ``preprocessing``: of test and database images (published codes: crop)
    ``augmentation``: of train images, unless the trunk is frozen (published codes: resized_crop, of most methods)
    ``cached_side``, ``inference_precision``: see `methods.reading.Reading`
    ``precision``: of the training (published codes: 32-true)
    ``optimizer``: "sgd" (with ``momentum``), "nesterov" or "adam"
    ``learning_rate``: the rate of the new layers
    ``backbone_rate``: the rate of the layers copied from the backbone, over that of the new ones
    ``validation``: train items held out by seed, a quarter of all at most and never the last of a class. The training
        does not see their images, but a trunk pretrained on the train items has. The network with their best mAP
        against the other train items is kept as the model "best_on_validation".
    ``validate_every``: steps from one such mAP to the next; the last step has one too
    ``devices``: devices of this machine that share a training, each by a process of its own; a batch is shared among
        them, and the loss is that of the whole batch. A method that is not ``shareable`` has 1.
    ``nodes``: machines that share it, see `methods.ranks`
    """

    check_parameters: ClassVar[dict[str, Any]] = {
        **SMALLEST, "frozen_trunk": True, "bits": 12, "batch_size": 32, "epochs": 1
    }  # fmt: skip
    label_sets: ClassVar[bool] = False
    reads_images: ClassVar[bool] = False
    shareable: ClassVar[bool] = True
    bits: Count = 32
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
    batch_size: TwoOrMore = 64
    optimizer: Literal["sgd", "nesterov", "adam"] = "sgd"
    learning_rate: Positive = 1e-3
    backbone_rate: NotNegative = 1.0
    momentum: NotNegative = 0.9
    weight_decay: NotNegative = 1e-4
    validation: Natural = 0
    validate_every: Count = 5
    devices: Count = 1
    nodes: Count = 1
    database_codes_: Codes | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.devices * self.nodes > 1 and not self.shareable:
            told = f"{type(self).__name__} cannot be shared among devices, since it draws at random for a whole batch"
            raise ValueError(f"devices={self.devices}, nodes={self.nodes}: {told}; use 1")
        reading = Reading(self.preprocessing, self.augmentation, self.cached_side, self.inference_precision)
        self.choice = BackboneChoice(
            self.backbone, self.weights, self.image_size, self.frozen_trunk, self.pretrain_epochs, reading
        )
        self._learned: Learning | None = None

    @property
    def models(self) -> tuple[Model, ...]:
        return ("last", "best_on_validation", "oracle") if self.validation else ("last", "oracle")

    @property
    def cached_trunk(self) -> bool:
        """The network is given the outputs of a frozen trunk, which are computed once, in place of images."""
        return self.frozen_trunk and not self.reads_images

    def fit(self, train: Items, context: Context) -> Self:
        """Train, or go on from the checkpoint in ``context.folder``."""
        from methods.ranks import check_ranks, together
        from methods.training import device_of

        check_ranks(self, train, device_of(context.device))
        self._learned = self.learning(train, context)
        with together(self, train, context, self._learned.training.device):
            self._learned.run()
        self.use("last")
        return self

    def use(self, model: Model) -> None:
        learned = self.after_fit()
        learned.use(model)
        codes = learned.database_codes()
        self.database_codes_ = None if codes is None else Codes.pack(codes)

    def encode(self, items: Items) -> Codes:
        return self.after_fit().encode(items)

    def encode_real(self, items: Items) -> Float:
        return self.after_fit().encode_real(items)

    def after_fit(self) -> Learning:
        """The finished training; ``fit`` must have been called."""
        if self._learned is None:
            raise ValueError(f"{type(self).__name__}: fit comes before encode")
        return self._learned

    def learning(self, train: Items, context: Context) -> Learning:
        raise NotImplementedError

    def network(self, backbone: Backbone, classes: int, seed: int) -> nn.Module:
        """The untrained network; its outputs have ``codes`` [b, bits], whose signs are the code."""
        from methods.hashing.deep.networks.common import HashNetwork

        return HashNetwork(backbone, self.bits, self.frozen_trunk)

    def rate(self, progress: float) -> float:
        """The share of the learning rate at ``progress`` (0 to 1) of the training."""
        return 1.0
